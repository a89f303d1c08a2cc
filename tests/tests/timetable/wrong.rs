//! Single sessions that cannot be, and names as people have them.

use serde_json::{Value, json};
use tests::both;
use tests::client::data;
use tests::school::School;
use tests::world::{Setup, World};

use crate::{CREATE_SESSION, UPDATE_CLASS, count, invalid, refusal};

async fn sessions(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    for (starts, ends, field) in [
        ("2027-01-04T09:00:00Z", "2027-01-04T08:00:00Z", "endsAt"),
        ("2027-01-04T09:00:00Z", "2027-01-04T09:00:00Z", "endsAt"),
        ("2027-01-04T09:00:00Z", "2027-01-05T09:00:01Z", "endsAt"),
        ("2027-01-04T09:00:00.0000001Z", "2027-01-04T09:00:00.0000009Z", "endsAt"),
        ("2027-01-04T09:00:00Z", "2127-01-04T09:00:00Z", "endsAt"),
        ("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z", "startsAt"),
        ("9999-12-31T23:00:00Z", "9999-12-31T23:30:00Z", "startsAt"),
        ("-4712-01-01T00:00:00Z", "2027-01-04T09:00:00Z", "startsAt"),
        ("+262142-01-01T00:00:00Z", "+262142-01-01T01:00:00Z", "startsAt"),
    ] {
        let input = json!({ "classId": school.class, "startsAt": starts, "endsAt": ends });
        let answer = admin.raw(CREATE_SESSION, json!({ "input": input })).await;
        assert_eq!(refusal(&answer), invalid(field), "{starts} {ends}");
    }
    for starts in ["2027-02-30T09:00:00Z", "2027-01-04", "2027-01-04T25:00:00Z", "now", ""] {
        let input = json!({ "classId": school.class, "startsAt": starts, "endsAt": "2027-01-04T09:00:00Z" });
        let answer = admin.raw(CREATE_SESSION, json!({ "input": input })).await;
        assert_eq!(refusal(&answer).0, "BAD_REQUEST", "{starts}");
    }
    assert_eq!(count(&admin, &school.class).await, 0);

    // A hundred years are a range like another; one that no calendar has is refused.
    let listed = async |from: &str, to: &str| {
        let query = "query($range: DateRange!) { sessions(range: $range) { totalCount } }";
        admin.raw(query, json!({ "range": { "from": from, "to": to } })).await
    };
    assert_eq!(
        data(listed("1970-01-02", "2070-01-01").await)["sessions"]["totalCount"],
        0
    );
    for (from, to) in [
        ("2027-01-02", "2027-01-01"),
        ("+262142-12-01", "+262142-12-31"),
        ("-262143-01-01", "2027-01-01"),
    ] {
        let (code, field) = refusal(&listed(from, to).await);
        assert_eq!(code, "INVALID_INPUT", "{from} {to}");
        assert!(field.is_some(), "{from} {to}");
    }
    let zone = admin
        .raw(
            "mutation { updateOrganization(input: { timezone: \"Europe/Atlantis\" }) { organization { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(refusal(&zone), invalid("timezone"));
}

both!(a_session_that_cannot_be, sessions, |s| Setup { workers: 0, ..s });

async fn names(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 0).await;
    for (n, name) in [
        "الصف الأول — الجبر",
        "高等数学（上）",
        "שיעור א׳",
        "Ωμέγα",
        "ქართული",
        "हिन्दी कक्षा",
        "e\u{301}cole nin\u{303}os",
        "👩🏽‍🏫🧮",
        "\u{202e}gnirts\u{202c}",
        "𝔐𝔞𝔱𝔥𝔰",
        "'; DROP TABLE session; --",
        "100 % _ \\",
    ]
    .into_iter()
    .enumerate()
    {
        let input = json!({ "name": name, "code": format!("{name}{n}") });
        let got = data(
            admin
                .raw(UPDATE_CLASS, json!({ "id": school.class, "input": input }))
                .await,
        );
        assert_eq!(got["updateClass"]["class"]["name"], name);
        let day = 4 + n;
        let input = json!({ "classId": school.class, "title": name, "startsAt": format!("2027-01-{day:02}T08:00:00Z"),
            "endsAt": format!("2027-01-{day:02}T09:00:00Z") });
        let made = data(admin.raw(CREATE_SESSION, json!({ "input": input })).await);
        assert_eq!(made["createSession"]["session"]["title"], name);
        let found = admin
            .query(
                "query($search: String!) { classes(search: $search) { nodes { id } } }",
                json!({ "search": name }),
            )
            .await;
        assert_eq!(found["classes"]["nodes"], json!([{ "id": school.class }]), "{name}");
    }
    // The longest that goes, in characters and not in bytes.
    let input = json!({ "name": "界".repeat(200), "code": "界".repeat(200) });
    data(
        admin
            .raw(UPDATE_CLASS, json!({ "id": school.class, "input": input }))
            .await,
    );
    let refused = admin
        .raw(
            UPDATE_CLASS,
            json!({ "id": school.class, "input": { "code": "界".repeat(201) } }),
        )
        .await;
    assert_eq!(refusal(&refused), invalid("code"));
    let unchanged = admin
        .raw(UPDATE_CLASS, json!({ "id": school.class, "input": {} }))
        .await;
    assert_eq!(data(unchanged)["updateClass"]["class"]["department"], Value::Null);
}

both!(names_in_every_script, names, |s| Setup { workers: 0, ..s });
