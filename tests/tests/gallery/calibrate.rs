//! `muster calibrate`, on people whose resemblances are known.

use std::process::Output;

use serde_json::json;
use service::recognition::calibrate::{apply, measure};
use service::{Error, Scope};
use tests::both;
use tests::client::Client;
use tests::fake::{person, similarity};
use tests::process::command;
use tests::school::{ENROLMENT, School};
use tests::world::{SECRET, World};

const PEOPLE: usize = 12;
const SCOPE: Scope = Scope::System("test");

async fn thresholds(admin: &Client) -> [Option<f64>; 2] {
    let found = admin
        .query(
            "{ viewer { organization { settings { matchThreshold reviewThreshold } } } }",
            json!({}),
        )
        .await;
    let settings = &found["viewer"]["organization"]["settings"];
    ["matchThreshold", "reviewThreshold"].map(|name| settings[name].as_f64())
}

fn calibrate(world: &World, words: &[&str]) -> Output {
    let mut settings: Vec<(&str, &str)> = world.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let folder = world.folder.path().display().to_string();
    let database = format!("sqlite://{folder}/muster.db");
    if settings.is_empty() {
        settings = vec![
            ("DATABASE_URL", &database),
            ("MUSTER_DATA_DIR", &folder),
            ("MUSTER_SECRET_KEY", SECRET),
        ];
    }
    command(&[&["calibrate"], words].concat(), &settings).output().unwrap()
}

async fn measured(world: World) {
    let (id, admin) = world.organization("Here & there").await;
    let service = &world.service;
    let few = measure(service, &SCOPE, id).await.unwrap_err();
    assert!(matches!(&few, Error::Conflict { .. }), "{few}");
    School::enrolled(&admin, PEOPLE).await;

    // One photo of each again and again: everybody resembles themselves wholly, and others as the
    // colours do.
    let found = measure(service, &SCOPE, id).await.unwrap();
    let photos = (PEOPLE * ENROLMENT) as u64;
    assert_eq!((found.people, found.templates), (PEOPLE as u64, photos));
    assert_eq!(found.same.total(), photos);
    assert!((found.same.share_from(0.999) - 1.0).abs() < 1e-9);
    assert_eq!(found.different.total(), photos * (PEOPLE as u64 - 1));
    let mut plain: Vec<f32> = (0..PEOPLE)
        .flat_map(|a| {
            (0..PEOPLE)
                .filter(move |b| *b != a)
                .map(move |b| similarity(person(a), person(b)))
        })
        .collect();
    plain.sort_by(|a, b| b.total_cmp(a));
    // At most one in twenty: the 6 highest of 132 may be above, and the 7th is not.
    let threshold = found.threshold(0.05);
    assert!(
        threshold > f64::from(plain[6]) && threshold <= f64::from(plain[6]) + 0.0011,
        "{threshold} {plain:?}"
    );

    // 66 pairs of people tell nothing of one in ten thousand.
    let refused = apply(service, &SCOPE, id, &found, 1e-4, 1e-3).await.unwrap_err();
    assert!(refused.to_string().contains("66 pairs"), "{refused}");
    let output = calibrate(&world, &["--organization", "Here & there"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("Too few: 66 pairs"), "{said}");
    let output = calibrate(&world, &["--organization", "Here & there", "--apply"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(thresholds(&admin).await, [None, None]);

    let plot = world.folder.path().join("plot.svg");
    let drawn = plot.display().to_string();
    let words = [
        "--organization",
        "Here & there",
        "--false-match-rate",
        "0.05",
        "--review-rate",
        "0.2",
    ];
    let output = calibrate(&world, &[&words[..], &["--plot", &drawn, "--apply"]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!said.contains("Student") && !said.contains("Too few"), "{said}");
    let set = [threshold, found.threshold(0.2)];
    assert!(
        said.contains(&format!("Set: match from {:.3}, review from {:.3}", set[0], set[1])),
        "{said}"
    );
    assert_eq!(thresholds(&admin).await, set.map(Some));
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains(&format!("match {threshold:.3}")));
    assert!(!svg.contains("Here"), "a name is in the picture");

    let output = calibrate(&world, &["--organization", "Nowhere"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && said.starts_with("error: --organization"),
        "{said}"
    );
}

both!(thresholds_come_from_the_organizations_own_templates, measured);
