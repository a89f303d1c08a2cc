//! Who is who in one photo: each student at most once, three bands by the embedder's thresholds.
//! Pure.
//!
//! Of all pairs at or above the match threshold the best assignment is taken, in two ranks. A face's
//! own pair, with the student whom it resembles most, stands before every other: what decides is
//! first the sum of the own pairs, then the sum of the rest. In one rank a stranger who resembles
//! somebody a little would push that person on to their own second choice, since two middling pairs
//! are worth more together than one that is sure.
//!
//! Only an own pair is matched. A face whose own student is taken is no safe guess for its second
//! choice (it may be a picture of the first, or a passer-by): a person decides, and is offered
//! whom the assignment left to that face.
//!
//! A face that resembles two students closely claims neither. Closely: the second would by itself be
//! matched or reviewed, and is nearer to the first than the embedder's own band of doubt is wide
//! (from the review to the match threshold). Within that band its thresholds say that a similarity
//! tells nothing for certain, and so a difference of that size tells nothing for certain either.
//! Which of two twins is which, the assignment still proposes, by all their faces together.

use super::assignment::{self, Worth};
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

/// `similarities[face][student]`, cosine; of a face without an embedding none. From `match_at` on a
/// face may be matched, from `review_at` on a person decides.
pub fn decide(students: &[PersonId], similarities: &[Option<Vec<f32>>], match_at: f32, review_at: f32) -> Vec<Verdict> {
    // The others take one student each at most, so whoever stands behind as many others is never needed.
    let depth = similarities.len().max(CANDIDATES);
    let faces: Vec<Option<Ranked<'_>>> = similarities
        .iter()
        .map(|row| row.as_ref().map(|row| Ranked::new(students, row, depth)))
        .collect();
    let choices: Vec<_> = faces
        .iter()
        .map(|face| {
            face.as_ref()
                .map_or_else(Vec::new, |face| face.choices(match_at, review_at))
        })
        .collect();
    faces
        .iter()
        .zip(assignment::best(&choices))
        .map(|(face, given)| match face {
            Some(face) => face.verdict(students, given, match_at, review_at),
            None => Verdict::too_small(),
        })
        .collect()
}

/// A face's students, the nearest first.
struct Ranked<'a> {
    row: &'a [f32],
    order: Vec<usize>,
}

impl<'a> Ranked<'a> {
    /// The places of the nearest few; equals in the order of their ids.
    fn new(students: &[PersonId], row: &'a [f32], depth: usize) -> Self {
        let nearer = |a: &usize, b: &usize| row[*b].total_cmp(&row[*a]).then(students[*a].cmp(&students[*b]));
        let mut order: Vec<usize> = Vec::with_capacity(2 * depth);
        // Of many students few come near those who are kept already.
        let mut least = f32::MIN;
        for (student, similarity) in row.iter().enumerate() {
            if *similarity >= least && similarity.is_finite() {
                order.push(student);
                if order.len() == 2 * depth {
                    order.select_nth_unstable_by(depth - 1, nearer);
                    order.truncate(depth);
                    least = row[order[depth - 1]];
                }
            }
        }
        order.sort_by(nearer);
        order.truncate(depth);
        Self { row, order }
    }

    fn similarity(&self, rank: usize) -> Option<f32> {
        self.order.get(rank).map(|student| self.row[*student])
    }

    /// Whether the second is too near to the first for the embedder to tell them apart.
    fn is_ambiguous(&self, match_at: f32, review_at: f32) -> bool {
        match (self.similarity(0), self.similarity(1)) {
            (Some(best), Some(second)) => {
                best >= match_at && second >= review_at && best - second <= match_at - review_at
            }
            _ => false,
        }
    }

    /// The students whom the assignment may give to this face.
    fn choices(&self, match_at: f32, review_at: f32) -> Vec<(usize, Worth)> {
        let own = usize::from(!self.is_ambiguous(match_at, review_at));
        let enough = self.order.iter().take_while(|s| self.row[**s] >= match_at);
        enough
            .enumerate()
            .map(|(rank, student)| {
                let units = units(self.row[*student]);
                let worth = if rank < own {
                    Worth { first: units, then: 0 }
                } else {
                    Worth { first: 0, then: units }
                };
                (*student, worth)
            })
            .collect()
    }

