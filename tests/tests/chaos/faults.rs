//! What breaks besides the workers, each at its time in the run.

use std::sync::Arc;
use std::time::Duration;

use tests::postgres::OwnPostgres;
use tests::redis::OwnRedis;
use tokio::sync::watch;

use super::control::Control;
use super::fleet::Fleet;
use super::locks::Moment;
use super::plan::{Fault, Kill, Plan};
use super::senders::{Progress, key};

const REDIS_AWAY: Duration = Duration::from_secs(10);
/// Between two photos there may be a while.
const COMES: Duration = Duration::from_secs(5);

async fn until(progress: &mut watch::Receiver<Progress>, acknowledged: usize) {
    let _ = progress.wait_for(|p| p.acknowledged >= acknowledged).await;
}

/// Breaks one after another.
pub async fn break_things(
    plan: &Plan,
    control: &Control,
    fleet: &Fleet,
    mut progress: watch::Receiver<Progress>,
    redis: &mut OwnRedis,
    postgres: &Arc<OwnPostgres>,
) {
    for (at, fault) in &plan.faults {
        until(&mut progress, *at).await;
        match fault {
            Fault::RedisEmptied => redis.empty(),
            Fault::RedisStopped => {
                redis.kill();
                tokio::time::sleep(REDIS_AWAY).await;
                redis.launch().await;
            }
            Fault::ApiKilled => loop {
                // One that nobody has begun to send; it may come before the lock is there, and then the next will do.
                let next = || key("chaos", progress.borrow().begun + 1);
                let hold = control.locks.hold(Moment::Submitting, next).await;
                let caught = hold.caught(COMES).await;
                if let Some(name) = &caught {
                    assert!(fleet.kill_named(name).await, "{name} is no process of the run");
                }
                hold.let_go().await;
                if caught.is_some() {
                    break;
                }
                assert!(
                    progress.borrow().begun < plan.form.photos,
                    "no submission is left to hold"
                );
            },
            Fault::PostgresRestarted(how) => {
                let _turn = control.locks.turn().await;
                let (postgres, how) = (postgres.clone(), *how);
                tokio::task::spawn_blocking(move || postgres.restart(how))
                    .await
                    .unwrap();
            }
        }
        println!("{fault:?} after {at} photos");
    }
}

/// Kills whoever claims a job, now and then.
pub async fn kill_claims(plan: &Plan, control: &Control, fleet: &Fleet, mut progress: watch::Receiver<Progress>) {
    for at in &plan.kills_of_claims {
        until(&mut progress, *at).await;
        loop {
            let hold = control.locks.hold(Moment::Claiming, String::new).await;
            let struck = match hold.caught(Duration::from_secs(5)).await {
                Some(name) => fleet.kill_named(&name).await,
                None => false,
            };
            hold.let_go().await;
            if struck {
                control.note(Kill::Claiming);
                break;
            }
            // Others may want their turn.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
