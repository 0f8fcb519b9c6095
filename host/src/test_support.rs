//! What unit tests of several modules share.

#[path = "../../tests/harness/puppet.rs"]
pub(crate) mod puppet;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use zeroize::Zeroizing;

use crate::{
    config::SourceName,
    kind::Kind,
    lease::{Expiry, Lease, Provenance},
    system::Clock,
    time::Timestamp,
    token::ApiToken,
};

/// A clock that stands still until it is set.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now.millis())))
    }

    pub(crate) fn advance(&self, by: std::time::Duration) {
        self.set(self.now().after(by));
    }

    pub(crate) fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn timestamp(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// A lease of the source `test` for `readonly`.
pub(crate) fn lease(token: &str, expiry: Expiry, obtained: Timestamp) -> Lease {
    Lease {
        token: Arc::new(ApiToken::new(Zeroizing::new(token.to_owned()))),
        expiry,
        id: None,
        provenance: Provenance {
            source: SourceName::parse("test").unwrap(),
            kind: Kind::Readonly,
            obtained,
            sequence: obtained.millis() * 1000,
            login: None,
            source_digest: [0; 32],
            is_login: false,
        },
    }
}