    fn verdict(&self, students: &[PersonId], given: Option<usize>, match_at: f32, review_at: f32) -> Verdict {
        let nearest = self.order.first().copied();
        let best = nearest.map_or(f32::NEG_INFINITY, |student| self.row[student]);
        let (decision, reason, chosen) = if best < review_at || nearest.is_none() {
            (FaceDecision::Unknown, Some(FaceReason::BelowThreshold), None)
        } else if best < match_at {
            let reason = Some(FaceReason::BetweenThresholds);
            (FaceDecision::NeedsReview, reason, nearest)
        } else if self.is_ambiguous(match_at, review_at) {
            let reason = Some(FaceReason::Ambiguous);
            (FaceDecision::NeedsReview, reason, given.or(nearest))
        } else if given == nearest {
            (FaceDecision::Matched, None, nearest)
        } else {
            let reason = Some(FaceReason::SecondClaim);
            (FaceDecision::NeedsReview, reason, given.or(nearest))
        };
        Verdict {
            decision,
            reason,
            student: chosen.map(|c| students[c]),
            similarity: chosen.or(nearest).map(|c| self.row[c]),
            candidates: self
                .order
                .iter()
                .take(CANDIDATES)
                .map(|c| (students[*c], self.row[*c]))
                .collect(),
        }
    }
}

