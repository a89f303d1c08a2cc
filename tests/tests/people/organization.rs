//! What an organization sets for everybody: each within its bounds, and what the workers go by.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::fake::{person, photo, similarity};
use tests::school::{School, ended};
use tests::world::{Setup, World};

use crate::{conflict, invalid, refusal};

const SETTINGS: &str = "name timezone settings { matchThreshold reviewThreshold minEnrolmentPhotos lateAfterMinutes \
     closeAfterMinutes photoRetentionDays requireLiveness checkInRadiusMeters maxUploadMegabytes }";

async fn set(admin: &Client, input: Value) -> Value {
    let query = format!(
        "mutation($input: UpdateOrganizationInput!) {{ updateOrganization(input: $input) {{ organization {{ {SETTINGS} }} }} }}"
    );
    admin.raw(&query, json!({ "input": input })).await
}

async fn now(admin: &Client) -> Value {
    let query = format!("{{ organization {{ {SETTINGS} }} }}");
    admin.query(&query, json!({})).await["organization"].clone()
}

async fn bounds(world: World) {
    let (_, admin) = world.organization("School").await;
    let first = now(&admin).await;
    assert_eq!(
        first,
        json!({ "name": "School", "timezone": "Europe/Madrid", "settings": {
            "matchThreshold": null, "reviewThreshold": null, "minEnrolmentPhotos": 3, "lateAfterMinutes": 10,
            "closeAfterMinutes": 15, "photoRetentionDays": 30, "requireLiveness": false, "checkInRadiusMeters": null,
            "maxUploadMegabytes": 25 } })
    );
    for (field, least, most) in [
        ("minEnrolmentPhotos", 1, 20),
        ("lateAfterMinutes", 0, 1440),
        ("closeAfterMinutes", 0, 1440),
        ("photoRetentionDays", 1, 3650),
        ("maxUploadMegabytes", 1, 100),
        ("checkInRadiusMeters", 10, 100_000),
    ] {
        for value in [json!(least - 1), json!(most + 1), json!(i32::MIN), json!(i32::MAX)] {
            assert_eq!(
                refusal(&set(&admin, json!({ field: value })).await),
                invalid(field),
                "{value}"
            );
        }
        for value in [least, most] {
            let answer = data(set(&admin, json!({ field: value })).await);
            assert_eq!(answer["updateOrganization"]["organization"]["settings"][field], value);
        }
        let cleared = set(&admin, json!({ field: null })).await;
        if field == "checkInRadiusMeters" {
            assert_eq!(
                data(cleared)["updateOrganization"]["organization"]["settings"][field],
                Value::Null
            );
        } else {
            assert_eq!(refusal(&cleared), invalid(field));
        }
    }
    for (input, field) in [
        (json!({ "name": null }), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "timezone": null }), "timezone"),
        (json!({ "timezone": "Mars/Olympus" }), "timezone"),
        (json!({ "timezone": "" }), "timezone"),
        (json!({ "requireLiveness": null }), "requireLiveness"),
        (json!({ "matchThreshold": 1.5 }), "matchThreshold"),
        (json!({ "reviewThreshold": -0.1 }), "reviewThreshold"),
    ] {
        assert_eq!(refusal(&set(&admin, input.clone()).await), invalid(field), "{input}");
    }
    // Nobody runs the models here, so there is nothing that a threshold would be of.
    assert_eq!(
        refusal(&set(&admin, json!({ "matchThreshold": 0.5 })).await),
        conflict("NO_EMBEDDER")
    );
    assert_eq!(
        refusal(&set(&admin, json!({ "matchThreshold": null })).await),
        conflict("NO_EMBEDDER")
    );

    // All or nothing, and what is absent stays.
    let before = now(&admin).await;
    refusal(&set(&admin, json!({ "name": "Half", "lateAfterMinutes": -1 })).await);
    refusal(&set(&admin, json!({ "name": "Half", "matchThreshold": 0.5 })).await);
    assert_eq!(now(&admin).await, before);
    data(set(&admin, json!({})).await);
    assert_eq!(now(&admin).await, before);
    let both = data(set(&admin, json!({ "name": " College ", "timezone": "Asia/Tokyo" })).await);
    let both = &both["updateOrganization"]["organization"];
    assert_eq!(
        (&both["name"], &both["timezone"]),
        (&json!("College"), &json!("Asia/Tokyo"))
    );
    assert_eq!(both["settings"], before["settings"]);
}

