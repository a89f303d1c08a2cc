//! Who may call from a browser, what browsers are told, and what is kept from everybody.

use super::super::{Exposure, Limits};
use super::{Answer, Server, TOKEN};

const OURS: &str = "https://muster.example.org";
const LISTED: &str = "https://app.example.org";
const FOREIGN: [&str; 6] = [
    "https://evil.example.org",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org.evil.org",
    "null",
    "*",
];
const ROLE: &str = r#"{"query":"{ role }"}"#;

async fn open_to(origins: &[&str]) -> Server {
    let exposure = Exposure {
        cors_origins: origins.iter().map(|text| text.parse().unwrap()).collect(),
        ..Exposure::default()
    };
    Server::exposed(Limits::default(), exposure, OURS).await
}

async fn from_page(server: &Server, origin: &str) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*bearer),
        ("origin", origin),
    ];
    server.post(&headers, ROLE.as_bytes()).await
}

async fn preflight(server: &Server, path: &str, origin: &str) -> Answer {
    let head = format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
         access-control-request-headers: authorization,content-type\r\n\r\n"
    );
    server.send(&head, b"").await
}

async fn handshake(server: &Server, origin: Option<&str>) -> u16 {
    let origin = origin.map_or_else(String::new, |origin| format!("origin: {origin}\r\n"));
    let head = format!(
        "GET /graphql/ws HTTP/1.1\r\nhost: a\r\n{origin}connection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    server.send(&head, b"").await.status
}

#[tokio::test]
async fn pages_of_listed_origins_may_call() {
    let server = open_to(&["https://other.example.org", LISTED]).await;
    let answer = from_page(&server, LISTED).await;
    assert_eq!(answer.value()["data"]["role"], "Teacher");
    assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("vary"), Some("origin"));
    // A page can only read why it was refused if that is allowed as well.
    let head = format!("GET /nothing HTTP/1.1\r\nhost: a\r\norigin: {LISTED}\r\n\r\n");
    let answer = server.send(&head, b"").await;
    answer.refused(404, "NOT_FOUND");
    assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));

    for path in ["/graphql", "/media/photo"] {
        let answer = preflight(&server, path, LISTED).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
        assert_eq!(answer.header("access-control-allow-methods"), Some("get, post"));
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("authorization") && headers.contains("content-type"));
    }
    assert_eq!(handshake(&server, Some(LISTED)).await, 101);
    let photo = server.get("/media/photo").await;
    assert_eq!(photo.header("cross-origin-resource-policy"), Some("cross-origin"));
    // For a cache between us it matters who asks, whoever it is.
    assert_eq!(photo.header("vary"), Some("origin"));
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    for listed in [&[][..], &[LISTED]] {
        let server = open_to(listed).await;
        for origin in FOREIGN {
            let answer = from_page(&server, origin).await;
            let message = answer.refused(403, "FORBIDDEN");
            assert!(message.contains("MUSTER_CORS_ORIGINS"), "{message}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(answer.header("x-frame-options"), Some("deny"));
            preflight(&server, "/graphql", origin).await.refused(403, "FORBIDDEN");
            assert_eq!(handshake(&server, Some(origin)).await, 403, "{origin}");
        }
        let two = format!("GET /health/live HTTP/1.1\r\nhost: a\r\norigin: {OURS}\r\norigin: {OURS}\r\n\r\n");
        server.send(&two, b"").await.refused(403, "FORBIDDEN");
        assert_eq!(server.fake.0.looks.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn our_own_pages_and_what_is_no_page_may_call() {
    let server = open_to(&[]).await;
    // By the public address, or by the host that was asked, which is "a" here.
    for origin in [OURS, "http://a", "https://a"] {
        let answer = from_page(&server, origin).await;
        assert_eq!(answer.value()["data"]["role"], "Teacher", "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(handshake(&server, Some(origin)).await, 101);
    }
    let answer = server.json(Some(TOKEN), ROLE).await;
    assert_eq!(answer.value()["data"]["role"], "Teacher");
    assert_eq!(handshake(&server, None).await, 101);
    let head = "OPTIONS /graphql HTTP/1.1\r\nhost: a\r\n\r\n";
    server.send(head, b"").await.refused(405, "BAD_REQUEST");
}

#[tokio::test]
async fn every_answer_tells_browsers_what_it_is_not() {
    let server = open_to(&[]).await;
    let answers = [
        ("graphql", server.json(None, ROLE).await),
        ("refused", server.json(None, "{").await),
        ("photo", server.get("/media/photo").await),
        ("no photo", server.get("/media/other").await),
        ("page", server.get("/graphiql").await),
        ("asset", server.get("/graphiql/muster.js").await),
        ("console", server.get("/").await),
        ("script", server.get("/console/app.js").await),
        ("health", server.get("/health/live").await),
        ("nothing", server.get("/nothing").await),
    ];
    for (what, answer) in &answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "deny"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {what}");
        }
        assert!(answer.header("permissions-policy").is_some(), "{what}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{what}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
        assert_eq!(policy.contains("script-src 'self'"), ["page", "console"].contains(what));
        if answer.status >= 400 {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        }
        assert_eq!(answer.header("vary"), None, "{what}");
        assert_eq!(answer.header("server"), None, "{what}");
    }
    // A promise of TLS that nobody keeps would lock browsers out.
    let plain = Server::start().await.get("/health/live").await;
    assert_eq!(plain.header("strict-transport-security"), None);
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let asks = [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \\\"Query\\\") { name } }",
        "{ s: __schema { queryType { name } } }",
        "{ ...F } fragment F on Query { ... { __schema { queryType { name } } } }",
        "mutation M { login } query Q { __schema { queryType { name } } }",
    ];
    let off = Exposure {
        introspection: false,
        ..Exposure::default()
    };
    let (on, off) = (
        Server::start().await,
        Server::exposed(Limits::default(), off, "http://localhost").await,
    );
    for query in &asks[..4] {
        let body = format!("{{\"query\":\"{query}\"}}");
        assert!(on.json(None, &body).await.value()["errors"].is_null(), "{query}");
    }
    for query in asks {
        let body = format!("{{\"query\":\"{query}\"}}");
        let message = off.json(None, &body).await.refused(200, "BAD_REQUEST");
        assert!(message.contains("switched off"), "{message}");
    }
    let answer = off.json(None, r#"{"query":"{ __typename }"}"#).await;
    assert_eq!(answer.value()["data"]["__typename"], "Query");
    assert_eq!(on.get("/graphiql").await.status, 200);
    for path in ["/graphiql", "/graphiql/muster.js"] {
        off.get(path).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_token_in_an_address_is_none() {
    let server = Server::start().await;
    for name in ["token", "access_token", "authorization"] {
        let head = format!(
            "POST /graphql?{name}={TOKEN} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            ROLE.len()
        );
        let answer = server.send(&head, ROLE.as_bytes()).await;
        answer.refused(200, "UNAUTHENTICATED");
    }
    assert_eq!(server.fake.0.looks.load(std::sync::atomic::Ordering::SeqCst), 0);
}
