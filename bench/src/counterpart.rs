//! A program of another make that recognizes the same people in the same photos: a process that
//! stays, spoken to by one line a photo, so that its start is not measured. What it says it took is
//! what is counted: from the file's bytes to names.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

#[derive(Debug)]
pub struct Counterpart {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What it says of itself: versions, and choices that it made.
    pub about: String,
}

/// What it found in a photo.
#[derive(Debug)]
pub struct Answer {
    /// Milliseconds.
    pub took: f64,
    pub faces: usize,
    /// In order.
    pub people: Vec<String>,
}

/// The Python that has the packages; none where it was not prepared (`bench/run` does).
pub fn python(variable: &str) -> Option<PathBuf> {
    let python = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    if python.is_none() {
        eprintln!("{variable} names no Python: lines that compare with it are left out; bench/run prepares one");
    }
    python
}

impl Counterpart {
    /// Starts a program of `bench/python` with these arguments and waits until it is ready.
    pub fn start(python: &Path, program: &str, threads: usize, arguments: &[(&str, String)]) -> Self {
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(program));
        command.arg("--threads").arg(threads.to_string());
        for (name, value) in arguments {
            command.arg(format!("--{name}")).arg(value);
        }
        // Before numpy is loaded, or its own pool has a thread a core.
        for pool in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            command.env(pool, threads.to_string());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut counterpart = Self {
            asks: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            about: String::new(),
        };
        let ready = counterpart.read();
        counterpart.about = ready["about"].as_str().map(str::to_owned).unwrap_or_default();
        counterpart
    }

    /// Has it look at a photo.
    pub fn recognize(&mut self, photo: &Path) -> Answer {
        let said = self.ask(&json!({ "photo": photo }));
        let count = said["faces"].as_u64().unwrap_or_default();
        let people = said["people"].as_array().cloned().unwrap_or_default();
        let mut people: Vec<String> = people
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        people.sort();
        Answer {
            took: said["ms"].as_f64().unwrap(),
            faces: usize::try_from(count).unwrap(),
            people,
        }
    }

    /// Milliseconds in which its decoder makes pixels of a photo.
    pub fn decode(&mut self, photo: &Path) -> f64 {
        self.ask(&json!({ "decode": photo }))["ms"].as_f64().unwrap()
    }

    fn ask(&mut self, what: &Value) -> Value {
        writeln!(self.asks.as_mut().unwrap(), "{what}").unwrap();
        self.read()
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).unwrap();
        assert!(read > 0, "the Python program ended; what it said is above");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.asks.take());
        let _ = self.child.wait();
    }
}
