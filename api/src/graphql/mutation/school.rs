//! Mutations of a school's day: classes, venues, sessions, faces and marks.

use async_graphql::{Context, ID, Object, SimpleObject};
use service::classes::{NewClass, NewStudent};
use service::sessions::NewSession;
use service::venues::NewVenue;
use service::{classes, recognition, sessions, venues};

use super::ItemError;
use crate::graphql::ids::NodeId;
use crate::graphql::inputs::{ClassInput, PhotoInput, SessionInput, StudentInput, VenueInput};
use crate::graphql::scalars::Date;
use crate::graphql::types::{Class, Job, Session, User, Venue};
use crate::graphql::{Answer, scope, service};

#[derive(Default)]
pub struct SchoolMutation;

#[derive(SimpleObject)]
pub struct ClassPayload {
    pub(super) class: Class,
}

#[derive(SimpleObject)]
pub struct AddStudentsPayload {
    class: Class,
    results: Vec<StudentResult>,
}

#[derive(SimpleObject)]
pub struct StudentResult {
    index: i32,
    student: Option<User>,
    error: Option<ItemError>,
}

#[derive(SimpleObject)]
pub struct VenuePayload {
    pub(super) venue: Venue,
}

#[derive(SimpleObject)]
pub struct SessionPayload {
    pub(super) session: Session,
}

#[derive(SimpleObject)]
pub struct JobPayload {
    job: Job,
}

impl From<service::queue::Job> for JobPayload {
    fn from(job: service::queue::Job) -> Self {
        Self { job: job.into() }
    }
}

#[Object]
impl SchoolMutation {
    async fn create_class(&self, ctx: &Context<'_>, input: ClassInput) -> async_graphql::Result<Option<ClassPayload>> {
        let teachers = input
            .teacher_ids
            .map(|ids| ids.iter().map(NodeId::required).collect::<async_graphql::Result<_>>())
            .transpose()?;
        let new = NewClass {
            name: &input.name,
            code: &input.code,
            department: NodeId::optional(input.department_id.as_ref())?,
            teachers,
        };
        let class = classes::create(service(ctx)?, &scope(ctx)?, new).await.answer()?;
        Ok(Some(ClassPayload { class: Class(class) }))
    }

    /// existing students by id or roll number, or new ones; each row has its own result; from: the day they joined, today by default
    async fn add_students(
        &self,
        ctx: &Context<'_>,
        class_id: ID,
        students: Vec<StudentInput>,
        from: Option<Date>,
    ) -> async_graphql::Result<Option<AddStudentsPayload>> {
        let scope = scope(ctx)?;
        let class = NodeId::required(&class_id)?;
        let students: Vec<NewStudent> = students.into_iter().map(StudentInput::student).collect();
        let (class, rows) = classes::add_students(service(ctx)?, &scope, class, &students, from.map(|d| d.0))
            .await
            .answer()?;
        let results = (0..)
            .zip(rows)
            .map(|(index, row)| match row {
                Ok(person) => StudentResult {
                    index,
                    student: Some(User(person)),
                    error: None,
                },
                Err(error) => StudentResult {
                    index,
                    student: None,
                    error: Some(service::RowError::from(error).into()),
                },
            })
            .collect();
        Ok(Some(AddStudentsPayload {
            class: Class(class),
            results,
        }))
    }

    async fn create_venue(&self, ctx: &Context<'_>, input: VenueInput) -> async_graphql::Result<Option<VenuePayload>> {
        let new = NewVenue {
            name: &input.name,
            building: input.building.as_deref(),
            capacity: input.capacity,
            latitude: input.latitude,
            longitude: input.longitude,
        };
        let venue = venues::create(service(ctx)?, &scope(ctx)?, new).await.answer()?;
        Ok(Some(VenuePayload { venue: Venue(venue) }))
    }

    /// a venue or a teacher already taken is CONFLICT unless allowOverlap
    async fn create_session(
        &self,
        ctx: &Context<'_>,
        input: SessionInput,
    ) -> async_graphql::Result<Option<SessionPayload>> {
        let scope = scope(ctx)?;
        let (starts_at, ends_at) = input.times();
        let new = NewSession {
            class: NodeId::required(&input.class_id)?,
            venue: NodeId::optional(input.venue_id.as_ref())?,
            title: input.title.as_deref(),
            starts_at,
            ends_at,
            allow_overlap: input.allow_overlap,
        };
        let session = sessions::create(service(ctx)?, &scope, new).await.answer()?;
        Ok(Some(SessionPayload {
            session: Session(session),
        }))
    }

    async fn open_session(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<SessionPayload>> {
        let scope = scope(ctx)?;
        let session = sessions::open(service(ctx)?, &scope, NodeId::required(&id)?)
            .await
            .answer()?;
        Ok(Some(SessionPayload {
            session: Session(session),
        }))
    }

    /// unmarked students become ABSENT (source AUTO)
    async fn close_session(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<SessionPayload>> {
        let scope = scope(ctx)?;
        let session = sessions::close(service(ctx)?, &scope, NodeId::required(&id)?)
            .await
            .answer()?;
        Ok(Some(SessionPayload {
            session: Session(session),
        }))
    }

    /// one job for all the photos; each photo becomes a template with its status and reasons
    async fn enrol_faces(
        &self,
        ctx: &Context<'_>,
        user_id: ID,
        photos: Vec<PhotoInput>,
        idempotency_key: Option<String>,
    ) -> async_graphql::Result<Option<JobPayload>> {
        let scope = scope(ctx)?;
        let person = NodeId::required(&user_id)?;
        let mut bytes = Vec::with_capacity(photos.len());
        for photo in photos {
            bytes.push(photo.bytes(ctx).await?);
        }
        let job = recognition::enrol_faces(service(ctx)?, &scope, person, bytes, idempotency_key.as_deref())
            .await
            .answer()?;
        Ok(Some(JobPayload { job: job.into() }))
    }

    /// enqueues recognition of everyone in the photo and answers at once
    async fn submit_class_photo(
        &self,
        ctx: &Context<'_>,
        session_id: ID,
        photo: PhotoInput,
        idempotency_key: Option<String>,
    ) -> async_graphql::Result<Option<JobPayload>> {
        let scope = scope(ctx)?;
        let session = NodeId::required(&session_id)?;
        let photo = photo.bytes(ctx).await?;
        let job = recognition::submit_class_photo(service(ctx)?, &scope, session, photo, idempotency_key.as_deref())
            .await
            .answer()?;
        Ok(Some(JobPayload { job: job.into() }))
    }

    /// who is in this photo, among the class's students or (admins) the whole organization; marks nobody; its job is for its submitter and admins
    async fn identify_faces(
        &self,
        ctx: &Context<'_>,
        photo: PhotoInput,
        class_id: Option<ID>,
    ) -> async_graphql::Result<Option<JobPayload>> {
        let scope = scope(ctx)?;
        let class = NodeId::optional(class_id.as_ref())?;
        let photo = photo.bytes(ctx).await?;
        let job = recognition::identify_faces(service(ctx)?, &scope, photo, class)
            .await
            .answer()?;
        Ok(Some(JobPayload { job: job.into() }))
    }
}
