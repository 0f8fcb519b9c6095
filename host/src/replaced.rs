//! Mints that a newer one has taken the place of, where the configuration has them revoked: `revoke-on-replace`.
//!
//! One at a time and in the background, so that no request waits for it and no mint lacks a command slot. What is still handed out or
//! remembered is left alone, whatever the queue says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{sync::Notify, task::spawn_blocking};
use tracing::{info, warn};

use crate::{
    cache::{Cached, Key},
    keep,
    lease::Lease,
    resolver::Resolver,
    revocation,
};

/// The mints that are to be revoked, by name.
#[derive(Debug, Default)]
pub struct Replaced {
    names: Mutex<VecDeque<String>>,
    more: Notify,
}

impl Replaced {
    /// Has these revoked later.
    pub fn add(&self, names: impl IntoIterator<Item = String>) {
        self.lock().extend(names);
        self.more.notify_one();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn next(&self) -> Option<String> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        // Nothing that could panic happens while the lock is held.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mints whose place `newer` takes, to be asked before it is kept: what the cache had, and what memories have. None unless the source
/// revokes what is replaced, so that no other lease costs a look at the disk.
pub async fn by(resolver: &Arc<Resolver>, key: &Key, newer: &Cached, cached: Option<&Cached>) -> Vec<String> {
    let provenance = &newer.lease.provenance;
    let revokes = resolver.live.load().sources.find(&provenance.source).is_some_and(|source| source.config.revoke_on_replace);
    if !revokes || newer.lease.id.is_none() {
        return Vec::new();
    }
    let is_older = |lease: &Lease| {
        lease.provenance.source == provenance.source && lease.provenance.sequence < provenance.sequence && lease.id != newer.lease.id
    };
    let remembered = {
        let (resolver, key) = (Arc::clone(resolver), key.clone());
        spawn_blocking(move || keep::remembered(&resolver, &key)).await
    };
    let remembered = match remembered {
        Ok(Ok(leases)) => leases,
        Ok(Err(error)) => {
            warn!(app = %key.app, kind = %key.kind, "nobody can tell which token was replaced: {error}");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    let older = cached.map(|cached| &cached.lease).into_iter().chain(&remembered).filter(|lease| is_older(lease));
    let mut names: Vec<String> = older.filter_map(|lease| lease.id.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// Revokes what is added, for as long as the agent lives.
pub async fn follow(resolver: Weak<Resolver>) {
    loop {
        let Some(alive) = resolver.upgrade() else { return };
        revoke_all(&alive).await;
        let replaced = Arc::clone(&alive.replaced);
        drop(alive);
        replaced.more.notified().await;
    }
}

/// Revokes what there is now.
pub async fn revoke_all(resolver: &Arc<Resolver>) {
    while let Some(name) = resolver.replaced.next() {
        revoke(resolver, name).await;
    }
}

async fn revoke(resolver: &Arc<Resolver>, name: String) {
    let looking = {
        let (resolver, name) = (Arc::clone(resolver), name.clone());
        spawn_blocking(move || {
            let Some(mint) = resolver.mints.find(&name)? else { return Ok(None) };
            let is_in_use = revocation::is_in_use(&resolver, &name, &mint)?;
            Ok::<_, crate::store::StoreError>(Some((mint, is_in_use)))
        })
    };
    match looking.await {
        // Not a name of ours: the source called its lease so.
        Ok(Ok(None)) | Err(_) => {}
        Ok(Ok(Some((mint, _)))) if mint.is_revoked() || mint.until <= resolver.clock.now() => {}
        Ok(Ok(Some((mint, true)))) => {
            info!(app = %mint.app, kind = %mint.kind, mint = name, "a token that was replaced is still in use, and is not revoked");
        }
        Ok(Ok(Some((mint, false)))) => revocation::tell(&name, &mint, &revocation::revoke(resolver, &name, &mint).await),
        Ok(Err(error)) => warn!(mint = name, "a token that was replaced is not revoked: {error}"),
    }
}
