//! Points in a process at which a test may have it killed, or have its media store fail. The process asks at each
//! whether it may pass, and waits for the word: whoever kills it meanwhile kills it exactly there.

use std::fmt;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use models::{Analysis, Ask, EmbedderInfo, Observer, Stage, Vision, VisionError};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use service::media::Store;
use tokio::runtime::Handle;

use crate::fake::{self, FakeVision};

/// The variable that names the socket of whoever gives the word.
pub const VARIABLE: &str = "MUSTER_TEST_GATE";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// An api is about to store a photo.
    Storing,
    /// A worker has claimed a job and is about to read its photo.
    Fetching,
    Decoding,
    Detecting,
    Embedding,
    /// A worker is about to store a crop.
    Cropping,
}

impl Point {
    const ALL: [Self; 6] = [
        Self::Storing,
        Self::Fetching,
        Self::Decoding,
        Self::Detecting,
        Self::Embedding,
        Self::Cropping,
    ];
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Who asks, where, and about what.
#[derive(Clone, Debug)]
pub struct Question {
    pub process: u32,
    pub point: Point,
    /// The number of the photo, where its bytes are in hand.
    pub photo: Option<u16>,
    /// The key of the object, where there is one.
    pub key: Option<String>,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let photo = self.photo.map_or_else(|| "-".to_owned(), |n| n.to_string());
        write!(
            f,
            "{} {} {photo} {}",
            self.process,
            self.point,
            self.key.as_deref().unwrap_or("-")
        )
    }
}

impl FromStr for Question {
    type Err = String;

    fn from_str(line: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("no question: {line}");
        let [process, point, photo, key] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        Ok(Self {
            process: process.parse().map_err(|_| wrong())?,
            point: *Point::ALL.iter().find(|p| p.to_string() == point).ok_or_else(wrong)?,
            photo: photo.parse().ok(),
            key: (key != "-").then(|| key.to_owned()),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Pass,
    /// The store fails, before it has written anything.
    Fail,
    /// The store writes, and fails to say so.
    FailBehind,
}

impl Word {
    pub const fn byte(self) -> u8 {
        match self {
            Self::Pass => b'p',
            Self::Fail => b'f',
            Self::FailBehind => b'b',
        }
    }
}

/// The process's end.
#[derive(Clone, Debug)]
pub struct Gate(PathBuf);

impl Gate {
    /// None where nobody asked for one.
    pub fn of_environment() -> Option<Self> {
        std::env::var_os(VARIABLE).map(|path| Self(path.into()))
    }

    fn ask(&self, point: Point, photo: Option<u16>, key: Option<String>) -> Word {
        let question = Question {
            process: std::process::id(),
            point,
            photo,
            key,
        };
        let mut word = [0];
        let asked = UnixStream::connect(&self.0).and_then(|mut stream| {
            writeln!(stream, "{question}")?;
            stream.read_exact(&mut word)
        });
        match (asked, word) {
            (Ok(()), [b'f']) => Word::Fail,
            (Ok(()), [b'b']) => Word::FailBehind,
            // Nobody is there any more: the test is over.
            _ => Word::Pass,
        }
    }
}

/// The fake vision behind a gate at each of its stages.
#[derive(Debug)]
pub struct GatedVision {
    pub inner: FakeVision,
    pub gate: Gate,
}

impl Vision for GatedVision {
    fn embedder(&self) -> &EmbedderInfo {
        self.inner.embedder()
    }

    fn embedder_named(&self, name: &str) -> std::result::Result<EmbedderInfo, VisionError> {
        self.inner.embedder_named(name)
    }

    fn tells_liveness(&self) -> bool {
        self.inner.tells_liveness()
    }

    fn analyse(&self, photo: &[u8], ask: &Ask, observe: Observer<'_>) -> std::result::Result<Analysis, VisionError> {
        let number = fake::number(photo);
        self.inner.analyse(photo, ask, &|stage| {
            let goes_on = observe(stage);
            if goes_on == ControlFlow::Continue(()) && number.is_some() {
                let point = match stage {
                    Stage::Decoding => Point::Decoding,
                    Stage::Detecting => Point::Detecting,
                    Stage::Embedding(_) => Point::Embedding,
                };
                self.gate.ask(point, number, None);
            }
            goes_on
        })
    }
}

/// Says what becomes of a read or a write of that object; may block. The number is the photo's that is written.
type Doorkeeper = Arc<dyn Fn(Point, Option<u16>, String) -> Word + Send + Sync>;

/// Puts a gate before the photos and crops of a store: where they are numbered, whoever is behind the gate is asked.
pub fn gated(store: Store, gate: Gate) -> Store {
    guarded(store, move |point, photo, key| match (point, photo) {
        (Point::Storing | Point::Cropping, None) => Word::Pass,
        _ => gate.ask(point, photo, Some(key)),
    })
}

/// The same with somebody in this process at the gate.
pub fn guarded(store: Store, doorkeeper: impl Fn(Point, Option<u16>, String) -> Word + Send + Sync + 'static) -> Store {
    let doorkeeper: Doorkeeper = Arc::new(doorkeeper);
    store.through(|inner| {
        Arc::new(GatedStore {
            inner,
            doorkeeper: doorkeeper.clone(),
        })
    })
}

struct GatedStore {
    inner: Arc<dyn ObjectStore>,
    doorkeeper: Doorkeeper,
}

impl GatedStore {
    async fn ask(&self, point: Point, photo: Option<u16>, location: &Path) -> Word {
        let (doorkeeper, key) = (self.doorkeeper.clone(), location.to_string());
        match Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(move || doorkeeper(point, photo, key))
                .await
                .unwrap(),
            // Many at once are put in on a thread of their own.
            Err(_) => doorkeeper(point, photo, key),
        }
    }
}

impl fmt::Debug for GatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for GatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} behind a gate", self.inner)
    }
}

fn failure() -> object_store::Error {
    object_store::Error::Generic {
        store: "gate",
        source: "the test has it fail".into(),
    }
}

#[async_trait]
impl ObjectStore for GatedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let point = if location.prefix_matches(&Path::from("photos")) {
            Point::Storing
        } else {
            Point::Cropping
        };
        let number = fake::number(&Bytes::from(payload.clone()));
        let word = self.ask(point, number, location).await;
        if word == Word::Fail {
            return Err(failure());
        }
        let put = self.inner.put_opts(location, payload, opts).await;
        if word == Word::FailBehind { Err(failure()) } else { put }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if location.prefix_matches(&Path::from("photos")) {
            self.ask(Point::Fetching, None, location).await;
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