/// A similarity in whole numbers, which sum without error; above nothing where it is not negative.
fn units(similarity: f32) -> i64 {
    /// What a number of 32 bits between 0 and 1 can tell apart.
    const ONE: f64 = 16_777_216.0;
    #[expect(clippy::cast_possible_truncation, reason = "a similarity is between -1 and 1")]
    let units = (f64::from(similarity) * ONE) as i64;
    units.max(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use uuid::Uuid;

    fn students(n: u128) -> Vec<PersonId> {
        (1..=n).map(|i| PersonId(Uuid::from_u128(i))).collect()
    }

    /// Own pairs first, then the rest, as `decide` says; the embedder has no band of doubt here, so
    /// that no face is ambiguous.
    fn best_by_trying(rows: &[Vec<f32>], taken: &mut Vec<usize>, match_at: f32) -> (f64, f64) {
        let Some((row, others)) = rows.split_first() else {
            return (0.0, 0.0);
        };
        let nearest = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
        let mut best = best_by_trying(others, taken, match_at);
        for student in (0..row.len()).filter(|s| row[*s] >= match_at) {
            if !taken.contains(&student) {
                taken.push(student);
                let (own, other) = best_by_trying(others, taken, match_at);
                taken.pop();
                let similarity = f64::from(row[student]);
                let sum = if nearest == Some(student) {
                    (own + similarity, other)
                } else {
                    (own, other + similarity)
                };
                if sum.0 > best.0 + 1e-5 || (sum.0 > best.0 - 1e-5 && sum.1 > best.1) {
                    best = sum;
                }
            }
        }
        best
    }

    /// Against every assignment there is: no student is given twice, nobody gets a student whom
    /// another face resembles more, and both sums are the greatest.
    #[test]
    fn the_assignment_is_the_best_of_all() {
        const MATCH: f32 = 0.5;
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..1000 {
            let (faces, columns) = (random.random_range(1..6), random.random_range(1..6_u8));
            let s = students(columns.into());
            let rows: Vec<Vec<f32>> = (0..faces)
                .map(|_| (0..columns).map(|_| random.random_range(0.3..1.0)).collect())
                .collect();
            let seen: Vec<Option<Vec<f32>>> = rows.iter().cloned().map(Some).collect();
            let (mut own, mut other) = (0.0, 0.0);
            let mut given = std::collections::HashSet::new();
            for verdict in decide(&s, &seen, MATCH, MATCH) {
                let (nearest, _) = verdict.candidates[0];
                let similarity = verdict.similarity.map_or(0.0, f64::from);
                if verdict.decision == FaceDecision::Matched {
                    assert_eq!(verdict.student, Some(nearest));
                    own += similarity;
                } else if verdict.student.is_some_and(|student| student != nearest) {
                    other += similarity;
                } else {
                    continue;
                }
                assert!(given.insert(verdict.student), "a student twice: {rows:?}");
            }
            let best = best_by_trying(&rows, &mut Vec::new(), MATCH);
            assert!(
                (own - best.0).abs() < 1e-4 && (other - best.1).abs() < 1e-4,
                "{own} and {other}, not {best:?}: {rows:?}"
            );
        }
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
    fn a_second_claim_is_offered_whom_the_others_leave_to_it() {
        let s = students(3);
        let seen = [
            Some(vec![0.9, 0.1, 0.1]),
            Some(vec![0.8, 0.6, 0.55]),
            Some(vec![0.7, 0.58, 0.1]),
        ];
        let verdicts = decide(&s, &seen, 0.5, 0.4);
        assert_eq!(verdicts[0].student, Some(s[0]));
        // The second face's own second choice is the third's only one: 0.55 + 0.58 is more than 0.6.
        assert_eq!(verdicts[1].student, Some(s[2]));
        assert_eq!(verdicts[1].similarity, Some(0.55));
        assert_eq!(verdicts[2].student, Some(s[1]));
        for verdict in &verdicts[1..] {
            assert_eq!(verdict.reason, Some(FaceReason::SecondClaim));
            assert_eq!(verdict.candidates[0].0, s[0]);
        }
        // Whom nobody leaves anything stays with the student they resemble.
        let verdicts = decide(&s, &[Some(vec![0.9, 0.1, 0.1]), Some(vec![0.8, 0.45, 0.1])], 0.5, 0.4);
        assert_eq!(verdicts[1].student, Some(s[0]));
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
        // A second who would only be reviewed is as near as one who would be matched.
        assert_eq!(of(0.55, 0.5_f32.next_down()).reason, Some(FaceReason::Ambiguous));
        assert_eq!(of(0.5, 0.4_f32.next_down()).decision, FaceDecision::Matched);
        // The nearest face is ambiguous; the other is the student's own.
        let both = decide(&s, &[Some(vec![0.9, 0.88]), Some(vec![0.8, 0.1])], 0.5, 0.4);
        assert_eq!(both[0].reason, Some(FaceReason::Ambiguous));
        assert_eq!((both[1].decision, both[1].student), (FaceDecision::Matched, Some(s[0])));
    }

    /// Also where the thresholds leave no band of doubt.
    #[test]
    fn of_two_alike_neither_is_taken_by_the_order_of_ids() {
        let s = students(2);
        let tie = decide(&s, &[Some(vec![0.8, 0.8])], 0.5, 0.5).remove(0);
        assert_eq!(tie.decision, FaceDecision::NeedsReview);
        assert_eq!(tie.reason, Some(FaceReason::Ambiguous));
    }

    #[test]
    fn twins_are_proposed_by_both_their_faces_together() {
        let s = students(2);
        let verdicts = decide(&s, &[Some(vec![0.7, 0.68]), Some(vec![0.72, 0.66])], 0.5, 0.4);
        for (verdict, student) in verdicts.iter().zip([s[1], s[0]]) {
            assert_eq!(verdict.reason, Some(FaceReason::Ambiguous));
            assert_eq!(verdict.student, Some(student));
        }
    }

    #[test]
    fn the_nearest_are_found_among_many() {
        let s = students(5000);
        let mut row: Vec<f32> = (0..5000_u16).map(|n| f32::from(n % 997) / 10_000.0).collect();
        (row[4001], row[7], row[42]) = (0.9, 0.3, 0.3);
        let verdict = decide(&s, &[Some(row)], 0.5, 0.4).remove(0);
        assert_eq!(verdict.candidates, [(s[4001], 0.9), (s[7], 0.3), (s[42], 0.3)]);
    }

    #[test]
    fn an_empty_class_knows_nobody() {
        let verdicts = decide(&[], &[Some(vec![]), None], 0.5, 0.4);
        assert_eq!(verdicts[0].reason, Some(FaceReason::BelowThreshold));
        assert_eq!(verdicts[1].reason, Some(FaceReason::TooSmall));
    }
}
