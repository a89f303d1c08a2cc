//! The best assignment of rows to columns, each column at most once: the Hungarian method by
//! shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987). Pure.

use std::collections::HashMap;
use std::ops::{Add, Sub};

/// What a pair is worth. Of two assignments the one with the greater sum of `first` is better, and
/// of those that are equal in it the one with the greater sum of `then`: the method needs no more
/// of a worth than that it can be added and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worth {
    pub first: i64,
    pub then: i64,
}

impl Worth {
    const NOTHING: Self = Self { first: 0, then: 0 };
    /// More than any sum.
    const ENDLESS: Self = Self {
        first: i64::MAX / 4,
        then: 0,
    };
}

impl Add for Worth {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            first: self.first + other.first,
            then: self.then + other.then,
        }
    }
}

impl Sub for Worth {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            first: self.first - other.first,
            then: self.then - other.then,
        }
    }
}

/// Of each row its column, or none. `choices`: of each row the columns that it may have, each with
/// a worth above nothing; columns are any numbers. O(rows² × columns named).
pub(super) fn best(choices: &[Vec<(usize, Worth)>]) -> Vec<Option<usize>> {
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut names = Vec::new();
    for (column, _) in choices.iter().flatten() {
        places.entry(*column).or_insert_with(|| {
            names.push(*column);
            names.len() - 1
        });
    }
    // A pair that is worth nothing stands for none: with a column for each row everybody gets one.
    let (rows, columns) = (choices.len(), names.len().max(choices.len()));
    let mut worth = vec![Worth::NOTHING; rows * columns];
    for (row, choices) in choices.iter().enumerate() {
        for (column, value) in choices {
            worth[row * columns + places[column]] = *value;
        }
    }
    let mut given = vec![None; rows];
    for (column, row) in complete(&worth, rows, columns).into_iter().enumerate() {
        if let Some(row) = row
            && worth[row * columns + column] > Worth::NOTHING
        {
            given[row] = Some(names[column]);
        }
    }
    given
}

/// Of each column its row, where every row gets one: `worth` is row-major, and there are at least as
/// many columns as rows.
fn complete(worth: &[Worth], rows: usize, columns: usize) -> Vec<Option<usize>> {
    // The place behind the last column is where the row that is being entered stands.
    let entry = columns;
    let mut holder: Vec<Option<usize>> = vec![None; columns + 1];
    let mut of_row = vec![Worth::NOTHING; rows];
    let mut of_column = vec![Worth::NOTHING; columns + 1];
    for entering in 0..rows {
        holder[entry] = Some(entering);
        let mut slack = vec![Worth::ENDLESS; columns];
        let mut from = vec![entry; columns];
        let mut reached = vec![false; columns + 1];
        let mut at = entry;
        // Grows the tree of exchanges by its cheapest edge until a column is free.
        while let Some(row) = holder[at] {
            reached[at] = true;
            let (mut step, mut next) = (Worth::ENDLESS, at);
            for column in (0..columns).filter(|c| !reached[*c]) {
                let loss = Worth::NOTHING - worth[row * columns + column] - of_row[row] - of_column[column];
                if loss < slack[column] {
                    slack[column] = loss;
                    from[column] = at;
                }
                if slack[column] < step {
                    step = slack[column];
                    next = column;
                }
            }
            for column in 0..=columns {
                if reached[column] {
                    if let Some(row) = holder[column] {
                        of_row[row] = of_row[row] + step;
                    }
                    of_column[column] = of_column[column] - step;
                } else {
                    slack[column] = slack[column] - step;
                }
            }
            at = next;
        }
        while at != entry {
            holder[at] = holder[from[at]];
            at = from[at];
        }
    }
    holder.truncate(columns);
    holder
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    fn total(choices: &[Vec<(usize, Worth)>], given: &[Option<usize>]) -> Worth {
        let of = |(choices, given): (&Vec<(usize, Worth)>, &Option<usize>)| {
            choices.iter().find(|(column, _)| Some(*column) == *given).map(|c| c.1)
        };
        choices
            .iter()
            .zip(given)
            .filter_map(of)
            .fold(Worth::NOTHING, |sum, worth| sum + worth)
    }

    fn by_trying(choices: &[Vec<(usize, Worth)>], taken: &mut Vec<usize>) -> Worth {
        let Some((mine, others)) = choices.split_first() else {
            return Worth::NOTHING;
        };
        let mut best = by_trying(others, taken);
        for (column, worth) in mine {
            if !taken.contains(column) {
                taken.push(*column);
                best = best.max(*worth + by_trying(others, taken));
                taken.pop();
            }
        }
        best
    }

    #[test]
    fn no_other_assignment_is_worth_more() {
        let mut random = StdRng::seed_from_u64(11);
        for _ in 0..2000 {
            let (rows, columns) = (random.random_range(0..6), random.random_range(1..6));
            let choices: Vec<Vec<(usize, Worth)>> = (0..rows)
                .map(|_| {
                    let worth = |random: &mut StdRng| Worth {
                        first: random.random_range(0..4),
                        then: random.random_range(1..50),
                    };
                    (0..columns)
                        .map(|column| (random.random_bool(0.6), (column * 1000, worth(&mut random))))
                        .filter_map(|(is_choice, choice)| is_choice.then_some(choice))
                        .collect()
                })
                .collect();
            let given = best(&choices);
            let mut named: Vec<usize> = given.iter().copied().flatten().collect();
            named.sort_unstable();
            assert!(
                named.windows(2).all(|two| two[0] != two[1]),
                "a column twice: {choices:?}"
            );
            for (choices, given) in choices.iter().zip(&given) {
                assert!(given.is_none_or(|g| choices.iter().any(|(column, _)| *column == g)));
            }
            let greatest = by_trying(&choices, &mut Vec::new());
            assert_eq!(total(&choices, &given), greatest, "{choices:?}");
        }
    }
}
