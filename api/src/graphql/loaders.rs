//! Loaders: what many resolvers of one operation ask for is read in one statement. They batch and
//! do not remember, so that a long subscription never shows what was.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::NaiveDate;
use service::attendance::Summary;
use service::attendance::roll::MarkChange;
use service::id::{
    AuditId, ClassId, DepartmentId, FaceId, JobId, MarkId, OrganizationId, PersonId, PhotoId, SessionId, TemplateId,
    VenueId,
};
use service::organizations::{Department, Organization};
use service::people::Person;
use service::queue::Job;
use service::recognition::{Face, Photo, Template};
use service::reports::ExportFile;
use service::sessions::Session;
use service::venues::Venue;
use service::{
    Scope, Service, attendance, audit, classes, organizations, people, queue, recognition, reports, sessions,
    statistics, venues,
};

use super::batch::{Batcher, Read};
use crate::http::error::extend;

/// Reads on behalf of one asker.
pub struct Reader {
    service: Service,
    scope: Scope,
}

pub struct Loaders(Batcher<Reader>);

impl Loaders {
    pub fn new(service: Service, scope: Scope) -> Self {
        Self(Batcher::new(Reader { service, scope }))
    }

    pub async fn one<K>(&self, key: K) -> async_graphql::Result<Option<<Reader as Read<K>>::Value>>
    where
        K: Eq + Hash + Copy + Send + Sync + 'static,
        Reader: Read<K>,
    {
        self.0.one(key).await
    }

    /// Of a list: nothing found is an empty list.
    pub async fn many<K, T>(&self, key: K) -> async_graphql::Result<Vec<T>>
    where
        K: Eq + Hash + Copy + Send + Sync + 'static,
        Reader: Read<K, Value = Vec<T>>,
    {
        Ok(self.0.one(key).await?.unwrap_or_default())
    }
}

/// A loader of one thing by its id, or of a list by the id of what it hangs on.
macro_rules! loader {
    ($key:ty => $value:ty, |$service:ident, $scope:ident, $keys:ident| $read:expr) => {
        impl Read<$key> for Reader {
            type Value = $value;

            async fn read(&self, $keys: &[$key]) -> async_graphql::Result<HashMap<$key, $value>> {
                let ($service, $scope) = (&self.service, &self.scope);
                $read.map_err(extend)
            }
        }
    };
}

fn by<K: Eq + Hash, V>(rows: service::Result<Vec<V>>, key: impl Fn(&V) -> K) -> service::Result<HashMap<K, V>> {
    Ok(rows?.into_iter().map(|row| (key(&row), row)).collect())
}

fn group<K: Eq + Hash, V>(
    rows: service::Result<Vec<V>>,
    key: impl Fn(&V) -> Option<K>,
) -> service::Result<HashMap<K, Vec<V>>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows? {
        if let Some(key) = key(&row) {
            groups.entry(key).or_default().push(row);
        }
    }
    Ok(groups)
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident($of:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub $of);
    )+};
}

keys! {
    DepartmentsOf(OrganizationId);
    TeachersOf(ClassId);
    StudentCountOf(ClassId);
    LatestSessionOf(ClassId);
    PhotosOfSession(SessionId);
    JobsOfSession(SessionId);
    PhotosOfJob(JobId);
    FacesOfJob(JobId);
    MarksOfJob(JobId);
    TemplatesOfJob(JobId);
    FacesOfPhoto(PhotoId);
    TemplatesOf(PersonId);
    EnrolledOf(PersonId);
    HistoryOf((SessionId, PersonId));
    ExportOf(JobId);
    /// The class and the range.
    ClassSummary((ClassId, Option<Days>));
    /// The student, the range and the class.
    StudentSummary((PersonId, Option<Days>, Option<ClassId>));
}

/// Both within.
type Days = (NaiveDate, NaiveDate);

fn ids<K, I: Copy>(keys: &[K], id: impl Fn(&K) -> I) -> Vec<I> {
    keys.iter().map(id).collect()
}

