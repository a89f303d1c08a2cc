//! A request's body, read a piece at a time: bytes are counted as they arrive, whatever the
//! client announced, and a body that is too large, too slow or more than the memory for all
//! bodies is given up at that byte.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt};
use poem::Body;
use poem::http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::error::{BAD_REQUEST, Refusal, coded};
use super::limits::Limits;

/// A buffer's first size; announced lengths are believed no further.
const FIRST_BUFFER_BYTES: usize = 64 * 1024;

/// The memory that all bodies together may take.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// What one request takes of it, until it is dropped.
    pub(super) fn lease(&self) -> Arc<Lease> {
        Arc::new(Lease {
            budget: self.clone(),
            taken: AtomicU64::new(0),
        })
    }
}

#[derive(Debug)]
pub(super) struct Lease {
    budget: Budget,
    taken: AtomicU64,
}

impl Lease {
    fn take(&self, bytes: u64) -> bool {
        let had = self
            .budget
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .is_ok();
        if had {
            self.taken.fetch_add(bytes, Ordering::Relaxed);
        }
        had
    }

    /// Bytes of the body that have been read.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.taken(), Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) enum BodyError {
    /// Larger than this many bytes.
    TooLarge(u64),
    /// Nothing came for so long.
    Stalled(Duration),
    /// The whole took longer than this.
    Late(Duration),
    /// Fewer bytes a second than this came.
    Slow(u64),
    /// There is no memory for it now.
    Crowded,
    /// The connection or its framing broke.
    Broken,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit) => write!(f, "The request is larger than {}", size(*limit)),
            Self::Stalled(limit) => {
                write!(f, "No byte of the request came for {} s", limit.as_secs())
            }
            Self::Late(limit) => write!(f, "The request took longer than {} s", limit.as_secs()),
            Self::Slow(rate) => write!(f, "The request came slower than {rate} bytes a second"),
            Self::Crowded => f.write_str("Too many uploads are under way; try again in a moment"),
            Self::Broken => f.write_str("The request ended before its body did"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<&BodyError> for Refusal {
    fn from(error: &BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge(_) => Self::new("PAYLOAD_TOO_LARGE", message),
            BodyError::Stalled(_) | BodyError::Late(_) | BodyError::Slow(_) => {
                Self::with_status(StatusCode::REQUEST_TIMEOUT, coded(BAD_REQUEST, message))
            }
            BodyError::Crowded => Self::new("UNAVAILABLE", message),
            BodyError::Broken => Self::bad_request(message),
        }
        .closing()
    }
}

/// The pieces of a body, until its end or the first error.
pub(super) fn pieces(
    body: Body,
    limit: u64,
    limits: &Limits,
    lease: Arc<Lease>,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + use<> {
    let (idle, total) = (limits.body_idle, limits.body_total);
    let (grace, rate) = (limits.body_grace, limits.body_rate);
    let start = Instant::now();
    let deadline = start + total;
    let source = Box::pin(body.into_bytes_stream());
    Box::pin(stream::unfold(Some(source), move |source| {
        let lease = Arc::clone(&lease);
        async move {
            let mut source = source?;
            // The multipart parser takes in all that is ready before it looks at any of it; a
            // pause after each piece lets it look.
            tokio::task::yield_now().await;
            // What has come pays for so much time.
            let paid = Duration::from_millis(lease.taken().saturating_mul(1000) / rate.max(1));
            let slow = start + grace.saturating_add(paid).min(total);
            let stalled = Instant::now() + idle;
            let by = slow.min(stalled);
            let error = match timeout_at(by, source.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(piece))) => {
                    let bytes = piece.len() as u64;
                    if lease.taken() + bytes > limit {
                        BodyError::TooLarge(limit)
                    } else if lease.take(bytes) {
                        return Some((Ok(piece), Some(source)));
                    } else {
                        BodyError::Crowded
                    }
                }
                Ok(Some(Err(_))) => BodyError::Broken,
                Err(_) if Instant::now() >= deadline => BodyError::Late(total),
                Err(_) if Instant::now() >= stalled => BodyError::Stalled(idle),
                Err(_) => BodyError::Slow(rate),
            };
            Some((Err(error), None))
        }
    }))
}

