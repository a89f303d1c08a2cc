//! Whether new photos of a person go together, and with the photos that were accepted before. Pure.
//!
//! Two photos resemble each other from the embedder's review threshold on: below it, by the catalog
//! or `calibrate`, they are taken for two people. Resemblance is handed on, so that a photo with
//! glasses may stand for one without. A group is as many as are joined so.
//!
//! Where photos of the person were accepted before, a group stands that holds one of them. Where none
//! were, the largest group stands, for a stray photo is the exception. Where two are as large as each
//! other nothing tells which of them is the person, and none stands: somebody has to look. One photo
//! alone contradicts nothing.

use std::collections::HashMap;

/// Cosine similarity of two vectors of length 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Of each new photo whether it stands. All are embeddings of length 1 by one embedder; `review_at`
/// is its review threshold.
pub(super) fn stand(new: &[&[f32]], accepted: &[Vec<f32>], review_at: f32) -> Vec<bool> {
    let all: Vec<&[f32]> = new.iter().copied().chain(accepted.iter().map(Vec::as_slice)).collect();
    let groups = groups(&all, review_at);
    let (ours, before) = groups.split_at(new.len());
    if !before.is_empty() {
        return ours.iter().map(|group| before.contains(group)).collect();
    }
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    for group in ours {
        *sizes.entry(*group).or_default() += 1;
    }
    let most = sizes.values().copied().max().unwrap_or_default();
    let is_alone = sizes.values().filter(|size| **size == most).count() == 1;
    ours.iter().map(|group| is_alone && sizes[group] == most).collect()
}

/// Of each the least place within its group: what is joined by links of resemblance has the same.
fn groups(all: &[&[f32]], review_at: f32) -> Vec<usize> {
    let mut group: Vec<usize> = (0..all.len()).collect();
    for a in 0..all.len() {
        for b in 0..a {
            if cosine(all[a], all[b]) >= review_at {
                let (keep, go) = (group[a].min(group[b]), group[a].max(group[b]));
                for g in group.iter_mut().filter(|g| **g == go) {
                    *g = keep;
                }
            }
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector so many degrees from the first axis: two resemble each other within 45.
    fn at(degrees: f32) -> Vec<f32> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        vec![cos, sin]
    }

    fn standing(new: &[f32], accepted: &[f32]) -> Vec<bool> {
        let vectors = |degrees: &[f32]| degrees.iter().map(|d| at(*d)).collect::<Vec<_>>();
        let new = vectors(new);
        let new: Vec<&[f32]> = new.iter().map(Vec::as_slice).collect();
        stand(&new, &vectors(accepted), 45.0_f32.to_radians().cos() - 1e-4)
    }

    #[test]
    fn the_largest_group_stands() {
        assert_eq!(standing(&[0.0, 20.0, 170.0], &[]), [true, true, false]);
        assert_eq!(standing(&[170.0, 0.0, 100.0, 20.0], &[]), [false, true, false, true]);
        assert_eq!(standing(&[0.0], &[]), [true]);
        assert_eq!(standing(&[], &[]), [false; 0]);
    }

    #[test]
    fn where_groups_are_as_large_none_stands() {
        assert_eq!(standing(&[0.0, 170.0], &[]), [false, false]);
        assert_eq!(standing(&[0.0, 170.0, 10.0, 180.0], &[]), [false; 4]);
        assert_eq!(standing(&[0.0, 90.0, 180.0], &[]), [false; 3]);
    }

    #[test]
    fn resemblance_is_handed_on() {
        assert_eq!(standing(&[0.0, 40.0, 80.0], &[]), [true; 3]);
        assert_eq!(standing(&[80.0, 40.0], &[0.0]), [true, true]);
    }

    #[test]
    fn what_was_accepted_before_outweighs_many() {
        assert_eq!(standing(&[170.0, 175.0, 180.0], &[0.0]), [false; 3]);
        assert_eq!(standing(&[170.0, 175.0, 5.0], &[0.0]), [false, false, true]);
        assert_eq!(standing(&[175.0], &[0.0, 180.0]), [true]);
    }
}
