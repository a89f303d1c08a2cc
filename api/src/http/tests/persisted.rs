//! Queries by their hash, over HTTP; the sockets' own tests ask once as well.

use serde_json::{Value, json};

use super::super::persisted::hash_of;
use super::{Answer, Server, TOKEN};

const QUERY: &str = "{ role }";

pub(super) fn by_hash(query: &str, text: Option<&str>) -> Value {
    let hash = hash_of(query);
    let mut request = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    if let Some(text) = text {
        request["query"] = text.into();
    }
    request
}

async fn ask(server: &Server, token: Option<&str>, request: &Value) -> Answer {
    server.json(token, &request.to_string()).await
}

#[track_caller]
fn not_found(answer: &Answer) {
    let message = answer.refused(200, "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(message, "PersistedQueryNotFound");
}

#[tokio::test]
async fn a_query_that_was_sent_once_is_known_by_its_hash() {
    let server = Server::start().await;
    not_found(&ask(&server, Some(TOKEN), &by_hash(QUERY, None)).await);
    let answer = ask(&server, Some(TOKEN), &by_hash(QUERY, Some(QUERY))).await;
    assert_eq!(answer.value()["data"]["role"], "Teacher");
    for empty in [None, Some("")] {
        let answer = ask(&server, Some(TOKEN), &by_hash(QUERY, empty)).await;
        assert_eq!(answer.value()["data"]["role"], "Teacher");
    }
    // Its asker is the one of this request; and the hash may be in capitals.
    ask(&server, None, &by_hash(QUERY, None))
        .await
        .refused(200, "UNAUTHENTICATED");
    let mut capitals = by_hash(QUERY, None);
    let hash = &mut capitals["extensions"]["persistedQuery"]["sha256Hash"];
    *hash = hash.as_str().unwrap().to_uppercase().into();
    let answer = ask(&server, Some(TOKEN), &json!([capitals])).await;
    assert_eq!(answer.value()[0]["data"]["role"], "Teacher");
}

#[tokio::test]
async fn what_strangers_send_runs_and_is_not_kept() {
    let server = Server::start().await;
    let login = "mutation { login }";
    for token in [None, Some("old")] {
        let answer = ask(&server, token, &by_hash(login, Some(login))).await;
        assert!(answer.value()["data"]["login"].is_string());
        not_found(&ask(&server, token, &by_hash(login, None)).await);
    }
    // What others had kept is theirs as well.
    ask(&server, Some(TOKEN), &by_hash(login, Some(login))).await;
    let answer = ask(&server, None, &by_hash(login, None)).await;
    assert_eq!(answer.value()["data"]["login"], "Anonymous");
}

#[tokio::test]
async fn only_queries_within_the_limits_are_kept() {
    let server = Server::start().await;
    let deep = format!("{{ role{} }}", "{ a".repeat(200));
    let logins = format!("mutation {{ {} }}", "login ".repeat(11));
    for query in ["{", &deep, &logins] {
        let answer = ask(&server, Some(TOKEN), &by_hash(query, Some(query))).await;
        answer.refused(200, "BAD_REQUEST");
        not_found(&ask(&server, Some(TOKEN), &by_hash(query, None)).await);
    }
    for (bytes, kept) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
        let query = format!("{QUERY} #{}", "x".repeat(bytes - QUERY.len() - 2));
        let answer = ask(&server, Some(TOKEN), &by_hash(&query, Some(&query))).await;
        assert_eq!(answer.value()["data"]["role"], "Teacher");
        let again = ask(&server, Some(TOKEN), &by_hash(&query, None)).await;
        assert_eq!(again.value()["errors"].is_null(), kept);
    }
}

#[tokio::test]
async fn a_hash_that_is_none_is_refused() {
    let server = Server::start().await;
    let other = by_hash("{ other }", Some(QUERY));
    let message = ask(&server, Some(TOKEN), &other).await.refused(200, "BAD_REQUEST");
    assert!(message.contains("sha256Hash"), "{message}");
    not_found(&ask(&server, Some(TOKEN), &by_hash("{ other }", None)).await);

    let mut second = by_hash(QUERY, Some(QUERY));
    second["extensions"]["persistedQuery"]["version"] = 2.into();
    let message = ask(&server, Some(TOKEN), &second).await.refused(200, "BAD_REQUEST");
    assert!(message.contains("version 1"), "{message}");
    for persisted in [
        json!(null),
        json!("x"),
        json!({}),
        json!({ "version": 1 }),
        json!({ "version": "1", "sha256Hash": "x" }),
        json!({ "version": 1, "sha256Hash": "def" }),
        json!({ "version": 1, "sha256Hash": "é".repeat(32) }),
        json!({ "version": 1, "sha256Hash": 7 }),
    ] {
        let request = json!({ "query": QUERY, "extensions": { "persistedQuery": persisted } });
        let answer = ask(&server, Some(TOKEN), &request).await;
        answer.refused(200, "BAD_REQUEST");
    }
}
