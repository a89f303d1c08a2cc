//! The way out: SMTP, or `.eml` files where no server is set.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use uuid::Uuid;

use super::Letter;

/// How long the mail server may take to be connected to, and over a whole mail. lettre bounds only
/// the first.
const CONNECTS: Duration = Duration::from_secs(20);
const TAKES: Duration = Duration::from_mins(1);

#[derive(Clone)]
pub enum Mailer {
    /// Each mail becomes a file in this folder.
    Folder { folder: PathBuf, from: Mailbox },
    Smtp {
        transport: Box<AsyncSmtpTransport<Tokio1Executor>>,
        from: Mailbox,
        takes: Duration,
    },
}

// By hand: the transport holds the server's password.
impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Folder { .. } => "Mailer::Folder",
            Self::Smtp { .. } => "Mailer::Smtp",
        })
    }
}

/// How a mail server is reached.
pub struct SmtpSettings<'a> {
    /// `smtps://USER:PASSWORD@HOST:465` (implicit TLS) or `smtp://HOST:587?tls=required` (STARTTLS).
    pub url: &'a str,
    /// PEM of an authority to trust besides the public ones.
    pub authority: Option<&'a [u8]>,
    /// `Name <address>`; absent: Muster at the server's host.
    pub from: Option<&'a str>,
    /// How long the server may take over a mail; absent: a minute.
    pub takes: Option<Duration>,
}

impl std::fmt::Debug for SmtpSettings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpSettings").finish_non_exhaustive()
    }
}

/// Which setting is wrong; not its text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMailSetting {
    Url,
    Authority,
    From,
}

/// What became of a mail.
pub(super) enum Sent {
    Yes,
    /// The server will never take it: its answer's code.
    Refused(u16),
    NotNow(String),
}

fn mailbox(from: Option<&str>, host: &str) -> Result<Mailbox, BadMailSetting> {
    match from {
        Some(from) => from.parse().map_err(|_| BadMailSetting::From),
        None => format!("Muster <muster@{host}>")
            .parse()
            .map_err(|_| BadMailSetting::Url),
    }
}

impl Mailer {
    pub fn folder(folder: PathBuf, from: Option<&str>) -> Result<Self, BadMailSetting> {
        Ok(Self::Folder {
            folder,
            from: mailbox(from, "localhost")?,
        })
    }

    pub fn smtp(settings: &SmtpSettings<'_>) -> Result<Self, BadMailSetting> {
        let url = settings.url;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| BadMailSetting::Url)?
            .timeout(Some(CONNECTS));
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let rest = rest.rsplit('@').next().unwrap_or_default();
        let host = rest.split(['/', '?', ':']).next().unwrap_or_default();
        if let Some(pem) = settings.authority {
            let authority = Certificate::from_pem(pem).map_err(|_| BadMailSetting::Authority)?;
            let parameters = TlsParameters::builder(host.to_owned())
                .add_root_certificate(authority)
                .build()
                .map_err(|_| BadMailSetting::Authority)?;
            builder = builder.tls(if scheme == "smtps" {
                Tls::Wrapper(parameters)
            } else if rest.contains("tls=required") {
                Tls::Required(parameters)
            } else if rest.contains("tls=opportunistic") {
                Tls::Opportunistic(parameters)
            } else {
                Tls::None
            });
        }
        Ok(Self::Smtp {
            transport: Box::new(builder.build()),
            from: mailbox(settings.from, host)?,
            takes: settings.takes.unwrap_or(TAKES),
        })
    }

    /// Sends a letter that is known by an id: whoever gets it twice can tell by its Message-ID.
    /// `mark` is in the file's name, for whoever has to find it by its address.
    pub(super) async fn send(&self, id: Uuid, mark: &str, letter: &Letter, at: SystemTime) -> Sent {
        let (Self::Folder { from, .. } | Self::Smtp { from, .. }) = self;
        let Ok(to) = letter.to.parse::<Mailbox>() else {
            // Addresses are checked before; lettre's own idea of them may change.
            return Sent::Refused(0);
        };
        let message = Message::builder()
            .message_id(Some(format!("<{}@{}>", id.simple(), from.email.domain())))
            .date(at)
            .from(from.clone())
            .to(to)
            .subject(&letter.subject)
            // Nobody's absence notice answers to it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".into(),
            ))
            .multipart(MultiPart::alternative_plain_html(letter.text(), letter.html()));
        let message = match message {
            Ok(message) => message,
            Err(error) => return Sent::NotNow(error.to_string()),
        };
        match self {
            Self::Folder { folder, .. } => {
                let file = folder.join(format!("{}.{mark}.eml", id.simple()));
                let written = async {
                    tokio::fs::create_dir_all(folder).await?;
                    // Whole or not at all for whoever looks into the folder.
                    let draft = file.with_extension("tmp");
                    tokio::fs::write(&draft, message.formatted()).await?;
                    tokio::fs::rename(&draft, &file).await
                };
                match written.await {
                    Ok(()) => Sent::Yes,
                    Err(error) => Sent::NotNow(error.to_string()),
                }
            }
            Self::Smtp { transport, takes, .. } => match tokio::time::timeout(*takes, transport.send(message)).await {
                Ok(Ok(_)) => Sent::Yes,
                Ok(Err(error)) => refusal(&error),
                Err(_) => Sent::NotNow("the server does not answer".into()),
            },
        }
    }
}

