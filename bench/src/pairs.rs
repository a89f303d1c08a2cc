//! Two things measured by turns, so that what else the machine does meets both alike; what counts
//! is the ratio of each pair, and of the ratios the median.

use std::time::Instant;

/// Milliseconds that each of the two took, pair by pair.
#[derive(Debug, Default)]
pub struct Pairs(Vec<(f64, f64)>);

/// Middle, least and most of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of no numbers, zeros.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
        let half = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            at(half)
        } else {
            at(half.saturating_sub(1)).midpoint(at(half))
        };
        Self {
            median,
            least: at(0),
            most: at(sorted.len().saturating_sub(1)),
        }
    }
}

impl Pairs {
    /// Runs each once unmeasured, then `count` pairs; who goes first changes from pair to pair. Each
    /// answers the milliseconds that count.
    pub fn measure(count: usize, mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) -> Self {
        ours();
        theirs();
        let pair = |n| {
            if n % 2 == 0 {
                let first = ours();
                (first, theirs())
            } else {
                let first = theirs();
                (ours(), first)
            }
        };
        Self((0..count.max(1)).map(pair).collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn ours(&self) -> Spread {
        Spread::of(self.0.iter().map(|(ours, _)| *ours))
    }

    pub fn theirs(&self) -> Spread {
        Spread::of(self.0.iter().map(|(_, theirs)| *theirs))
    }

    /// Our time as a share of theirs.
    pub fn time_ratio(&self) -> Spread {
        Spread::of(self.0.iter().map(|(ours, theirs)| ours / theirs))
    }

    /// How many times as much we do in the same time.
    pub fn speed_ratio(&self) -> Spread {
        Spread::of(self.0.iter().map(|(ours, theirs)| theirs / ours))
    }
}

/// Milliseconds that the work takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed().as_secs_f64() * 1000.0, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_pairs_ratios() {
        let (mut a, mut b) = (0.0, 0.0);
        let pairs = Pairs::measure(
            3,
            || {
                a += 1.0;
                a
            },
            || {
                b += 2.0;
                b
            },
        );
        assert_eq!(pairs.count(), 3);
        let to_four = Spread {
            median: 3.0,
            least: 2.0,
            most: 4.0,
        };
        assert_eq!(pairs.ours(), to_four);
        let half = Spread {
            median: 0.5,
            least: 0.5,
            most: 0.5,
        };
        assert_eq!(pairs.time_ratio(), half);
        let twice = Spread {
            median: 2.0,
            least: 2.0,
            most: 2.0,
        };
        assert_eq!(pairs.speed_ratio(), twice);
    }

    #[test]
    fn an_even_count_has_its_median_between_two() {
        let spread = Spread {
            median: 2.5,
            least: 1.0,
            most: 4.0,
        };
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), spread);
        let nothing = Spread {
            median: 0.0,
            least: 0.0,
            most: 0.0,
        };
        assert_eq!(Spread::of([]), nothing);
    }
}
