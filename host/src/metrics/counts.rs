//! What an agent counts from its start on: plain numbers, without a lock, of things that there are a few of.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// One number for each of `N` things.
#[derive(Debug)]
pub struct Counts<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Counts<N> {
    /// One more of the thing at this place; a place that there is not counts nothing.
    pub fn add(&self, place: usize) {
        if let Some(count) = self.0.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them.
    pub fn all(&self) -> [u64; N] {
        array::from_fn(|place| self.0[place].load(Ordering::Relaxed))
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Durations {
    counts: Counts<{ BOUNDS.len() + 1 }>,
    micros: AtomicU64,
}

impl Durations {
    /// One more that took this long.
    pub fn add(&self, took: Duration) {
        let place = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(BOUNDS.len());
        self.counts.add(place);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many took longer than each of the bounds and no longer than the next: before the first, and after the last as well.
    pub fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        self.counts.all()
    }

    /// How long all of them took together, in seconds.
    pub fn seconds(&self) -> f64 {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// In seconds: from a sandbox that answers from memory, which takes some fifty microseconds, to a program that talks to Fly.
pub(super) const BOUNDS: [f64; 12] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_for_the_least_bound_that_it_keeps_within() {
        let durations = Durations::default();
        for millis in [0, 1, 2, 100_000] {
            durations.add(Duration::from_millis(millis));
        }
        assert_eq!(durations.counts(), [1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!((durations.seconds() - 100.003).abs() < 1e-9);
    }
}
