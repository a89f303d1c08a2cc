//! The opened templates of a class or an organization, fused by student, as one matrix. Held by
//! workers alone, and read anew when what it was read from has another version.
//!
//! **Evidence.** A face is compared with one vector of each student: the mean of their templates,
//! brought back to length 1. A best-of over several templates has as many chances to draw a stranger
//! as there are templates (measured on classes of 30 with three each, at one threshold: best-of names 96.6 %
//! and accepts 0.19 % of outsiders, the mean names 96.1 % and accepts 0.06 %), and most of them come by the one template
//! that does not resemble the others, which a mean dilutes. One vector is also one comparison of
//! one pair, which is what the catalog's thresholds are for, whatever the number of templates.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::FromQueryResult;

use super::Embedder;
use super::kept::{Kept, Version, Whose};
use super::matrix::Matrix;
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{ClassId, OrganizationId, PersonId, TemplateId};

/// Templates that are read and opened at once.
const AT_ONCE: u64 = 4096;

/// Students, and of each the mean of their templates.
#[derive(Debug, Default)]
pub struct Gallery {
    pub students: Vec<PersonId>,
    means: Matrix,
}

impl Gallery {
    /// From templates of length 1 in any order. Those of another number of numbers than the first, or with
    /// a number that is none, are not comparable and left out.
    pub fn new(templates: impl IntoIterator<Item = (PersonId, Vec<f32>)>) -> Self {
        let mut sums = Sums::default();
        for (student, embedding) in templates {
            sums.add(student, &embedding);
        }
        sums.gallery()
    }

    /// How much a face resembles each student, cosine, in the order of `students`; an embedding of
    /// another dimension resembles nobody: negative infinity.
    pub fn similarities(&self, face: &[f32]) -> Vec<f32> {
        self.means.products(&[face]).pop().unwrap_or_default()
    }

    /// The same of several faces, for little more than the first one takes.
    pub fn similarities_of(&self, faces: &[&[f32]]) -> Vec<Vec<f32>> {
        self.means.products(faces)
    }

    /// What it weighs in memory.
    pub fn bytes(&self) -> usize {
        self.means.bytes() + size_of_val(self.students.as_slice())
    }
}

/// A gallery in the making: of each student the sum of their templates.
#[derive(Debug, Default)]
struct Sums {
    places: HashMap<PersonId, usize>,
    students: Vec<PersonId>,
    sums: Vec<f32>,
    dimension: usize,
}

impl Sums {
    fn add(&mut self, student: PersonId, embedding: &[f32]) {
        if self.dimension == 0 {
            self.dimension = embedding.len();
        }
        if embedding.len() != self.dimension || embedding.is_empty() || !embedding.iter().all(|n| n.is_finite()) {
            return;
        }
        let place = *self.places.entry(student).or_insert_with(|| {
            self.students.push(student);
            self.sums.resize(self.sums.len() + self.dimension, 0.0);
            self.students.len() - 1
        });
        let begin = place * self.dimension;
        for (sum, number) in self.sums[begin..begin + self.dimension].iter_mut().zip(embedding) {
            *sum += number;
        }
    }

    fn gallery(mut self) -> Gallery {
        let mut means = Matrix::with_capacity(self.dimension, self.students.len());
        if self.dimension > 0 {
            for sum in self.sums.chunks_exact_mut(self.dimension) {
                to_length_one(sum);
                means.push(sum);
            }
        }
        Gallery {
            students: self.students,
            means,
        }
    }
}

/// Templates that cancel each other out point nowhere, and so does their mean: it resembles nobody.
fn to_length_one(vector: &mut [f32]) {
    let length = vector.iter().map(|n| n * n).sum::<f32>().sqrt();
    if length > f32::EPSILON {
        for number in vector {
            *number /= length;
        }
    }
}

/// Everyone who ever belonged to the class and can be recognized; who of them counts, the
/// caller decides.
pub(crate) async fn of_class(service: &Service, class: ClassId, embedder: &Embedder) -> Result<Arc<Gallery>> {
    let version = service
        .db
        .reader()
        .one(
            "SELECT c.gallery_version AS version, o.min_enrolment_photos FROM class c \
             JOIN organization o ON o.id = c.organization_id WHERE c.id = $1",
            vec![class.into()],
        )
        .await?
        .ok_or(Error::NotFound("class"))?;
    kept_or_read(service, Whose::Class(class), version, embedder).await
}

/// Everyone of the organization who can be recognized.
pub(crate) async fn of_organization(
    service: &Service,
    organization: OrganizationId,
    embedder: &Embedder,
) -> Result<Arc<Gallery>> {
    let version = service
        .db
        .reader()
        .one(
            "SELECT COALESCE(g.version, 0) AS version, o.min_enrolment_photos FROM organization o \
             LEFT JOIN gallery g ON g.organization_id = o.id WHERE o.id = $1",
            vec![organization.into()],
        )
        .await?
        .ok_or(Error::NotFound("organization"))?;
    kept_or_read(service, Whose::Organization(organization), version, embedder).await
}

