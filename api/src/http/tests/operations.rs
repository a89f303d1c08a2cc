//! Several operations in one request, and operations that ask for too much.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::super::Limits;
use super::{Server, TOKEN};

fn list(queries: &[&str]) -> String {
    let operations: Vec<Value> = queries.iter().map(|query| json!({ "query": query })).collect();
    Value::from(operations).to_string()
}

#[tokio::test]
async fn a_list_is_answered_in_its_order() {
    let server = Server::start().await;
    let queries = ["mutation { login }", "{ nothing }", "{ panics }", "{ role }"];
    let answer = server.json(Some(TOKEN), &list(&queries)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let answers = answer.value();
    assert_eq!(answers.as_array().unwrap().len(), 4, "{answers}");
    assert!(answers[0]["data"]["login"].is_string());
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "INTERNAL");
    assert_eq!(answers[3]["data"]["role"], "Teacher");
    // Who asks was looked up once for all of them.
    assert_eq!(server.fake.0.looks.load(Ordering::SeqCst), 1);

    let answer = server.json(None, &list(&["{ role }"])).await.value();
    assert_eq!(answer[0]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_list_is_short_and_not_empty() {
    let server = Server::start().await;
    let full = server.json(Some(TOKEN), &list(&["{ role }"; 10])).await;
    assert_eq!(full.value().as_array().unwrap().len(), 10);
    for (body, says) in [
        (list(&[]), "no operation"),
        (list(&["{ role }"; 11]), "at most 10"),
        (list(&["{ role }"; 1000]), "at most 10"),
        // What is too much is not even looked at.
        (format!("[{}7,7]", "{},".repeat(10)), "at most 10"),
        ("[{\"query\":\"{ role }\"}".to_owned(), "JSON"),
        ("[{\"query\":\"{ role }\"}] x".to_owned(), "JSON"),
        ("[7]".to_owned(), "JSON"),
        ("[[{\"query\":\"{ role }\"}]]".to_owned(), "JSON"),
    ] {
        let message = server.json(Some(TOKEN), &body).await.refused(400, "BAD_REQUEST");
        assert!(message.contains(says), "{message}");
    }
    let two = Server::with(Limits {
        operations_per_request: 2,
        ..Limits::default()
    })
    .await;
    let message = two
        .json(None, &list(&["{ role }"; 3]))
        .await
        .refused(400, "BAD_REQUEST");
    assert!(message.contains("at most 2"), "{message}");
}

#[tokio::test]
async fn a_list_is_one_body() {
    let server = Server::start().await;
    let padded = format!("{{ role }} # {}", "x".repeat(7_000));
    let answer = server.json(None, &list(&[&*padded; 10])).await;
    answer.refused(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn operations_that_ask_too_much_are_told_the_limit() {
    let server = Server::start().await;
    let (mut logins, mut aliases) = (String::new(), String::new());
    for i in 0..1000 {
        let _ = write!(logins, "a{i}: login ");
    }
    for i in 0..5000 {
        let _ = write!(aliases, "a{i}: role ");
    }
    for (query, says) in [
        (format!("mutation {{ {logins} }}"), "10 fields at its root"),
        (
            format!("mutation {{ {} }}", "login ".repeat(11)),
            "10 fields at its root",
        ),
        (format!("{{ {aliases} }}"), "4000 tokens"),
        (
            format!("{{ {} }}", aliases.split_at(aliases.find("a31").unwrap()).0),
            "30 aliases",
        ),
        (format!("{{ role{} }}", " @skip(if: false)".repeat(51)), "50 directives"),
        (
            "subscription { silence ticks(count: 1) }".to_owned(),
            "1 field at its root",
        ),
    ] {
        let body = json!({ "query": query }).to_string();
        let message = server.json(None, &body).await.refused(200, "BAD_REQUEST");
        assert!(message.contains(says), "{message}");
        // In a list just as alone.
        let answer = server.json(None, &list(&["mutation { login }", &query])).await.value();
        assert_eq!(answer[0]["data"]["login"], "Anonymous");
        assert_eq!(answer[1]["errors"][0]["message"], message);
    }
}
