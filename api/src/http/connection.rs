//! One GraphQL socket, from `connection_init` to its close.
//!
//! Our own driver in place of async-graphql's: that one has no close codes for authentication,
//! forgets a running operation when its id comes twice, polls its streams in a fixed order, and
//! gives no place to look at the login again before each operation.
//!
//! What is sent and heard is one task's. While a message is being sent nothing else is, so a slow
//! client slows its own streams down and nobody else's: each of them runs in a task of its own, up to
//! its next answer, and holds no connection to the database while it waits for the client.

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Data, Executor, Request, Response};
use futures_util::stream::{BoxStream, SelectAll, abortable};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt, stream};
use poem::web::websocket::Message;
use service::rates::Origin;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::auth::{Auth, AuthCell, Credentials};
use super::backend::Backend;
use super::error::{BAD_REQUEST, coded, extend};
use super::gate::admit_upload;
use super::limits::Limits;
use super::protocol::{ClientMessage, Close, ServerMessage};
use super::revocations::Revoked;
use super::running::Running;
use super::turns::Turns;

/// A peer that has said nothing, not even a pong, for so many pings is gone.
const SILENT_PINGS: u32 = 3;

/// For the peer to take our close and answer it.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the streams of a connection bring forth.
enum Event {
    /// `connection_init`'s token was looked up.
    Identified(service::Result<Auth>),
    /// The login was looked at again, by the clock or because it was announced.
    Checked(service::Result<bool>),
    /// Who asks for an operation was looked at, and it runs.
    Runs(String),
    Next(String, Box<Response>),
    Complete(String),
    /// An operation was asked for and the login doesn't stand any more.
    Unauthorized,
}

/// How a connection ends.
enum End {
    /// Tell the peer.
    Close(Close),
    /// The peer closed, or is gone, or takes nothing.
    Gone,
}

/// What to do next.
enum Step {
    Message(Option<io::Result<Message>>),
    Event(Option<Event>),
    Revoked(Result<Revoked, RecvError>),
    Check,
    Ping,
    InitTimeout,
    Shutdown,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for `connection_init`.
    New,
    /// Its token is being looked up.
    Identifying,
    Open,
}

pub(super) struct Connection<S, E, B> {
    socket: S,
    origin: Origin,
    executor: E,
    backend: B,
    limits: Arc<Limits>,
    turns: Arc<Turns>,
    phase: Phase,
    credentials: Credentials,
    auth: AuthCell,
    session: Arc<Data>,
    events: SelectAll<BoxStream<'static, Event>>,
    operations: Running,
    /// A look at the login is under way.
    checking: bool,
    /// A login ended while ours was being looked up for the first time.
    doubted: bool,
    heard: Instant,
}