/// The version was read before: what changes after it makes the next job read again.
async fn kept_or_read(service: &Service, whose: Whose, version: Version, embedder: &Embedder) -> Result<Arc<Gallery>> {
    let model = embedder.name.clone();
    if let Some(gallery) = service.galleries().get(whose, version, &model) {
        return Ok(gallery);
    }
    let mut sums = Sums::default();
    let which = |values: &mut Values| whose.templates(values);
    read(service, embedder, which, |person, embedding| {
        sums.add(person, embedding);
    })
    .await?;
    let gallery = Arc::new(service.blocking(move || sums.gallery()).await?);
    let kept = Kept {
        whose,
        version,
        model,
        gallery: gallery.clone(),
    };
    service.galleries().put(kept);
    Ok(gallery)
}

/// One student alone, if they can be recognized.
pub(crate) async fn of_person(service: &Service, person: PersonId, embedder: &Embedder) -> Result<Gallery> {
    let mut sums = Sums::default();
    let which = |values: &mut Values| format!("t.person_id = {}", values.push(person));
    read(service, embedder, which, |person, embedding| {
        sums.add(person, embedding);
    })
    .await?;
    Ok(sums.gallery())
}

/// Hands out the templates of all of the organization who can be recognized.
pub(super) async fn read_all(
    service: &Service,
    organization: OrganizationId,
    embedder: &Embedder,
    each: impl FnMut(PersonId, &[f32]),
) -> Result<()> {
    let whose = Whose::Organization(organization);
    read(service, embedder, |values| whose.templates(values), each).await
}

#[derive(FromQueryResult)]
struct Sealed {
    id: TemplateId,
    organization_id: OrganizationId,
    person_id: PersonId,
    embedding: Vec<u8>,
}

/// Opens the templates by which those in `which` can be recognized, by person, and hands each out.
async fn read(
    service: &Service,
    embedder: &Embedder,
    which: impl Fn(&mut Values) -> String,
    mut each: impl FnMut(PersonId, &[f32]),
) -> Result<()> {
    let mut behind: Option<(PersonId, TemplateId)> = None;
    loop {
        let mut values = Values::default();
        let which = which(&mut values);
        let model = values.push(embedder.name.clone());
        let from = behind.map_or_else(String::new, |(person, template)| {
            let (person, template) = (values.push(person), values.push(template));
            format!("AND (t.person_id > {person} OR (t.person_id = {person} AND t.id > {template}))")
        });
        let sql = format!(
            "SELECT t.id, t.organization_id, t.person_id, t.embedding FROM face_template t \
             JOIN organization o ON o.id = t.organization_id \
             WHERE {which} AND t.model = {model} AND t.status = 'ACCEPTED' AND t.embedding IS NOT NULL {from} \
             AND (SELECT COUNT(*) FROM face_template n WHERE n.person_id = t.person_id AND n.model = t.model \
             AND n.status = 'ACCEPTED') >= o.min_enrolment_photos ORDER BY t.person_id, t.id LIMIT {AT_ONCE}"
        );
        let sealed: Vec<Sealed> = service.db.reader().all(&sql, values.done()).await?;
        let last = sealed.last().map(|t| (t.person_id, t.id));
        let full = sealed.len() as u64 >= AT_ONCE;
        let keys = service.clone();
        let opened: Vec<(PersonId, Vec<f32>)> = service
            .blocking(move || {
                let open = |template: Sealed| {
                    let opened = open(&keys, &template);
                    if opened.is_none() {
                        tracing::error!(template = %template.id.0, "a template does not open: is its key in MUSTER_SECRET_KEYS_OLD?");
                    }
                    opened.map(|embedding| (template.person_id, embedding))
                };
                sealed.into_iter().filter_map(open).collect()
            })
            .await?;
        for (person, embedding) in opened {
            each(person, &embedding);
        }
        if !full {
            return Ok(());
        }
        behind = last;
    }
}

fn open(service: &Service, template: &Sealed) -> Option<Vec<f32>> {
    let plain = service
        .keys
        .open(template.organization_id.0, template.id.0, &template.embedding)
        .ok()?;
    let (numbers, rest) = plain.as_chunks::<4>();
    rest.is_empty()
        .then(|| numbers.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// An embedding as it is kept: little-endian numbers, sealed to its template.
pub(super) fn seal(
    service: &Service,
    organization: OrganizationId,
    template: TemplateId,
    embedding: &[f32],
) -> Result<Vec<u8>> {
    let plain: Vec<u8> = embedding.iter().flat_map(|n| n.to_le_bytes()).collect();
    service
        .keys
        .seal(&*service.entropy, organization.0, template.0, &plain)
        .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_student_is_as_near_as_the_mean_of_their_templates() {
        let [a, b, c] = [1, 2, 3].map(|n| PersonId(Uuid::from_u128(n)));
        let gallery = Gallery::new([
            (a, vec![1.0, 0.0]),
            (b, vec![0.0, 1.0]),
            (a, vec![0.0, 1.0]),
            (b, vec![1.0, 0.0, 0.0]),
            (b, vec![f32::NAN, 1.0]),
            (c, vec![1.0, 0.0]),
            (c, vec![-1.0, 0.0]),
        ]);
        assert_eq!(gallery.students, [a, b, c]);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        let rows = gallery.similarities_of(&[&[0.0, 1.0], &[1.0]]);
        assert!((rows[0][0] - half).abs() < 1e-6, "{rows:?}");
        assert_eq!(rows[0][1..], [1.0, 0.0]);
        assert_eq!(rows[1], [f32::NEG_INFINITY; 3]);
        assert_eq!(gallery.similarities(&[0.0, 1.0]), rows[0]);
        assert!(Gallery::new([]).similarities(&[1.0]).is_empty());
    }
}
