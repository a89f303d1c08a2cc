//! Operations that come when they come, whether the server has done the ones before or not: people
//! don't wait for each other. A wait begins when the operation was due, so that a server that stands
//! still is charged with everything that should have come meanwhile.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::operations::{Operation, Outcome};
use super::teachers::Teachers;
use super::waits::Waits;

#[derive(Clone, Debug)]
pub struct Done {
    pub operation: Operation,
    /// When it was due, from the beginning.
    pub due: Duration,
    /// Milliseconds from there to its answer.
    pub wait: f64,
    pub outcome: Outcome,
}

/// All that was due in a part of the day.
#[derive(Clone, Debug)]
pub struct Part {
    pub rate: f64,
    pub lasts: Duration,
    pub done: Vec<Done>,
}

impl Part {
    /// Has operations come at random, so many a second, for so long; waits for all answers.
    pub async fn play(teachers: &Arc<Teachers>, rate: f64, lasts: Duration, seed: u64) -> Self {
        let (told, mut heard) = mpsc::unbounded_channel();
        let mut random = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        let mut due = Duration::ZERO;
        loop {
            // Times between arrivals of a Poisson process.
            let pause: f64 = -(1.0 - random.random::<f64>()).ln() / rate;
            due += Duration::from_secs_f64(pause);
            if due > lasts {
                break;
            }
            let (operation, chance) = (Operation::any(&mut random), random.random());
            sleep_until(start + due).await;
            let (teachers, told) = (teachers.clone(), told.clone());
            tokio::spawn(async move {
                let outcome = teachers.ask(operation, chance).await;
                let wait = (start + due).elapsed().as_secs_f64() * 1000.0;
                let _ = told.send(Done {
                    operation,
                    due,
                    wait,
                    outcome,
                });
            });
        }
        drop(told);
        let mut done = Vec::new();
        while let Some(one) = heard.recv().await {
            done.push(one);
        }
        Self { rate, lasts, done }
    }

    /// Without what was due before.
    #[must_use]
    pub fn since(mut self, begin: Duration) -> Self {
        self.done.retain(|done| done.due >= begin);
        self.lasts -= begin;
        self
    }

    /// Of what was done, all operations or this one.
    pub fn waits(&self, operation: Option<Operation>) -> Waits {
        let wanted = |done: &&Done| done.outcome == Outcome::Done && operation.is_none_or(|one| one == done.operation);
        self.done.iter().filter(wanted).map(|done| done.wait).collect()
    }

    pub fn refused(&self, operation: Option<Operation>) -> Waits {
        let of = |done: &&Done| operation.is_none_or(|one| one == done.operation);
        let refused = self
            .done
            .iter()
            .filter(of)
            .filter(|done| matches!(done.outcome, Outcome::Refused(_)));
        refused.map(|done| done.wait).collect()
    }

    pub fn failures(&self) -> Vec<&str> {
        self.done
            .iter()
            .filter_map(|done| match &done.outcome {
                Outcome::Failed(why) => Some(why.as_str()),
                Outcome::Done | Outcome::Refused(_) => None,
            })
            .collect()
    }
}
