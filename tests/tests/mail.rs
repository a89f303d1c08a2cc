//! Mail goes out through a real SMTP server within the test, or into files: each once, however long
//! the server was away.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Statement};
use service::Scope;
use service::mail::{self, Block, Letter};
use tempfile::TempDir;
use tests::mailbox;
use tests::smtp::{Received, Security, Smtp, Whim};
use tests::world::{Mode, Setup, World};

const COMES: Duration = Duration::from_mins(1);

fn letter(to: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: "Grüße von <Muster>".to_owned(),
        body: vec![
            Block::Text("Say <hello> & goodbye".to_owned()),
            Block::Code("271828".to_owned()),
        ],
    }
}

async fn post(world: &World, to: &str) {
    mail::send(&world.service, &Scope::System("test"), letter(to))
        .await
        .unwrap();
}

async fn waiting(world: &World) -> i64 {
    let db = world.service.db.reader();
    let statement = Statement::from_string(db.get_database_backend(), "SELECT COUNT(*) AS n FROM mail");
    db.query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get("", "n")
        .unwrap()
}

async fn until(world: &World, done: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < COMES, "{} mails wait still", waiting(world).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A mail server of the test's own, and a world that sends by it.
async fn at(mode: Mode, security: Security) -> Option<(World, Smtp, TempDir)> {
    let folder = TempDir::new().unwrap();
    let smtp = Smtp::new(security, folder.path());
    let setup = Setup {
        workers: 2,
        smtp: Some((
            smtp.url(),
            (security != Security::Plain).then(|| smtp.authority.clone()),
        )),
        ..Setup::new(mode)
    };
    Some((setup.build().await?, smtp, folder))
}

fn addressees(received: &[Received]) -> Vec<String> {
    let mut to: Vec<String> = received.iter().map(|mail| mail.to.clone()).collect();
    to.sort();
    to
}

async fn down_at_first(mode: Mode) {
    let Some((world, mut smtp, _folder)) = at(mode, Security::Plain).await else {
        return;
    };
    let all: Vec<String> = (10..30).map(|n| format!("pupil{n}@example.org")).collect();
    for to in &all {
        post(&world, to).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(waiting(&world).await, 20);
    smtp.up();
    until(&world, async || waiting(&world).await == 0).await;
    assert_eq!(addressees(&smtp.received()), all);

    // Away once more, and another mail meanwhile.
    smtp.down().await;
    post(&world, "late@example.org").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    smtp.up();
    until(&world, async || waiting(&world).await == 0).await;
    assert_eq!(smtp.received().len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_first_loses_no_mail_embedded() {
    down_at_first(Mode::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_first_loses_no_mail_processes() {
    down_at_first(Mode::Processes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_now_comes_again_and_what_is_for_ever_does_not() {
    let (world, mut smtp, _folder) = at(Mode::Embedded, Security::Plain).await.unwrap();
    smtp.up();
    let whims = [
        Whim::Refuse(450),
        Whim::Refuse(535),
        Whim::Forbid(550),
        Whim::HangUp,
        Whim::FallSilent,
    ];
    for whim in whims {
        smtp.whim(whim);
        post(&world, "later@example.org").await;
        until(&world, async || waiting(&world).await == 0).await;
    }
    assert_eq!(addressees(&smtp.received()), ["later@example.org"; 5]);
    smtp.whim(Whim::Refuse(550));
    post(&world, "nobody@example.org").await;
    until(&world, async || waiting(&world).await == 0).await;
    assert_eq!(smtp.received().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_travels_by_starttls_and_by_tls() {
    for security in [Security::StartTls, Security::Tls] {
        let (world, mut smtp, _folder) = at(Mode::Embedded, security).await.unwrap();
        smtp.up();
        post(&world, "ana@example.org").await;
        until(&world, async || waiting(&world).await == 0).await;
        let received = smtp.received();
        assert!(received.len() == 1 && received[0].secure, "{security:?}");
        // Long lines are folded (quoted-printable).
        let data = received[0].data.replace("=\r\n", "");
        for part in [
            "From: Muster <muster@localhost>",
            "To: ana@example.org",
            "Auto-Submitted: auto-generated",
            "multipart/alternative",
            "\r\n    271828",
            "Say <hello> & goodbye",
            "<p>Say &lt;hello&gt; &amp; goodbye</p>",
        ] {
            assert!(data.contains(part), "{part} is missing from {data}");
        }
    }
    // A certificate that nobody vouches for is no certificate.
    let folder = TempDir::new().unwrap();
    let mut smtp = Smtp::new(Security::Tls, folder.path());
    smtp.up();
    let setup = Setup {
        smtp: Some((smtp.url(), None)),
        ..Setup::new(Mode::Embedded)
    };
    let world = setup.build().await.unwrap();
    post(&world, "ana@example.org").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((waiting(&world).await, smtp.received().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mails_are_files_and_what_waits_is_sealed() {
    let setup = Setup {
        workers: 0,
        ..Setup::new(Mode::Embedded)
    };
    let mut world = setup.build().await.unwrap();
    post(&world, "ana@example.org").await;
    let db = world.service.db.reader();
    let rows = db
        .query_all_raw(Statement::from_string(
            db.get_database_backend(),
            "SELECT hex(sealed) || hex(address_hash) AS kept FROM mail",
        ))
        .await
        .unwrap();
    let kept: String = rows[0].try_get("", "kept").unwrap();
    assert!(kept.len() > 200);
    for secret in ["ana@example.org", "271828", "hello"] {
        assert!(!kept.contains(&hex(secret)), "{secret}");
    }
    world.hire().await;
    assert_eq!(mailbox::code(&world, "ana@example.org").await, "271828");
    assert_eq!(waiting(&world).await, 0);
}

fn hex(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("{byte:02X}")).collect();
    bytes.concat()
}
