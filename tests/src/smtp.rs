//! A mail server within the test: it speaks SMTP (RFC 5321) over TCP, with STARTTLS or TLS from the
//! first byte where asked, can be away and come back to its port, and refuses what it is told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::process::free_port;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Plain,
    StartTls,
    Tls,
}

/// A mail as it came in.
#[derive(Clone, Debug)]
pub struct Received {
    pub to: String,
    pub data: String,
    pub secure: bool,
}

/// What the server does with the next mails instead of taking them.
#[derive(Clone, Copy, Debug)]
pub enum Whim {
    /// Answers this code to the recipient.
    Refuse(u16),
    /// The same, since we may not send this.
    Forbid(u16),
    /// Takes nothing and hangs up before the last answer.
    HangUp,
    /// Takes nothing and says nothing more.
    FallSilent,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    whims: VecDeque<Whim>,
}

pub struct Smtp {
    address: SocketAddr,
    security: Security,
    tls: TlsAcceptor,
    /// PEM of the certificate, which vouches for itself.
    pub authority: PathBuf,
    state: Arc<Mutex<State>>,
    serving: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    /// A server that is not there yet; its certificate lies in `folder`.
    pub fn new(security: Security, folder: &Path) -> Self {
        Self::at(security, folder, SocketAddr::from(([127, 0, 0, 1], free_port())))
    }

    /// The same at this address.
    pub fn at(security: Security, folder: &Path, address: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        Self {
            address,
            security,
            tls: TlsAcceptor::from(Arc::new(config)),
            authority,
            state: Arc::default(),
            serving: None,
        }
    }

    pub fn url(&self) -> String {
        let port = self.address.port();
        match self.security {
            Security::Plain => format!("smtp://localhost:{port}"),
            Security::StartTls => format!("smtp://user:secret@localhost:{port}?tls=required"),
            Security::Tls => format!("smtps://user:secret@localhost:{port}"),
        }
    }

    pub fn whim(&self, whim: Whim) {
        self.state.lock().unwrap().whims.push_back(whim);
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    pub fn up(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        let (tls, security, state) = (self.tls.clone(), self.security, self.state.clone());
        self.serving = Some(tokio::spawn(serve(listener, tls, security, state)));
    }

    /// Hangs up on everybody and leaves the port.
    pub async fn down(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, security: Security, state: Arc<Mutex<State>>) {
    let mut talks = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            return;
        };
        let (tls, state) = (tls.clone(), state.clone());
        talks.spawn(async move {
            match security {
                Security::Tls => {
                    if let Ok(secure) = tls.accept(socket).await {
                        talk(secure, true, true, &state).await;
                    }
                }
                Security::Plain => {
                    talk(socket, false, true, &state).await;
                }
                Security::StartTls => {
                    if let Some(socket) = until_starttls(socket).await
                        && let Ok(secure) = tls.accept(socket).await
                    {
                        talk(secure, true, false, &state).await;
                    }
                }
            }
        });
    }
}

/// Greets, and offers nothing but STARTTLS.
async fn until_starttls(socket: tokio::net::TcpStream) -> Option<tokio::net::TcpStream> {
    let mut socket = BufReader::new(socket);
    socket.write_all(b"220 localhost\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let answer: &[u8] = match line.trim_end().to_uppercase().as_str() {
            "STARTTLS" => {
                socket.write_all(b"220 go on\r\n").await.ok()?;
                return Some(socket.into_inner());
            }
            hello if hello.starts_with("EHLO") => b"250-localhost\r\n250 STARTTLS\r\n",
            _ => b"530 STARTTLS first\r\n",
        };
        socket.write_all(answer).await.ok()?;
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    secure: bool,
    greets: bool,
    state: &Mutex<State>,
) -> Option<()> {
    let mut socket = BufReader::new(socket);
    if greets {
        socket.write_all(b"220 localhost\r\n").await.ok()?;
    }
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.split([' ', ':']).next().unwrap_or_default().trim().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-localhost\r\n250 AUTH PLAIN LOGIN".to_owned(),
            "AUTH" => "235 welcome".to_owned(),
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                let mut state = state.lock().unwrap();
                match state.whims.front() {
                    Some(Whim::Refuse(code)) => {
                        let code = *code;
                        state.whims.pop_front();
                        format!("{code} no {to} here")
                    }
                    Some(Whim::Forbid(code)) => {
                        let code = *code;
                        state.whims.pop_front();
                        format!("{code} 5.7.1 you may not send to {to}")
                    }
                    _ => "250 ok".to_owned(),
                }
            }
            "DATA" => {
                socket.write_all(b"354 go on\r\n").await.ok()?;
                let mut data = String::new();
                while !data.ends_with("\r\n.\r\n") {
                    if socket.read_line(&mut data).await.ok()? == 0 {
                        return None;
                    }
                }
                let whim = state.lock().unwrap().whims.pop_front();
                match whim {
                    Some(Whim::FallSilent) => std::future::pending().await,
                    Some(_) => return None,
                    None => {}
                }
                let mut state = state.lock().unwrap();
                state.received.push(Received {
                    to: to.clone(),
                    data,
                    secure,
                });
                "250 taken".to_owned()
            }
            "QUIT" => {
                let _ = socket.write_all(b"221 bye\r\n").await;
                return None;
            }
            _ => "250 ok".to_owned(),
        };
        socket.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}
