//! What was mailed, read from the `.eml` files of a world's outbox.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use crate::world::World;

/// How long a mail may be on its way.
const PATIENCE: Duration = Duration::from_secs(15);

/// The code of six digits in the newest mail to an address that has one.
pub async fn last_code(world: &World, address: &str) -> String {
    wait(world, address, |line| {
        line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit())
    })
    .await
}

/// The token in the newest mail to an address that has one: 32 bytes as base64.
pub async fn last_token(world: &World, address: &str) -> String {
    wait(world, address, |line| {
        line.len() == 43 && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    })
    .await
}

/// The mails to an address, oldest first, each as its text part.
pub fn mails(world: &World, address: &str) -> Vec<String> {
    let folder = world.folder.path().join("outbox");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|all| all.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|e| e == "eml"));
    // By the mail's id, which is a UUIDv7.
    files.sort();
    files.iter().filter_map(|file| read(file, address)).collect()
}

async fn wait(world: &World, address: &str, fits: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let found = mails(world, address).iter().rev().find_map(|text| {
            let mut lines = text.lines().map(str::trim);
            lines.find(|line| fits(line)).map(str::to_owned)
        });
        if let Some(found) = found {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no such mail came to {address}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn read(file: &Path, address: &str) -> Option<String> {
    // It may be gone since the folder was read.
    let mail = std::fs::read_to_string(file).ok()?.replace("\r\n", "\n");
    let (head, body) = mail.split_once("\n\n")?;
    let to_them = unfolded(head)
        .iter()
        .any(|line| line.to_ascii_lowercase().starts_with("to:") && line.contains(address));
    to_them.then(|| text_part(head, body))
}

/// A header that was folded over several lines is one again.
fn unfolded(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in head.lines() {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => *last += line,
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn value(head: &str, name: &str) -> String {
    let name = format!("{name}:");
    unfolded(head)
        .iter()
        .find(|line| line.to_ascii_lowercase().starts_with(&name))
        .map(|line| line[name.len()..].trim().to_owned())
        .unwrap_or_default()
}

/// The `text/plain` part, or the whole of a mail that has no parts.
fn text_part(head: &str, body: &str) -> String {
    let kind = value(head, "content-type");
    if let Some((_, rest)) = kind.split_once("boundary=") {
        let boundary = rest.split(';').next().unwrap().trim().trim_matches('"');
        let mark = format!("--{boundary}");
        return body
            .split(mark.as_str())
            .filter_map(|part| part.trim_start_matches('\n').split_once("\n\n"))
            .map(|(head, body)| (value(head, "content-type"), text_part(head, body)))
            .find(|(kind, _)| kind.starts_with("text/plain"))
            .map(|(_, text)| text)
            .unwrap_or_default();
    }
    match value(head, "content-transfer-encoding").to_ascii_lowercase().as_str() {
        "base64" => {
            let joined: String = body.split_whitespace().collect();
            String::from_utf8(BASE64_STANDARD.decode(joined).unwrap()).unwrap()
        }
        "quoted-printable" => plain(body),
        _ => body.to_owned(),
    }
}

fn plain(quoted: &str) -> String {
    let text = quoted.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        if let (b'=', Some(byte)) = (first, byte) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_mail_is_read_from_its_parts() {
        let head = "To: a@example.org\nContent-Type: multipart/alternative;\n boundary=\"x\"";
        let body = "--x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
                    Gr=C3=BC=\n=C3=9Fe\n123456\n--x\nContent-Type: text/html\n\n<p>123456</p>\n--x--\n";
        assert_eq!(text_part(head, body).trim(), "Grüße\n123456");
    }
}
