//! Fetching from folders and from a server that misbehaves in the ways servers do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

/// Larger than any buffer on the way, so that a broken transfer leaves a part.
fn weights() -> Vec<u8> {
    (0..300_000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}

fn catalog(urls: &[&str]) -> Catalog {
    let digest = download::hexadecimal(&Sha256::digest(weights()));
    let one = |name: &str, urls: &[&str]| {
        format!(
            r#"
            [[model]]
            name = "{name}"
            role = "detector"
            family = "yunet"
            file = "{name}.onnx"
            urls = {urls:?}
            sha256 = "{digest}"
            bytes = {}
            licence = "MIT"
            input = {{ colour = "bgr", mean = 0.0, scale = 1.0 }}
            detection = {{ score = 0.6, overlap = 0.3 }}
            "#,
            weights().len()
        )
    };
    Catalog::parse(&(one("first", urls) + &one("second", &[]))).unwrap()
}

fn first(urls: &[&str]) -> Entry {
    catalog(urls).entries()[0].clone()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(name: &str, bytes: &[u8]) -> Self {
        let folder = Self::new();
        std::fs::write(folder.0.path().join(name), bytes).unwrap();
        folder
    }

    fn text(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn store<'s>(&'s self, mirror: Option<&'s str>) -> Store<'s> {
        Store {
            models_dir: self.0.path(),
            mirror,
        }
    }

    fn part(&self) -> PathBuf {
        self.0.path().join("first.onnx.part")
    }
}

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Manner {
    /// Honours ranges.
    Proper,
    /// Breaks off after so many bytes the first time, then honours ranges.
    Breaks(usize),
    /// Sends everything whatever is asked.
    IgnoresRanges,
    /// Sends a page that isn't the file.
    Wrong,
    Missing,
}

/// Serves the weights on a port of its own, and notes the range of each request.
fn serve(manner: Manner) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let range = range_asked(&stream);
            let before = {
                let mut notes = notes.lock().unwrap();
                notes.push(range);
                notes.len() - 1
            };
            let _ = answer(stream, manner, range, before);
        }
    });
    (address, asked)
}

fn range_asked(stream: &TcpStream) -> Option<usize> {
    let mut range = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse().ok();
        }
    }
    range
}

fn answer(mut stream: TcpStream, manner: Manner, range: Option<usize>, before: usize) -> std::io::Result<()> {
    let all = weights();
    let (status, body) = match (manner, range) {
        (Manner::Missing, _) => ("404 Not Found", &b"no"[..]),
        (Manner::Wrong, _) => ("200 OK", &b"<html>sign in</html>"[..]),
        (Manner::IgnoresRanges, _) | (_, None) => ("200 OK", &all[..]),
        (_, Some(from)) => ("206 Partial Content", &all[from..]),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    )?;
    if status.starts_with("206") {
        let from = all.len() - body.len();
        write!(
            stream,
            "Content-Range: bytes {from}-{}/{}\r\n",
            all.len() - 1,
            all.len()
        )?;
    }
    write!(stream, "\r\n")?;
    match manner {
        Manner::Breaks(after) if before == 0 => stream.write_all(&body[..after]),
        _ => stream.write_all(body),
    }
}

fn ensure(folder: &Folder, mirror: Option<&str>, urls: &[&str]) -> Result<PathBuf, FetchError> {
    folder.store(mirror).ensure(&first(urls), Progress::Silent)
}

fn assert_there(folder: &Folder, path: &Path) {
    assert_eq!(std::fs::read(path).unwrap(), weights());
    assert!(!folder.part().exists());
    assert_eq!(folder.store(None).verify(&first(&[])), State::Ready);
}

#[test]
fn a_mirrors_folder_is_copied_from() {
    let (mirror, folder) = (Folder::with("first.onnx", &weights()), Folder::new());
    let path = ensure(&folder, Some(mirror.text()), &["http://127.0.0.1:1/never"]).unwrap();
    assert_there(&folder, &path);
    // Again, and now nothing is asked.
    assert_eq!(ensure(&folder, None, &[]), Ok(path));
}

#[test]
fn addresses_are_tried_in_turn() {
    let (folder, (server, asked)) = (Folder::new(), serve(Manner::Proper));
    let (missing, _) = serve(Manner::Missing);
    let path = ensure(&folder, None, &["no/such/file", &missing, &server]).unwrap();
    assert_there(&folder, &path);
    assert_eq!(*asked.lock().unwrap(), [None]);
}

#[test]
fn an_address_is_a_mirror_too() {
    let (folder, (server, _)) = (Folder::new(), serve(Manner::Proper));
    assert_there(&folder, &ensure(&folder, Some(&format!("{server}/")), &[]).unwrap());
}

