//! How long a connection is waited for while it asks for nothing. poem sets hyper no time for a
//! request's head, so a client that sends a byte now and then, or none, would hold its connection
//! for ever, and so would one that takes nothing of its answer; here the stream below hyper ends
//! instead.
//!
//! Bodies have times of their own, and sockets their pings: neither is looked at here.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::limits::Limits;

/// Accepts connections that are waited for so long.
pub struct Patient<A> {
    inner: A,
    head: Duration,
    keep_alive: Duration,
}

impl<A: Acceptor> Patient<A> {
    pub fn new(inner: A, limits: &Limits) -> Self {
        Self {
            inner,
            head: limits.head,
            keep_alive: limits.keep_alive,
        }
    }
}

impl<A: Acceptor> Acceptor for Patient<A> {
    type Io = PatientStream<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, local, remote, scheme) = self.inner.accept().await?;
        let stream = PatientStream::new(stream, self.head, self.keep_alive);
        Ok((stream, local, remote, scheme))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next request's head must have come by the deadline.
    Head,
    /// A request is being read or worked on.
    Busy,
    /// HTTP/2: something must go to and fro.
    Frames,
    /// A WebSocket.
    Free,
}

pub struct PatientStream<T> {
    inner: T,
    keep_alive: Duration,
    state: State,
    head: Head,
    deadline: Pin<Box<Sleep>>,
}

impl<T> PatientStream<T> {
    fn new(inner: T, head: Duration, keep_alive: Duration) -> Self {
        Self {
            inner,
            keep_alive,
            state: State::Head,
            head: Head::default(),
            deadline: Box::pin(sleep(head)),
        }
    }

    fn postpone(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + self.keep_alive);
    }

    fn heard(&mut self, bytes: &[u8]) {
        match self.state {
            State::Head if self.head.ends_in(bytes) => {
                self.state = if self.head.is_http2() {
                    State::Frames
                } else {
                    State::Busy
                };
                if self.state == State::Frames {
                    self.postpone();
                }
            }
            State::Frames => self.postpone(),
            State::Head | State::Busy | State::Free => {}
        }
    }

    fn said(&mut self, bytes: &[u8]) {
        match self.state {
            // Asks for the body.
            State::Busy if bytes.starts_with(b"HTTP/1.1 100") => {}
            State::Busy if bytes.starts_with(b"HTTP/1.1 101") => self.state = State::Free,
            // Our handlers answer when they have read the body: behind it comes the next head.
            State::Busy => {
                self.state = State::Head;
                self.head = Head::default();
                self.postpone();
            }
            // The rest of a long answer, which its reader takes.
            State::Head | State::Frames => self.postpone(),
            State::Free => {}
        }
    }

    /// What comes of a write: one that gets nowhere has a client that takes nothing.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.said(bytes);
                Poll::Ready(written)
            }
            Poll::Pending => {
                if self.state == State::Busy {
                    self.said(bytes);
                }
                self.wait(cx)
            }
        }
    }

    /// Until the deadline, where there is one.
    fn wait<R>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        if matches!(self.state, State::Head | State::Frames) {
            ready!(self.deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PatientStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.inner).poll_read(cx, buf) {
            read?;
            self.heard(buf.filled().get(before..).unwrap_or_default());
            return Poll::Ready(Ok(()));
        }
        self.wait(cx)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for PatientStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(cx, written, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        // An answer's head is never cut into slices.
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.wrote(cx, written, first.map_or(&[], |buf| buf))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Looks for the empty line at the end of a head, the way hyper's parser does: the carriage
/// return may be missing, and empty lines before the first are skipped.
#[derive(Debug, Default)]
struct Head {
    /// The first three bytes.
    start: [u8; 3],
    length: usize,
    at_line_start: bool,
}

impl Head {
    fn ends_in(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' if self.length == 0 => {}
                b'\n' if self.at_line_start => return true,
                b'\n' => self.at_line_start = true,
                b'\r' => {}
                _ => {
                    self.at_line_start = false;
                    if let Some(place) = self.start.get_mut(self.length) {
                        *place = byte;
                    }
                    self.length = self.length.saturating_add(1);
                }
            }
        }
        false
    }

    /// Its connections begin with a head of the method PRI.
    fn is_http2(&self) -> bool {
        &self.start == b"PRI"
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const HEAD: Duration = Duration::from_secs(15);
    const KEEP_ALIVE: Duration = Duration::from_mins(2);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    fn pair() -> (PatientStream<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(100_000);
        (PatientStream::new(ours, HEAD, KEEP_ALIVE), theirs)
    }

    /// After how long the stream ends by itself; none if it doesn't within an hour.
    async fn ends(stream: &mut PatientStream<DuplexStream>) -> Option<Duration> {
        let start = Instant::now();
        let reading = async {
            loop {
                if let Err(error) = stream.read(&mut [0; 1024]).await {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return start.elapsed();
                }
            }
        };
        tokio::time::timeout(Duration::from_hours(1), reading).await.ok()
    }

    fn about(expected: Duration, took: Option<Duration>) -> bool {
        took.is_some_and(|took| took >= expected && took < expected + Duration::from_secs(1))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_not_waited_for() {
        let (mut stream, theirs) = pair();
        assert!(about(HEAD, ends(&mut stream).await));
        drop(theirs);

        for begin in ["GET / HTTP/1.1\r\n", "\r\n\r\n\r\n", "G\r\rET\n \r", "PRI"] {
            let (mut stream, mut theirs) = pair();
            theirs.write_all(begin.as_bytes()).await.unwrap();
            let drip = tokio::spawn(async move {
                while theirs.write_all(b"x: y\r\n").await.is_ok() {
                    sleep(Duration::from_millis(900)).await;
                }
            });
            assert!(about(HEAD, ends(&mut stream).await), "{begin:?}");
            drop(stream);
            drip.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_worked_on_has_all_the_time() {
        for head in [
            REQUEST,
            b"GET / HTTP/1.1\n\n",
            b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nbody",
        ] {
            let (mut stream, mut theirs) = pair();
            theirs.write_all(head).await.unwrap();
            assert_eq!(ends(&mut stream).await, None);
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            assert_eq!(ends(&mut stream).await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_head_is_waited_for_a_while() {
        let (mut stream, mut theirs) = pair();
        for _ in 0..3 {
            theirs.write_all(REQUEST).await.unwrap();
            assert_eq!(ends(&mut stream).await, None);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            sleep(KEEP_ALIVE / 2).await;
            stream.write_all(b"the rest").await.unwrap();
        }
        theirs.write_all(b"GET / HT").await.unwrap();
        assert!(about(KEEP_ALIVE, ends(&mut stream).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_is_left_alone_and_http2_may_not_fall_silent() {
        let (mut stream, mut theirs) = pair();
        theirs.write_all(REQUEST).await.unwrap();
        assert_eq!(ends(&mut stream).await, None);
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            .await
            .unwrap();
        stream.write_all(b"frame").await.unwrap();
        assert_eq!(ends(&mut stream).await, None);

        let (mut stream, mut theirs) = pair();
        theirs.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        assert!(about(KEEP_ALIVE, ends(&mut stream).await));
    }
}
