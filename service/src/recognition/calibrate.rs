//! Thresholds from an organization's own templates: how much photos of one person resemble each
//! other there, how much those of different people do, and from which similarity on at most a chosen
//! share of the latter would be taken for one person. Answers numbers alone, never who they are of.
//!
//! Compared is what recognition compares (see `gallery`, with the doubt of the thresholds in use): each
//! template with its person's others, and with everybody else's. A face in a class photo is a worse picture than an enrolled one, so
//! fewer of them are matched than the share of own templates says; strangers are no nearer for it.

use std::collections::BTreeMap;

use super::gallery::{self, Gallery};
use crate::change::Change;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, PersonId};
use crate::organizations::{self, OrganizationChange};
use crate::scope::Scope;
use crate::{Service, audit};

/// Similarities in a bin are this near; thresholds are its multiples.
const WIDTH: f64 = 0.001;
/// From -1 to 1.
const BINS: usize = 2000;
/// Faces that are compared at once.
const AT_ONCE: usize = 64;

/// How often each similarity came, to the thousandth: millions of them weigh no more than a few.
#[derive(Clone, Debug)]
pub struct Resemblances(Vec<u64>);

impl Default for Resemblances {
    fn default() -> Self {
        Self(vec![0; BINS])
    }
}

impl Resemblances {
    /// What is no number counts for nothing.
    pub fn add(&mut self, similarity: f32) {
        if similarity.is_finite() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bounded by the bins"
            )]
            let bin = ((f64::from(similarity) + 1.0) / WIDTH).max(0.0) as usize;
            self.0[bin.min(BINS - 1)] += 1;
        }
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The share, 0 to 1, at or above a multiple of a thousandth; 0 where nothing was compared.
    pub fn share_from(&self, similarity: f64) -> f64 {
        self.share_between(similarity, 2.0)
    }

    /// The share from one similarity up to another, that one left out.
    pub fn share_between(&self, from: f64, below: f64) -> f64 {
        let (from, below) = (bin_at(from), bin_at(below));
        share(self.0[from.min(below)..below].iter().sum(), self.total())
    }

    /// The least threshold from 0 on with at most this share at or above it; 1 where there is none.
    fn threshold(&self, rate: f64) -> f64 {
        let total = self.total();
        let mut above = 0;
        for bin in (bin_at(0.0)..BINS).rev() {
            above += self.0[bin];
            if share(above, total) > rate {
                return similarity_at(bin + 1);
            }
        }
        0.0
    }
}

/// The bin that begins there.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "bounded by the bins"
)]
fn bin_at(similarity: f64) -> usize {
    ((similarity + 1.0) / WIDTH).round().clamp(0.0, BINS as f64) as usize
}

/// Where a bin begins, in thousandths without a rest.
#[expect(clippy::cast_precision_loss, reason = "bounded by the bins")]
fn similarity_at(bin: usize) -> f64 {
    (bin as f64 - 1000.0) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a share has no more digits than that")]
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// What an organization's templates say. A rate is the share of comparisons of a face with somebody
/// else that would be taken for one person; a face is compared with everybody in its class.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The catalog's name of the embedder.
    pub model: String,
    /// The thresholds in use.
    pub match_threshold: f64,
    pub review_threshold: f64,
    pub people: u64,
    pub templates: u64,
    /// Each template with its person's others, where there are any.
    pub same: Resemblances,
    /// Each template with those of each other person.
    pub different: Resemblances,
}

impl Calibration {
    /// The least threshold at which the rate is no higher.
    pub fn threshold(&self, rate: f64) -> f64 {
        self.different.threshold(rate)
    }

    /// Photos of the same two people say the same again, so these count as what was looked at.
    pub fn pairs_of_people(&self) -> u64 {
        self.people * self.people.saturating_sub(1) / 2
    }

    /// The lowest rate of which so many pairs say anything: where none of n was seen, up to 3/n may
    /// be with 95 % confidence (the rule of three; Hanley and Lippman-Hand 1983).
    pub fn lowest_rate(&self) -> f64 {
        if self.pairs_of_people() == 0 {
            return 1.0;
        }
        share(3, self.pairs_of_people()).min(1.0)
    }
}

