//! Another server of a world that overhears its randomness: it knows the codes and tokens that
//! are mailed, so that tests of what they are good for need no mail.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use service::accounts::{self, CodeSent, Invitation, Invited};
use service::clock::{Clock, Entropy, SystemClock, SystemEntropy};
use service::rates::Origin;
use service::{Result, Scope, Service};

use crate::client::Client;
use crate::world::World;

/// The system's, with all that came of it.
#[derive(Debug, Default)]
struct Overheard(Mutex<Vec<Vec<u8>>>);

impl Entropy for Overheard {
    fn fill(&self, bytes: &mut [u8]) {
        SystemEntropy.fill(bytes);
        self.0.lock().unwrap().push(bytes.to_vec());
    }
}

impl Overheard {
    /// What was drawn first of this length since it was last asked.
    fn take(&self, length: usize) -> Vec<u8> {
        let drawn = std::mem::take(&mut *self.0.lock().unwrap());
        drawn.into_iter().find(|bytes| bytes.len() == length).unwrap()
    }

    /// What was drawn last of four bytes, as six digits.
    fn take_code(&self) -> String {
        let drawn = std::mem::take(&mut *self.0.lock().unwrap());
        let four = drawn
            .iter()
            .rev()
            .find_map(|bytes| <[u8; 4]>::try_from(bytes.as_slice()).ok());
        format!("{:06}", u32::from_le_bytes(four.unwrap()) % 1_000_000)
    }
}

/// One thing at a time, or the secrets are mixed up.
#[derive(Clone, Debug)]
pub struct Insider {
    pub service: Service,
    heard: Arc<Overheard>,
}

impl Insider {
    pub fn of(world: &World) -> Self {
        Self::at(world, Arc::new(SystemClock))
    }

    pub fn at(world: &World, clock: Arc<dyn Clock>) -> Self {
        let heard = Arc::new(Overheard::default());
        let service = world.twin(|parts| {
            parts.entropy = heard.clone();
            parts.clock = clock;
        });
        Self { service, heard }
    }

    /// Asks for a code for an address that is to be registered, and answers it.
    pub async fn email_code(&self, email: &str) -> Result<(String, CodeSent)> {
        let sent = accounts::request_email_verification(&self.service, Origin::default(), email).await?;
        Ok((self.heard.take_code(), sent))
    }

    /// Asks for a code for a new password, and answers it.
    pub async fn reset_code(&self, email: &str) -> Result<(String, CodeSent)> {
        let sent = accounts::request_password_reset(&self.service, Origin::default(), email).await?;
        Ok((self.heard.take_code(), sent))
    }

    /// A token that stands for an address.
    pub async fn verified(&self, email: &str) -> Result<String> {
        let (code, _) = self.email_code(email).await?;
        let verified = accounts::confirm_email(&self.service, Origin::default(), email, &code).await?;
        Ok(verified.token)
    }

    /// Invites in the name of an admin, and answers the token.
    pub async fn invite(&self, admin: &Client, invitation: &Invitation<'_>) -> Result<(String, Invited)> {
        let viewer = accounts::authenticate(&self.service, admin.token.as_ref().unwrap()).await?;
        self.heard.0.lock().unwrap().clear();
        let invited = accounts::invite(&self.service, &Scope::from(viewer), invitation).await?;
        Ok((BASE64.encode(self.heard.take(32)), invited))
    }
}
