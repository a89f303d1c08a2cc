//! Who is who in one photo: each student at most once, three bands by the embedder's thresholds.
//! Pure.
//!
//! A face is matched to the student whom it resembles most, or to nobody: its second choice is no
//! safe guess when the first is taken, and a person looks at it. Of the pairs that are allowed so,
//! the best assignment gives each student to the nearest of the faces that claim them.
//!
//! A face that resembles two students closely claims neither. Closely: both at or above the match
//! threshold, and nearer to each other than the embedder's own band of doubt is wide (from the
//! review to the match threshold). Within that band its thresholds say that a similarity tells
//! nothing for certain, and so a difference of that size tells nothing for certain either.

use std::collections::HashMap;

use crate::id::PersonId;
use crate::kinds::{FaceDecision, FaceReason};

const CANDIDATES: usize = 3;

/// What was decided of one face. Candidates are the best three students, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub decision: FaceDecision,
    pub reason: Option<FaceReason>,
    pub student: Option<PersonId>,
    pub similarity: Option<f32>,
    pub candidates: Vec<(PersonId, f32)>,
}

impl Verdict {
    /// Of a face that has too few pixels to be compared.
    pub fn too_small() -> Self {
        Self {
            decision: FaceDecision::Unknown,
            reason: Some(FaceReason::TooSmall),
            student: None,
            similarity: None,
            candidates: Vec::new(),
        }
    }
}

/// `similarities[face][student]`, cosine; of a face without an embedding none. A face at or above
/// `match_at` claims its nearest student and is matched if no other is nearer to them; from
/// `review_at` on a person decides.
pub fn decide(students: &[PersonId], similarities: &[Option<Vec<f32>>], match_at: f32, review_at: f32) -> Vec<Verdict> {
    let ranked: Vec<Option<Vec<usize>>> = similarities
        .iter()
        .map(|row| row.as_ref().map(|row| nearest(students, row)))
        .collect();
    let mut holder: HashMap<usize, (usize, f32)> = HashMap::new();
    for (face, (row, order)) in similarities.iter().zip(&ranked).enumerate() {
        let (Some(row), Some(order)) = (row, order) else {
            continue;
        };
        if is_ambiguous(row, order, match_at, review_at) {
            continue;
        }
        if let Some(&student) = order.first() {
            let held = holder.entry(student).or_insert((face, row[student]));
            if row[student] > held.1 {
                *held = (face, row[student]);
            }
        }
    }
    similarities
        .iter()
        .zip(ranked)
        .enumerate()
        .map(|(face, (row, order))| match (row, order) {
            (Some(row), Some(order)) => {
                let holds = |student| holder.get(&student).is_some_and(|(f, _)| *f == face);
                verdict(students, row, &order, holds, match_at, review_at)
            }
            _ => Verdict::too_small(),
        })
        .collect()
}

/// The places of the best few students, best first; equals in the order of their ids.
fn nearest(students: &[PersonId], row: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).filter(|i| row[*i].is_finite()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(students[*a].cmp(&students[*b])));
    order.truncate(CANDIDATES);
    order
}

/// Whether the second student is too near to the first for the embedder to tell them apart.
fn is_ambiguous(row: &[f32], order: &[usize], match_at: f32, review_at: f32) -> bool {
    match order {
        [best, second, ..] => row[*second] >= match_at && row[*best] - row[*second] < match_at - review_at,
        _ => false,
    }
}

