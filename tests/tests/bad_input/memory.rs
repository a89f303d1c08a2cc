//! A picture that is small as a file and vast as pixels costs the server no more than its file.

use serde_json::json;
use tests::client::code;
use tests::school::School;
use tests::world::{Mode, Setup};

use crate::{IDENTIFY, SUBMIT, State, files, untouched};

/// The most memory that a process has ever held.
fn peak_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_thousand_pixels_a_side_are_not_unpacked() {
    let Some(world) = Setup::new(Mode::Processes).build().await else {
        return;
    };
    let (_, admin) = world.organization("School").await;
    let school = School::with_students(&admin, 1).await;
    let session = school.open_session().await;
    let vast = files::vast_png(30_000);
    let submit = json!({ "session": session, "photo": { "upload": null } });
    let identify = json!({ "photo": { "upload": null } });
    // A file as long that is refused for its size alone shows what reading a body costs.
    let long = files::padded(26 << 20);
    let refused = admin
        .upload_raw(SUBMIT, submit.clone(), &[("photo.upload", long)])
        .await;
    assert_eq!(code(&refused), "PAYLOAD_TOO_LARGE");
    let processes: Vec<u32> = world
        .apis
        .iter()
        .chain(&world.workers)
        .map(tests::process::Process::id)
        .collect();
    let before: Vec<u64> = processes.iter().map(|id| peak_bytes(*id)).collect();
    let state = State::of(&world).await;
    for n in 0..5 {
        for (query, variables) in [(SUBMIT, &submit), (IDENTIFY, &identify)] {
            let answer = admin
                .upload_raw(query, variables.clone(), &[("photo.upload", vast.clone())])
                .await;
            assert_eq!(code(&answer), "PAYLOAD_TOO_LARGE", "{n}");
            let said = answer["errors"][0]["message"].as_str().unwrap();
            assert!(said.contains("megapixels"), "{said}");
        }
        untouched(&world, &state, &admin, "a vast picture").await;
    }
    for (process, before) in processes.into_iter().zip(before) {
        let grown = peak_bytes(process).saturating_sub(before);
        // Its pixels would be 900 MB.
        assert!(grown < 64 << 20, "{grown} bytes more than {before}");
    }
}
