//! What is measured of the models: how long a run takes, and how many of a pool are lent. No label names a photo or
//! a person.

use std::sync::LazyLock;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::catalog::Role;

/// Seconds: from a batch on a card to a large photo's tile on a slow core.
const BOUNDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    model: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    pool: &'static str,
}

static RUNS: LazyLock<Family<Model, Histogram>> =
    LazyLock::new(|| Family::new_with_constructor(|| Histogram::new(BOUNDS)));
static SIZES: LazyLock<Family<Of, Gauge>> = LazyLock::new(Family::default);
static BUSY: LazyLock<Family<Of, Gauge>> = LazyLock::new(Family::default);

/// Adds what this process measures of its models.
pub fn register(registry: &mut Registry) {
    registry.register("model_seconds", "Time of one run of a model", RUNS.clone());
    registry.register("model_pool_size", "Sets of sessions that may be lent", SIZES.clone());
    registry.register("model_pool_busy", "Sets of sessions that are lent", BUSY.clone());
}

/// Times one run of a model that is for this.
pub(crate) fn timed<T>(role: Role, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = run();
    let model = match role {
        Role::Detector => "detector",
        Role::Embedder => "embedder",
        Role::Liveness => "liveness",
    };
    RUNS.get_or_create(&Model { model })
        .observe(begun.elapsed().as_secs_f64());
    done
}

/// How many of a pool there are and how many are lent; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Use {
    all: Gauge,
    busy: Gauge,
    size: i64,
}

impl Use {
    /// Pools of the same name are counted together.
    pub fn new(pool: &'static str, size: usize) -> Self {
        let of = Of { pool };
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let all = SIZES.get_or_create_owned(&of);
        all.inc_by(size);
        Self {
            all,
            busy: BUSY.get_or_create_owned(&of),
            size,
        }
    }

    pub fn lent(&self) {
        self.busy.inc();
    }

    pub fn returned(&self) {
        self.busy.dec();
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.all.dec_by(self.size);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::pool::Pool;

    fn text() -> String {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn runs_are_timed_by_what_the_model_is_for() {
        assert_eq!(timed(Role::Liveness, || 7), 7);
        let count = "model_seconds_count{model=\"liveness\"} ";
        assert!(text().lines().any(|line| line.starts_with(count)), "{}", text());
    }

    #[test]
    fn a_pool_is_counted_while_it_is_there() {
        let is = |what: &str, number: i64| {
            let line = format!("model_pool_{what}{{pool=\"counted\"}} {number}\n");
            assert!(text().contains(&line), "no {line} in {}", text());
        };
        let pool = Pool::new("counted", vec![(), ()]);
        let loan = pool.borrow();
        is("size", 2);
        is("busy", 1);
        drop(loan);
        is("busy", 0);
        drop(pool);
        is("size", 0);
    }
}
