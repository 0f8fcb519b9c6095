//! Where it is answered over HTTP at the moment, for whoever asks how the agent is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::HttpStatus;

/// The places that are wanted, and what is in the way of each. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<Mutex<Vec<HttpStatus>>>);

impl Standing {
    /// Every place that is wanted, in the order of their names.
    pub fn places(&self) -> Vec<HttpStatus> {
        self.lock().clone()
    }

    /// This place is wanted, for as long as the answer lives.
    pub(super) fn at(&self, place: String) -> Wanted {
        let mut places = self.lock();
        places.push(HttpStatus { at: place.clone(), problem: None });
        places.sort_by(|one, other| one.at.cmp(&other.at));
        drop(places);
        Wanted { standing: self.clone(), place }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<HttpStatus>> {
        // Nothing that could panic happens while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is wanted.
pub(super) struct Wanted {
    standing: Standing,
    place: String,
}

impl Wanted {
    /// What is in the way of it; nothing once it is listened on.
    pub(super) fn tell(&self, problem: Option<&str>) {
        if let Some(place) = self.standing.lock().iter_mut().find(|place| place.at == self.place) {
            place.problem = problem.map(str::to_owned);
        }
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.standing.lock().retain(|place| place.at != self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stands_there_with_what_is_in_its_way_for_as_long_as_it_is_wanted() {
        let standing = Standing::default();
        let socket = standing.at("/run/http.sock".into());
        let loopback = standing.at("127.0.0.1:4280".into());
        loopback.tell(Some("in use"));
        let told = |standing: &Standing| standing.places().into_iter().map(|place| (place.at, place.problem)).collect::<Vec<_>>();
        assert_eq!(told(&standing), [("/run/http.sock".into(), None), ("127.0.0.1:4280".into(), Some("in use".into()))]);
        loopback.tell(None);
        drop(socket);
        assert_eq!(told(&standing), [("127.0.0.1:4280".into(), None)]);
    }
}