/// Compares the templates of the organization's gallery, of those who can be recognized.
pub async fn measure(service: &Service, scope: &Scope, organization: OrganizationId) -> Result<Calibration> {
    let Scope::System(_) = scope else {
        return Err(Error::Forbidden);
    };
    let embedder = organizations::embedder_in_use(service, organization).await?;
    let mut templates: BTreeMap<PersonId, Vec<Vec<f32>>> = BTreeMap::new();
    gallery::read_all(service, organization, &embedder, |person, embedding| {
        templates.entry(person).or_default().push(embedding.to_vec());
    })
    .await?;
    let people = templates.len() as u64;
    if people < 2 {
        return Err(Error::conflict(
            "TOO_FEW",
            "fewer than two people can be recognized, so there is nothing to compare: enrol more",
        ));
    }
    let count = templates.values().map(Vec::len).sum::<usize>() as u64;
    let doubt = embedder.doubt();
    let (same, different) = service.blocking(move || compare(&templates, doubt)).await?;
    Ok(Calibration {
        model: embedder.name,
        match_threshold: embedder.match_threshold.into(),
        review_threshold: embedder.review_threshold.into(),
        people,
        templates: count,
        same,
        different,
    })
}

fn compare(templates: &BTreeMap<PersonId, Vec<Vec<f32>>>, doubt: f32) -> (Resemblances, Resemblances) {
    let (mut same, mut different) = (Resemblances::default(), Resemblances::default());
    for (person, own) in templates.iter().filter(|(_, own)| own.len() > 1) {
        for (place, one) in own.iter().enumerate() {
            let others = own.iter().enumerate().filter(|(other, _)| *other != place);
            let others = Gallery::new(others.map(|(_, other)| (*person, other.clone())));
            for similarity in others.similarities(one, doubt) {
                same.add(similarity);
            }
        }
    }
    let all = templates
        .iter()
        .flat_map(|(person, own)| own.iter().map(|one| (*person, one.clone())));
    let gallery = Gallery::new(all);
    let faces: Vec<(PersonId, &[f32])> = templates
        .iter()
        .flat_map(|(person, own)| own.iter().map(|one| (*person, one.as_slice())))
        .collect();
    for faces in faces.chunks(AT_ONCE) {
        let embeddings: Vec<&[f32]> = faces.iter().map(|(_, embedding)| *embedding).collect();
        for ((person, _), row) in faces.iter().zip(gallery.similarities_of(&embeddings, doubt)) {
            for (_, similarity) in gallery.students.iter().zip(row).filter(|(s, _)| *s != person) {
                different.add(similarity);
            }
        }
    }
    (same, different)
}