impl Mailer {
    /// Whether a mail would be taken now: the server lets us in and answers, or the folder can be written to.
    pub(crate) async fn takes(&self) -> bool {
        match self {
            Self::Folder { folder, .. } => {
                let file = folder.join("probe.tmp");
                let written = async {
                    tokio::fs::create_dir_all(folder).await?;
                    tokio::fs::write(&file, b"probe").await?;
                    tokio::fs::remove_file(&file).await
                };
                written.await.is_ok()
            }
            Self::Smtp { transport, .. } => transport.test_connection().await.unwrap_or(false),
        }
    }

    /// Removes a mail that became a file; what an SMTP server took is its recipient's.
    pub(super) async fn take_back(&self, id: Uuid, mark: &str) {
        if let Self::Folder { folder, .. } = self {
            let file = folder.join(format!("{}.{mark}.eml", id.simple()));
            if let Err(error) = tokio::fs::remove_file(file).await {
                tracing::warn!(%error, "a delivered mail could not be removed");
            }
        }
    }
}

/// Only what says that there is no such recipient is for ever. A server that was set up wrongly, or
/// that does not let us relay or send under this name (5.7.x of RFC 3463), refuses until somebody
/// mends it.
fn refusal(error: &SmtpError) -> Sent {
    const NO_RECIPIENT: [u16; 3] = [550, 551, 553];
    match error.status().map(u16::from) {
        Some(code) if NO_RECIPIENT.contains(&code) && !error.to_string().contains("5.7.") => Sent::Refused(code),
        // An answer may repeat the address.
        Some(code) => Sent::NotNow(format!("the server answered {code}")),
        None if error.is_timeout() => Sent::NotNow("the server does not answer".into()),
        None if error.is_tls() => Sent::NotNow("no secure connection to the server".into()),
        None => Sent::NotNow("the server cannot be reached".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(url: &str) -> Result<Mailer, BadMailSetting> {
        Mailer::smtp(&SmtpSettings {
            url,
            authority: None,
            from: None,
            takes: None,
        })
    }

    #[test]
    fn the_sender_is_of_the_servers_host() {
        let Ok(Mailer::Smtp { from, .. }) = smtp("smtps://user:p%40ss@mail.example.org:465") else {
            panic!("no mailer");
        };
        assert_eq!(from.to_string(), "Muster <muster@mail.example.org>");
        assert!(smtp("http://mail.example.org").is_err());
        let bad = Mailer::folder("outbox".into(), Some("nobody"));
        assert_eq!(bad.unwrap_err(), BadMailSetting::From);
    }
}
