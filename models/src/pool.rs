//! A fixed number of things, each lent to one thread at a time. Running a session changes it, so
//! each photo in work needs its own; and as a photo isn't decoded before it has one, the pool
//! bounds memory too.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::measure::Use;

#[derive(Debug)]
pub(crate) struct Pool<T> {
    things: Vec<Mutex<T>>,
    /// Places in `things` of those that are not lent.
    idle: Mutex<Vec<usize>>,
    returned: Condvar,
    counted: Use,
}

impl<T> Pool<T> {
    /// A pool of nothing would wait for ever; the caller puts in at least one. What is lent is counted by `name`.
    pub fn new(name: &'static str, things: Vec<T>) -> Self {
        let counted = Use::new(name, things.len());
        let idle = Mutex::new((0..things.len()).collect());
        let things = things.into_iter().map(Mutex::new).collect();
        Self {
            things,
            idle,
            returned: Condvar::new(),
            counted,
        }
    }

    /// Waits until one is free. It returns when the loan is dropped, in a panic too: a session has no
    /// state from one run to the next.
    pub fn borrow(&self) -> Loan<'_, T> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(place) = idle.pop() {
                drop(idle);
                // Only one holds a place, so this waits at most for the last loan's drop to end.
                let thing = self.things[place].lock().unwrap_or_else(PoisonError::into_inner);
                self.counted.lent();
                return Loan {
                    pool: self,
                    place,
                    thing,
                };
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(crate) struct Loan<'p, T> {
    pool: &'p Pool<T>,
    place: usize,
    thing: MutexGuard<'p, T>,
}

impl<T> Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

impl<T> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.thing
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.pool.counted.returned();
        self.pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.place);
        self.pool.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_are_lent_than_there_are() {
        let pool = Pool::new("tests", vec![0_usize; 2]);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let mut count = pool.borrow();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        *count += 1;
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        let counts = pool.things.into_iter().map(|thing| thing.into_inner().unwrap());
        assert_eq!(counts.sum::<usize>(), 400);
    }

    #[test]
    fn a_panic_gives_it_back() {
        let pool = Pool::new("tests", vec![1]);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _loan = pool.borrow();
            panic!("on purpose");
        }));
        assert_eq!(*pool.borrow(), 1);
    }
}
