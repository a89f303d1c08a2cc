//! Photos come in: checked by their header, put into the store, and in one transaction made a
//! job. What was acknowledged is in both.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{bulk, place, templates};
use crate::attendance::{marks, roll};
use crate::error::{Error, Result};
use crate::id::{ClassId, JobId, PersonId, SessionId};
use crate::idempotency::{self, Request};
use crate::keys::fingerprint;
use crate::kinds::{JobKind, MarkSource, Role, SessionState};
use crate::queue::{self, Job, NewJob};
use crate::rates::{self, Rule};
use crate::scope::{Scope, Viewer};
use crate::{Service, Tx, audit, classes, media, people, sessions};

const ENROLMENT_PHOTOS_MAX: usize = 20;

/// Whose photos these are.
#[derive(Clone, Copy, Debug)]
pub enum PhotoOf {
    Session(SessionId, ClassId),
    Person(PersonId),
    /// Of a student who checks in to a session of the class.
    Selfie(SessionId, ClassId, PersonId),
    /// Of a class, or of the whole organization.
    Somebody(Option<ClassId>),
}

/// Queues the recognition of everyone in the photo; the session must be open.
pub async fn submit_class_photo(
    service: &Service,
    scope: &Scope,
    session: SessionId,
    photo: Bytes,
    idempotency_key: Option<&str>,
) -> Result<Job> {
    let found = sessions::reach(service, scope, session).await?;
    submit(
        service,
        scope,
        PhotoOf::Session(session, found.class_id),
        vec![photo],
        ("submitClassPhoto", idempotency_key),
    )
    .await
}

/// Queues the enrolment of a student by photos of their face; a student may enrol themselves.
pub async fn enrol_faces(
    service: &Service,
    scope: &Scope,
    person: PersonId,
    photos: Vec<Bytes>,
    idempotency_key: Option<&str>,
) -> Result<Job> {
    let viewer = scope.viewer()?;
    let found = people::find(service, scope, person)
        .await?
        .filter(|p| p.in_full)
        .ok_or(Error::NotFound("student"))?;
    if found.role != Role::Student {
        return Err(Error::invalid("userId", "only students are enrolled"));
    }
    if viewer.role == Role::Student && person != viewer.person {
        return Err(Error::NotFound("student"));
    }
    submit(
        service,
        scope,
        PhotoOf::Person(person),
        photos,
        ("enrolFaces", idempotency_key),
    )
    .await
}

/// A student's word that they are there.
#[derive(Debug)]
pub struct CheckIn<'a> {
    pub session: SessionId,
    pub code: &'a str,
    pub selfie: Bytes,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub idempotency_key: Option<&'a str>,
}

/// Queues the comparison of a selfie with the student's own templates, once the code and the place
/// show that they are in the room.
pub async fn submit_selfie(service: &Service, scope: &Scope, input: CheckIn<'_>) -> Result<Job> {
    const OPERATION: &str = "checkIn";
    let viewer = scope.viewer()?;
    if viewer.role != Role::Student {
        return Err(Error::Forbidden);
    }
    let session = sessions::by_ids(service, scope, &[input.session])
        .await?
        .pop()
        .ok_or(Error::NotFound("session"))?;
    let here = place::given(input.latitude, input.longitude)?;
    let of = PhotoOf::Selfie(session.id, session.class_id, viewer.person);
    media::check(&input.selfie, viewer.max_upload_bytes)?;
    // What was taken once is answered again, though the code has changed meanwhile.
    let photos = [input.selfie];
    if let Some(request) = request(service, of, &photos, OPERATION, input.idempotency_key).await?
        && let Some(job) = idempotency::find(service, viewer, &request).await?
    {
        return the_job(service, scope, job).await;
    }
    open_or_conflict(session.state)?;
    let attempt = rates::attempt(service, &[(Rule::CheckInByAccount, viewer.person.0.to_string())]).await?;
    if !sessions::is_check_in_code(service, session.id, input.code) {
        return Err(Error::invalid(
            "code",
            "this is not the code that the session shows now; read it again",
        ));
    }
    attempt.right().await;
    place::near_enough(service, session.id, here).await?;
    if templates::enrolled(service, scope, &[viewer.person])
        .await?
        .first()
        .is_none_or(|(_, enrolled)| !enrolled)
    {
        return Err(Error::conflict(
            "NOT_ENROLLED",
            "there are no accepted photos of you to compare a selfie with; enrol first",
        ));
    }
    submit(service, scope, of, photos.to_vec(), (OPERATION, input.idempotency_key)).await
}

