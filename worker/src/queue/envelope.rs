//! What apalis carries: a wake-up that can always be opened.

use serde::{Deserialize, Deserializer, Serialize};
use service::queue::WakeUp;

/// A wake-up, or nothing when it was written by a version that this one cannot read: apalis ends
/// the whole worker when a task's arguments don't decode, so decoding must not fail.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Envelope(pub(super) Option<WakeUp>);

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(serde_json::from_value(value).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::Envelope;

    #[test]
    fn opens_what_it_cannot_read() {
        for text in [r#"{"kind":"JUGGLE"}"#, "7", "null"] {
            let envelope: Envelope = serde_json::from_str(text).unwrap();
            assert!(envelope.0.is_none());
        }
    }
}