/// The whole body in one piece.
pub(super) async fn collect(
    mut pieces: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
) -> Result<BytesMut, BodyError> {
    let mut whole = BytesMut::with_capacity(FIRST_BUFFER_BYTES);
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole)
}

/// A limit as people write it.
pub(super) fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = KIB * KIB;
    match bytes {
        0..MIB => format!("{} kB", bytes / KIB),
        _ if bytes.is_multiple_of(MIB) => format!("{} MB", bytes / MIB),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const PIECE: usize = 16 * 1024;

    fn endless(given: &Arc<AtomicUsize>) -> Body {
        let given = Arc::clone(given);
        Body::from_bytes_stream(stream::repeat_with(move || {
            given.fetch_add(PIECE, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from(vec![b' '; PIECE]))
        }))
    }

    #[tokio::test]
    async fn an_endless_body_is_left_at_the_limit() {
        let limits = Limits::default();
        let budget = Budget::new(10_000_000);
        let given = Arc::new(AtomicUsize::new(0));
        let limit = 1_000_000;
        let pieces = pieces(endless(&given), limit, &limits, budget.lease());
        let error = collect(pieces).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLarge(_)));
        let given = given.load(Ordering::Relaxed) as u64;
        assert!(given <= limit + 64 * 1024, "{given} bytes were read");
        assert_eq!(budget.0.load(Ordering::Relaxed), 10_000_000);
    }

    #[tokio::test]
    async fn bodies_share_one_budget() {
        let limits = Limits::default();
        let budget = Budget::new(100_000);
        let first = budget.lease();
        let body = Body::from_vec(vec![0; 70_000]);
        let whole = collect(pieces(body, 90_000, &limits, Arc::clone(&first))).await;
        assert_eq!(whole.unwrap().len(), 70_000);
        let second = Body::from_vec(vec![0; 70_000]);
        let error = collect(pieces(second, 90_000, &limits, budget.lease())).await;
        assert!(matches!(error, Err(BodyError::Crowded)));
        drop(first);
        let third = Body::from_vec(vec![0; 70_000]);
        collect(pieces(third, 90_000, &limits, budget.lease())).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_neither_stall_nor_drip_for_ever() {
        let limits = Limits::default();
        let budget = Budget::new(100_000);
        let stalled = Body::from_bytes_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let error = collect(pieces(stalled, 1000, &limits, budget.lease())).await;
        assert!(matches!(error, Err(BodyError::Stalled(_))));

        // Just fast enough, and for ever.
        let body = drips(Duration::from_secs(1), 1024);
        let start = Instant::now();
        let error = collect(pieces(body, 1_000_000, &limits, Budget::new(1_000_000).lease())).await;
        assert!(matches!(error, Err(BodyError::Late(_))));
        assert_eq!(start.elapsed(), limits.body_total);
    }

    fn drips(pause: Duration, bytes: usize) -> Body {
        Body::from_bytes_stream(stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b' '; bytes]))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_soon_after_the_grace() {
        let limits = Limits::default();
        let budget = Budget::new(1_000_000);
        for (pause, bytes) in [(1, 10), (9, 1), (1, 500), (5, 4000)] {
            let body = drips(Duration::from_secs(pause), bytes);
            let start = Instant::now();
            let error = collect(pieces(body, 1_000_000, &limits, budget.lease())).await;
            assert!(matches!(error, Err(BodyError::Slow(1024))), "{bytes} in {pause} s");
            let took = start.elapsed();
            assert!(took >= limits.body_grace && took < Duration::from_mins(1), "{took:?}");
        }
        // What came at once at the start pays for a pause that comes later.
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 100_000]))]);
        let pauses = stream::iter(0..2).then(|_| async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok(Bytes::from_static(b" "))
        });
        let body = Body::from_bytes_stream(first.chain(pauses));
        let whole = collect(pieces(body, 1_000_000, &limits, budget.lease())).await;
        assert_eq!(whole.unwrap().len(), 100_002);
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!(size(64 * 1024), "64 kB");
        assert_eq!(size(25 * 1024 * 1024), "25 MB");
        assert_eq!(size(25_000_000), "25 MB");
    }
}
