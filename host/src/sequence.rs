//! The order in which secrets are obtained, across processes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{system::Clock, time::Timestamp};

/// Hands out numbers that grow: of two secrets, the one with the greater number was obtained later.
///
/// A number is the clock's microseconds, or one more than the last number where the clock stands still or was set back, so that
/// processes that follow each other need no common counter.
#[derive(Clone)]
pub struct Sequence {
    clock: Arc<dyn Clock>,
    last: Arc<AtomicU64>,
}

/// When a secret was obtained, and its place among all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obtained {
    /// The moment by the clock.
    pub at: Timestamp,
    /// Greater than that of every secret that was obtained before.
    pub sequence: u64,
}

impl Sequence {
    /// Continues after `last`, the greatest number known from earlier runs.
    pub fn after(last: u64, clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: Arc::new(AtomicU64::new(last)) }
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let now = self.clock.now().millis().saturating_mul(1000);
        let next = |last: u64| now.max(last.saturating_add(1));
        // The closure always returns a value, so the update cannot fail.
        self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last))).map_or(now, next)
    }

    /// The same for a secret that is obtained now.
    pub fn obtained(&self) -> Obtained {
        Obtained { at: self.clock.now(), sequence: self.next() }
    }

    /// Learns of a number that another process handed out.
    pub fn observe(&self, seen: u64) {
        self.last.fetch_max(seen, Ordering::Relaxed);
    }

    /// The last number handed out or seen.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{TestClock, timestamp};

    #[test]
    fn numbers_grow_while_the_clock_stands_still_or_goes_back() {
        let clock = TestClock::at(timestamp(1000));
        let sequence = Sequence::after(0, clock.clone());
        let first = sequence.next();
        assert_eq!(first, 1_000_000_000);
        assert!(sequence.next() > first);
        clock.set(timestamp(10));
        assert!(sequence.next() > first + 1);
        sequence.observe(u64::MAX / 2);
        assert!(sequence.next() > u64::MAX / 2);
    }
}
