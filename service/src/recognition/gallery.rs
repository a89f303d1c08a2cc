//! The opened templates of a class or an organization as one matrix. Held by workers alone, and
//! read anew when the class's gallery version differs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::FromQueryResult;

use super::Embedder;
use crate::Service;
use crate::db::{Sql, Values};
use crate::error::{Error, Result};
use crate::id::{ClassId, OrganizationId, PersonId, TemplateId};

/// Classes whose galleries a worker keeps.
const KEPT: usize = 64;

/// Students and the rows of their templates: row-major, each of length 1.
#[derive(Debug, Default)]
pub struct Gallery {
    pub students: Vec<PersonId>,
    /// Of each row, the place of its student in `students`.
    owners: Vec<usize>,
    rows: Vec<f32>,
    dimension: usize,
}

impl Gallery {
    /// From templates in any order; those of another length than the first are not comparable
    /// and left out.
    pub fn new(templates: impl IntoIterator<Item = (PersonId, Vec<f32>)>) -> Self {
        let mut gallery = Self::default();
        let mut places: HashMap<PersonId, usize> = HashMap::new();
        for (student, embedding) in templates {
            if gallery.dimension == 0 {
                gallery.dimension = embedding.len();
            }
            if embedding.len() != gallery.dimension || embedding.is_empty() {
                continue;
            }
            let next = places.len();
            let place = *places.entry(student).or_insert(next);
            if place == next {
                gallery.students.push(student);
            }
            gallery.owners.push(place);
            gallery.rows.extend(embedding);
        }
        gallery
    }

    /// The best cosine similarity to each student's templates, in the order of `students`.
    pub fn similarities(&self, embedding: &[f32]) -> Vec<f32> {
        let mut best = vec![f32::NEG_INFINITY; self.students.len()];
        if embedding.len() != self.dimension || self.dimension == 0 {
            return best;
        }
        for (row, owner) in self.rows.chunks_exact(self.dimension).zip(&self.owners) {
            let similarity = dot(row, embedding);
            if similarity > best[*owner] {
                best[*owner] = similarity;
            }
        }
        best
    }
}

/// Eight partial sums, so that the compiler may use wide registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[derive(Debug)]
struct Kept {
    class: ClassId,
    version: i64,
    model: String,
    gallery: Arc<Gallery>,
}

/// Galleries by class, the least recently used in front.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Vec<Kept>>);

impl Cache {
    fn get(&self, class: ClassId, version: i64, model: &str) -> Option<Arc<Gallery>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all
            .iter()
            .position(|k| k.class == class && k.version == version && k.model == model)?;
        let kept = all.remove(place);
        let gallery = kept.gallery.clone();
        all.push(kept);
        Some(gallery)
    }

    fn put(&self, kept: Kept) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|k| k.class != kept.class);
        if all.len() >= KEPT {
            all.remove(0);
        }
        all.push(kept);
    }
}

#[derive(FromQueryResult)]
struct Version {
    gallery_version: i64,
}

/// Everyone who ever belonged to the class and can be recognized; who of them counts, the
/// caller decides.
pub(crate) async fn of_class(service: &Service, class: ClassId, embedder: &Embedder) -> Result<Arc<Gallery>> {
    // The version is read first: what changes after it makes the next job read again.
    let version: Version = service
        .db
        .reader()
        .one("SELECT gallery_version FROM class WHERE id = $1", vec![class.into()])
        .await?
        .ok_or(Error::NotFound("class"))?;
    let version = version.gallery_version;
    if let Some(gallery) = service.galleries().get(class, version, &embedder.name) {
        return Ok(gallery);
    }
    let gallery = read(service, embedder, |values| {
        format!(
            "t.person_id IN (SELECT m.person_id FROM membership m WHERE m.class_id = {})",
            values.push(class)
        )
    })
    .await?;
    let gallery = Arc::new(gallery);
    service.galleries().put(Kept {
        class,
        version,
        model: embedder.name.clone(),
        gallery: gallery.clone(),
    });
    Ok(gallery)
}

/// Everyone of the organization who can be recognized.
pub(crate) async fn of_organization(
    service: &Service,
    organization: OrganizationId,
    embedder: &Embedder,
) -> Result<Arc<Gallery>> {
    let gallery = read(service, embedder, |values| {
        format!("t.organization_id = {}", values.push(organization))
    })
    .await?;
    Ok(Arc::new(gallery))
}

/// One student alone, if they can be recognized.
pub(crate) async fn of_person(service: &Service, person: PersonId, embedder: &Embedder) -> Result<Gallery> {
    read(service, embedder, |values| {
        format!("t.person_id = {}", values.push(person))
    })
    .await
}

#[derive(FromQueryResult)]
struct Sealed {
    id: TemplateId,
    organization_id: OrganizationId,
    person_id: PersonId,
    embedding: Vec<u8>,
}

async fn read(service: &Service, embedder: &Embedder, which: impl FnOnce(&mut Values) -> String) -> Result<Gallery> {
    let mut values = Values::default();
    let which = which(&mut values);
    let model = values.push(embedder.name.clone());
    let sql = format!(
        "SELECT t.id, t.organization_id, t.person_id, t.embedding FROM face_template t \
         JOIN organization o ON o.id = t.organization_id \
         WHERE {which} AND t.model = {model} AND t.status = 'ACCEPTED' AND t.embedding IS NOT NULL \
         AND (SELECT COUNT(*) FROM face_template n WHERE n.person_id = t.person_id AND n.model = t.model \
         AND n.status = 'ACCEPTED') >= o.min_enrolment_photos ORDER BY t.person_id, t.id"
    );
    let sealed: Vec<Sealed> = service.db.reader().all(&sql, values.done()).await?;
    let service = service.clone();
    service
        .clone()
        .blocking(move || {
            let opened = sealed.into_iter().filter_map(|template| {
                let opened = open(&service, &template);
                if opened.is_none() {
                    tracing::error!(template = %template.id.0, "a template does not open: is its key in MUSTER_SECRET_KEYS_OLD?");
                }
                opened.map(|embedding| (template.person_id, embedding))
            });
            Gallery::new(opened)
        })
        .await
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
    fn a_student_is_as_near_as_their_nearest_template() {
        let (a, b) = (PersonId(Uuid::from_u128(1)), PersonId(Uuid::from_u128(2)));
        let gallery = Gallery::new([
            (a, vec![1.0, 0.0]),
            (b, vec![0.0, 1.0]),
            (a, vec![0.6, 0.8]),
            (b, vec![1.0, 0.0, 0.0]),
        ]);
        assert_eq!(gallery.students, [a, b]);
        assert_eq!(gallery.similarities(&[0.0, 1.0]), [0.8, 1.0]);
        assert_eq!(gallery.similarities(&[1.0]), [f32::NEG_INFINITY; 2]);
        assert!(Gallery::new([]).similarities(&[1.0]).is_empty());
    }

    #[test]
    fn a_product_sums_every_lane_and_the_rest() {
        let a: Vec<f32> = (0..19_u8).map(f32::from).collect();
        let expected: f32 = a.iter().map(|x| x * x).sum();
        assert!((dot(&a, &a) - expected).abs() < 1e-3);
    }
}
