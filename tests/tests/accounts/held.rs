//! A request whose body is held back is of whoever its sender is when it comes to be run.

use std::time::Duration;

use serde_json::{Value, json};
use service::kinds::Role;
use tests::both;
use tests::client::code;
use tests::world::{Setup, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn outlives_nothing(world: World) {
    let (organization, admin) = world.organization("School").await;
    let (id, second) = world.member(organization, "Ben Admin", Role::Admin).await;
    let body = json!({ "query": "mutation { createDepartment(input: { name: \"Late\", code: \"L\" }) { department { id } } }" })
        .to_string();
    let address = world.bases[0].strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        second.token.as_ref().unwrap(),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (first, rest) = body.split_at(5);
    socket.write_all(first.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    admin
        .query(
            "mutation($id: ID!) { setUserStatus(id: $id, status: SUSPENDED) { user { status } } }",
            json!({ "id": format!("usr_{}", id.0.simple()) }),
        )
        .await;
    socket.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    // Perhaps in chunks: the object is what lies between the outermost braces.
    let json = &json[json.find('{').unwrap()..=json.rfind('}').unwrap()];
    let answer: Value = serde_json::from_str(json).unwrap();
    assert_eq!(code(&answer), "UNAUTHENTICATED", "{answer}");
    let left = admin.query("{ departments { name } }", json!({})).await;
    assert_eq!(left["departments"], json!([]));
}

both!(a_body_that_is_held_back_outlives_no_suspension, outlives_nothing, |s| {
    Setup { workers: 0, ..s }
});
