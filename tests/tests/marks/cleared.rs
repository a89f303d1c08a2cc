//! Marks are withdrawn, and the history keeps them.

use serde_json::{Value, json};
use tests::both;
use tests::client::{Client, code};
use tests::school::{School, now};
use tests::world::World;

const CLEAR: &str = "mutation($session: ID!, $student: ID!, $remark: String) { \
     clearMark(sessionId: $session, studentId: $student, remark: $remark) { entry { student { id } \
     mark { status source } history { from to source remark by { fullName } } } } }";

async fn clear(client: &Client, session: &str, student: &str) -> Value {
    let variables = json!({ "session": session, "student": student, "remark": "a slip" });
    client.raw(CLEAR, variables).await
}

async fn summary(client: &Client, session: &str) -> Value {
    let query = "query($id: ID!) { session(id: $id) { summary { expected present absent unmarked } } }";
    client.query(query, json!({ "id": session })).await["session"]["summary"].clone()
}

async fn withdrawn(world: World) {
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 2).await;
    let [ann, bob] = [&school.students[0], &school.students[1]];
    let session = school.open_session().await;
    school.mark(&session, ann, "PRESENT").await;
    let entry = clear(&admin, &session, ann).await["data"]["clearMark"]["entry"].clone();
    assert_eq!(entry["mark"], Value::Null);
    assert_eq!(
        entry["history"],
        json!([
            { "from": null, "to": "PRESENT", "source": "MANUAL", "remark": null, "by": { "fullName": "Ada Admin" } },
            { "from": "PRESENT", "to": null, "source": "MANUAL", "remark": "a slip", "by": { "fullName": "Ada Admin" } },
        ])
    );
    assert_eq!(
        summary(&admin, &session).await,
        json!({ "expected": 2, "present": 0, "absent": 0, "unmarked": 2 })
    );
    assert_eq!(code(&clear(&admin, &session, ann).await), "NOT_FOUND");

    // Once closed everyone on the roll has a mark.
    school.mark(&session, ann, "PRESENT").await;
    school.set(&session, "closeSession").await;
    let entry = clear(&admin, &session, ann).await["data"]["clearMark"]["entry"].clone();
    assert_eq!(entry["mark"], json!({ "status": "ABSENT", "source": "AUTO" }));
    assert_eq!(
        summary(&admin, &session).await,
        json!({ "expected": 2, "present": 0, "absent": 2, "unmarked": 0 })
    );
    let refused = clear(&admin, &session, bob).await;
    assert_eq!(refused["errors"][0]["extensions"]["reason"], "AUTOMATIC");

    // Before it is open, an excuse can be taken back too; and where it is cancelled, nothing.
    let later = school.session(now() + chrono::TimeDelta::hours(2)).await;
    school.mark(&later, ann, "EXCUSED").await;
    assert_eq!(
        clear(&admin, &later, ann).await["data"]["clearMark"]["entry"]["mark"],
        Value::Null
    );
    assert_eq!(code(&clear(&admin, "nonsense", ann).await), "NOT_FOUND");
    assert_eq!(code(&clear(&admin, &later, "nonsense").await), "NOT_FOUND");
}

both!(a_mark_is_withdrawn_and_its_history_stays, withdrawn);
