//! The media store: a folder (synced to disk before it is acknowledged) or S3.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Result;

/// The folders in which our keys begin. What lies elsewhere is not ours, but for the marker of whose the store is.
const FOLDERS: [&str; 3] = ["photos", "crops", "exports"];

#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// Where the objects are files.
    folder: Option<PathBuf>,
}

/// Objects that a store is asked to take at a time: one that is reached over the network, and a folder. There each is synced
/// to disk, which is a third slower with few, and with many costs those who use the processor meanwhile twice as much.
const AT_ONCE: usize = 32;
const FILES_AT_ONCE: usize = 2;

/// An object as the store lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub key: String,
    pub modified_at: DateTime<Utc>,
}

impl Store {
    pub fn folder(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(crate::Error::internal)?;
        Ok(Self {
            objects: Arc::new(LocalFileSystem::new_with_prefix(path)?.with_fsync(true)),
            folder: Some(path.to_owned()),
        })
    }

    /// `s3://bucket/prefix`; credentials, region and endpoint from the usual `AWS_…` variables, but
    /// for the secret key where one is given.
    pub fn s3(url: &str, secret: Option<&str>) -> Result<Self> {
        let mut bucket = AmazonS3Builder::from_env().with_url(url);
        if let Some(secret) = secret {
            bucket = bucket.with_secret_access_key(secret);
        }
        let bucket = bucket.build()?;
        let prefix = url
            .trim_start_matches("s3://")
            .split_once('/')
            .map_or("", |(_, prefix)| prefix.trim_matches('/'));
        let objects: Arc<dyn ObjectStore> = if prefix.is_empty() {
            Arc::new(bucket)
        } else {
            Arc::new(PrefixStore::new(bucket, prefix))
        };
        Ok(Self { objects, folder: None })
    }

    /// The same behind what `filter` makes of it, such as one that fails now and then.
    #[must_use]
    pub fn through(self, filter: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self {
            objects: filter(self.objects),
            ..self
        }
    }

    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.objects.put(&Key::from(key), bytes.into()).await?;
        Ok(())
    }

    /// Puts in all of them, also those behind one that fails: a write that nobody waits for goes on, and would end
    /// behind the removal of what it wrote.
    pub async fn put_all(&self, objects: Vec<(String, Bytes)>) -> Result<()> {
        let at_once = if self.folder.is_some() { FILES_AT_ONCE } else { AT_ONCE };
        let put = |(key, bytes): (String, Bytes)| async move { self.put(&key, bytes).await };
        let stored: Vec<Result<()>> = stream::iter(objects).map(put).buffered(at_once).collect().await;
        stored.into_iter().collect()
    }

    /// Uploads a file in parts, from its beginning; answers its size.
    pub async fn put_file(&self, key: &str, file: fs::File) -> Result<u64> {
        use tokio::io::{AsyncSeekExt, AsyncWriteExt};
        let mut file = tokio::fs::File::from_std(file);
        file.rewind().await.map_err(crate::Error::internal)?;
        let mut parts = BufWriter::new(self.objects.clone(), Key::from(key));
        let away = |error: io::Error| {
            tracing::warn!(%error, "media store away");
            crate::Error::Unavailable("The media store")
        };
        let size = tokio::io::copy(&mut file, &mut parts).await.map_err(away)?;
        parts.shutdown().await.map_err(away)?;
        Ok(size)
    }

    pub async fn get(&self, key: &str) -> Result<Bytes> {
        Ok(self.objects.get(&Key::from(key)).await?.bytes().await?)
    }

    /// Removes what may be gone already.
    pub async fn remove(&self, key: &str) -> Result<()> {
        match self.objects.delete(&Key::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the store answers.
    pub async fn probe(&self) -> bool {
        !matches!(
            self.objects.head(&Key::from("probe")).await,
            Err(error) if !matches!(error, object_store::Error::NotFound { .. })
        )
    }

    /// Whether there is an object under this key.
    pub async fn holds(&self, key: &str) -> Result<bool> {
        match self.objects.head(&Key::from(key)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether what is put in under this key can be had again, and removed.
    pub(crate) async fn keeps(&self, key: &str) -> bool {
        const CONTENT: Bytes = Bytes::from_static(b"probe");
        let key = Key::from(key);
        if self.objects.put(&key, CONTENT.into()).await.is_err() {
            return false;
        }
        let read = async { self.objects.get(&key).await?.bytes().await };
        let read = read.await.is_ok_and(|read| read == CONTENT);
        // Whatever was read: it must not stay.
        self.objects.delete(&key).await.is_ok() && read
    }

    /// All objects in our folders, in the store's own order, as they are come upon. Nothing else is looked into: a
    /// folder of somebody else's, which may not even be readable, lies beside them on many a disk.
    pub fn list(&self) -> BoxStream<'static, Result<Listed>> {
        let folders = FOLDERS.map(|folder| self.objects.list(Some(&Key::from(folder))));
        stream::iter(folders)
            .flatten()
            .map_ok(|object| Listed {
                key: object.location.into(),
                modified_at: object.last_modified,
            })
            .map_err(Into::into)
            .boxed()
    }

    /// Where objects are files: removes what a process left that ended while it wrote one, which no list
    /// shows, and folders that nothing is in, of our folders and from before then. Answers how many files.
    pub async fn tidy(&self, before: DateTime<Utc>) -> Result<u64> {
        let Some(root) = &self.folder else { return Ok(0) };
        let folders = FOLDERS.map(|folder| root.join(folder));
        let before = SystemTime::from(before);
        let tidied = tokio::task::spawn_blocking(move || {
            let mut removed = 0;
            for folder in folders {
                removed += tidy(&folder, before)?;
            }
            io::Result::Ok(removed)
        });
        tidied.await?.map_err(|error| {
            tracing::warn!(%error, "media store away");
            crate::Error::Unavailable("The media store")
        })
    }
}

/// What is gone before it is come to is no error: others are at it too.
fn or_gone(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

fn tidy(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_old = |data: &fs::Metadata| data.modified().is_ok_and(|at| at < before);
        match entry.metadata() {
            Ok(data) if data.is_dir() => {
                removed += tidy(&path, before)?;
                if is_old(&data) {
                    // Refused where something is in it, which is as it should be.
                    let _ = fs::remove_dir(&path);
                }
            }
            Ok(data) if is_old(&data) && is_unfinished(&path) => {
                or_gone(fs::remove_file(&path))?;
                removed += 1;
            }
            Ok(_) => {}
            Err(error) => or_gone(Err(error))?,
        }
    }
    Ok(removed)
}

/// `object_store` writes beside the object's place, under its name with a number behind it.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split_once('#'))
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
