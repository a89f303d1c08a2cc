//! The media store: a folder (synced to disk before it is acknowledged) or S3.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Result;

#[derive(Clone, Debug)]
pub struct Store(Arc<dyn ObjectStore>);

impl Store {
    pub fn folder(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(crate::Error::internal)?;
        Ok(Self(Arc::new(LocalFileSystem::new_with_prefix(path)?.with_fsync(true))))
    }

    /// `s3://bucket/prefix`; credentials, region and endpoint from the usual `AWS_…` variables.
    pub fn s3(url: &str) -> Result<Self> {
        let bucket = AmazonS3Builder::from_env().with_url(url).build()?;
        let prefix = url
            .trim_start_matches("s3://")
            .split_once('/')
            .map_or("", |(_, prefix)| prefix.trim_matches('/'));
        Ok(Self(if prefix.is_empty() {
            Arc::new(bucket)
        } else {
            Arc::new(PrefixStore::new(bucket, prefix))
        }))
    }

    /// For tests: a store of any kind, such as one that fails.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.0.put(&Key::from(key), bytes.into()).await?;
        Ok(())
    }

    /// Uploads a file in parts, from its beginning; answers its size.
    pub async fn put_file(&self, key: &str, file: std::fs::File) -> Result<u64> {
        use tokio::io::{AsyncSeekExt, AsyncWriteExt};
        let mut file = tokio::fs::File::from_std(file);
        file.rewind().await.map_err(crate::Error::internal)?;
        let mut parts = BufWriter::new(self.0.clone(), Key::from(key));
        let away = |error: std::io::Error| {
            tracing::warn!(%error, "media store away");
            crate::Error::Unavailable("The media store")
        };
        let size = tokio::io::copy(&mut file, &mut parts).await.map_err(away)?;
        parts.shutdown().await.map_err(away)?;
        Ok(size)
    }

    pub async fn get(&self, key: &str) -> Result<Bytes> {
        Ok(self.0.get(&Key::from(key)).await?.bytes().await?)
    }

    /// Removes what may be gone already.
    pub async fn remove(&self, key: &str) -> Result<()> {
        match self.0.delete(&Key::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the store answers.
    pub async fn probe(&self) -> bool {
        !matches!(
            self.0.head(&Key::from("probe")).await,
            Err(error) if !matches!(error, object_store::Error::NotFound { .. })
        )
    }
}
