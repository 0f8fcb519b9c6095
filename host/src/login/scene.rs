//! A login's file whose content a test sets, followed as a real one is.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::{
    IdentityMemory, LoginOrigin, LoginWatch,
    follow::Follower,
    identity::fingerprints,
    look::{Found, Reading, Sight},
};
use crate::{
    system::Clock,
    time::Timestamp,
    token::{ApiToken, FingerprintKey},
};

/// What is in the file.
#[derive(Clone)]
pub(crate) struct LoginScene {
    found: Arc<Mutex<Found>>,
    wake: Arc<Notify>,
}

impl LoginScene {
    /// An empty file.
    pub(crate) fn new() -> Self {
        Self { found: Arc::new(Mutex::new(empty())), wake: Arc::default() }
    }

    /// The file holds this token from now on.
    pub(crate) fn log_in(&self, token: Zeroizing<String>, last_login: Timestamp, key: &FingerprintKey) {
        let items = fingerprints(&token, key);
        self.show(Found::Token(Reading { token: Arc::new(ApiToken::new(token)), items, last_login: Some(last_login), doubt: None }));
    }

    /// The file is empty from now on.
    pub(crate) fn log_out(&self) {
        self.show(empty());
    }

    fn show(&self, found: Found) {
        *self.found.lock().unwrap() = found;
        self.wake.notify_one();
    }

    /// Begins to follow it.
    pub(crate) fn follow(
        &self,
        clock: &dyn Clock,
        memory: Arc<dyn IdentityMemory>,
    ) -> (LoginWatch, impl Future<Output = ()> + Send + 'static) {
        let follower = Follower::new(LoginOrigin::File("config.yml".into()), None, &*memory);
        let found = Arc::clone(&self.found);
        let eye = move || (Sight { found: found.lock().unwrap().clone(), changed: None }, Duration::from_secs(5));
        LoginWatch::following(follower, eye, clock, memory, Arc::clone(&self.wake))
    }
}

fn empty() -> Found {
    Found::Nothing("it holds no token".into())
}