impl<S, E, B> Connection<S, E, B>
where
    S: Stream<Item = io::Result<Message>> + Sink<Message, Error = io::Error> + Unpin + 'static,
    E: Executor,
    B: Backend,
{
    pub(super) fn new(
        socket: S,
        origin: Origin,
        executor: E,
        backend: B,
        limits: Arc<Limits>,
        turns: Arc<Turns>,
    ) -> Self {
        let auth = AuthCell::new(Auth::Anonymous);
        let mut session = Data::default();
        session.insert(auth.clone());
        session.insert(origin);
        Self {
            socket,
            origin,
            executor,
            backend,
            limits,
            turns,
            phase: Phase::New,
            credentials: Credentials::None,
            auth,
            session: Arc::new(session),
            events: SelectAll::new(),
            operations: Running::default(),
            checking: false,
            doubted: false,
            heard: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut revoked: broadcast::Receiver<Revoked>, shutdown: CancellationToken) {
        let Err(end) = self.drive(&mut revoked, &shutdown).await;
        // Running operations end with their streams, before we wait for the peer.
        self.events.clear();
        let farewell = async {
            let End::Close(close) = end else {
                return self.socket.close().await;
            };
            let message = Message::close_with(close.code(), close.reason());
            self.socket.send(message).await?;
            // Until the peer has answered: what it sent meanwhile, unread, would reset the
            // connection and take the close code with it.
            while let Some(message) = self.socket.next().await {
                message?;
            }
            Ok(())
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    async fn drive(
        &mut self,
        revoked: &mut broadcast::Receiver<Revoked>,
        shutdown: &CancellationToken,
    ) -> Result<std::convert::Infallible, End> {
        let start = Instant::now();
        let init_by = start + self.limits.socket_init;
        let mut pings = interval_at(start + self.limits.socket_ping, self.limits.socket_ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = interval_at(start + self.limits.socket_check, self.limits.socket_check);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                () = shutdown.cancelled() => Step::Shutdown,
                message = self.socket.next() => Step::Message(message),
                event = self.events.next(), if !self.events.is_empty() => Step::Event(event),
                who = revoked.recv() => Step::Revoked(who),
                _ = checks.tick() => Step::Check,
                _ = pings.tick() => Step::Ping,
                () = sleep_until(init_by), if self.phase == Phase::New => Step::InitTimeout,
            };
            match step {
                Step::Message(Some(Ok(message))) => self.hear(message).await?,
                // poem tells an oversized message from a broken connection by the kind alone.
                Step::Message(Some(Err(error))) if error.kind() == io::ErrorKind::Other => {
                    return Err(End::Close(Close::TooLarge));
                }
                Step::Message(Some(Err(_)) | None) => return Err(End::Gone),
                Step::Event(Some(event)) => self.follow(event).await?,
                Step::Event(None) => {}
                Step::Revoked(Ok(Revoked::Login(login))) => {
                    self.doubted |= self.phase == Phase::Identifying;
                    if matches!(self.auth.get(), Auth::Viewer(viewer) if viewer.login == login) {
                        self.checking = false;
                        self.check();
                    }
                }
                Step::Revoked(Ok(Revoked::Anyone) | Err(RecvError::Lagged(_))) | Step::Check => {
                    self.check();
                }
                // The sender lives in the router, which outlives its sockets only in tests.
                Step::Revoked(Err(RecvError::Closed)) | Step::Shutdown => {
                    return Err(End::Close(Close::GoingAway));
                }
                Step::Ping => {
                    if self.heard.elapsed() > self.limits.socket_ping * SILENT_PINGS {
                        return Err(End::Gone);
                    }
                    self.send(Message::ping(Vec::new())).await?;
                }
                Step::InitTimeout => return Err(End::Close(Close::InitTimeout)),
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(End::Close(Close::Malformed)),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
        };
        let large = self.limits.is_large(text.len() as u64);
        let message = serde_json::from_str(&text).map_err(|_| End::Close(Close::Malformed))?;
        match message {
            ClientMessage::ConnectionInit { payload } => {
                if self.phase != Phase::New {
                    return Err(End::Close(Close::SecondInit));
                }
                self.phase = Phase::Identifying;
                self.credentials = Credentials::from_payload(payload.as_ref());
                let (credentials, backend) = (self.credentials.clone(), self.backend.clone());
                let identified = async move { Event::Identified(unbroken(credentials.identify(&backend)).await) };
                self.events.push(aside(stream::once(identified)).boxed());
                Ok(())
            }
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, *payload, large).await,
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
            ClientMessage::Ping { payload } => self.say(&ServerMessage::Pong { payload }).await,
            ClientMessage::Pong {} => Ok(()),
        }
    }

    async fn subscribe(&mut self, id: String, request: Request, large: bool) -> Result<(), End> {
        if self.phase != Phase::Open {
            return Err(End::Close(Close::Unauthorized));
        }
        if self.operations.has(&id) {
            return Err(End::Close(Close::DuplicateId));
        }
        if self.operations.len() >= self.limits.socket_operations {
            let message = format!("At most {} operations run on one socket", self.limits.socket_operations);
            let refused = respond(coded(BAD_REQUEST, message));
            return self
                .say(&ServerMessage::Error {
                    id: &id,
                    payload: &refused.errors,
                })
                .await;
        }
        let (events, abort) = abortable(aside(self.operation(id.clone(), request, large)));
        self.events.push(events.boxed());
        self.operations.add(id, abort);
        Ok(())
    }

    /// An operation's answers, after a look at who asks for it now; a large one counts as an upload.
    fn operation(&self, id: String, mut request: Request, large: bool) -> impl Stream<Item = Event> + use<S, E, B> {
        let (executor, session) = (self.executor.clone(), Arc::clone(&self.session));
        let again = self.look_again();
        let (backend, auth, origin) = (self.backend.clone(), self.auth.clone(), self.origin);
        let turns = Arc::clone(&self.turns);
        stream::once(async move {
            let signed_in = matches!(auth.get(), Auth::Viewer(_));
            let mut turn = match turns.for_socket(&mut request, signed_in, large).await {
                Ok(turn) => turn,
                Err(refusal) => {
                    return stream::iter([Event::Next(id, Box::new(respond(refusal.into_error())))]).boxed();
                }
            };
            let admitted = match again.await {
                Ok(true) if large => unbroken(admit_upload(&backend, &auth, origin)).await.map(|()| true),
                other => other,
            };
            let responses = match admitted {
                Ok(true) => executor.execute_stream(request, Some(session)),
                Ok(false) => return stream::iter([Event::Unauthorized]).boxed(),
                Err(error) => stream::iter([respond(extend(error))]).boxed(),
            };
            let (runs, ended) = (id.clone(), id.clone());
            let responses = responses
                .map(move |response| {
                    // Sending it may take as long as the peer likes.
                    drop(turn.take());
                    Event::Next(id.clone(), Box::new(response))
                })
                .chain(stream::iter([Event::Complete(ended)]));
            stream::iter([Event::Runs(runs)]).chain(responses).boxed()
        })
        .flatten()
    }

    /// Looks at the socket's login again and renews what its operations see of the viewer.
    /// Whether the socket may go on. It is the login's from the first look on: an access token
    /// that runs out meanwhile ends nothing.
    fn look_again(&self) -> impl Future<Output = service::Result<bool>> + Send + use<S, E, B> {
        let (credentials, backend) = (self.credentials.clone(), self.backend.clone());
        let cell = self.auth.clone();
        unbroken(async move {
            let auth = match cell.get() {
                Auth::Viewer(viewer) => match backend.recheck(viewer.login).await {
                    Ok(viewer) => Auth::Viewer(viewer),
                    Err(service::Error::Unauthenticated) => Auth::Rejected,
                    Err(away) => return Err(away),
                },
                Auth::Anonymous | Auth::Rejected => credentials.identify(&backend).await?,
            };
            let stands = !matches!(auth, Auth::Rejected);
            cell.set(auth);
            Ok(stands)
        })
    }

    fn check(&mut self) {
        let signed_in = matches!(self.auth.get(), Auth::Viewer(_));
        if self.phase != Phase::Open || !signed_in || self.checking {
            return;
        }
        self.checking = true;
        let again = self.look_again();
        let checked = async move { Event::Checked(again.await) };
        self.events.push(aside(stream::once(checked)).boxed());
    }

    async fn follow(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Identified(Ok(Auth::Rejected)) => Err(End::Close(Close::Forbidden)),
            Event::Identified(Ok(auth)) => {
                self.auth.set(auth);
                self.phase = Phase::Open;
                if self.doubted {
                    self.check();
                }
                self.say(&ServerMessage::ConnectionAck).await
            }
            Event::Identified(Err(error)) => {
                // Logged if it is our own fault; the close code has no room for more.
                let _ = extend(error);
                Err(End::Close(Close::TryAgain))
            }
            Event::Checked(stands) => {
                self.checking = false;
                match stands {
                    Ok(true) => {
                        self.auth.tell_checked();
                        self.end_outgrown().await
                    }
                    Ok(false) => Err(End::Close(Close::Unauthorized)),
                    // The database is away: the next check tells, and no event comes from a
                    // database that is away.
                    Err(error) => {
                        tracing::warn!(error = %error, "a socket's login could not be checked");
                        Ok(())
                    }
                }
            }
            Event::Runs(id) => {
                self.operations.runs(&id, &self.auth);
                self.end_outgrown().await
            }
            Event::Next(id, response) => self.answer(&id, &response).await,
            Event::Complete(id) => {
                if self.operations.stop(&id) {
                    self.say(&ServerMessage::Complete { id: &id }).await
                } else {
                    Ok(())
                }
            }
            Event::Unauthorized => Err(End::Close(Close::Unauthorized)),
        }
    }

    /// Ends what began in a role that the viewer no longer has; the socket stays theirs.
    async fn end_outgrown(&mut self) -> Result<(), End> {
        for id in self.operations.stop_outgrown(&self.auth) {
            let refused = respond(coded("FORBIDDEN", "Your role has changed since this began; ask again"));
            let payload = &refused.errors;
            self.say(&ServerMessage::Error { id: &id, payload }).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, id: &str, response: &Response) -> Result<(), End> {
        let Some(first) = self.operations.sends(id) else {
            return Ok(());
        };
        // What went wrong before any field was resolved has no path: the operation never began.
        let refused = first && !response.errors.is_empty() && response.errors.iter().all(|error| error.path.is_empty());
        if !refused {
            let next = ServerMessage::Next { id, payload: response };
            return self.say(&next).await;
        }
        self.operations.stop(id);
        let payload = &response.errors;
        self.say(&ServerMessage::Error { id, payload }).await
    }

    async fn say(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|error| {
            tracing::error!(error = %error, "a message for a socket could not be written");
            End::Gone
        })?;
        self.send(Message::Text(text)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.limits.socket_send, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

/// A panic in one look is one answer that says so, and not the end of all that runs on the socket.
async fn unbroken<T>(look: impl Future<Output = service::Result<T>>) -> service::Result<T> {
    let looked = AssertUnwindSafe(look).catch_unwind().await;
    looked.unwrap_or_else(|_| Err(service::Error::internal("a look at who asks panicked")))
}

/// The same events, brought forth in a task of their own: what was begun with the database goes on to
/// its end however long a message takes to be sent. It ends with the stream.
fn aside(events: impl Stream<Item = Event> + Send + 'static) -> impl Stream<Item = Event> + Send {
    let (told, heard) = mpsc::channel(1);
    let task = async move {
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            if told.send(event).await.is_err() {
                return;
            }
        }
    };
    let task = AbortOnDropHandle::new(tokio::spawn(task.in_current_span()));
    stream::unfold((heard, task), |(mut heard, task)| async move {
        let event = heard.recv().await?;
        Some((event, (heard, task)))
    })
}

fn respond(error: async_graphql::Error) -> Response {
    let mut error = error.into_server_error(async_graphql::Pos::default());
    error.locations.clear();
    Response::from_errors(vec![error])
}
