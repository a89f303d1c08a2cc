//! What is left of somebody erased, by an admin and by themselves: a row without a name, marks that
//! count, and nothing else.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use service::{Scope, accounts};
use tests::both;
use tests::client::{Client, code};
use tests::fake;
use tests::socket::{Got, Socket};
use tests::world::{PASSWORD, World};

use crate::people::{
    Land, NAME, Student, Teacher, ZEB, assert_id_only_where_it_may, delete_account, delete_user, embedding, opens_to,
    refused,
};
use crate::scan::{Kept, uuid};

const USER: &str = "id fullName status email hasLogin rollNumber department { id } settings { locale } \
     classes { totalCount } faceTemplates { id } enrolled";

/// The session as the numbers and the roll tell it, without names and remarks.
async fn session(client: &Client, id: &str) -> Value {
    let data = client
        .query(
            "query($id: ID!) { session(id: $id) { \
             summary { expected present late excused absent unmarked } \
             roll { totalCount nodes { student { id } mark { status source similarity markedAt } \
             history { from to source at } } } } }",
            json!({ "id": id }),
        )
        .await;
    let mut session = data["session"].clone();
    // By name, so that one without comes first.
    let nodes = session["roll"]["nodes"].as_array_mut().unwrap();
    nodes.sort_by_key(|node| node["student"]["id"].to_string());
    session
}

/// How the erased one looks to an admin: by id and nowhere else.
async fn assert_nameless(land: &Land, id: &str, class: &str) {
    let lists = "users { nodes { id } } found: users(filter: { search: \"quisquilian\" }) { totalCount } \
         erased: users(filter: { status: ERASED }) { totalCount } \
         departments { head { id } users { nodes { id } } } \
         class(id: $class) { teachers { id } students { nodes { id } } studentCount unenrolledStudents { id } }";
    let query = format!(
        "query($id: ID!, $class: ID!) {{ node(id: $id) {{ ... on User {{ {USER} }} }} user(id: $id) {{ {USER} }} {lists} }}"
    );
    let mut seen = land.admin.query(&query, json!({ "id": id, "class": class })).await;
    for way in ["node", "user"] {
        let user = seen[way].take();
        assert_eq!(
            user,
            json!({ "id": id, "fullName": "", "status": "ERASED", "email": null, "hasLogin": false,
                "rollNumber": null, "department": null, "settings": null, "classes": null,
                "faceTemplates": null, "enrolled": null }),
            "{way}"
        );
    }
    assert!(!seen.to_string().contains(id), "in a list: {seen:#}");
    assert_eq!(seen["found"]["totalCount"], 0);
    assert_eq!(seen["erased"]["totalCount"], 0);
}

/// Nobody can bring the erased one back, or hang something on them.
async fn assert_out_of_reach(land: &Land, id: &str, session: &str) {
    let again = [
        "mutation($id: ID!) { setUserStatus(id: $id, status: ACTIVE) { user { id } } }",
        "mutation($id: ID!) { updateUser(id: $id, input: { fullName: \"Back\" }) { user { id } } }",
        "mutation($id: ID!) { inviteUser(input: { userId: $id, email: \"back@example.org\" }) { user { id } } }",
        "mutation($id: ID!) { deleteUser(id: $id) { deletedId } }",
        "mutation($id: ID!) { createDepartment(input: { name: \"B\", code: \"B\", headId: $id }) { department { id } } }",
        "mutation($id: ID!) { createClass(input: { name: \"B\", code: \"B\", teacherIds: [$id] }) { class { id } } }",
        "mutation($id: ID!) { enrolFaces(userId: $id, photos: [{ base64: \"iVBORw0KGgo=\" }]) { job { id } } }",
    ];
    for mutation in again {
        assert_eq!(
            refused(&land.admin, mutation, json!({ "id": id })).await,
            "NOT_FOUND",
            "{mutation}"
        );
    }
    let added = land
        .admin
        .query(
            "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { \
             results { error { code } } } }",
            json!({ "class": land.school.class, "id": id }),
        )
        .await;
    assert_eq!(added["addStudents"]["results"][0]["error"]["code"], "NOT_FOUND");
    let input = json!({ "sessionId": session, "studentId": id, "status": "ABSENT", "remark": "it was Zebulon" });
    let mark = "mutation($input: MarkInput!) { markAttendance(input: $input) { mark { id } } }";
    assert_eq!(
        refused(&land.admin, mark, json!({ "input": input })).await,
        "NOT_FOUND",
        "a remark would tell who it was"
    );
}

async fn assert_signed_out(stranger: &Client, who: &crate::people::Somebody, socket: &mut Socket) {
    let answer = who.client.raw("{ viewer { id } }", json!({})).await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
    let refresh = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken } }";
    let answer = stranger.raw(refresh, json!({ "token": who.refresh })).await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
    let login =
        "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { accessToken } }";
    let answer = stranger
        .raw(login, json!({ "email": who.email, "password": PASSWORD }))
        .await;
    assert_eq!(code(&answer), "UNAUTHENTICATED");
    // Told, and not found out at the next look half a minute later.
    assert_eq!(socket.within(Duration::from_secs(10)).await, Some(Got::Closed(4401)));
}

