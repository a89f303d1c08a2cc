//! Every key derives from the ring of `MUSTER_SECRET_KEY` and `MUSTER_SECRET_KEYS_OLD` by a
//! label (HKDF-SHA256, RFC 5869). The first key makes, all of them read.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Entropy;

/// What a key is for; its words are part of the derivation and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    AccessToken,
    Media,
    Embedding,
    /// Codes that are mailed, and the addresses that they are mailed to.
    Code,
    /// Whom a rate counts, hashed so that nobody reads it where the counts are.
    Limits,
    /// What a mail that waits says.
    Mail,
    /// Whom a mail is addressed to.
    Address,
    /// What a classroom's screen shows to those who check in.
    CheckIn,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AccessToken => b"muster/access-token/v1",
            Self::Media => b"muster/media/v1",
            Self::Embedding => b"muster/embedding/v1",
            Self::Code => b"muster/code/v1",
            Self::Limits => b"muster/limits/v1",
            Self::Mail => b"muster/mail/v1",
            Self::Address => b"muster/address/v1",
            Self::CheckIn => b"muster/check-in/v1",
        }
    }
}

/// Names a master key without telling anything of it.
pub type KeyId = [u8; 4];

struct Master {
    id: KeyId,
    hkdf: Hkdf<Sha256>,
}

/// The master keys, the current one first.
pub struct KeyRing(Vec<Master>);

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

pub const MIN_SECRET_BYTES: usize = 32;

#[derive(Debug, thiserror::Error)]
#[error("a secret key has at least {MIN_SECRET_BYTES} characters")]
pub struct WeakSecret;

impl KeyRing {
    pub fn new(current: &str, old: &[String]) -> Result<Self, WeakSecret> {
        std::iter::once(current)
            .chain(old.iter().map(String::as_str))
            .map(|secret| {
                if secret.len() < MIN_SECRET_BYTES {
                    return Err(WeakSecret);
                }
                let hkdf = Hkdf::<Sha256>::new(None, secret.as_bytes());
                let mut id = KeyId::default();
                expand(&hkdf, b"muster/key-id/v1", &mut id);
                Ok(Master { id, hkdf })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn current(&self, purpose: Purpose) -> (KeyId, [u8; 32]) {
        let master = &self.0[0];
        (master.id, derive(master, purpose))
    }

    pub fn find(&self, purpose: Purpose, id: KeyId) -> Option<[u8; 32]> {
        self.0.iter().find(|m| m.id == id).map(|m| derive(m, purpose))
    }

    /// HMAC-SHA256 under the current key.
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 32] {
        tag(&derive(&self.0[0], purpose), message)
            .finalize()
            .into_bytes()
            .into()
    }

    /// What each key of the ring would sign this with, the current one first: to find what was
    /// kept under any of them.
    pub fn signatures(&self, purpose: Purpose, message: &[u8]) -> Vec<[u8; 32]> {
        let sign = |master| tag(&derive(master, purpose), message).finalize().into_bytes().into();
        self.0.iter().map(sign).collect()
    }

    /// Whether any key of the ring signed this; compares in constant time.
    pub fn verify(&self, purpose: Purpose, message: &[u8], signature: &[u8]) -> bool {
        self.0
            .iter()
            .any(|m| tag(&derive(m, purpose), message).verify_slice(signature).is_ok())
    }

    /// Encrypts under the current key: version, key id, nonce, ciphertext. The associated data
    /// (organization, template) binds the text to its row: moved to another it does not open.
    pub fn seal(
        &self,
        entropy: &dyn Entropy,
        organization: Uuid,
        template: Uuid,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.seal_as(Purpose::Embedding, entropy, &bound_to(organization, template), plain)
    }

    /// The same for other purposes: what is sealed for one does not open for another, nor with
    /// other associated data.
    pub fn seal_as(
        &self,
        purpose: Purpose,
        entropy: &dyn Entropy,
        associated: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (id, key) = self.current(purpose);
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let text = XChaCha20Poly1305::new(&key.into())
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: associated,
                },
            )
            .map_err(|_| SealError)?;
        Ok([&[SEAL_VERSION], &id[..], &nonce[..], &text[..]].concat())
    }

    pub fn open(&self, organization: Uuid, template: Uuid, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.open_as(Purpose::Embedding, &bound_to(organization, template), sealed)
    }

    pub fn open_as(&self, purpose: Purpose, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError)?;
        let (id, rest) = rest.split_first_chunk::<4>().ok_or(SealError)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(SealError)?;
        if version != SEAL_VERSION {
            return Err(SealError);
        }
        let key = self.find(purpose, *id).ok_or(SealError)?;
        XChaCha20Poly1305::new(&key.into())
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: text,
                    aad: associated,
                },
            )
            .map_err(|_| SealError)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a sealed embedding does not open: it was altered, moved, or its key is missing")]
pub struct SealError;

const SEAL_VERSION: u8 = 1;
const NONCE: usize = 24;

fn bound_to(organization: Uuid, template: Uuid) -> [u8; 32] {
    let mut data = [0; 32];
    data[..16].copy_from_slice(organization.as_bytes());
    data[16..].copy_from_slice(template.as_bytes());
    data
}

fn derive(master: &Master, purpose: Purpose) -> [u8; 32] {
    let mut key = [0; 32];
    expand(&master.hkdf, purpose.label(), &mut key);
    key
}

fn expand(hkdf: &Hkdf<Sha256>, label: &[u8], out: &mut [u8]) {
    #[expect(clippy::expect_used, reason = "fails only beyond 8160 bytes of output")]
    hkdf.expand(label, out).expect("a short key");
}

fn tag(key: &[u8; 32], message: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length serves");
    mac.update(message);
    mac
}

/// SHA-256, for what is compared but never read back: refresh tokens, request contents.
pub fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;

    fn ring(current: &str, old: &[&str]) -> KeyRing {
        let old: Vec<String> = old.iter().map(ToString::to_string).collect();
        KeyRing::new(current, &old).unwrap()
    }

    const A: &str = "an old secret of thirty-two bytes";
    const B: &str = "a new secret of thirty-two bytes.";

    #[test]
    fn a_sealed_embedding_opens_after_rotation_and_nowhere_else() {
        let (org, template) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = ring(A, &[]).seal(&SystemEntropy, org, template, b"numbers").unwrap();
        let rotated = ring(B, &[A]);
        assert_eq!(rotated.open(org, template, &sealed).unwrap(), b"numbers");
        assert!(rotated.open(org, Uuid::from_u128(3), &sealed).is_err());
        assert!(rotated.open(Uuid::from_u128(3), template, &sealed).is_err());
        assert!(ring(B, &[]).open(org, template, &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(rotated.open(org, template, &sealed[..cut]).is_err());
        }
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert!(rotated.open(org, template, &altered).is_err());
    }

    #[test]
    fn purposes_do_not_share_keys() {
        let ring = ring(A, &[]);
        assert_ne!(ring.current(Purpose::Media).1, ring.current(Purpose::AccessToken).1);
        let signature = ring.sign(Purpose::Media, b"m");
        assert!(ring.verify(Purpose::Media, b"m", &signature));
        assert!(!ring.verify(Purpose::AccessToken, b"m", &signature));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(KeyRing::new("short", &[]).is_err());
    }
}
