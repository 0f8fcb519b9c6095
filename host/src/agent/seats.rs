//! How many connections each user has, so that none takes the place of all others.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many connections each user has.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<BTreeMap<u32, usize>>>);

/// One connection of one user, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Seat {
    uid: u32,
    seats: Seats,
}

impl Seats {
    /// One more connection of a user; none if that has `most` already.
    pub(super) fn take(&self, uid: u32, most: usize) -> Option<Seat> {
        let mut taken = self.taken();
        let of_user = taken.entry(uid).or_default();
        if *of_user >= most {
            return None;
        }
        *of_user += 1;
        drop(taken);
        Some(Seat { uid, seats: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let left = taken.get(&self.uid).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.uid);
        } else {
            taken.insert(self.uid, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_share_is_its_own_and_free_again_once_it_leaves() {
        let seats = Seats::default();
        let first = seats.take(1, 2).unwrap();
        let _second = seats.take(1, 2).unwrap();
        assert!(seats.take(1, 2).is_none());
        let other = seats.take(2, 2).unwrap();
        drop((first, other));
        let _third = seats.take(1, 2).unwrap();
        assert!(seats.take(1, 2).is_none());
        assert_eq!(seats.taken().len(), 1, "who has left costs nothing");
    }
}