/// Refuses who is not on the roll, was erased, or was marked by a person.
async fn may_check_in(tx: &Tx<'_>, session: SessionId, student: PersonId) -> Result<()> {
    if people::still_here(tx, [student]).await?.is_empty() {
        return Err(Error::NotFound("student"));
    }
    if !roll::has(tx, session, student).await? {
        return Err(Error::conflict(
            "NOT_ON_ROLL",
            "you are not on the roll of this session",
        ));
    }
    let mark = marks::of_student(tx, session, student).await?;
    if mark.is_some_and(|mark| matches!(mark.source, MarkSource::Manual | MarkSource::Review)) {
        return Err(Error::conflict(
            "MARKED_BY_PERSON",
            "a teacher has marked you in this session; ask them if it is wrong",
        ));
    }
    Ok(())
}

/// Queues the question who is in a photo, among a class or (admins) the organization.
pub async fn identify_faces(service: &Service, scope: &Scope, photo: Bytes, class: Option<ClassId>) -> Result<Job> {
    match class {
        Some(class) => {
            classes::reach(service, scope, class).await?;
        }
        None => {
            scope.admin()?;
        }
    }
    submit(
        service,
        scope,
        PhotoOf::Somebody(class),
        vec![photo],
        ("identifyFaces", None),
    )
    .await
}

impl PhotoOf {
    fn job(self, viewer: &Viewer) -> NewJob {
        let (kind, session, class, person) = match self {
            Self::Session(session, class) => (JobKind::Recognize, Some(session), Some(class), None),
            Self::Person(person) => (JobKind::Enrol, None, None, Some(person)),
            Self::Selfie(session, class, person) => (JobKind::CheckIn, Some(session), Some(class), Some(person)),
            Self::Somebody(class) => (JobKind::Identify, None, class, None),
        };
        NewJob {
            kind,
            organization: viewer.organization,
            submitted_by: viewer.person,
            session,
            class,
            person,
            payload: serde_json::json!({}),
        }
    }

    fn session(self) -> Option<SessionId> {
        match self {
            Self::Session(id, _) | Self::Selfie(id, ..) => Some(id),
            Self::Person(_) | Self::Somebody(_) => None,
        }
    }

    fn id_bytes(self) -> [u8; 16] {
        match self {
            Self::Session(id, _) | Self::Selfie(id, ..) => id.0.into_bytes(),
            Self::Person(id) => id.0.into_bytes(),
            Self::Somebody(id) => id.map_or([0; 16], |c| c.0.into_bytes()),
        }
    }
}

