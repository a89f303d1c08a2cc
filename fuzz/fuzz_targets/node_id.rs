//! Any text as a global id, wherever a query takes one: found or not, never with a fault of ours, and what is
//! found has that id and no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_fuzz::with_world;
use serde_json::json;

const QUERY: &str = "query($id: ID!) { node(id: $id) { __typename id } user(id: $id) { id } class(id: $id) { id } \
     venue(id: $id) { id } session(id: $id) { id } job(id: $id) { id } \
     users(filter: { classId: $id }) { totalCount } sessions(venueId: $id, teacherId: $id) { totalCount } \
     jobs(filter: { sessionId: $id }) { totalCount } auditLog(actorId: $id) { totalCount } \
     marks(filter: { classId: $id, studentId: $id, departmentId: $id }) { totalCount } \
     faceTemplates(classId: $id) { totalCount } reviewQueue(classId: $id) { totalCount } }";
const MUTATION: &str = "mutation($id: ID!) { deleteVenue(id: $id) { deletedId } cancelJob(id: $id) { job { id } } \
     markAttendanceBulk(inputs: [{ sessionId: $id, studentId: $id, status: LATE }]) { results { error { code } } } \
     reviewFace(faceId: $id, decision: REASSIGN, studentId: $id) { face { id } } }";

fuzz_target!(|id: &str| {
    with_world(|world| {
        for document in [QUERY, MUTATION] {
            let body = json!({ "query": document, "variables": { "id": id } }).to_string();
            let answer = world.post("application/json", body.as_bytes(), 4096);
            answer.check();
            for root in ["node", "user", "class", "venue", "session", "job"] {
                let found = &answer.body["data"][root]["id"];
                assert!(found.is_null() || found == id, "{root} {id:?}: {found}");
            }
        }
    });
});
