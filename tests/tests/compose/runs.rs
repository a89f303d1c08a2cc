//! From nothing to a mark, by the file's own commands. What has no program on this machine is stood in for: the
//! mail catcher, for which the file has no command, always; the store where there is no `SeaweedFS`, and the proxy
//! where there is no Caddy.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tests::client::{Client, code};
use tests::fake;
use tests::school::{School, ended};
use tests::smtp::{Security, Smtp};
use tests::socket::Socket;

use crate::file::environment;
use crate::town::{Town, as_postgres, is_here, programs};

const PASSWORD: &str = "correct horse battery";
const COMES: Duration = Duration::from_mins(1);

/// What must be there where tests may not be skipped.
fn can_run(program: &str) -> bool {
    let here = is_here(program);
    assert!(
        here || std::env::var_os("MUSTER_REQUIRE_SERVERS").is_none(),
        "{program} is not installed"
    );
    here
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_does_what_it_is_told() {
    if !can_run("initdb") || !can_run("redis-server") {
        eprintln!("skipped: there is no PostgreSQL or Redis to start");
        return;
    }
    let mut town = Town::new(&[
        // The next one a minute later: long enough for busy cores to tell.
        ("MUSTER_LOGINS_PER_MINUTE", "1"),
        ("MUSTER_MAIL_FROM", "muster@example.org"),
    ]);
    start_servers(&mut town).await;
    let mut mail = Smtp::at(
        Security::Plain,
        town.folder.path(),
        format!("{}:1025", town.address("mail", 0)).parse().unwrap(),
    );
    mail.up();

    let migrated = town.given("migrate", 0, &[]).status().unwrap();
    assert!(migrated.success(), "{}", town.said("migrate", 0));
    for service in ["api", "worker"] {
        for number in 0..2 {
            let command = town.given(service, number, &[]);
            town.start(service, number, command);
        }
    }
    for number in 0..2 {
        town.healthy("api", number).await;
    }
    let proxied = can_run("caddy");
    let base = if proxied {
        start_proxy(&mut town).await
    } else {
        format!("http://{}:8080", town.address("api", 0))
    };

    found(&town);
    let admin = Client::new(&base).login("ada@example.org", PASSWORD).await;
    a_photo_becomes_a_mark(&town, &admin).await;
    let invited = admin
        .raw(
            "mutation { inviteUser(input: { email: \"tom@example.org\", fullName: \"Tom Teacher\", role: TEACHER }) { user { id } } }",
            json!(null),
        )
        .await;
    assert!(invited["errors"].is_null(), "{invited}");
    let begun = Instant::now();
    while !mail.received().iter().any(|mail| mail.to == "tom@example.org") {
        assert!(begun.elapsed() < COMES, "no mail came: {:?}", mail.received());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if proxied {
        addresses_are_told_apart(&base).await;
        town.kill("api", 0);
        // What only reads is sent to another. A POST that was on its way is the client's to repeat, under its key.
        for _ in 0..20 {
            assert_eq!(admin.get(&format!("{base}/health/live")).await.status(), 200);
        }
        for _ in 0..20 {
            admin.query("{ viewer { id } }", json!(null)).await;
        }
        town.start("api", 0, town.given("api", 0, &[]));
        town.healthy("api", 0).await;
    }
    town.stop("worker");
    town.stop("api");
}

async fn start_servers(town: &mut Town) {
    let data = town.make_cluster();
    let at = town.address("postgres", 0);
    let given = town.given("postgres", 0, &["-D", data.to_str().unwrap(), "-h", &at, "-k", ""]);
    let mut command = match as_postgres().split_first() {
        None => given,
        Some((first, rest)) => {
            let mut wrapped = Command::new(first);
            wrapped
                .args(rest)
                .arg(given.get_program())
                .args(given.get_args())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            wrapped
        }
    };
    command.env("PATH", programs());
    town.start("postgres", 0, command);
    let redis = town.given(
        "redis",
        0,
        &["--bind", &town.address("redis", 0), "--protected-mode", "no"],
    );
    town.start("redis", 0, redis);
    let stored = can_run("weed");
    if stored {
        let storage = town.given("storage", 0, &[]);
        town.start("storage", 0, storage);
    } else {
        eprintln!("there is no SeaweedFS: photos go to a folder");
        let folder = town.place("storage", "/data").display().to_string();
        for service in ["api", "worker"] {
            town.file["services"][service]["environment"]["MUSTER_MEDIA_URL"] = folder.clone().into();
        }
    }
    town.healthy("postgres", 0).await;
    town.healthy("redis", 0).await;
    // As the image makes the database that POSTGRES_DB names.
    let environment = environment(&town.file["services"]["postgres"]);
    let password = std::fs::read_to_string(town.path("told/postgres_password")).unwrap();
    let made = Command::new("createdb")
        .args([
            "--host",
            &at,
            "--username",
            &environment["POSTGRES_USER"],
            &environment["POSTGRES_DB"],
        ])
        .env("PATH", programs())
        .env("PGPASSWORD", password.trim())
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    if stored {
        town.healthy("storage", 0).await;
    }
}

/// Where the proxy serves. Its file says `api` for all of its addresses, and listens everywhere.
async fn start_proxy(town: &mut Town) -> String {
    let file = crate::file::text("packaging/Caddyfile");
    let own = town.address("proxy", 0);
    let (before, rest) = file.split_once("\t\tdynamic a {").unwrap();
    let (dynamic, after) = rest.split_once("\t\t}\n").unwrap();
    assert!(
        dynamic.contains("name api\n") && dynamic.contains("port 8080\n"),
        "{dynamic}"
    );
    let to = format!(
        "\t\tto {}:8080 {}:8080\n",
        town.address("api", 0),
        town.address("api", 1)
    );
    let here =
        format!("{before}{to}{after}").replacen("\treverse_proxy {", &format!("\tbind {own}\n\treverse_proxy {{"), 1);
    let place = town.place("proxy", "/etc/caddy").join("Caddyfile");
    std::fs::write(place, here).unwrap();
    let mut command = town.given("proxy", 0, &[]);
    command
        .env("HOME", town.place("proxy", "/data"))
        .env("XDG_DATA_HOME", town.place("proxy", "/data"));
    town.start("proxy", 0, command);
    town.healthy("proxy", 0).await;
    format!("http://{own}:8080")
}

/// By the line at the file's head.
fn found(town: &Town) {
    let line = crate::file::text("docker-compose.yml");
    let line = line
        .lines()
        .find_map(|line| line.split_once(" --no-TTY api "))
        .unwrap()
        .1
        .to_owned();
    let mut name = ["Springfield High", "Ada Admin", "ada@example.org"].into_iter();
    let words: Vec<&str> = line
        .split(' ')
        .map(|word| {
            if word.bytes().all(|b| b.is_ascii_uppercase()) {
                name.next().unwrap()
            } else {
                word
            }
        })
        .collect();
    let mut command = town.instead("api", &words);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{PASSWORD}\n").as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "{}", town.said("api", 0));
}

/// A photo of many megabytes goes in, a mark comes by the socket, and the picture can be looked at.
async fn a_photo_becomes_a_mark(town: &Town, admin: &Client) {
    let school = School::enrolled(admin, 2).await;
    let session = school.open_session().await;
    let mut socket = Socket::open(admin).await;
    let query = "subscription($id: ID!) { attendance(sessionId: $id) { student { id } mark { status } } }";
    socket.subscribe("a", query, json!({ "id": session })).await;
    let mut photo = fake::photo(&[fake::person(1)]).to_vec();
    // What stands behind a picture's end does not matter to it.
    photo.resize(9 << 20, 0);
    let job = school.submit(&session, Bytes::from(photo)).await;
    let event = socket.next().await;
    assert_eq!(event["attendance"]["student"]["id"], school.students[1], "{event}");
    let job = ended(admin, &job).await;
    assert_eq!(job["status"], "SUCCEEDED", "{job}");
    assert_eq!(school.marked(&session, "PRESENT").await, ["Student 001"]);
    let url = job["photos"][0]["annotatedUrl"].as_str().unwrap();
    let public = town.file["services"]["api"]["environment"]["MUSTER_PUBLIC_URL"]
        .as_str()
        .unwrap();
    let shown = admin.get(&url.replacen(public, &admin.base, 1)).await;
    assert_eq!(shown.status(), 200);
    assert_eq!(shown.headers()["content-type"], "image/jpeg");
}

/// The API hears of each client's own address, and of what a client claims nothing.
async fn addresses_are_told_apart(base: &str) {
    let wrong = |client: Client| async move {
        let query = "mutation($e: String!) { login(email: $e, password: \"wrong\") { accessToken } }";
        let nobody = format!("{}@example.org", uuid::Uuid::new_v4().simple());
        code(&client.raw(query, json!({ "e": nobody })).await).to_owned()
    };
    let one = Client::from_address(base, [127, 1, 1, 1].into());
    let other = Client::from_address(base, [127, 1, 1, 2].into());
    assert_eq!(wrong(one.clone()).await, "UNAUTHENTICATED");
    assert_eq!(wrong(one.clone()).await, "RATE_LIMITED");
    assert_eq!(wrong(other).await, "UNAUTHENTICATED");
    let query = json!({ "query": "mutation { login(email: \"x@example.org\", password: \"wrong\") { accessToken } }" });
    let claimed = reqwest::Client::builder()
        .local_address(std::net::IpAddr::from([127, 1, 1, 1]))
        .build()
        .unwrap();
    let answer = claimed
        .post(format!("{base}/graphql"))
        .header("x-forwarded-for", "203.0.113.7")
        .json(&query)
        .send();
    let answer: serde_json::Value = answer.await.unwrap().json().await.unwrap();
    assert_eq!(code(&answer), "RATE_LIMITED");
}