#[tracing::instrument(level = "info", skip_all)]
async fn submit(
    service: &Service,
    scope: &Scope,
    of: PhotoOf,
    photos: Vec<Bytes>,
    (operation, key): (&'static str, Option<&str>),
) -> Result<Job> {
    // What decides between PRESENT and LATE: the store may take its time.
    let submitted_at = service.now();
    let viewer = scope.viewer()?;
    if photos.is_empty() || photos.len() > ENROLMENT_PHOTOS_MAX {
        return Err(Error::invalid(
            "photos",
            format!("give 1 to {ENROLMENT_PHOTOS_MAX} photos"),
        ));
    }
    for photo in &photos {
        media::check(photo, viewer.max_upload_bytes)?;
    }
    let request = request(service, of, &photos, operation, key).await?;
    if let Some(request) = &request
        && let Some(job) = idempotency::find(service, viewer, request).await?
    {
        return the_job(service, scope, job).await;
    }
    // A refusal that can be known now costs no write to the store.
    if let PhotoOf::Session(session, _) = of {
        open_or_conflict(sessions::reach(service, scope, session).await?.state)?;
    }
    let mut digests = vec![None; photos.len()];
    if matches!(of, PhotoOf::Person(_)) {
        for (digest, photo) in digests.iter_mut().zip(&photos) {
            *digest = Some(bulk::digest(service, photo).await?);
        }
    }
    let mut keys = Vec::with_capacity(photos.len());
    let mut stored = Ok(());
    for photo in &photos {
        let key = media::new_key(service, "photos");
        stored = service.media.put(&key, photo.clone()).await;
        keys.push(key);
        if stored.is_err() {
            break;
        }
    }
    let stored_as: Vec<Stored> = photos
        .iter()
        .zip(keys.iter().zip(digests))
        .map(|(photo, (key, digest))| Stored {
            key: key.clone(),
            size: i64::try_from(photo.len()).unwrap_or(i64::MAX),
            digest,
        })
        .collect();
    drop(photos);
    let written = match stored {
        Ok(()) => {
            write(
                service,
                viewer,
                of,
                (stored_as, submitted_at),
                request.as_ref(),
                operation,
            )
            .await
        }
        Err(error) => Err(error),
    };
    match written {
        Ok(Some(job)) => the_job(service, scope, job).await,
        // The commit may have happened though we were not told: the photo must stay.
        Err(error) if error.is_transient() => Err(error),
        Ok(None) | Err(_) => {
            media::abandon(service, &keys).await;
            written?;
            // Another request with the same key was faster: its answer is ours.
            let first = match &request {
                Some(request) => idempotency::find(service, viewer, request).await?,
                None => None,
            };
            the_job(service, scope, first.ok_or(Error::NotFound("job"))?).await
        }
    }
}

/// What makes two requests with one key the same; none without a key.
async fn request(
    service: &Service,
    of: PhotoOf,
    photos: &[Bytes],
    operation: &'static str,
    key: Option<&str>,
) -> Result<Option<Request>> {
    let Some(key) = key else { return Ok(None) };
    let (photos, about) = (photos.to_vec(), of.id_bytes());
    let hash = service
        .blocking(move || {
            let mut parts: Vec<&[u8]> = vec![&about];
            parts.extend(photos.iter().map(|p| &p[..]));
            fingerprint(&parts)
        })
        .await?;
    Request::new(operation, Some(key), hash)
}

fn open_or_conflict(state: SessionState) -> Result<()> {
    if state == SessionState::Open {
        return Ok(());
    }
    Err(Error::conflict(
        "NOT_OPEN",
        "photos and check-ins are taken while the session is open",
    ))
}

/// A photo in the media store, for its row.
struct Stored {
    key: String,
    size: i64,
    digest: Option<Vec<u8>>,
}

async fn write(
    service: &Service,
    viewer: &Viewer,
    of: PhotoOf,
    (stored, submitted_at): (Vec<Stored>, DateTime<Utc>),
    request: Option<&Request>,
    operation: &'static str,
) -> Result<Option<JobId>> {
    let mut tx = service.begin().await?;
    let mut session = None;
    if let PhotoOf::Person(person) = of
        && people::still_here(&tx, [person]).await?.is_empty()
    {
        return Err(Error::NotFound("student"));
    }
    if let Some(id) = of.session() {
        open_or_conflict(marks::lock(&tx, id).await?.state)?;
        session = Some(id);
    }
    if let PhotoOf::Selfie(session, _, student) = of {
        may_check_in(&tx, session, student).await?;
    }
    let job = queue::insert(&mut tx, of.job(viewer)).await?;
    let summary = format!("{} photos", stored.len());
    let photos = (0..).zip(stored).map(|(position, photo)| entity::photo::Model {
        id: service.new_id(),
        organization_id: viewer.organization.0,
        job_id: job.0,
        position,
        session_id: session.map(|s| s.0),
        media_key: Some(photo.key),
        byte_size: photo.size,
        width: None,
        height: None,
        submitted_at,
        uploaded_by: Some(viewer.person.0),
        digest: photo.digest,
    });
    tx.insert(photos.collect()).await?;
    if let Some(request) = request
        && !idempotency::keep(&tx, viewer, request, &job).await?
    {
        return Ok(None);
    }
    audit::record(&tx, viewer, operation, ("Job", job.0), &summary).await?;
    tx.commit().await?;
    Ok(Some(job))
}

async fn the_job(service: &Service, scope: &Scope, id: JobId) -> Result<Job> {
    queue::by_ids(service, scope, &[id])
        .await?
        .pop()
        .ok_or(Error::NotFound("job"))
}
