//! The opened templates of a class or an organization, fused by student, as one matrix. Held by
//! workers alone, and read anew when what it was read from has another version.
//!
//! **Evidence.** A face resembles a student as much as it resembles the nearest of their templates, as far
//! as all of them together bear that out: no more than the embedder's band of doubt (from the review to the match
//! threshold) above its similarity to their mean. The nearest alone has as many chances to draw a stranger as there are
//! templates (measured on classes of 30 with three each, at one threshold: best-of names 96.6 % and accepts 0.19 % of
//! outsiders, the mean names 96.1 % and accepts 0.06 %), most of them by the one template that does
//! not resemble the others. The mean alone loses whoever shows one of several faces (turned, bearded, in
//! other light). So both must speak for a match: the nearest at the match threshold, and the mean at the review
//! threshold at least. Of one template both are its own similarity, which is what the catalog's thresholds are for.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::FromQueryResult;

use super::Embedder;
use super::kept::{Kept, Version, Whose};
use super::matrix::Matrix;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{ClassId, OrganizationId, PersonId, TemplateId};
use crate::{Service, Tx};

/// Templates that are read and opened at once.
const AT_ONCE: u64 = 4096;

/// Students and their templates.
#[derive(Debug, Default)]
pub struct Gallery {
    pub students: Vec<PersonId>,
    /// Of each template the place of its student in `students`.
    owners: Vec<usize>,
    templates: Matrix,
    /// Of each student the length of the sum of their templates.
    lengths: Vec<f32>,
}

impl Gallery {
    /// From templates of length 1 in any order. Those of another number of numbers than the first, or with
    /// a number that is none, are not comparable and left out.
    pub fn new(templates: impl IntoIterator<Item = (PersonId, Vec<f32>)>) -> Self {
        let mut making = Making::default();
        for (student, embedding) in templates {
            making.add(student, &embedding);
        }
        making.done()
    }

    /// How much a face resembles each student, in the order of `students`, where a similarity is in
    /// doubt by so much; an embedding of another dimension resembles nobody: negative infinity.
    pub fn similarities(&self, face: &[f32], doubt: f32) -> Vec<f32> {
        self.similarities_of(&[face], doubt).pop().unwrap_or_default()
    }

    /// The same of several faces, for little more than the first one takes.
    pub fn similarities_of(&self, faces: &[&[f32]], doubt: f32) -> Vec<Vec<f32>> {
        let products = self.templates.products(faces);
        products.into_iter().map(|row| self.fuse(&row, doubt)).collect()
    }

    fn fuse(&self, row: &[f32], doubt: f32) -> Vec<f32> {
        let mut seen = vec![(f32::NEG_INFINITY, 0.0_f32); self.students.len()];
        for (similarity, owner) in row.iter().zip(&self.owners) {
            let (nearest, sum) = &mut seen[*owner];
            *nearest = nearest.max(*similarity);
            *sum += similarity;
        }
        seen.iter()
            .zip(&self.lengths)
            .map(|((nearest, sum), length)| nearest.min(sum / length + doubt))
            .collect()
    }

    /// What it weighs in memory.
    pub fn bytes(&self) -> usize {
        self.templates.bytes()
            + size_of_val(self.students.as_slice())
            + size_of_val(self.owners.as_slice())
            + size_of_val(self.lengths.as_slice())
    }
}

/// A gallery in the making.
#[derive(Debug, Default)]
struct Making {
    places: HashMap<PersonId, usize>,
    gallery: Gallery,
    /// Of each student the sum of their templates.
    sums: Vec<f32>,
    dimension: usize,
}

impl Making {
    fn add(&mut self, student: PersonId, embedding: &[f32]) {
        if self.dimension == 0 {
            self.dimension = embedding.len();
            self.gallery.templates = Matrix::with_capacity(self.dimension, 0);
        }
        if embedding.len() != self.dimension || embedding.is_empty() || !embedding.iter().all(|n| n.is_finite()) {
            return;
        }
        let students = &mut self.gallery.students;
        let place = *self.places.entry(student).or_insert_with(|| {
            students.push(student);
            students.len() - 1
        });
        self.sums.resize(self.gallery.students.len() * self.dimension, 0.0);
        let begin = place * self.dimension;
        for (sum, number) in self.sums[begin..begin + self.dimension].iter_mut().zip(embedding) {
            *sum += number;
        }
        self.gallery.owners.push(place);
        self.gallery.templates.push(embedding);
    }

    /// Templates that cancel each other out have no mean, and no length that is 0 divides by it.
    fn done(mut self) -> Gallery {
        if self.dimension > 0 {
            let length = |sum: &[f32]| sum.iter().map(|n| n * n).sum::<f32>().sqrt().max(f32::EPSILON);
            self.gallery.lengths = self.sums.chunks_exact(self.dimension).map(length).collect();
        }
        self.gallery
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
    let mut making = Making::default();
    let which = |values: &mut Values| whose.templates(values);
    read(service, embedder, which, |person, embedding| {
        making.add(person, embedding);
    })
    .await?;
    let gallery = Arc::new(service.blocking(move || making.done()).await?);
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
    let mut making = Making::default();
    let which = |values: &mut Values| format!("t.person_id = {}", values.push(person));
    read(service, embedder, which, |person, embedding| {
        making.add(person, embedding);
    })
    .await?;
    Ok(making.done())
}

/// The opened accepted templates of a person by an embedder, as the transaction sees them: also where
/// they are too few to be recognized by.
pub(super) async fn accepted_of(tx: &Tx<'_>, person: PersonId, embedder: &Embedder) -> Result<Vec<Vec<f32>>> {
    let sealed: Vec<Sealed> = tx
        .all(
            "SELECT id, organization_id, person_id, embedding FROM face_template \
             WHERE person_id = $1 AND model = $2 AND status = 'ACCEPTED' AND embedding IS NOT NULL ORDER BY id",
            vec![person.into(), embedder.name.clone().into()],
        )
        .await?;
    Ok(sealed.iter().filter_map(|t| open(tx.service, t)).collect())
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
    fn a_student_is_as_near_as_their_nearest_template_and_their_mean_allow() {
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
        // The mean of a's is half way between them.
        let mean = std::f32::consts::FRAC_1_SQRT_2;
        let rows = gallery.similarities_of(&[&[0.0, 1.0], &[1.0]], 0.1);
        assert!((rows[0][0] - (mean + 0.1)).abs() < 1e-6, "{rows:?}");
        assert_eq!(rows[0][1..], [1.0, 0.0]);
        assert_eq!(rows[1], [f32::NEG_INFINITY; 3]);
        assert_eq!(gallery.similarities(&[0.0, 1.0], 0.1), rows[0]);
        // Where both agree it is the nearest.
        assert!((gallery.similarities(&[0.0, 1.0], 0.5)[0] - 1.0).abs() < 1e-6);
        assert!(Gallery::new([]).similarities(&[1.0], 0.1).is_empty());
    }
}
