//! Brings one file from a folder or an http(s) address, whole and right or not at all: it grows as
//! `NAME.part`, where an interrupted transfer goes on, is held against its size and checksum, and
//! takes its name by a rename.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::header::{CONTENT_RANGE, RANGE};

use crate::catalog::Entry;
use crate::setup::Progress;

/// Transfers that break are taken up again where they broke, so many times.
const ATTEMPTS: usize = 3;

/// Bytes moved at a time.
const CHUNK: usize = 64 * 1024;

/// Where a file is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A file of this machine.
    File(PathBuf),
    /// An http(s) address.
    Http(String),
}

impl Address {
    /// What begins like an address is one, all else is a path.
    pub fn parse(text: &str) -> Self {
        if is_http(text) {
            Self::Http(text.into())
        } else {
            Self::File(text.into())
        }
    }
}

pub(crate) fn is_http(text: &str) -> bool {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            // A mirror's address may carry a password.
            Self::Http(address) => match address.split_once("://").zip(address.rsplit_once('@')) {
                Some(((scheme, _), (_, rest))) => write!(f, "{scheme}://{rest}"),
                None => f.write_str(address),
            },
        }
    }
}

/// Puts the entry's file at `target`. The error is the reason alone.
pub(crate) fn fetch(address: &Address, entry: &Entry, target: &Path, progress: Progress) -> Result<(), String> {
    let part = part_of(target);
    let bar = bar(entry, progress);
    let fetched = match address {
        Address::File(path) => copy(path, &part, entry, &bar),
        Address::Http(address) => download(address, &part, entry, &bar),
    };
    bar.finish_and_clear();
    fetched?;
    std::fs::rename(&part, target).map_err(|error| error.to_string())?;
    // The rename itself must survive a loss of power, or a start without network finds nothing.
    target
        .parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        .map_err(|error| error.to_string())
}

pub(crate) fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn bar(entry: &Entry, progress: Progress) -> ProgressBar {
    if progress == Progress::Silent {
        return ProgressBar::hidden();
    }
    // Draws on stderr, and nothing where that is no terminal.
    let bar = ProgressBar::new(entry.bytes).with_message(entry.file.clone());
    match ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn copy(from: &Path, part: &Path, entry: &Entry, bar: &ProgressBar) -> Result<(), String> {
    let copied = || -> io::Result<()> {
        let mut source = File::open(from)?;
        let mut file = File::create(part)?;
        pump(&mut source, &mut file, entry.bytes, bar)?;
        file.sync_all()
    };
    copied().map_err(|error| error.to_string())?;
    keep_if_right(part, entry)
}

fn download(address: &str, part: &Path, entry: &Entry, bar: &ProgressBar) -> Result<(), String> {
    let agent: Agent = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        // A server that falls silent, not a slow line: the limit is on each read.
        .timeout_per_read(Some(Duration::from_mins(1)))
        .build()
        .into();
    let mut reason = String::new();
    for _ in 0..ATTEMPTS {
        let begun = length(part);
        match transfer(&agent, address, part, entry, bar) {
            Ok(()) => match keep_if_right(part, entry) {
                // What was there already may have come from elsewhere: once more from the
                // beginning.
                Err(wrong) if begun > 0 => reason = wrong,
                kept => return kept,
            },
            Err(Broken::ForGood(why)) => return Err(why),
            Err(Broken::Midway(why)) => reason = why,
        }
    }
    Err(reason)
}

/// How a transfer failed.
enum Broken {
    /// Going on may help.
    Midway(String),
    /// It won't.
    ForGood(String),
}

fn transfer(agent: &Agent, address: &str, part: &Path, entry: &Entry, bar: &ProgressBar) -> Result<(), Broken> {
    let on_disk = |error: io::Error| Broken::ForGood(error.to_string());
    let begun = length(part);
    if begun == entry.bytes {
        return Ok(());
    }
    let resumed = (1..entry.bytes).contains(&begun);
    let mut request = agent.get(address);
    if resumed {
        request = request.header(RANGE, format!("bytes={begun}-"));
    }
    let response = match request.call() {
        Ok(response) => response,
        // The server has another, shorter file.
        Err(ureq::Error::StatusCode(416)) => {
            remove(part);
            return Err(Broken::Midway("the file there is shorter than it should be".into()));
        }
        Err(ureq::Error::StatusCode(code)) => return Err(Broken::ForGood(format!("the server answered {code}"))),
        Err(error) => return Err(Broken::Midway(error.to_string())),
    };
    // A server may ignore the wish and send all of it.
    let continues = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok())
        .is_some_and(|range| range.trim().starts_with(&format!("bytes {begun}-")));
    let continues = resumed && response.status() == 206 && continues;
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(!continues)
        .open(part)
        .map_err(on_disk)?;
    file.seek(SeekFrom::End(0)).map_err(on_disk)?;
    let from = if continues { begun } else { 0 };
    bar.set_position(from);
    let mut body = response.into_body().into_reader();
    let moved = pump(&mut body, &mut file, entry.bytes - from, bar);
    // Also of a broken transfer: what came is what the next one goes on from.
    file.sync_all().map_err(on_disk)?;
    match moved {
        Ok(()) if length(part) < entry.bytes => Err(Broken::Midway("the transfer broke off".into())),
        Ok(()) => Ok(()),
        Err(error) => Err(Broken::Midway(error.to_string())),
    }
}

/// Moves bytes until the end, or until it is clear that there are too many.
fn pump(source: &mut impl Read, file: &mut File, most: u64, bar: &ProgressBar) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut source = source.take(most + 1);
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        file.write_all(&chunk[..count])?;
        bar.inc(count as u64);
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |data| data.len())
}

/// A file that can't be removed is overwritten by the next attempt, or fails there.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "couldn't be deleted");
    }
}

fn keep_if_right(part: &Path, entry: &Entry) -> Result<(), String> {
    if matches(part, entry).map_err(|error| error.to_string())? {
        return Ok(());
    }
    remove(part);
    Err("what came has the wrong checksum and was deleted".into())
}

/// Whether a file is the entry's, by size and SHA-256.
pub(crate) fn matches(path: &Path, entry: &Entry) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != entry.bytes {
        return Ok(false);
    }
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
    }
    Ok(hexadecimal(&hash.finalize()) == entry.sha256)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
