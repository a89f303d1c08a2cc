//! Departments: made, changed, deleted.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, data};
use tests::world::{Setup, World};

use crate::{conflict, create, delete, global, invalid, refusal, unknown, update};

async fn make(admin: &Client, input: Value) -> Value {
    admin
        .raw(
            "mutation($input: DepartmentInput!) { createDepartment(input: $input) { department { id name code head { fullName } } } }",
            json!({ "input": input }),
        )
        .await
}

async fn change(admin: &Client, id: &Value, input: Value) -> Value {
    admin
        .raw(
            "mutation($id: ID!, $input: UpdateDepartmentInput!) { updateDepartment(id: $id, input: $input) { \
             department { id name code head { fullName } } } }",
            json!({ "id": id, "input": input }),
        )
        .await
}

async fn departments(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (tess_id, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let student = create(&admin, json!({ "fullName": "Stu", "role": "STUDENT" })).await;
    let made = data(
        make(
            &admin,
            json!({ "name": " Physics ", "code": "PH", "headId": global(tess_id) }),
        )
        .await,
    );
    let physics = made["createDepartment"]["department"].clone();
    assert_eq!(
        (&physics["name"], &physics["code"], &physics["head"]["fullName"]),
        (&json!("Physics"), &json!("PH"), &json!("Tess"))
    );
    let made = data(make(&admin, json!({ "name": "arts", "code": "AR" })).await);
    let arts = made["createDepartment"]["department"].clone();
    assert_eq!(arts["head"], Value::Null);
    let erased = create(&admin, json!({ "fullName": "Gone", "role": "TEACHER" })).await;
    data(delete(&admin, &erased["id"]).await);

    for (input, problem) in [
        (json!({ "name": "X", "code": "PH" }), conflict("CODE_TAKEN")),
        (json!({ "name": "", "code": "X" }), invalid("name")),
        (json!({ "name": "X", "code": " " }), invalid("code")),
        (
            json!({ "name": "X", "code": "X", "headId": student["id"] }),
            invalid("headId"),
        ),
        (json!({ "name": "X", "code": "X", "headId": erased["id"] }), unknown()),
        (json!({ "name": "X", "code": "X", "headId": "usr_x" }), unknown()),
    ] {
        assert_eq!(refusal(&make(&admin, input.clone()).await), problem, "{input}");
    }
    for (input, problem) in [
        (json!({ "code": "AR" }), conflict("CODE_TAKEN")),
        (json!({ "name": null }), invalid("name")),
        (json!({ "code": null }), invalid("code")),
        (json!({ "headId": student["id"] }), invalid("headId")),
    ] {
        assert_eq!(
            refusal(&change(&admin, &physics["id"], input.clone()).await),
            problem,
            "{input}"
        );
    }
    // The same code again is no other; what is absent stays, and a head can be taken away.
    let same = data(change(&admin, &physics["id"], json!({ "code": "PH" })).await);
    assert_eq!(same["updateDepartment"]["department"], physics);
    let headless = data(
        change(
            &admin,
            &physics["id"],
            json!({ "headId": null, "name": "Natural Sciences" }),
        )
        .await,
    );
    let headless = &headless["updateDepartment"]["department"];
    assert_eq!((&headless["head"], &headless["code"]), (&Value::Null, &json!("PH")));
    // Another organization may have the same code.
    let (_, elsewhere) = world.organization("Elsewhere").await;
    data(make(&elsewhere, json!({ "name": "X", "code": "PH" })).await);
    assert_eq!(
        refusal(&change(&elsewhere, &physics["id"], json!({ "name": "X" })).await),
        unknown()
    );

    // By name, whatever its case.
    let all = tess
        .query(
            "{ departments { name } organization { departments { name } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        all["departments"],
        json!([{ "name": "arts" }, { "name": "Natural Sciences" }])
    );
    assert_eq!(all["organization"]["departments"], all["departments"]);
}

both!(a_department_is_made_and_changed, departments, |s| Setup {
    workers: 0,
    ..s
});

async fn deleted(world: World) {
    let (_, admin) = world.organization("School").await;
    let student = create(&admin, json!({ "fullName": "Stu", "role": "STUDENT" })).await;
    let made = data(make(&admin, json!({ "name": "Physics", "code": "PH" })).await);
    let physics = made["createDepartment"]["department"].clone();
    update(&admin, &student["id"], json!({ "departmentId": physics["id"] })).await;
    let class = admin
        .query(
            "mutation($department: ID!) { createClass(input: { name: \"C\", code: \"C\", departmentId: $department }) { \
             class { id department { code } } } }",
            json!({ "department": physics["id"] }),
        )
        .await["createClass"]["class"]
        .clone();
    assert_eq!(class["department"]["code"], "PH");
    let look = "query($class: ID!, $student: ID!, $department: ID!) { class(id: $class) { department { id } } \
                user(id: $student) { department { id } } node(id: $department) { ... on Department { users { nodes { id } totalCount } } } }";
    let variables = json!({ "class": class["id"], "student": student["id"], "department": physics["id"] });
    let before = admin.query(look, variables.clone()).await;
    assert_eq!(
        before["node"]["users"],
        json!({ "nodes": [{ "id": student["id"] }], "totalCount": 1 })
    );
    let remove = "mutation($id: ID!) { deleteDepartment(id: $id) { deletedId } }";
    let removed = admin.query(remove, json!({ "id": physics["id"] })).await;
    assert_eq!(removed["deleteDepartment"]["deletedId"], physics["id"]);
    let after = admin.query(look, variables).await;
    assert_eq!(
        after,
        json!({ "class": { "department": null }, "user": { "department": null }, "node": null })
    );
    assert_eq!(
        refusal(&admin.raw(remove, json!({ "id": physics["id"] })).await),
        unknown()
    );
    data(make(&admin, json!({ "name": "Physics", "code": "PH" })).await);
}

both!(people_and_classes_of_a_deleted_department_have_none, deleted, |s| {
    Setup { workers: 0, ..s }
});
