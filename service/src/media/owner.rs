//! Whose a media store is. An installation has an id, in its database and in an object of its store beside our
//! folders. To a database that is not the store's own every object would be an orphan: a lost volume, a typo in a
//! name or a second installation on one bucket must not empty it.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Store, named};
use crate::clock::Entropy;
use crate::db::{Db, Sql};
use crate::error::{Error, Result};
use crate::housekeeping::PIECE;

/// The object that says whose the store is, by the id as text.
pub const MARKER: &str = "installation";
/// Objects among which one must be known where no marker says whose they are.
const SAMPLE: usize = 1000;

#[derive(FromQueryResult)]
struct Installation {
    id: Uuid,
}

/// The id of the installation that this database is of; made where it has none yet.
async fn installation(db: &Db, entropy: &dyn Entropy) -> Result<Uuid> {
    let mut random = [0; 16];
    entropy.fill(&mut random);
    let new = uuid::Builder::from_random_bytes(random).into_uuid();
    let sql = "INSERT INTO installation (name, id) VALUES ('this', $1) ON CONFLICT (name) DO NOTHING";
    db.writer().run(sql, vec![new.into()]).await?;
    let sql = "SELECT id FROM installation WHERE name = 'this'";
    let found: Option<Installation> = db.writer().one(sql, vec![]).await?;
    found
        .map(|row| row.id)
        .ok_or_else(|| Error::internal("the installation has no id"))
}

/// Makes sure that the store is this database's own, and says so in it where nothing does yet: in one that holds
/// none of our objects, or one from before there were markers, of which the database knows some. Answers whether it
/// was said now. An error where it is another's.
///
/// Another's marker stands though its store is empty: whoever wrote it may be about to store its first photo.
pub async fn claim(db: &Db, media: &Store, entropy: &dyn Entropy) -> Result<bool> {
    let ours = installation(db, entropy).await?.to_string();
    match media.get(MARKER).await {
        Ok(said) if said.trim_ascii() == ours.as_bytes() => return Ok(false),
        Ok(said) => return Err(of_another(&ours, &said)),
        Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let some: Vec<String> = media
        .list()
        .take(SAMPLE)
        .map_ok(|object| object.key)
        .try_collect()
        .await?;
    if !some.is_empty() && !knows_one(db, &some).await? {
        return Err(of_nobody_here(&ours, some.len()));
    }
    media.put(MARKER, ours.into()).await?;
    Ok(true)
}

async fn knows_one(db: &Db, keys: &[String]) -> Result<bool> {
    for some in keys.chunks(usize::try_from(PIECE).unwrap_or(usize::MAX)) {
        if !named::among(db.reader(), some).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn of_another(ours: &str, said: &Bytes) -> Error {
    // What else lies there may be anything.
    let theirs = std::str::from_utf8(said)
        .ok()
        .and_then(|text| Uuid::try_parse(text.trim()).ok())
        .map_or_else(|| "something else".to_owned(), |id| id.to_string());
    Error::conflict(
        "ANOTHERS_MEDIA_STORE",
        format!(
            "the media store is of another installation, and nothing is removed from it: its object `{MARKER}` says \
             {theirs}, and this database is of {ours}. Give each a place of its own with MUSTER_MEDIA_URL, such as \
             another folder or s3://BUCKET/PREFIX; or set DATABASE_URL to the store's own database; or, if the other \
             installation is gone for good, remove the object `{MARKER}`"
        ),
    )
}

fn of_nobody_here(ours: &str, looked: usize) -> Error {
    Error::conflict(
        "ANOTHERS_MEDIA_STORE",
        format!(
            "the media store seems to be of another installation, and nothing is removed from it: the database names \
             none of the first {looked} objects in it. Give this installation a place of its own with \
             MUSTER_MEDIA_URL, such as another folder or s3://BUCKET/PREFIX; or set DATABASE_URL to the store's own \
             database; or, if they are what this installation has lost the rows of, put an object `{MARKER}` there \
             that says {ours}"
        ),
    )
}
