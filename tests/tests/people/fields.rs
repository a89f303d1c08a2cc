//! What is known of somebody: entered, changed, left alone, cleared.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::world::{Setup, World};

use crate::{conflict, create, create_raw, delete, global, invalid, me, refusal, unknown, update, update_raw};

async fn entered(world: World) {
    let (_, admin) = world.organization("School").await;
    let made = create(
        &admin,
        json!({ "fullName": "  Zoë Ångström ", "role": "STUDENT", "email": " Zoe@Example.ORG ", "rollNumber": " 7 " }),
    )
    .await;
    assert_eq!(made["fullName"], "Zoë Ångström");
    assert_eq!(made["email"], "zoe@example.org");
    assert_eq!(made["rollNumber"], "7");
    assert_eq!(
        (&made["hasLogin"], &made["status"], &made["department"]),
        (&json!(false), &json!("ACTIVE"), &Value::Null)
    );
    let bare = create(
        &admin,
        json!({ "fullName": "Bare", "role": "TEACHER", "email": "", "rollNumber": null }),
    )
    .await;
    assert_eq!((&bare["email"], &bare["rollNumber"]), (&Value::Null, &Value::Null));
    // An address by which somebody is reached is nobody's login: two may share it.
    create(
        &admin,
        json!({ "fullName": "Twin", "role": "STUDENT", "email": "zoe@example.org" }),
    )
    .await;

    for (input, problem) in [
        (json!({ "fullName": " ", "role": "STUDENT" }), invalid("fullName")),
        (json!({ "fullName": "a\u{7}b", "role": "STUDENT" }), invalid("fullName")),
        (
            json!({ "fullName": "x".repeat(201), "role": "STUDENT" }),
            invalid("fullName"),
        ),
        (
            json!({ "fullName": "A", "role": "STUDENT", "email": "a@b" }),
            invalid("email"),
        ),
        (
            json!({ "fullName": "A", "role": "STUDENT", "rollNumber": "9".repeat(201) }),
            invalid("rollNumber"),
        ),
        (
            json!({ "fullName": "A", "role": "STUDENT", "rollNumber": "7" }),
            conflict("ROLL_NUMBER_TAKEN"),
        ),
        (
            json!({ "fullName": "A", "role": "STUDENT", "departmentId": "dep_x" }),
            unknown(),
        ),
    ] {
        assert_eq!(refusal(&create_raw(&admin, input.clone()).await), problem, "{input}");
    }
    // A roll number is unique within the organization alone.
    let (_, elsewhere) = world.organization("Elsewhere").await;
    create(
        &elsewhere,
        json!({ "fullName": "A", "role": "STUDENT", "rollNumber": "7" }),
    )
    .await;
}

both!(somebody_is_entered_without_a_login, entered, |s| Setup {
    workers: 0,
    ..s
});

async fn changed(world: World) {
    let (organization, admin) = world.organization("School").await;
    let all = json!({ "fullName": "Ann Able", "role": "STUDENT", "email": "ann@example.org", "rollNumber": "1" });
    let ann = create(&admin, all).await;
    let id = &ann["id"];
    assert_eq!(update(&admin, id, json!({})).await, ann, "what is absent stays");
    let same = json!({ "fullName": "Ann Able", "role": "STUDENT", "email": "ann@example.org", "rollNumber": "1" });
    assert_eq!(update(&admin, id, same).await, ann);
    let renamed = update(&admin, id, json!({ "fullName": "Ann Baker" })).await;
    assert_eq!(
        (&renamed["fullName"], &renamed["email"]),
        (&json!("Ann Baker"), &ann["email"])
    );
    let cleared = update(
        &admin,
        id,
        json!({ "email": null, "rollNumber": null, "departmentId": null }),
    )
    .await;
    assert_eq!(
        (&cleared["email"], &cleared["rollNumber"], &cleared["department"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    create(
        &admin,
        json!({ "fullName": "Bob", "role": "STUDENT", "rollNumber": "2" }),
    )
    .await;
    let (mia_id, mia) = world.member(organization, "Mia Member", Role::Teacher).await;
    for (id, input, problem) in [
        (id, json!({ "fullName": null }), invalid("fullName")),
        (id, json!({ "fullName": "" }), invalid("fullName")),
        (id, json!({ "role": null }), invalid("role")),
        (id, json!({ "email": "nobody" }), invalid("email")),
        (id, json!({ "rollNumber": "2" }), conflict("ROLL_NUMBER_TAKEN")),
        (
            id,
            json!({ "departmentId": "dep_00000000000000000000000000000000" }),
            unknown(),
        ),
        (
            &json!("usr_00000000000000000000000000000000"),
            json!({ "fullName": "X" }),
            unknown(),
        ),
        // A login's address is changed by its owner alone.
        (
            &global(mia_id),
            json!({ "email": "other@example.org" }),
            conflict("HAS_LOGIN"),
        ),
        (&global(mia_id), json!({ "email": null }), conflict("HAS_LOGIN")),
    ] {
        assert_eq!(
            refusal(&update_raw(&admin, id, input.clone()).await),
            problem,
            "{input}"
        );
    }
    assert_eq!(me(&mia).await["fullName"], "Mia Member");
    assert!(me(&mia).await["email"].is_string());
    // Nothing of a refused change stays.
    let half = json!({ "fullName": "Half", "rollNumber": "2" });
    refusal(&update_raw(&admin, id, half).await);
    assert_eq!(update(&admin, id, json!({})).await["fullName"], "Ann Baker");

    // Who is erased is no longer there to be changed.
    delete(&admin, id).await;
    for _ in 0..2 {
        assert_eq!(
            refusal(&update_raw(&admin, id, json!({ "fullName": "X" })).await),
            unknown()
        );
        assert_eq!(refusal(&delete(&admin, id).await), unknown());
    }
}

both!(what_is_absent_stays_and_null_clears, changed, |s| Setup {
    workers: 0,
    ..s
});