fn verdict(
    students: &[PersonId],
    row: &[f32],
    order: &[usize],
    holds: impl Fn(usize) -> bool,
    match_at: f32,
    review_at: f32,
) -> Verdict {
    let best = order.first().copied();
    let (decision, reason, chosen) = match best {
        Some(best) if is_ambiguous(row, order, match_at, review_at) => {
            (FaceDecision::NeedsReview, Some(FaceReason::Ambiguous), Some(best))
        }
        Some(best) if row[best] >= match_at && holds(best) => (FaceDecision::Matched, None, Some(best)),
        Some(best) if row[best] >= match_at => (FaceDecision::NeedsReview, Some(FaceReason::SecondClaim), Some(best)),
        Some(best) if row[best] >= review_at => (
            FaceDecision::NeedsReview,
            Some(FaceReason::BetweenThresholds),
            Some(best),
        ),
        _ => (FaceDecision::Unknown, Some(FaceReason::BelowThreshold), None),
    };
    Verdict {
        decision,
        reason,
        student: chosen.map(|c| students[c]),
        similarity: best.map(|c| row[c]),
        candidates: order.iter().map(|c| (students[*c], row[*c])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use uuid::Uuid;

    fn students(n: u128) -> Vec<PersonId> {
        (1..=n).map(|i| PersonId(Uuid::from_u128(i))).collect()
    }

    /// Against every assignment there is: the sum over allowed pairs is the greatest, no student
    /// is given twice, and nobody gets a student whom another face resembles more. The embedder has
    /// no band of doubt here, so that no face is ambiguous.
    #[test]
    fn the_assignment_is_the_best_of_all() {
        const MATCH: f32 = 0.5;
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..500 {
            let (faces, columns) = (random.random_range(1..6), random.random_range(1..5));
            let s = students(columns as u128);
            let rows: Vec<Vec<f32>> = (0..faces)
                .map(|_| (0..columns).map(|_| random.random_range(0.0..1.0)).collect())
                .collect();
            let seen: Vec<Option<Vec<f32>>> = rows.iter().cloned().map(Some).collect();
            let verdicts = decide(&s, &seen, MATCH, MATCH);
            let matched: Vec<_> = verdicts
                .iter()
                .filter(|v| v.decision == FaceDecision::Matched)
                .collect();
            let distinct: std::collections::HashSet<_> = matched.iter().map(|v| v.student).collect();
            assert_eq!(distinct.len(), matched.len(), "a student twice: {rows:?}");
            let total: f32 = matched.iter().filter_map(|v| v.similarity).sum();
            let best = best_by_trying(&rows, 0, &mut vec![false; columns], MATCH);
            assert!((total - best).abs() < 1e-4, "{total} is not {best}: {rows:?}");
        }
    }

    fn best_by_trying(rows: &[Vec<f32>], face: usize, taken: &mut Vec<bool>, match_at: f32) -> f32 {
        let Some(row) = rows.get(face) else { return 0.0 };
        let mut best = best_by_trying(rows, face + 1, taken, match_at);
        let (own, similarity) = row
            .iter()
            .copied()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap();
        if similarity >= match_at && !taken[own] {
            taken[own] = true;
            best = best.max(similarity + best_by_trying(rows, face + 1, taken, match_at));
            taken[own] = false;
        }
        best
    }

    #[test]
    fn nobody_is_matched_below_the_threshold_and_bands_are_sharp() {
        let s = students(1);
        let of = |similarity: f32| decide(&s, &[Some(vec![similarity])], 0.5, 0.4).remove(0);
        assert_eq!(of(0.5).decision, FaceDecision::Matched);
        assert_eq!(of(0.5_f32.next_down()).decision, FaceDecision::NeedsReview);
        assert_eq!(of(0.4).reason, Some(FaceReason::BetweenThresholds));
        assert_eq!(of(0.4_f32.next_down()).decision, FaceDecision::Unknown);
        assert_eq!(of(f32::NAN).decision, FaceDecision::Unknown);
        assert_eq!(of(0.3).student, None);
        assert_eq!(of(0.3).candidates, [(s[0], 0.3)]);
    }

    #[test]
    fn a_second_claim_waits_for_a_person() {
        let s = students(2);
        let verdicts = decide(&s, &[Some(vec![0.7, 0.1]), Some(vec![0.8, 0.2])], 0.5, 0.4);
        assert_eq!(verdicts[0].reason, Some(FaceReason::SecondClaim));
        assert_eq!(verdicts[1].decision, FaceDecision::Matched);
    }

    #[test]
    fn a_stranger_who_resembles_somebody_never_displaces_them() {
        let s = students(2);
        for (own, stranger) in [
            ([0.9, 0.46], [0.5, 0.1]),
            ([0.9, 0.6], [0.85, 0.1]),
            ([0.9, 0.6], [0.85, 0.7]),
        ] {
            let verdicts = decide(&s, &[Some(own.to_vec()), Some(stranger.to_vec())], 0.45, 0.4);
            assert_eq!(
                (verdicts[0].decision, verdicts[0].student),
                (FaceDecision::Matched, Some(s[0]))
            );
            assert_eq!(verdicts[1].reason, Some(FaceReason::SecondClaim));
        }
    }

    #[test]
    fn a_face_that_resembles_two_closely_waits_and_claims_neither() {
        let s = students(2);
        let of = |best: f32, second: f32| decide(&s, &[Some(vec![best, second])], 0.5, 0.4).remove(0);
        let doubtful = of(0.7, 0.65);
        assert_eq!(
            (doubtful.decision, doubtful.reason, doubtful.student),
            (FaceDecision::NeedsReview, Some(FaceReason::Ambiguous), Some(s[0]))
        );
        assert_eq!(doubtful.candidates.len(), 2);
        assert_eq!(of(0.75, 0.5).decision, FaceDecision::Matched);
        assert_eq!(of(0.55, 0.5_f32.next_down()).decision, FaceDecision::Matched);
        // The nearest face is ambiguous; the other is the student's own.
        let both = decide(&s, &[Some(vec![0.9, 0.88]), Some(vec![0.8, 0.1])], 0.5, 0.4);
        assert_eq!(both[0].reason, Some(FaceReason::Ambiguous));
        assert_eq!((both[1].decision, both[1].student), (FaceDecision::Matched, Some(s[0])));
    }

    #[test]
    fn an_empty_class_knows_nobody() {
        let verdicts = decide(&[], &[Some(vec![]), None], 0.5, 0.4);
        assert_eq!(verdicts[0].reason, Some(FaceReason::BelowThreshold));
        assert_eq!(verdicts[1].reason, Some(FaceReason::TooSmall));
    }
}
