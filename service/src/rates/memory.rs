//! Counts within the process. Bounded: each bucket keeps so many subjects and no more.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::gcra::Count;
use super::limiter::{Ask, Deed, Limiter, Subject};

/// Subjects of a bucket, some 100 bytes each: two megabytes a bucket. More than a large university
/// has behind one process at a time.
const SUBJECTS: usize = 20_000;
/// Those that count no more and are forgotten with each new count: more than come with it.
const FORGOTTEN: usize = 2;

#[derive(Debug)]
pub struct MemoryLimiter {
    buckets: Mutex<HashMap<&'static str, Bucket>>,
    subjects: usize,
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::with_room_for(SUBJECTS)
    }
}

impl MemoryLimiter {
    /// So many subjects in each bucket.
    pub fn with_room_for(subjects: usize) -> Self {
        Self {
            buckets: Mutex::default(),
            subjects: subjects.max(1),
        }
    }

    /// Subjects in all buckets.
    pub fn subjects(&self) -> usize {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.values().map(|bucket| bucket.kept.len()).sum()
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn apply(&self, deed: Deed, now: DateTime<Utc>, asks: &[Ask]) -> Duration {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |ask: &Ask, buckets: &HashMap<_, Bucket>| {
            let bucket = buckets.get(ask.bucket);
            let kept = bucket.and_then(|bucket| bucket.kept.get(&ask.subject));
            Count::at(now, kept.copied(), ask.limit)
        };
        if matches!(deed, Deed::Admit | Deed::Check) {
            let waits = asks.iter().map(|ask| count(ask, &buckets).wait());
            let wait = waits.max().unwrap_or_default();
            if deed == Deed::Check || !wait.is_zero() {
                return wait;
            }
        }
        for ask in asks {
            let count = count(ask, &buckets);
            let count = match deed {
                Deed::Forgive => count.one_less(),
                Deed::Admit | Deed::Check | Deed::Count => count.one_more(),
            };
            let bucket = buckets.entry(ask.bucket).or_default();
            bucket.keep(ask.subject, count.keep());
            bucket.forget(now.timestamp_micros(), self.subjects, ask.subject);
        }
        Duration::ZERO
    }
}

#[derive(Debug, Default)]
struct Bucket {
    kept: HashMap<Subject, i64>,
    /// The same by the instant after which they count no more.
    order: BTreeSet<(i64, Subject)>,
}

impl Bucket {
    fn keep(&mut self, subject: Subject, until: Option<i64>) {
        let before = match until {
            Some(until) => {
                self.order.insert((until, subject));
                self.kept.insert(subject, until)
            }
            None => self.kept.remove(&subject),
        };
        if let Some(before) = before.filter(|before| Some(*before) != until) {
            self.order.remove(&(before, subject));
        }
    }

    /// Forgets who counts no more, and where there are too many who counts least: not whoever was
    /// just counted. Somebody with thousands of accounts or addresses pushes out those that have
    /// done little, and who has used up their limit stays.
    fn forget(&mut self, now: i64, most: usize, just_counted: Subject) {
        for _ in 0..FORGOTTEN {
            let Some(&(until, subject)) = self.order.first() else {
                return;
            };
            if until > now {
                break;
            }
            self.keep(subject, None);
        }
        while self.kept.len() > most {
            let others = self.order.iter().find(|(_, subject)| *subject != just_counted);
            let Some(&(_, least)) = others else { return };
            self.keep(least, None);
        }
    }
}
