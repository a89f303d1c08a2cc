//! Gathers what many resolvers ask for at the same moment into one read.
//!
//! async-graphql's own loader waits a millisecond by the clock: on a busy machine the resolvers of
//! one page take longer than that, and the number of statements grows with the page. Here the
//! first who asks lets all the others ask (one turn of the executor, no clock) and then reads for
//! all. Nothing is remembered.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Keys that go into one statement.
const MOST: usize = 500;

/// Reads many things at once by their keys; what does not exist is not in the answer.
pub trait Read<K>: Send + Sync {
    type Value: Clone + Send + Sync + 'static;

    fn read(&self, keys: &[K]) -> impl Future<Output = async_graphql::Result<HashMap<K, Self::Value>>> + Send;
}

type Answer<K, V> = async_graphql::Result<Arc<HashMap<K, V>>>;

/// Keys of one type that wait to be read together.
struct Gathering<K, V> {
    keys: Vec<K>,
    answer: watch::Receiver<Option<Answer<K, V>>>,
}

pub struct Batcher<R> {
    reader: R,
    gatherings: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

impl<R> Batcher<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            gatherings: Mutex::default(),
        }
    }

    pub async fn one<K>(&self, key: K) -> async_graphql::Result<Option<R::Value>>
    where
        K: Eq + Hash + Copy + Send + Sync + 'static,
        R: Read<K>,
    {
        loop {
            let (mut answer, leads) = self.join::<K>(key);
            if let Some(lead) = leads {
                let keys = self.gather::<K>().await;
                let read = self.read(&keys).await;
                let found = read.as_ref().map(|all| all.get(&key).cloned()).map_err(Clone::clone);
                lead.send_replace(Some(read));
                return found;
            }
            match answer.wait_for(Option::is_some).await {
                Ok(answer) => match &*answer {
                    Some(Ok(all)) => return Ok(all.get(&key).cloned()),
                    Some(Err(error)) => return Err(error.clone()),
                    None => {}
                },
                // Whoever led was dropped before the answer came: ask again.
                Err(_) => self.forget::<K>(),
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the two halves of one channel")]
    fn join<K>(
        &self,
        key: K,
    ) -> (
        watch::Receiver<Option<Answer<K, R::Value>>>,
        Option<watch::Sender<Option<Answer<K, R::Value>>>>,
    )
    where
        K: Copy + Send + Sync + 'static,
        R: Read<K>,
    {
        let mut all = self.gatherings.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all
            .get_mut(&TypeId::of::<K>())
            .and_then(|g| g.downcast_mut::<Gathering<K, R::Value>>());
        if let Some(open) = open {
            open.keys.push(key);
            return (open.answer.clone(), None);
        }
        let (lead, answer) = watch::channel(None);
        let gathering = Gathering {
            keys: vec![key],
            answer: answer.clone(),
        };
        all.insert(TypeId::of::<K>(), Box::new(gathering));
        (answer, Some(lead))
    }

    /// Waits until nobody more asks: a turn of the executor may end before all had theirs, since a
    /// task that did much is made to yield.
    async fn gather<K>(&self) -> Vec<K>
    where
        K: Send + Sync + 'static,
        R: Read<K>,
    {
        let mut size = 0;
        loop {
            tokio::task::yield_now().await;
            let now = self.size::<K>();
            if now == size {
                return self.take::<K>();
            }
            size = now;
        }
    }

    fn size<K>(&self) -> usize
    where
        K: Send + Sync + 'static,
        R: Read<K>,
    {
        self.gatherings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&TypeId::of::<K>())
            .and_then(|g| g.downcast_ref::<Gathering<K, R::Value>>())
            .map_or(0, |g| g.keys.len())
    }

    /// The keys gathered so far; whoever asks from now on begins a new gathering.
    fn take<K>(&self) -> Vec<K>
    where
        K: Send + Sync + 'static,
        R: Read<K>,
    {
        self.gatherings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&TypeId::of::<K>())
            .and_then(|g| g.downcast::<Gathering<K, R::Value>>().ok())
            .map(|g| g.keys)
            .unwrap_or_default()
    }

    /// Drops a gathering that nobody leads any more.
    fn forget<K>(&self)
    where
        K: Send + Sync + 'static,
        R: Read<K>,
    {
        let mut all = self.gatherings.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all
            .get(&TypeId::of::<K>())
            .and_then(|g| g.downcast_ref::<Gathering<K, R::Value>>())
            .is_some_and(|g| g.answer.has_changed().is_err());
        if left {
            all.remove(&TypeId::of::<K>());
        }
    }

    async fn read<K>(&self, keys: &[K]) -> Answer<K, R::Value>
    where
        K: Eq + Hash + Copy + Send + Sync + 'static,
        R: Read<K>,
    {
        let mut seen = std::collections::HashSet::with_capacity(keys.len());
        let keys: Vec<K> = keys.iter().copied().filter(|k| seen.insert(*k)).collect();
        let mut found = HashMap::with_capacity(keys.len());
        for some in keys.chunks(MOST) {
            found.extend(self.reader.read(some).await?);
        }
        Ok(Arc::new(found))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[derive(Default)]
    struct Squares(AtomicUsize);

    impl Read<u32> for Squares {
        type Value = u32;

        async fn read(&self, keys: &[u32]) -> async_graphql::Result<HashMap<u32, u32>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(keys.iter().filter(|k| **k != 13).map(|k| (*k, k * k)).collect())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_ask_together_are_answered_by_one_read() {
        let batcher = Batcher::new(Squares::default());
        let batcher = &batcher;
        let asked = (0..200).map(|n| async move {
            // Slower than any clock would wait.
            std::thread::sleep(std::time::Duration::from_micros(100));
            let key = n % 100;
            let first = batcher.one(key).await.unwrap();
            (key, first, batcher.one(key + 1000).await.unwrap())
        });
        for (key, first, second) in join_all(asked).await {
            assert_eq!(first, (key != 13).then_some(key * key));
            assert_eq!(second, Some((key + 1000) * (key + 1000)));
        }
        assert_eq!(batcher.reader.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_leader_who_goes_leaves_nobody_waiting() {
        let batcher = Batcher::new(Squares::default());
        let mut leader = Box::pin(batcher.one(2));
        assert!(futures_util::poll!(&mut leader).is_pending());
        let mut follower = Box::pin(batcher.one(3));
        assert!(futures_util::poll!(&mut follower).is_pending());
        drop(leader);
        assert_eq!(follower.await.unwrap(), Some(9));
    }
}
