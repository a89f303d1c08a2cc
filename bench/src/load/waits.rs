//! How long many waited, in milliseconds.

/// Milliseconds, sorted when they are asked for.
#[derive(Clone, Debug, Default)]
pub struct Waits(Vec<f64>);

impl Waits {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The wait that so many of a hundred stayed within; 0 where nobody waited.
    pub fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        // The least number that is not below so many of a hundred (nearest rank).
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    pub fn most(&self) -> f64 {
        self.percentile(100)
    }
}

impl FromIterator<f64> for Waits {
    fn from_iter<I: IntoIterator<Item = f64>>(waits: I) -> Self {
        Self(waits.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_those_who_waited() {
        let waits: Waits = (1..=100).rev().map(f64::from).collect();
        let is = |waits: &Waits, p, milliseconds: f64| {
            assert!(
                (waits.percentile(p) - milliseconds).abs() < f64::EPSILON,
                "{p} of a hundred"
            );
        };
        for (p, milliseconds) in [(50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)] {
            is(&waits, p, milliseconds);
        }
        let few: Waits = [3.0, 1.0].into_iter().collect();
        for (p, milliseconds) in [(1, 1.0), (50, 1.0), (51, 3.0)] {
            is(&few, p, milliseconds);
        }
        assert!(Waits::default().most().abs() < f64::EPSILON);
    }
}
