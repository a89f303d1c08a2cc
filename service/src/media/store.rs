//! The media store: a folder (synced to disk before it is acknowledged) or S3.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_executor::block_on;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::oneshot;

use super::files;
use crate::error::Result;

/// The folders in which our keys begin. What lies elsewhere is not ours, but for the marker of whose the store is.
const FOLDERS: [&str; 3] = ["photos", "crops", "exports"];

#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    folder: Option<Folder>,
}

/// Where the objects are files.
#[derive(Clone, Debug)]
struct Folder {
    root: PathBuf,
    /// The same objects by a way on which nothing is synced to disk.
    unsynced: Arc<dyn ObjectStore>,
}

/// Objects that a store is asked to take at a time: one that is reached over the network, and a folder, where two would
/// wait for each other.
const AT_ONCE: usize = 32;
const FILES_AT_ONCE: usize = 1;

/// An object as the store lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub key: String,
    pub modified_at: DateTime<Utc>,
}

impl Folder {
    /// Blocks until all of them last.
    fn put_all(&self, objects: Vec<(String, Bytes)>) -> Result<()> {
        let paths: Vec<_> = objects.iter().map(|(key, _)| self.root.join(key)).collect();
        block_on(put_each(&self.unsynced, objects, FILES_AT_ONCE))?;
        files::sync(&self.root, &paths).map_err(away)
    }
}

impl Store {
    pub fn folder(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(crate::Error::internal)?;
        let root = fs::canonicalize(path).map_err(crate::Error::internal)?;
        let files = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self {
            objects: Arc::new(files.clone().with_fsync(true)),
            folder: Some(Folder {
                root,
                unsynced: Arc::new(files),
            }),
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
    pub fn through(self, filter: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self {
            objects: filter(self.objects),
            folder: self.folder.map(|folder| Folder {
                unsynced: filter(folder.unsynced),
                ..folder
            }),
        }
    }

    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.objects.put(&Key::from(key), bytes.into()).await?;
        Ok(())
    }

    /// Puts in all of them, under keys that nothing is under yet, and also those behind one that fails: a write that nobody
    /// waits for goes on, and would end behind the removal of what it wrote. Where it fails any of them may be there,
    /// and may be lost, or be empty, after a crash of the machine.
    pub async fn put_all(&self, objects: Vec<(String, Bytes)>) -> Result<()> {
        let Some(folder) = self.folder.clone() else {
            return put_each(&self.objects, objects, AT_ONCE).await;
        };
        if objects.is_empty() {
            return Ok(());
        }
        let (tell, told) = oneshot::channel();
        // One without a runtime, where `object_store` writes by itself: each write would be handed to a thread of the
        // runtime and waited for, which takes the processor from others for longer than the write does.
        thread::Builder::new()
            .name("put-all".into())
            .spawn(move || {
                // Nobody need wait for it any more.
                let _ = tell.send(folder.put_all(objects));
            })
            .map_err(crate::Error::internal)?;
        told.await.map_err(crate::Error::internal)?
    }

    /// Uploads a file in parts, from its beginning; answers its size.
    pub async fn put_file(&self, key: &str, file: fs::File) -> Result<u64> {
        use tokio::io::{AsyncSeekExt, AsyncWriteExt};
        let mut file = tokio::fs::File::from_std(file);
        file.rewind().await.map_err(crate::Error::internal)?;
        let mut parts = BufWriter::new(self.objects.clone(), Key::from(key));
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
        let Some(Folder { root, .. }) = &self.folder else {
            return Ok(0);
        };
        let folders = FOLDERS.map(|folder| root.join(folder));
        let before = SystemTime::from(before);
        on_disk(move || folders.iter().map(|folder| files::tidy(folder, before)).sum()).await
    }
}

async fn put_each(store: &dyn ObjectStore, objects: Vec<(String, Bytes)>, at_once: usize) -> Result<()> {
    let put = |(key, bytes): (String, Bytes)| async move { store.put(&Key::from(key), bytes.into()).await };
    let stored: Vec<_> = stream::iter(objects).map(put).buffered(at_once).collect().await;
    stored.into_iter().try_for_each(|put| put.map(drop)).map_err(Into::into)
}

/// What is done to the folder's files, on a blocking thread.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(away)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn away(error: io::Error) -> crate::Error {
    tracing::warn!(%error, "media store away");
    crate::Error::Unavailable("The media store")
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::Error;

    fn objects(keys: [&str; 2]) -> Vec<(String, Bytes)> {
        keys.map(|key| (key.to_owned(), Bytes::copy_from_slice(key.as_bytes())))
            .to_vec()
    }

    #[tokio::test]
    async fn all_are_put_in_also_behind_one_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        store.put_all(objects(["crops/1/a", "crops/2/b"])).await.unwrap();
        assert_eq!(store.get("crops/1/a").await.unwrap(), "crops/1/a");
        // Nothing can be put in under an object.
        let put = store.put_all(objects(["crops/1/a/c", "crops/2/d"])).await;
        assert!(matches!(put, Err(Error::Unavailable(_))), "{put:?}");
        assert_eq!(store.get("crops/2/d").await.unwrap(), "crops/2/d");
    }

    /// What takes them keeps them elsewhere, where there is nothing to sync.
    #[tokio::test]
    async fn what_cannot_be_synced_is_not_put_in() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        let store = store.through(|_| Arc::new(InMemory::new()));
        store.put("crops/1/a", Bytes::new()).await.unwrap();
        let put = store.put_all(objects(["crops/1/a", "crops/2/b"])).await;
        assert!(matches!(put, Err(Error::Unavailable(_))), "{put:?}");
    }
}