#[test]
fn a_transfer_that_breaks_goes_on_where_it_broke() {
    let (folder, (server, asked)) = (Folder::new(), serve(Manner::Breaks(200_000)));
    assert_there(&folder, &ensure(&folder, None, &[&server]).unwrap());
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    // How much of what was sent had arrived is up to the network.
    assert!(asked[1].is_some_and(|from| (1..=200_000).contains(&from)), "{asked:?}");
}

#[test]
fn a_part_of_an_earlier_process_is_gone_on_from() {
    for (manner, requests) in [
        (Manner::Proper, vec![Some(1000)]),
        (Manner::IgnoresRanges, vec![Some(1000)]),
    ] {
        let (folder, (server, asked)) = (Folder::with("first.onnx.part", &weights()[..1000]), serve(manner));
        assert_there(&folder, &ensure(&folder, None, &[&server]).unwrap());
        assert_eq!(*asked.lock().unwrap(), requests);
    }
}

#[test]
fn a_part_of_something_else_is_thrown_away() {
    let (folder, (server, asked)) = (Folder::with("first.onnx.part", &[7; 1000]), serve(Manner::Proper));
    assert_there(&folder, &ensure(&folder, None, &[&server]).unwrap());
    assert_eq!(*asked.lock().unwrap(), [Some(1000), None]);
}

#[test]
fn the_wrong_file_is_never_kept() {
    let folder = Folder::new();
    let (server, _) = serve(Manner::Wrong);
    let mut altered = weights();
    altered[5] ^= 1;
    let mirror = Folder::with("first.onnx", &altered);
    let error = ensure(&folder, Some(mirror.text()), &[&server])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("checksum") && error.contains("MUSTER_MODELS_MIRROR"),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");
    assert!(!folder.store(None).path(&first(&[])).exists());
}

#[test]
fn a_damaged_file_is_replaced() {
    let mirror = Folder::with("first.onnx", &weights());
    let mut altered = weights();
    altered[5] ^= 1;
    let folder = Folder::with("first.onnx", &altered);
    let store = folder.store(None);
    assert_eq!(store.glance(&first(&[])), State::Ready);
    assert_eq!(store.verify(&first(&[])), State::Damaged);
    assert_there(&folder, &ensure(&folder, Some(mirror.text()), &[]).unwrap());
}

#[test]
fn many_at_once_fetch_it_once() {
    let (folder, (server, asked)) = (Folder::new(), serve(Manner::Proper));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(ensure(&folder, None, &[&server]).is_ok()));
        }
    });
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_had_is_told_in_one_line() {
    let folder = Folder::new();
    let nowhere = ensure(&folder, Some("/no/such/folder"), &["http://127.0.0.1:1/x"])
        .unwrap_err()
        .to_string();
    for word in ["first.onnx", "/no/such/folder", "127.0.0.1:1", "MUSTER_MODELS_MIRROR"] {
        assert!(nowhere.contains(word), "{nowhere}");
    }
    assert!(!nowhere.contains('\n'));
    let file = Folder::with("file", b"");
    let inside = file.0.path().join("file/models");
    let store = Store {
        models_dir: &inside,
        mirror: None,
    };
    let error = store.ensure(&first(&[]), Progress::Silent).unwrap_err().to_string();
    assert!(error.contains("can't be written") && !error.contains('\n'), "{error}");
}

#[test]
fn a_password_in_an_address_is_not_told() {
    let address = Address::parse("https://anna:secret@example.org/models/first.onnx");
    assert_eq!(address.to_string(), "https://example.org/models/first.onnx");
}

#[test]
fn the_choice_falls_on_what_is_here() {
    let folder = Folder::new();
    let catalog = catalog(&["https://example.org/first.onnx"]);
    let names = |store: Store<'_>, named| {
        let found = store.candidates(&catalog, Role::Detector, named);
        found.map(|found| found.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>())
    };
    // Nothing is here: whatever has an address.
    assert_eq!(names(folder.store(None), None).unwrap(), ["first"]);
    assert_eq!(
        names(folder.store(Some("http://localhost")), None).unwrap(),
        ["first", "second"]
    );
    // A mirror's folder counts as here.
    let mirror = Folder::with("second.onnx", &weights());
    assert_eq!(names(folder.store(Some(mirror.text())), None).unwrap(), ["second"]);
    // What is named is taken, here or not.
    assert_eq!(names(mirror.store(None), None).unwrap(), ["second"]);
    assert_eq!(names(mirror.store(None), Some("first")).unwrap(), ["first"]);
    let unknown = names(folder.store(None), Some("third")).unwrap_err().to_string();
    assert!(
        unknown.contains("third") && unknown.contains("first, second"),
        "{unknown}"
    );
}