both!(each_setting_has_its_bounds, bounds, |s| Setup { workers: 0, ..s });

/// A stranger who resembles the first person so much, and nobody else in the class.
fn lookalike(least: f32, most: f32) -> usize {
    (100..5000)
        .find(|n| (least..most).contains(&similarity(person(0), person(*n))))
        .unwrap()
}

async fn thresholds(world: World) {
    let (_, admin) = world.organization("School").await;
    let (_, elsewhere) = world.organization("Elsewhere").await;
    let school = School::enrolled(&admin, 1).await;
    let other = School::enrolled(&elsewhere, 1).await;
    let picture = photo(&[person(lookalike(0.35, 0.5))]);
    let decision = async |school: &School| {
        let session = school.open_session().await;
        let job = ended(&school.teacher, &school.submit(&session, picture.clone()).await).await;
        json!([
            job["faces"][0]["decision"],
            job["faces"][0]["reason"],
            job["marks"].as_array().unwrap().len()
        ])
    };
    assert_eq!(decision(&school).await, json!(["UNKNOWN", "BELOW_THRESHOLD", 0]));

    // The catalog says match at 0.9 and review at 0.8.
    for (input, field) in [
        (json!({ "reviewThreshold": 0.95 }), "reviewThreshold"),
        (
            json!({ "matchThreshold": 0.5, "reviewThreshold": 0.6 }),
            "reviewThreshold",
        ),
        // Whoever gave only this has to look at this.
        (json!({ "matchThreshold": 0.7 }), "matchThreshold"),
    ] {
        assert_eq!(refusal(&set(&admin, input.clone()).await), invalid(field), "{input}");
    }
    data(set(&admin, json!({ "reviewThreshold": 0.3 })).await);
    assert_eq!(
        decision(&school).await,
        json!(["NEEDS_REVIEW", "BETWEEN_THRESHOLDS", 0])
    );
    data(set(&admin, json!({ "matchThreshold": 0.3 })).await);
    assert_eq!(decision(&school).await, json!(["MATCHED", null, 1]));
    let settings = now(&admin).await["settings"].clone();
    assert_eq!(
        (&settings["matchThreshold"], &settings["reviewThreshold"]),
        (&json!(0.3), &json!(0.3))
    );
    assert_eq!(
        decision(&other).await,
        json!(["UNKNOWN", "BELOW_THRESHOLD", 0]),
        "another organization has its own"
    );
    assert_eq!(now(&elsewhere).await["settings"]["matchThreshold"], Value::Null);

    // The review's cannot stay below a match's that is not there any more: it may, being lower.
    data(set(&admin, json!({ "matchThreshold": null })).await);
    assert_eq!(
        decision(&school).await,
        json!(["NEEDS_REVIEW", "BETWEEN_THRESHOLDS", 0])
    );
    data(set(&admin, json!({ "reviewThreshold": null })).await);
    assert_eq!(decision(&school).await, json!(["UNKNOWN", "BELOW_THRESHOLD", 0]));
}

both!(recognition_goes_by_the_organizations_thresholds, thresholds);

/// A setting holds from the next request on: here how large a photo may be.
async fn uploads(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (_, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let school = School::with_students(&tess, 0).await;
    let session = school.open_session().await;
    let mut large = photo(&[person(1)]).to_vec();
    large.resize(2 << 20, 0);
    data(set(&admin, json!({ "maxUploadMegabytes": 1 })).await);
    let answer = school.submit_raw(&session, large.clone().into(), None).await;
    assert_eq!(code(&answer), "PAYLOAD_TOO_LARGE");
    data(set(&admin, json!({ "maxUploadMegabytes": 3 })).await);
    data(school.submit_raw(&session, large.into(), None).await);
}

both!(the_largest_upload_is_the_organizations, uploads);