async fn student(world: World, by_themselves: bool) {
    let land = Land::of(world).await;
    let zeb = Student::of(&land).await;
    let id = zeb.who.id.as_str();
    let face = embedding(fake::person(ZEB));
    let before = Kept::of(&land.world).await;
    before.assert_all_here(&zeb.needles);
    assert!(opens_to(&land, &face).await);
    for bytes in zeb.gone.iter().chain([&zeb.stays]) {
        assert!(before.has_object(bytes));
    }
    let mut told = Vec::new();
    for session_id in &zeb.sessions {
        told.push(session(&land.admin, session_id).await);
    }
    let mut socket = Socket::open(&zeb.who.client).await;

    if by_themselves {
        let erased = delete_account(&zeb.who.client).await;
        // Four portraits, and one photo alone at each of a recognition and an identification.
        assert_eq!(erased, json!({ "erasedTemplates": 4, "erasedPhotos": 6 }));
    } else {
        delete_user(&land, id).await;
    }

    assert_signed_out(&land.world.stranger(), &zeb.who, &mut socket).await;
    let after = Kept::of(&land.world).await;
    after.assert_none_here(&zeb.needles);
    after.assert_none_here(&[("the embedding".to_owned(), face.clone())]);
    assert!(!opens_to(&land, &face).await);
    for bytes in &zeb.gone {
        assert!(!after.has_object(bytes), "a picture of the erased is in the store");
    }
    assert!(after.has_object(&zeb.stays), "a photo of several stays");
    assert_id_only_where_it_may(&after.columns_with(uuid(id)));

    for (session_id, before) in zeb.sessions.iter().zip(told) {
        assert_eq!(
            session(&land.admin, session_id).await,
            before,
            "the marks stay as they were"
        );
    }
    assert_nameless(&land, id, &land.school.class).await;
    assert_out_of_reach(&land, id, &zeb.sessions[1]).await;
    let photos = "query($alone: ID!, $together: ID!) { alone: node(id: $alone) { ... on Photo { url annotatedUrl } } \
         together: node(id: $together) { ... on Photo { url faces { student { id fullName } cropUrl } } } }";
    let seen = land
        .admin
        .query(photos, json!({ "alone": zeb.alone, "together": zeb.together }))
        .await;
    assert_eq!(seen["alone"], json!({ "url": null, "annotatedUrl": null }));
    assert!(seen["together"]["url"].is_string());
    let faces = seen["together"]["faces"].as_array().unwrap();
    let theirs = faces.iter().find(|face| face["student"]["id"] == *id).unwrap();
    assert_eq!(theirs["student"]["fullName"], "");
    assert_eq!(theirs["cropUrl"], Value::Null);

    free_again(&land, &zeb).await;
}

/// The address and the roll number belong to nobody.
async fn free_again(land: &Land, zeb: &Student) {
    let account = accounts::NewAccount {
        full_name: NAME,
        email: &zeb.who.email,
        password: PASSWORD,
        role: Role::Student,
    };
    let scope = Scope::System("test");
    let again = accounts::add(&land.world.service, &scope, land.organization, &account)
        .await
        .unwrap();
    assert_ne!(again, zeb.who.person);
    let id = format!("usr_{}", again.0.simple());
    land.update(&id, json!({ "rollNumber": zeb.roll_number })).await;
    let back = land.world.stranger().login(&zeb.who.email, PASSWORD).await;
    let mine = back
        .query(
            "{ viewer { id classes { totalCount } faceTemplates { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        mine["viewer"],
        json!({ "id": id, "classes": { "totalCount": 0 }, "faceTemplates": [] })
    );
}

async fn student_by_an_admin(world: World) {
    student(world, false).await;
}

async fn student_by_themselves(world: World) {
    student(world, true).await;
}

both!(a_student_erased_by_an_admin_leaves_marks_alone, student_by_an_admin);
both!(
    a_student_who_erases_themselves_leaves_marks_alone,
    student_by_themselves
);

async fn teacher(world: World, by_themselves: bool) {
    let land = Land::of(world).await;
    let zeb = Teacher::of(&land).await;
    let id = zeb.who.id.as_str();
    Kept::of(&land.world).await.assert_all_here(&zeb.needles);
    let told = session(&land.admin, &zeb.session).await;
    let mut socket = Socket::open(&zeb.who.client).await;
    if by_themselves {
        let erased = delete_account(&zeb.who.client).await;
        assert_eq!(erased, json!({ "erasedTemplates": 0, "erasedPhotos": 0 }));
    } else {
        delete_user(&land, id).await;
    }
    assert_signed_out(&land.world.stranger(), &zeb.who, &mut socket).await;
    let after = Kept::of(&land.world).await;
    after.assert_none_here(&zeb.needles);
    assert_id_only_where_it_may(&after.columns_with(uuid(id)));
    assert_eq!(session(&land.admin, &zeb.session).await, told);
    assert_nameless(&land, id, &zeb.class.class).await;
    // What they did stays, done by nobody of a name.
    let done = "query($id: ID!) { session(id: $id) { jobs { submittedBy { fullName status } } photos { url \
         uploadedBy { fullName } } roll { nodes { mark { markedBy { fullName } remark } history { by { fullName } } } } } }";
    let seen = land.admin.query(done, json!({ "id": zeb.session })).await["session"].clone();
    assert_eq!(
        seen["jobs"],
        json!([{ "submittedBy": { "fullName": "", "status": "ERASED" } }])
    );
    assert_eq!(seen["photos"][0]["uploadedBy"]["fullName"], "");
    assert!(seen["photos"][0]["url"].is_string(), "a photo of a student stays");
    let marks = seen["roll"]["nodes"].as_array().unwrap();
    let by_hand = marks.iter().find(|line| line["mark"]["remark"] == "ill").unwrap();
    assert_eq!(by_hand["mark"]["markedBy"]["fullName"], "");
    assert_eq!(by_hand["history"][0]["by"]["fullName"], "");
}

async fn teacher_by_an_admin(world: World) {
    teacher(world, false).await;
}

async fn teacher_by_themselves(world: World) {
    teacher(world, true).await;
}

both!(a_teacher_erased_by_an_admin_leaves_their_work, teacher_by_an_admin);
both!(a_teacher_who_erases_themselves_leaves_their_work, teacher_by_themselves);