/// Sets the thresholds for these rates, as an admin of the organization could. CONFLICT where there
/// are too few people to tell the rates, or the gallery has gone over to another embedder.
pub async fn apply(
    service: &Service,
    scope: &Scope,
    organization: OrganizationId,
    calibration: &Calibration,
    match_rate: f64,
    review_rate: f64,
) -> Result<()> {
    let Scope::System(reason) = scope else {
        return Err(Error::Forbidden);
    };
    if match_rate < calibration.lowest_rate() {
        return Err(Error::conflict(
            "TOO_FEW",
            format!(
                "the thresholds stay as they are: {} pairs of people tell no rate below {:.1e}; enrol more, or choose \
                 a rate above it",
                calibration.pairs_of_people(),
                calibration.lowest_rate()
            ),
        ));
    }
    let change = OrganizationChange {
        match_threshold: Change::To(calibration.threshold(match_rate)),
        review_threshold: Change::To(calibration.threshold(review_rate.max(match_rate))),
        ..OrganizationChange::default()
    };
    let tx = service.begin().await?;
    let model = organizations::set_thresholds(&tx, organization, &change).await?;
    if model != calibration.model {
        return Err(Error::conflict(
            "GALLERY_SWITCHED",
            "the gallery went over to another embedder meanwhile; calibrate again",
        ));
    }
    let target = ("Organization", organization.0);
    audit::entry(&tx, organization, None, "updateOrganization", target, reason).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use uuid::Uuid;

    const DIMENSION: usize = 128;

    /// Any direction is as likely as any other: by the sum of twelve even numbers, nearly normal.
    fn direction(random: &mut StdRng) -> Vec<f32> {
        let mut normal = || (0..12).map(|_| random.random_range(-0.5..0.5_f32)).sum::<f32>();
        let vector: Vec<f32> = (0..DIMENSION).map(|_| normal()).collect();
        unit(vector)
    }

    fn unit(mut vector: Vec<f32>) -> Vec<f32> {
        let length = vector.iter().map(|n| n * n).sum::<f32>().sqrt();
        for number in &mut vector {
            *number /= length;
        }
        vector
    }

    /// People with so many templates each, whose similarity in pairs is `alike` in the mean.
    fn people(count: u128, each: usize, alike: f32) -> BTreeMap<PersonId, Vec<Vec<f32>>> {
        let mut random = StdRng::seed_from_u64(3);
        (0..count)
            .map(|n| {
                let own = direction(&mut random);
                let mut photo = || {
                    let noise = direction(&mut random);
                    unit(
                        own.iter()
                            .zip(noise)
                            .map(|(o, n)| alike.sqrt() * o + (1.0 - alike).sqrt() * n)
                            .collect(),
                    )
                };
                (PersonId(Uuid::from_u128(n)), (0..each).map(|_| photo()).collect())
            })
            .collect()
    }

    fn calibration(count: u32, each: usize) -> Calibration {
        let (same, different) = compare(&people(count.into(), each, 0.5), 0.08);
        Calibration {
            model: "m".into(),
            match_threshold: 0.0,
            review_threshold: 0.0,
            people: count.into(),
            templates: u64::from(count) * each as u64,
            same,
            different,
        }
    }

    /// Directions that have nothing in common have similarities of mean 0 and deviation 1/√128.
    #[test]
    fn known_distributions_give_their_thresholds() {
        let alone = calibration(1000, 1);
        assert_eq!((alone.same.total(), alone.different.total()), (0, 1000 * 999));
        let deviation = 1.0 / 128.0_f64.sqrt();
        for (rate, deviations) in [(1e-1, 1.2816), (1e-2, 2.3263), (1e-3, 3.0902), (1e-4, 3.7190)] {
            let threshold = alone.threshold(rate);
            let expected = deviations * deviation;
            assert!(
                (threshold - expected).abs() < 0.015,
                "{rate}: {threshold}, not {expected}"
            );
            assert!(alone.different.share_from(threshold) <= rate);
            assert!(alone.different.share_from(threshold - WIDTH) > rate);
        }
        // Half alike, a photo is that far from the nearer of two others.
        let with_others = calibration(100, 3);
        assert_eq!(with_others.same.total(), 300);
        assert!(with_others.same.share_from(0.4) > 0.9 && with_others.same.share_from(0.65) < 0.1);
        assert!(
            with_others.threshold(1e-3) > alone.threshold(1e-3),
            "three have more chances"
        );
    }

    #[test]
    fn few_people_tell_no_low_rate() {
        let few = calibration(12, 3);
        assert_eq!(few.pairs_of_people(), 66);
        assert!((few.lowest_rate() - 3.0 / 66.0).abs() < 1e-9);
        assert!(calibration(1, 3).lowest_rate() >= 1.0);
    }

    #[test]
    fn a_threshold_counts_what_is_exactly_on_it() {
        let mut seen = Resemblances::default();
        for similarity in [-1.0, 0.25, 0.5, 0.5, 1.0] {
            seen.add(similarity);
        }
        seen.add(f32::NAN);
        assert_eq!(seen.total(), 5);
        assert!((seen.share_from(0.5) - 0.6).abs() < 1e-9);
        assert!((seen.share_from(0.501) - 0.2).abs() < 1e-9);
        assert!((seen.threshold(0.6) - 0.251).abs() < 1e-9);
        assert!((seen.threshold(0.2) - 0.501).abs() < 1e-9);
        assert!((seen.threshold(0.1) - 1.0).abs() < 1e-9);
        assert!(seen.threshold(1.0) < 1e-9);
    }
}
