//! A store that takes its time to say what it holds.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use service::housekeeping::{self, Chore, Occasion};
use service::media::Store;
use tests::both;
use tests::school::now;
use tests::world::{Setup, World};

use super::{media_folder, query, school};

/// Never comes to the end of a list.
#[derive(Debug)]
struct Slow(Arc<dyn ObjectStore>);

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} that is slow", self.0)
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix).chain(stream::pending()).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

const CHORE: Chore = Chore::OrphanedMedia;

/// How long the chore is held; none where nobody is at it.
async fn held(world: &World) -> Option<DateTime<Utc>> {
    let rows = query(world, "SELECT until FROM chore WHERE name = 'orphaned-media'", vec![]).await;
    rows.first().and_then(|row| row.try_get("", "until").unwrap())
}

/// Waits until it is held longer than that.
async fn held_beyond(world: &World, until: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let begun = Instant::now();
    loop {
        match held(world).await {
            Some(now) if Some(now) > until => return now,
            _ => assert!(begun.elapsed() < Duration::from_secs(20), "it is held no longer"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn slow(mut world: World) {
    school(&mut world).await;
    query(&world, "DELETE FROM chore", vec![]).await;
    let media = Store::folder(&media_folder(&world)).unwrap();
    let service = world.twin(|parts| parts.media = media.through(|inner| Arc::new(Slow(inner))));
    let run = tokio::spawn(async move { housekeeping::run(&service, CHORE, Occasion::Due).await.map(drop) });
    let first = held_beyond(&world, None).await;
    held_beyond(&world, Some(first)).await;
    let due = async || housekeeping::due(&world.service).await.unwrap().contains(&CHORE);
    assert!(!due().await);

    // Cut off, it is not left for a day: others take it up when they have heard nothing for long enough.
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    assert!(held(&world).await.is_some() && !due().await);
    let over = now() - TimeDelta::seconds(1);
    query(&world, "UPDATE chore SET until = $1", vec![over.into()]).await;
    assert!(due().await);
    let ran = housekeeping::run(&world.service, CHORE, Occasion::Due).await.unwrap();
    assert_eq!(ran.unwrap().done.unwrap(), 0);
    assert!(!due().await && held(&world).await.is_none());
}

both!(a_long_walk_is_held_on_to_and_taken_up_when_cut_off, slow, |setup| {
    Setup { workers: 0, ..setup }
});
