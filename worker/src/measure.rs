//! What is measured of a worker's slots.

use std::sync::LazyLock;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

static SLOTS: LazyLock<Gauge> = LazyLock::new(Gauge::default);
static BUSY: LazyLock<Gauge> = LazyLock::new(Gauge::default);

/// Adds what this process measures of its slots.
pub fn register(registry: &mut Registry) {
    registry.register(
        "worker_slots",
        "Jobs that this process may work on at once",
        SLOTS.clone(),
    );
    registry.register("worker_slots_busy", "Jobs that this process works on", BUSY.clone());
}

/// Adds to a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    gauge: &'static Gauge,
    by: i64,
}

impl Counted {
    pub fn slots(count: usize) -> Self {
        Self::new(&SLOTS, i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub fn job() -> Self {
        Self::new(&BUSY, 1)
    }

    fn new(gauge: &'static Gauge, by: i64) -> Self {
        gauge.inc_by(by);
        Self { gauge, by }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec_by(self.by);
    }
}
