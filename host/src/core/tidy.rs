//! Letting go of what has had its time, in memory every few seconds, on disk now and then: an agent lives for months, and most of what
//! clients ask for is asked for once.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};
use tracing::debug;

use super::Inner;
use crate::{records, resolver::Resolver, store::StoreError, time::Timestamp};

/// Lets go for as long as the agent lives.
pub(super) async fn tidy(inner: Weak<Inner>) {
    let mut rounds = 0_u32;
    loop {
        sleep(INTERVAL).await;
        let Some(inner) = inner.upgrade() else { return };
        let resolver = &inner.resolver;
        let now = resolver.clock.now();
        resolver.cache.let_go(now.before(SHOWN));
        resolver.tombstones.let_go(now.before(DOUBTED));
        inner.reap();
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(ROUNDS) {
            let resolver = Arc::clone(resolver);
            drop(inner);
            let cleaning = spawn_blocking(move || clean(&resolver, now.before(DOUBTED))).await;
            if let Ok(Err(error)) = cleaning {
                debug!(%error, "the databases were not tidied up");
            }
        }
    }
}

/// Removes the records of what was over at `then`.
fn clean(resolver: &Resolver, then: Timestamp) -> Result<(), StoreError> {
    records::forget_ended(&resolver.store, then)?;
    resolver.tombstones.clean(then)?;
    resolver.mints.clean(then)
}

/// How often memory is looked through. An idle agent is woken by little else.
const INTERVAL: Duration = Duration::from_secs(30);

/// After so many looks through memory comes one through the databases: every hour.
const ROUNDS: u32 = 120;

/// How long a lease that has ended is still shown by `status`: whoever wonders why a token ended finds it there.
const SHOWN: Duration = Duration::from_mins(1);

/// A clock that is set forward by hours, and back again, must neither raise a token that was rejected nor cost a lease that is kept.
const DOUBTED: Duration = Duration::from_hours(24);