loader!(OrganizationId => Organization, |s, scope, keys| by(organizations::by_ids(s, scope, keys).await, |o| o.id));
loader!(PersonId => Person, |s, scope, keys| by(people::by_ids(s, scope, keys).await, |p| p.id));
loader!(ClassId => classes::Class, |s, scope, keys| by(classes::by_ids(s, scope, keys).await, |c| c.id));
loader!(VenueId => Venue, |s, scope, keys| by(venues::by_ids(s, scope, keys).await, |v| v.id));
loader!(SessionId => Session, |s, scope, keys| by(sessions::by_ids(s, scope, keys).await, |x| x.id));
loader!(PhotoId => Photo, |s, scope, keys| by(recognition::photos_by_ids(s, scope, keys).await, |p| p.id));
loader!(FaceId => Face, |s, scope, keys| by(recognition::faces_by_ids(s, scope, keys).await, |f| f.id));
loader!(JobId => Job, |s, scope, keys| by(queue::by_ids(s, scope, keys).await, |j| j.id));
loader!(MarkId => attendance::Mark, |s, scope, keys| by(attendance::marks::by_ids(s, scope, keys).await, |m| m.id));
loader!(TemplateId => Template, |s, scope, keys| by(recognition::templates_by_ids(s, scope, keys).await, |t| t.id));
loader!(DepartmentId => Department, |s, scope, keys| {
    by(organizations::departments_by_ids(s, scope, keys).await, |d| d.id)
});
loader!(AuditId => audit::Entry, |s, scope, keys| by(audit::by_ids(s, scope, keys).await, |a| a.id));
loader!(DepartmentsOf => Vec<Department>, |s, scope, keys| {
    group(
        organizations::departments_of(s, scope, &ids(keys, |k| k.0)).await,
        |d| Some(DepartmentsOf(d.organization_id)),
    )
});
loader!(TeachersOf => Vec<Person>, |s, scope, keys| {
    classes::teachers(s, scope, &ids(keys, |k| k.0)).await.map(|pairs| {
        let mut groups: HashMap<TeachersOf, Vec<Person>> = HashMap::new();
        for (class, person) in pairs {
            groups.entry(TeachersOf(class)).or_default().push(person);
        }
        groups
    })
});
loader!(StudentCountOf => i64, |s, scope, keys| {
    classes::student_counts(s, scope, &ids(keys, |k| k.0))
        .await
        .map(|rows| rows.into_iter().map(|(class, n)| (StudentCountOf(class), n)).collect())
});
loader!(ExportOf => ExportFile, |s, scope, keys| {
    by(reports::files_of_jobs(s, scope, &ids(keys, |k| k.0)).await, |x| ExportOf(x.job))
});
loader!(LatestSessionOf => Session, |s, scope, keys| {
    by(sessions::latest_of(s, scope, &ids(keys, |k| k.0)).await, |x| LatestSessionOf(x.class_id))
});
loader!(PhotosOfSession => Vec<Photo>, |s, scope, keys| {
    group(
        recognition::photos_by_sessions(s, scope, &ids(keys, |k| k.0)).await,
        |p| p.session_id.map(PhotosOfSession),
    )
});
loader!(JobsOfSession => Vec<Job>, |s, scope, keys| {
    group(queue::of_sessions(s, scope, &ids(keys, |k| k.0)).await, |j| j.session_id.map(JobsOfSession))
});
loader!(PhotosOfJob => Vec<Photo>, |s, scope, keys| {
    group(recognition::photos_by_jobs(s, scope, &ids(keys, |k| k.0)).await, |p| Some(PhotosOfJob(p.job_id)))
});
loader!(FacesOfJob => Vec<Face>, |s, scope, keys| {
    group(recognition::faces_by_jobs(s, scope, &ids(keys, |k| k.0)).await, |f| Some(FacesOfJob(f.job_id)))
});
loader!(MarksOfJob => Vec<attendance::Mark>, |s, scope, keys| {
    group(attendance::marks::by_jobs(s, scope, &ids(keys, |k| k.0)).await, |m| m.job_id.map(MarksOfJob))
});
loader!(TemplatesOfJob => Vec<Template>, |s, scope, keys| {
    group(
        recognition::templates_by_jobs(s, scope, &ids(keys, |k| k.0)).await,
        |t| Some(TemplatesOfJob(t.job_id)),
    )
});
loader!(FacesOfPhoto => Vec<Face>, |s, scope, keys| {
    group(recognition::faces_by_photos(s, scope, &ids(keys, |k| k.0)).await, |f| Some(FacesOfPhoto(f.photo_id)))
});
loader!(TemplatesOf => Vec<Template>, |s, scope, keys| {
    group(
        recognition::templates_of_people(s, scope, &ids(keys, |k| k.0)).await,
        |t| Some(TemplatesOf(t.person_id)),
    )
});
loader!(EnrolledOf => bool, |s, scope, keys| {
    recognition::enrolled(s, scope, &ids(keys, |k| k.0))
        .await
        .map(|rows| rows.into_iter().map(|(person, is)| (EnrolledOf(person), is)).collect())
});
loader!(HistoryOf => Vec<MarkChange>, |s, scope, keys| {
    group(
        attendance::roll::histories(s, scope, &ids(keys, |k| k.0)).await,
        |h| Some(HistoryOf((h.session_id, h.student_id))),
    )
});
loader!(ClassSummary => Summary, |s, scope, keys| {
    let mut asked: HashMap<_, Vec<ClassId>> = HashMap::new();
    for ClassSummary((class, range)) in keys {
        asked.entry(*range).or_default().push(*class);
    }
    summaries(asked.into_iter().map(|(range, ids)| async move {
        let found = statistics::of_classes(s, scope, &ids, range).await?;
        Ok(found.into_iter().map(move |(id, sum)| (ClassSummary((id, range)), sum)).collect())
    })).await
});
loader!(StudentSummary => Summary, |s, scope, keys| {
    let mut asked: HashMap<_, Vec<PersonId>> = HashMap::new();
    for StudentSummary((student, range, class)) in keys {
        asked.entry((*range, *class)).or_default().push(*student);
    }
    summaries(asked.into_iter().map(|((range, class), ids)| async move {
        let found = statistics::of_students(s, scope, &ids, range, class).await?;
        Ok(found.into_iter().map(move |(id, sum)| (StudentSummary((id, range, class)), sum)).collect())
    })).await
});

/// One read for each group of keys that ask alike.
async fn summaries<K: Eq + Hash, F: Future<Output = service::Result<Vec<(K, Summary)>>>>(
    reads: impl Iterator<Item = F>,
) -> service::Result<HashMap<K, Summary>> {
    let mut all = HashMap::new();
    for read in reads {
        all.extend(read.await?);
    }
    Ok(all)
}
