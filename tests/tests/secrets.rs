//! Nothing secret or personal is in the log, even where it tells everything: invariant 9.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, with the line")]

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::client::{Client, code};
use tests::fake::{person, photo};
use tests::process::{Process, command};
use tests::school::{School, ended, enrol};
use tests::socket::Socket;
use tests::world::{Mode, SECRET, Setup};

const EMAIL: &str = "zoe.zebra@example.org";
const PASSWORD: &str = "a horse of another colour";
const WRONG: &str = "a wrong but secret guess";
const NAME: &str = "Zoe Zebra";

/// Makes the first admin by the command line; what it says goes to a file.
fn found(settings: &[(&str, &str)], log: &Path) {
    let words = [
        "admin",
        "create",
        "--organization",
        "Zoo",
        "--name",
        NAME,
        "--email",
        EMAIL,
        "--password-stdin",
    ];
    let file = std::fs::File::create(log).unwrap();
    let mut child = command(&words, settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(
        child.wait().unwrap().success(),
        "{}",
        std::fs::read_to_string(log).unwrap()
    );
}

/// Does everything in which a secret is said, and answers the secrets.
async fn tell_all(base: &str) -> Vec<(&'static str, String)> {
    let stranger = Client::new(base);
    let login = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { \
                 accessToken refreshToken } }";
    let refused = stranger.raw(login, json!({ "email": EMAIL, "password": WRONG })).await;
    assert_eq!(code(&refused), "UNAUTHENTICATED");
    // In the text of the query, which is bad besides.
    stranger
        .raw(
            &format!("mutation {{ login(email: \"{EMAIL}\", password: \"{PASSWORD}\") {{ nothing }} }}"),
            json!({}),
        )
        .await;
    let answer = stranger
        .query(login, json!({ "email": EMAIL, "password": PASSWORD }))
        .await;
    let token = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    let (access, refresh) = (
        token(&answer["login"], "accessToken"),
        token(&answer["login"], "refreshToken"),
    );
    let admin = stranger.with_token(&access);

    let school = School::with_students(&admin, 1).await;
    let student = &school.students[0];
    let portrait = photo(&[person(0)]);
    let job = enrol(&admin, student, &vec![portrait.clone(); 3]).await;
    assert_eq!(ended(&admin, &job).await["status"], "SUCCEEDED");
    let session = school.open_session().await;
    let mut socket = Socket::open(&admin).await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { attendance(sessionId: $id) { student { fullName rollNumber } } }",
            json!({ "id": session }),
        )
        .await;
    let picture = photo(&[person(0), person(1)]);
    let picture64 = BASE64_STANDARD.encode(&picture);
    let job = school.submit(&session, picture).await;
    let job = ended(&admin, &job).await;
    assert_eq!(job["marks"].as_array().unwrap().len(), 1);
    let seen = socket.next().await["attendance"]["student"].clone();
    let asked = admin
        .query(
            "mutation($photo: PhotoInput!) { identifyFaces(photo: $photo) { job { id } } }",
            json!({ "photo": { "base64": picture64 } }),
        )
        .await;
    ended(&admin, asked["identifyFaces"]["job"]["id"].as_str().unwrap()).await;
    let address = job["photos"][0]["annotatedUrl"]
        .as_str()
        .unwrap()
        .rsplit_once('/')
        .unwrap()
        .1
        .to_owned();
    assert_eq!(admin.get(&format!("{base}/media/{address}")).await.status(), 200);
    assert_eq!(admin.get(&format!("{base}/media/{address}A")).await.status(), 404);

    let rotate = "mutation($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken } }";
    let fresh = stranger.query(rotate, json!({ "token": refresh })).await;
    let fresh = [
        token(&fresh["refresh"], "accessToken"),
        token(&fresh["refresh"], "refreshToken"),
    ];
    assert_eq!(
        code(&stranger.raw(rotate, json!({ "token": refresh })).await),
        "UNAUTHENTICATED"
    );
    let [access_2, refresh_2] = fresh;
    vec![
        ("the password", PASSWORD.into()),
        ("a wrong password", WRONG.into()),
        ("an access token", access),
        ("a fresh access token", access_2),
        ("a refresh token", refresh),
        ("a fresh refresh token", refresh_2),
        ("a signed address", address),
        ("a password hash", "argon2id".into()),
        ("the secret key", SECRET.into()),
        ("a photo", picture64[..40].into()),
        // Every number of the fake vision's embeddings is an eighth, and numbers come in rows.
        ("an embedding", "0.125, ".into()),
        ("the admin's name", NAME.into()),
        ("the admin's address", EMAIL.into()),
        ("a student's name", token(&seen, "fullName")),
        ("a roll number", token(&seen, "rollNumber")),
    ]
}

fn search(folder: &Path, secrets: &[(&'static str, String)], marker: &str) {
    let mut found = Vec::new();
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let log = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for (what, secret) in secrets {
            if let Some(line) = log.lines().find(|line| line.contains(secret.as_str())) {
                let at = line.find(secret.as_str()).unwrap();
                let start = line[..at].char_indices().rev().nth(200).map_or(0, |c| c.0);
                found.push(format!("{what} in {}: {}", path.display(), &line[start..at]));
            }
        }
        all += &log;
    }
    assert!(all.contains(marker), "the log says too little to be searched:\n{all}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_one_process_keeps_secrets() {
    let (data, logs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let folder = data.path().display().to_string();
    let settings = [
        ("MUSTER_DATA_DIR", folder.as_str()),
        ("MUSTER_SECRET_KEY", SECRET),
        ("MUSTER_TEST_VISION", "fake"),
        ("MUSTER_LOG", "trace"),
    ];
    let mut up = Process::start_logged("up", &settings, &logs.path().join("up")).await;
    found(&settings, &logs.path().join("admin"));
    let secrets = tell_all(&up.base).await;
    assert!(up.stop().await.success());
    search(logs.path(), &secrets, "DEBUG");
}

#[tokio::test(flavor = "multi_thread")]
async fn api_and_worker_keep_secrets() {
    let setup = Setup {
        apis: 0,
        workers: 0,
        ..Setup::new(Mode::Processes)
    };
    let Some(world) = setup.build().await else { return };
    let logs = TempDir::new().unwrap();
    let mut settings: Vec<(&str, &str)> = world.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    settings.retain(|(name, _)| *name != "MUSTER_LOG");
    settings.push(("MUSTER_LOG", "trace"));
    found(&settings, &logs.path().join("admin"));
    let mut api = Process::start_logged("api", &settings, &logs.path().join("api")).await;
    let mut worker = Process::start_logged("worker", &settings, &logs.path().join("worker")).await;
    let secrets = tell_all(&api.base).await;
    assert!(api.stop().await.success());
    assert!(worker.stop().await.success());
    search(logs.path(), &secrets, "DEBUG");
}
