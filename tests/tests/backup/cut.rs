//! A backup that somebody stops.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::client::Client;
use tests::fake::{person, photo};
use tests::gate;
use tests::process::command;
use tests::school::School;
use tests::world::PASSWORD;

use crate::place::{EMAIL, Place};

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_backup_leaves_nothing() {
    let mut here = Place::new();
    here.found();
    here.start().await;
    let admin = Client::new(here.base()).login(EMAIL, PASSWORD).await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    school.submit(&session, photo(&[person(0)])).await;

    // The store keeps it waiting for the photo: the copy of the database is there by then.
    let socket = here.data().join("gate");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut settings: Vec<(&str, &str)> = here.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let socket = socket.display().to_string();
    settings.push((gate::VARIABLE, &socket));
    let file = here.folder().join("cut.tar").display().to_string();
    let mut child = command(&["backup", &file], &settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _asked = listener.accept().unwrap();
    let drafts = || here.folder().read_dir().unwrap().count();
    assert!(
        drafts() >= 2,
        "the archive and the copy, with what SQLite puts beside it"
    );
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(drafts(), 0, "{said}");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted"), "{said}");
}
