//! `muster housekeeping`: everything now, and when each chore was last done.

use crate::site::Site;

const CHORES: [&str; 11] = [
    "discarded-media",
    "codes",
    "logins",
    "answers",
    "reports",
    "photos",
    "crops",
    "audit",
    "workers",
    "orphaned-media",
    "missing-media",
];

fn everything(site: &Site) {
    site.found();
    let list = site.muster(&["housekeeping", "--list"], "").ok();
    assert_eq!(list.matches(" never").count(), CHORES.len(), "{list}");
    let said = site.muster(&["housekeeping"], "").ok();
    let list = site.muster(&["housekeeping", "--list"], "").ok();
    for chore in CHORES {
        let line = |text: &str| text.lines().find(|line| line.starts_with(chore)).unwrap().to_owned();
        assert!(line(&said).contains(" 0 "), "{said}");
        assert!(line(&list).contains("UTC") && !line(&list).contains("never"), "{list}");
    }
    // What cannot be done is said, and everything else is done.
    let media = site.folder().join("media");
    std::fs::remove_dir_all(&media).unwrap();
    std::fs::create_dir(&media).unwrap();
    std::fs::write(media.join("installation"), "f5b1a1a0-0000-4000-8000-000000000000").unwrap();
    let (said, complaint) = site.muster(&["housekeeping"], "").both(1);
    assert!(said.contains("orphaned-media") && said.contains("failed"), "{said}");
    assert!(
        said.contains("of another installation") && said.contains("MUSTER_MEDIA_URL"),
        "{said}"
    );
    assert!(complaint.contains("not done: orphaned-media"), "{complaint}");
    let list = site.muster(&["housekeeping", "--list"], "").ok();
    let line = list.lines().find(|line| line.starts_with("orphaned-media")).unwrap();
    assert!(line.contains("failed"), "{list}");
}

#[test]
fn on_sqlite() {
    everything(&Site::embedded());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql() {
    if let Some(site) = Site::many().await {
        tokio::task::block_in_place(|| everything(&site));
    }
}
