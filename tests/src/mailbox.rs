//! The mail that a world has sent, where it becomes files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::world::World;

const COMES: Duration = Duration::from_secs(20);

/// What was mailed to an address, the oldest first: each as it lies in its file.
pub fn mails(world: &World, address: &str) -> Vec<String> {
    let folder = world.folder.path().join("outbox");
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect();
    // Names begin with the mail's id, which grows with time.
    files.sort();
    files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .filter(|mail| mail.contains(&format!("\r\nTo: {address}\r\n")))
        .collect()
}

/// The mail that comes as the `count`-th to an address.
pub async fn nth(world: &World, address: &str, count: usize) -> String {
    let begun = Instant::now();
    loop {
        if let Some(mail) = mails(world, address).into_iter().nth(count) {
            return mail;
        }
        assert!(begun.elapsed() < COMES, "no mail number {count} came to {address}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// What stands by itself in a mail's text: a code or a token.
pub fn secret(mail: &str) -> String {
    mail.lines()
        .find_map(|line| line.strip_prefix("    "))
        .unwrap_or_else(|| panic!("no code in {mail}"))
        .trim()
        .to_owned()
}

/// The code of the first mail to an address, once it has come.
pub async fn code(world: &World, address: &str) -> String {
    secret(&nth(world, address, 0).await)
}
