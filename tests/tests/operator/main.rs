//! What an operator does at the command line, beside servers that run: `muster admin`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

mod bulk;
mod housekeeping;
mod rotate;
mod site;

use serde_json::json;
use site::{EMAIL, Site};
use tests::client::{Client, code};
use tests::world::PASSWORD;

const LOGIN: &str =
    "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { accessToken } }";

async fn lets_in(client: &Client, password: &str) -> bool {
    let answer = client.raw(LOGIN, json!({ "email": EMAIL, "password": password })).await;
    answer["errors"].is_null()
}

async fn works(client: &Client) -> bool {
    let answer = client.raw("{ viewer { id } }", json!({})).await;
    answer["errors"].is_null() || code(&answer) != "UNAUTHENTICATED"
}

async fn logins(mut site: Site) {
    let none = site.admin(&["list"], "").ok();
    assert!(none.starts_with("Nobody can log in yet"), "{none}");
    site.found();
    site.start().await;
    let stranger = Client::new(site.base());
    let list = site.admin(&["list"], "").ok();
    let [heads, line] = list.lines().collect::<Vec<_>>()[..] else {
        panic!("{list}");
    };
    for head in ["ORGANIZATION", "NAME", "ADDRESS", "ROLE", "STATUS", "LAST SEEN"] {
        assert!(heads.contains(head), "{list}");
    }
    for cell in ["Zoo", "Zoe Zebra", EMAIL, "admin", "active", "never"] {
        assert!(line.contains(cell), "{list}");
    }

    let zoe = stranger.login(EMAIL, PASSWORD).await;
    let spaced = format!(" {} ", EMAIL.to_uppercase());
    let said = site.admin(&["suspend", "--email", &spaced], "").ok();
    assert!(said.contains("is suspended"), "{said}");
    assert!(!works(&zoe).await);
    assert!(!lets_in(&stranger, PASSWORD).await);
    let list = site.admin(&["list"], "").ok();
    assert!(list.contains("suspended") && list.contains("UTC"), "{list}");
    // Twice is as once.
    site.admin(&["suspend", "--email", EMAIL], "").ok();
    let said = site.admin(&["activate", "--email", EMAIL], "").ok();
    assert!(said.contains("can log in again"), "{said}");
    assert!(lets_in(&stranger, PASSWORD).await);

    let reset = ["reset-password", "--email", EMAIL, "--password-stdin"];
    let zoe = stranger.login(EMAIL, PASSWORD).await;
    let said = site.admin(&reset, "another battery staple\n").ok();
    // The one before the reset, and the one that showed that she was let in again.
    assert!(said.contains("logins ended: 2"), "{said}");
    assert!(!works(&zoe).await);
    assert!(!lets_in(&stranger, PASSWORD).await);
    assert!(lets_in(&stranger, "another battery staple").await);

    let zoe = stranger.login(EMAIL, "another battery staple").await;
    assert_eq!(
        site.admin(&["feedback"], "").ok().trim(),
        "Nobody has said anything yet."
    );
    for message in ["First\nin two lines", "Then \u{1b}[2Jsomething else"] {
        zoe.query(
            "mutation($message: String!) { submitFeedback(message: $message, rating: 4) { received } }",
            json!({ "message": message }),
        )
        .await;
    }
    let said = site.admin(&["feedback"], "").ok();
    assert!(said.contains("Zoe Zebra, Zoo, 4 of 5\n"), "{said}");
    assert!(said.contains("\n    First\n    in two lines"), "{said}");
    assert!(!said.contains('\u{1b}'), "the terminal obeys who gives feedback");
    assert!(
        said.find("something else") < said.find("First"),
        "the newest first: {said}"
    );
    let said = site.admin(&["feedback", "--limit", "1"], "").ok();
    assert!(said.contains("something else") && !said.contains("First"), "{said}");
}

/// A mistake is one line that names its place, and changes nothing.
fn mistakes(site: &Site) {
    site.found();
    let unknown = "nobody@example.org";
    for words in [
        &["suspend", "--email", unknown][..],
        &["activate", "--email", unknown],
        &["reset-password", "--email", unknown, "--password-stdin"],
    ] {
        let said = site.admin(words, "another battery staple").failed(1);
        assert_eq!(said, "error: --email: nobody logs in with this address\n", "{words:?}");
    }
    let said = site
        .admin(&["reset-password", "--email", EMAIL, "--password-stdin"], "short")
        .failed(2);
    assert!(
        said.starts_with("error: --password-stdin: ") && said.lines().count() == 1,
        "{said}"
    );
    let said = site
        .admin(&["reset-password", "--email", EMAIL], "another battery staple")
        .failed(2);
    assert!(said.starts_with("error: --password-stdin is needed"), "{said}");
    assert!(said.contains("muster admin reset-password"), "{said}");
    site.admin(&["suspend"], "").failed(2);
    site.admin(&["feedback", "--limit", "-1"], "").failed(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_looked_after_embedded() {
    logins(Site::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_looked_after_on_many_machines() {
    if let Some(site) = Site::many().await {
        logins(site).await;
    }
}

#[test]
fn mistakes_are_told() {
    mistakes(&Site::embedded());
}
