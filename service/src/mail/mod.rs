//! Mail: written with the change that it tells of, and sent behind it. What waits is sealed; what
//! was sent is gone. No mail carries a password.

mod courier;
mod letter;
mod outbox;
mod transport;

pub use courier::Courier;
pub use letter::{Block, Letter};
pub use outbox::{erase_delivered, send};
pub use transport::{BadMailSetting, Mailer, SmtpSettings};

pub(crate) use outbox::{forget, post, post_all};
