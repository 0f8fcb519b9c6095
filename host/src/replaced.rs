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
    app::AppName,
    cache::{Cached, Key},
    config::SourceName,
    keep,
    lease::Lease,
    mints::Mint,
    resolver::Resolver,
    revocation,
    store::StoreError,
};

/// A lease that a newer one has taken the place of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Older {
    /// What its source calls it: the name of a mint, if the ledger says so.
    name: String,
    app: AppName,
    source: SourceName,
}

impl Older {
    /// Whether this is the mint that the lease came from. A source may call its lease as it likes, also as another's mint is called.
    fn is_of(&self, mint: &Mint) -> bool {
        (&self.app, &self.source) == (&mint.app, &mint.source)
    }
}

/// The mints that are to be revoked.
#[derive(Debug, Default)]
pub struct Replaced {
    leases: Mutex<VecDeque<Older>>,
    more: Notify,
}

impl Replaced {
    /// Has these revoked later.
    pub fn add(&self, older: impl IntoIterator<Item = Older>) {
        self.lock().extend(older);
        self.more.notify_one();
    }

    fn next(&self) -> Option<Older> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Older>> {
        // Nothing that could panic happens while the lock is held.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mints whose place `newer` takes, to be asked before it is kept: what the cache had, and what memories have. None unless the source
/// revokes what is replaced, so that no other lease costs a look at the disk.
pub async fn by(resolver: &Arc<Resolver>, key: &Key, newer: &Cached, cached: Option<&Cached>) -> Vec<Older> {
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
    let named = |lease: &Lease| Some(Older { name: lease.id.clone()?, app: key.app.clone(), source: lease.provenance.source.clone() });
    let mut older: Vec<Older> = older.filter_map(named).collect();
    older.sort();
    older.dedup();
    older
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
    while let Some(older) = resolver.replaced.next() {
        revoke(resolver, older).await;
    }
}

async fn revoke(resolver: &Arc<Resolver>, older: Older) {
    let name = older.name.clone();
    let looking = {
        let resolver = Arc::clone(resolver);
        spawn_blocking(move || look(&resolver, &older))
    };
    match looking.await {
        Ok(Ok(Found::Mint(mint))) => revocation::tell(&name, &mint, &revocation::revoke(resolver, &name, &mint).await),
        Ok(Ok(Found::InUse(mint))) => {
            info!(app = %mint.app, kind = %mint.kind, mint = name, "a token that was replaced is still in use, and is not revoked");
        }
        Ok(Ok(Found::Nothing)) | Err(_) => {}
        Ok(Err(error)) => warn!(mint = name, "a token that was replaced is not revoked: {error}"),
    }
}

/// What a lease that was replaced comes down to.
enum Found {
    /// A mint that is good, and that nobody is handed any more.
    Mint(Mint),
    /// One that somebody may yet be handed.
    InUse(Mint),
    /// No mint of this source for this app, or one that is revoked or over.
    Nothing,
}

fn look(resolver: &Arc<Resolver>, older: &Older) -> Result<Found, StoreError> {
    let is_good = |mint: &Mint| older.is_of(mint) && !mint.is_revoked() && mint.until > resolver.clock.now();
    let Some(mint) = resolver.mints.find(&older.name)?.filter(is_good) else { return Ok(Found::Nothing) };
    Ok(if revocation::is_in_use(resolver, &older.name, &mint)? { Found::InUse(mint) } else { Found::Mint(mint) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kind::Kind, test_support::timestamp};

    #[test]
    fn a_lease_that_is_called_as_anothers_mint_is_none_of_its_own() {
        let (app, source) = (|name| AppName::parse(name).unwrap(), |name| SourceName::parse(name).unwrap());
        let older = Older { name: "mint".into(), app: app("web"), source: source("corp") };
        for (its_app, its_source, is_its_own) in [("web", "corp", true), ("api", "corp", false), ("web", "cli", false)] {
            let (at, until) = (timestamp(1), timestamp(2));
            let mint = Mint { app: app(its_app), kind: Kind::Deploy, source: source(its_source), at, until, revocation: None };
            assert_eq!(older.is_of(&mint), is_its_own, "{its_app} {its_source}");
        }
    }
}
