//! Users: filtered, searched, and paged both ways while people come.

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::{Client, code, data};
use tests::school::School;
use tests::world::{Setup, World};

use crate::{create, delete, set_status};

async fn names(client: &Client, filter: Value) -> Vec<String> {
    let found = client
        .query(
            "query($filter: UserFilter) { users(filter: $filter, first: 100) { nodes { fullName } totalCount } }",
            json!({ "filter": filter }),
        )
        .await;
    let names = strings(&found["users"]["nodes"]);
    assert_eq!(found["users"]["totalCount"], names.len());
    names
}

fn strings(nodes: &Value) -> Vec<String> {
    let nodes = nodes.as_array().unwrap();
    nodes
        .iter()
        .map(|n| n["fullName"].as_str().unwrap().to_owned())
        .collect()
}

async fn filters(world: World) {
    let (organization, admin) = world.organization("School").await;
    let department = admin
        .query(
            "mutation { createDepartment(input: { name: \"D\", code: \"D\" }) { department { id } } }",
            json!({}),
        )
        .await["createDepartment"]["department"]["id"]
        .clone();
    let person = |name: &str, role: &str, more: Value| {
        let mut input = json!({ "fullName": name, "role": role });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let one = |input: Value| create(&admin, input);
    one(person(
        "ÁNGEL Óscar",
        "STUDENT",
        json!({ "rollNumber": "A-50%", "email": "angel@example.org" }),
    ))
    .await;
    let bea = one(person("bea", "STUDENT", json!({ "departmentId": department }))).await;
    one(person("Carl_X", "TEACHER", json!({ "departmentId": department }))).await;
    let gone = one(person("Dora", "STUDENT", json!({}))).await;
    let out = one(person("Emil", "STUDENT", json!({}))).await;
    data(delete(&admin, &gone["id"]).await);
    data(set_status(&admin, &out["id"], "SUSPENDED").await);
    let (_, tess) = world.member(organization, "Tess", Role::Teacher).await;
    let school = School::enrolled(&tess, 1).await;
    let add = "mutation($class: ID!, $id: ID!) { addStudents(classId: $class, students: [{ id: $id }]) { results { error { code } } } }";
    tess.query(add, json!({ "class": school.class, "id": bea["id"] })).await;

    let all = [
        "Ada Admin",
        "bea",
        "Carl_X",
        "Emil",
        "Student 000",
        "Tess",
        "ÁNGEL Óscar",
    ];
    assert_eq!(names(&admin, Value::Null).await, all);
    assert_eq!(names(&admin, json!({})).await, all);
    for (filter, expected) in [
        (json!({ "role": "TEACHER" }), &["Carl_X", "Tess"][..]),
        (json!({ "status": "SUSPENDED" }), &["Emil"]),
        (json!({ "status": "ERASED" }), &[]),
        (json!({ "departmentId": department }), &["bea", "Carl_X"]),
        (json!({ "departmentId": department, "role": "STUDENT" }), &["bea"]),
        (json!({ "classId": school.class }), &["bea", "Student 000"]),
        (json!({ "enrolled": true }), &["Student 000"]),
        (json!({ "enrolled": false }), &["bea", "Emil", "ÁNGEL Óscar"]),
        (json!({ "rollNumber": " A-50% " }), &["ÁNGEL Óscar"]),
        (json!({ "rollNumber": "a-50%" }), &[]),
        (json!({ "search": "ángel" }), &["ÁNGEL Óscar"]),
        (json!({ "search": "óSC" }), &["ÁNGEL Óscar"]),
        (json!({ "search": "a-50%" }), &["ÁNGEL Óscar"]),
        (json!({ "search": "ANGEL@" }), &["ÁNGEL Óscar"]),
        (json!({ "search": "%" }), &["ÁNGEL Óscar"]),
        (json!({ "search": "l_x" }), &["Carl_X"]),
        (json!({ "search": " " }), &all),
        (json!({ "search": "dora" }), &[]),
    ] {
        assert_eq!(names(&admin, filter.clone()).await, expected, "{filter}");
    }
    // A teacher finds their students and themselves, and nobody by what they may not see.
    assert_eq!(names(&tess, Value::Null).await, ["bea", "Student 000", "Tess"]);
    assert_eq!(names(&tess, json!({ "departmentId": department })).await, ["bea"]);
    assert_eq!(names(&tess, json!({ "search": "a-50%" })).await, Vec::<String>::new());

    // Another organization's ids find nobody, as ids that are none.
    let (_, elsewhere) = world.organization("Elsewhere").await;
    for filter in [
        json!({ "departmentId": department }),
        json!({ "classId": school.class }),
    ] {
        assert_eq!(names(&elsewhere, filter).await, Vec::<String>::new());
    }
}

both!(people_are_found_by_what_is_known_of_them, filters);

/// Reads all pages in a direction; between two of them somebody comes before and after the place.
async fn walk(admin: &Client, forwards: bool, tag: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    for page in 0.. {
        let arguments = if forwards {
            "first: 3, after: $cursor"
        } else {
            "last: 3, before: $cursor"
        };
        let found = admin
            .query(
                &format!(
                    "query($cursor: String) {{ users(filter: {{ role: STUDENT }}, {arguments}) {{ edges {{ cursor node {{ fullName }} }} \
                     nodes {{ fullName }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
                ),
                json!({ "cursor": cursor }),
            )
            .await["users"]
            .clone();
        let mut names = strings(&found["nodes"]);
        let info = &found["pageInfo"];
        assert_eq!(found["edges"][0]["cursor"], info["startCursor"]);
        let (more, back, next) = if forwards {
            (&info["hasNextPage"], &info["hasPreviousPage"], &info["endCursor"])
        } else {
            names.reverse();
            (&info["hasPreviousPage"], &info["hasNextPage"], &info["startCursor"])
        };
        assert_eq!(*back, json!(page > 0));
        seen.extend(names);
        cursor = next.clone();
        for name in [format!("a new {tag} {page}"), format!("z new {tag} {page}")] {
            if page < 2 {
                create(admin, json!({ "fullName": name, "role": "STUDENT" })).await;
            }
        }
        if *more == json!(false) {
            return seen;
        }
    }
    unreachable!()
}

async fn pages(world: World) {
    let (_, admin) = world.organization("School").await;
    // Several of one name: their ids decide.
    for n in 0..10 {
        create(
            &admin,
            json!({ "fullName": format!("Mid {}", n / 4), "role": "STUDENT" }),
        )
        .await;
    }
    let old = |seen: &[String]| -> Vec<String> { seen.iter().filter(|n| n.starts_with("Mid")).cloned().collect() };
    let expected: Vec<String> = (0..10).map(|n| format!("Mid {}", n / 4)).collect();
    let there = walk(&admin, true, "there").await;
    assert_eq!(old(&there), expected, "each once, in order");
    assert!(!there.iter().any(|n| n.starts_with("a new")) && there.iter().any(|n| n.starts_with("z new")));
    let mut back = walk(&admin, false, "back").await;
    back.reverse();
    assert_eq!(old(&back), expected);
    assert!(back.iter().any(|n| n.starts_with("a new back")) && !back.iter().any(|n| n.starts_with("z new back")));

    for arguments in ["first: 101", "last: -1", "first: 1, last: 1", "after: \"x\""] {
        let answer = admin
            .raw(&format!("{{ users({arguments}) {{ totalCount }} }}"), json!({}))
            .await;
        assert_eq!(code(&answer), "INVALID_INPUT", "{arguments}");
    }
}

both!(pages_hold_while_people_come, pages, |s| Setup { workers: 0, ..s });

/// `SQLite` has a limit for patterns; a name has one long before.
async fn endless_search(world: World) {
    let (_, admin) = world.organization("School").await;
    create(&admin, json!({ "fullName": "Ana", "role": "STUDENT" })).await;
    let search = "x%".repeat(30_000);
    for query in [
        "query($search: String) { users(filter: { search: $search }) { totalCount } }",
        "query($search: String) { classes(search: $search) { totalCount } }",
        "query($search: String) { venues(search: $search) { totalCount } }",
    ] {
        let answer = admin.raw(query, json!({ "search": search })).await;
        assert_eq!(code(&answer), "INVALID_INPUT", "{query}");
        assert_eq!(answer["errors"][0]["extensions"]["field"], "search");
    }
}

both!(a_search_is_no_longer_than_a_name, endless_search, |s| Setup {
    workers: 0,
    ..s
});
