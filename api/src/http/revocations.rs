//! Ended logins, told to the sockets. One task for all of them sorts these out of the
//! announcements, so that a mark in some class doesn't wake every socket of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use service::events::Topic;
use service::id::LoginId;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::backend::Backend;

const CAPACITY: usize = 256;

#[derive(Clone, Copy, Debug)]
pub(super) enum Revoked {
    Login(LoginId),
    /// Announcements were missed: it may have been anyone's.
    Anyone,
}

#[derive(Clone, Debug)]
pub(super) struct Revocations {
    sender: broadcast::Sender<Revoked>,
    started: Arc<AtomicBool>,
    shutdown: CancellationToken,
}

impl Revocations {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
            started: Arc::new(AtomicBool::new(false)),
            shutdown,
        }
    }

    /// From now on; the first caller starts the task.
    pub(super) fn subscribe(&self, backend: &impl Backend) -> broadcast::Receiver<Revoked> {
        let receiver = self.sender.subscribe();
        if !self.started.swap(true, Ordering::AcqRel) {
            let topics = backend.announcements();
            let (sender, shutdown) = (self.sender.clone(), self.shutdown.clone());
            tokio::spawn(async move {
                shutdown.run_until_cancelled(relay(topics, sender)).await;
            });
        }
        receiver
    }
}

async fn relay(mut topics: broadcast::Receiver<Topic>, sender: broadcast::Sender<Revoked>) {
    loop {
        let revoked = match topics.recv().await {
            Ok(Topic::Login(login)) => Revoked::Login(login),
            Ok(_) => continue,
            Err(RecvError::Lagged(_)) => Revoked::Anyone,
            Err(RecvError::Closed) => return,
        };
        // Nobody listening is no error: there is no socket now.
        let _ = sender.send(revoked);
    }
}
