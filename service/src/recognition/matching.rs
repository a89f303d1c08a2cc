//! Who is who in one photo: the best assignment of faces to students, each student at most once,
//! and three bands by the embedder's thresholds. Pure.
//!
//! The assignment is the rectangular linear assignment problem, solved by shortest augmenting
//! paths: R. Jonker, A. Volgenant, Computing 38 (1987), as described by D. Crouse, IEEE TAES 52 (2016).

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
/// `match_at` is matched to the student whom the best assignment gives it, if that student is
/// also its own nearest; from `review_at` on a person decides.
pub fn decide(students: &[PersonId], similarities: &[Option<Vec<f32>>], match_at: f32, review_at: f32) -> Vec<Verdict> {
    let gains: Vec<Vec<f64>> = similarities
        .iter()
        .map(|row| match row {
            Some(row) => row
                .iter()
                .map(|s| {
                    if *s >= match_at {
                        1.0 + f64::from(*s - match_at)
                    } else {
                        0.0
                    }
                })
                .collect(),
            None => vec![0.0; students.len()],
        })
        .collect();
    let assigned = assign(&gains);
    similarities
        .iter()
        .zip(assigned)
        .map(|(row, assigned)| match row {
            Some(row) => verdict(students, row, assigned, match_at, review_at),
            None => Verdict::too_small(),
        })
        .collect()
}

fn verdict(students: &[PersonId], row: &[f32], assigned: Option<usize>, match_at: f32, review_at: f32) -> Verdict {
    let mut order: Vec<usize> = (0..row.len()).filter(|i| row[*i].is_finite()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(students[*a].cmp(&students[*b])));
    order.truncate(CANDIDATES);
    let best = order.first().copied();
    let (decision, reason, chosen) = match best {
        Some(best) if row[best] >= match_at => match assigned {
            Some(student) if student == best => (FaceDecision::Matched, None, Some(best)),
            // The nearest student has a nearer face; whoever is second is no safe guess.
            Some(_) => (FaceDecision::NeedsReview, Some(FaceReason::Ambiguous), Some(best)),
            None => (FaceDecision::NeedsReview, Some(FaceReason::SecondClaim), Some(best)),
        },
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
        similarity: chosen.or(best).map(|c| row[c]),
        candidates: order.iter().map(|c| (students[*c], row[*c])).collect(),
    }
}

/// The column of each row in an assignment of greatest total gain; gains are not negative, and
/// a pair that gains nothing is no pair.
fn assign(gains: &[Vec<f64>]) -> Vec<Option<usize>> {
    let rows = gains.len();
    let columns = gains.first().map_or(0, Vec::len);
    // A dummy column for each row lets it stay alone, so rows never outnumber columns.
    let wide = columns + rows;
    let cost = |row: usize, column: usize| if column < columns { -gains[row][column] } else { 0.0 };
    let mut row_price = vec![0.0; rows];
    let mut column_price = vec![0.0; wide];
    let mut row_of: Vec<Option<usize>> = vec![None; wide];
    for start in 0..rows {
        let mut reach = vec![f64::INFINITY; wide];
        let mut from = vec![None; wide];
        let mut done = vec![false; wide];
        let (mut row, mut column) = (start, None);
        let mut sink = None;
        let mut travelled = 0.0;
        while sink.is_none() {
            let mut nearest = (f64::INFINITY, None);
            for next in (0..wide).filter(|c| !done[*c]) {
                let distance = travelled + cost(row, next) - row_price[row] - column_price[next];
                if distance < reach[next] {
                    reach[next] = distance;
                    from[next] = column;
                }
                if reach[next] < nearest.0 {
                    nearest = (reach[next], Some(next));
                }
            }
            let Some(next) = nearest.1 else { break };
            travelled = nearest.0;
            done[next] = true;
            match row_of[next] {
                Some(taken) => {
                    row = taken;
                    column = Some(next);
                }
                None => sink = Some(next),
            }
        }
        row_price[start] += travelled;
        for c in (0..wide).filter(|c| done[*c] && reach[*c] <= travelled) {
            let slack = travelled - reach[c];
            if let Some(r) = row_of[c] {
                row_price[r] += slack;
            }
            column_price[c] -= slack;
        }
        let mut end = sink;
        while let Some(c) = end {
            let previous = from[c];
            row_of[c] = previous.map_or(Some(start), |p| row_of[p]);
            end = previous;
        }
    }
    let mut assigned = vec![None; rows];
    for (column, row) in row_of.iter().enumerate().take(columns) {
        if let Some(row) = row
            && gains[*row][column] > 0.0
        {
            assigned[*row] = Some(column);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use uuid::Uuid;

    fn students(n: u128) -> Vec<PersonId> {
        (1..=n).map(|i| PersonId(Uuid::from_u128(i))).collect()
    }

    fn total(gains: &[Vec<f64>], assigned: &[Option<usize>]) -> f64 {
        assigned
            .iter()
            .enumerate()
            .filter_map(|(r, c)| c.map(|c| gains[r][c]))
            .sum()
    }

    fn best_by_trying(gains: &[Vec<f64>], row: usize, taken: &mut Vec<bool>) -> f64 {
        let Some(own) = gains.get(row) else { return 0.0 };
        let mut best = best_by_trying(gains, row + 1, taken);
        for column in 0..own.len() {
            if !taken[column] {
                taken[column] = true;
                best = best.max(own[column] + best_by_trying(gains, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    #[test]
    fn the_assignment_is_the_best_of_all() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..500 {
            let (rows, columns) = (random.random_range(0..6), random.random_range(1..6));
            let gains: Vec<Vec<f64>> = (0..rows)
                .map(|_| {
                    (0..columns)
                        .map(|_| {
                            if random.random_bool(0.4) {
                                0.0
                            } else {
                                random.random_range(0.0..2.0)
                            }
                        })
                        .collect()
                })
                .collect();
            let assigned = assign(&gains);
            let mut seen: Vec<usize> = assigned.iter().flatten().copied().collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(
                seen.len(),
                assigned.iter().flatten().count(),
                "a student twice: {gains:?}"
            );
            let best = best_by_trying(&gains, 0, &mut vec![false; columns]);
            assert!(
                (total(&gains, &assigned) - best).abs() < 1e-9,
                "{gains:?}: {assigned:?}"
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
    fn a_face_never_falls_to_the_student_who_is_second_to_it() {
        let s = students(2);
        let verdicts = decide(&s, &[Some(vec![0.9, 0.6]), Some(vec![0.85, 0.1])], 0.5, 0.4);
        assert!(verdicts.iter().all(|v| v.student == Some(s[0])));
        assert_eq!(
            verdicts.iter().filter(|v| v.decision == FaceDecision::Matched).count(),
            1
        );
    }

    #[test]
    fn an_empty_class_knows_nobody() {
        let verdicts = decide(&[], &[Some(vec![]), None], 0.5, 0.4);
        assert_eq!(verdicts[0].reason, Some(FaceReason::BelowThreshold));
        assert_eq!(verdicts[1].reason, Some(FaceReason::TooSmall));
    }
}
