//! Handing leases to the sources that remember, and making them forget.

use std::sync::Arc;

use tracing::warn;

use crate::{
    cache::{Cached, Key},
    chain,
    config::Role,
    lease::Lease,
    owner::Intent,
    records::Record,
    resolver::Resolver,
    runtime::Refused,
    sources::Source,
    store::StoreError,
};

/// Has every memory in the app's chain remember the lease, if its source wants that. The answer has gone out already, so a failure is
/// logged and costs no more than asking the source again after a restart.
pub async fn keep(resolver: &Arc<Resolver>, key: &Key, cached: &Cached) {
    let provenance = &cached.lease.provenance;
    let wanted = resolver.live.load().sources.find(&provenance.source).is_some_and(|source| source.config.keep);
    // A program that was given the login may print it again: it is no mint, and the login is never copied to disk.
    if !wanted || provenance.is_login || !resolver.may_keep(provenance.login) {
        return;
    }
    for memory in memories(resolver, key) {
        let Ok(loaded) = &memory.loaded else { continue };
        let _turn = resolver.keeping.acquire().await;
        let (call, request) = prepare(resolver, &memory, key);
        if let Err(refused) = loaded.keep(call, request, &cached.lease).await {
            warn!(source = %memory.config.name, app = %key.app, kind = %key.kind, "a lease was not kept: {}", text(&refused));
        }
    }
}

/// Has every memory in the app's chain forget what it has. Their records are dead by their tombstone before this runs.
pub async fn forget(resolver: &Arc<Resolver>, key: &Key) {
    for memory in memories(resolver, key) {
        let Ok(loaded) = &memory.loaded else { continue };
        let _turn = resolver.keeping.acquire().await;
        let (call, request) = prepare(resolver, &memory, key);
        if let Err(refused) = loaded.forget(call, request).await {
            warn!(source = %memory.config.name, app = %key.app, kind = %key.kind, "a lease was not forgotten: {}", text(&refused));
        }
    }
}

/// What the memories in the app's chain have for `key`, whether or not it still counts. Reads the disk.
///
/// # Errors
/// When the disk fails.
pub fn remembered(resolver: &Arc<Resolver>, key: &Key) -> Result<Vec<Lease>, StoreError> {
    let kept = records(resolver, key).iter().map(Record::kept).collect::<Result<Vec<_>, _>>()?;
    Ok(kept.into_iter().flatten().collect())
}

/// Removes the mint of this name from the memories in the app's chain; another one stays. On disk when it returns.
///
/// # Errors
/// When the disk fails.
pub fn drop_mint(resolver: &Arc<Resolver>, key: &Key, name: &str) -> Result<(), StoreError> {
    records(resolver, key).iter().try_for_each(|record| record.remove_if(|lease| lease.id.as_deref() == Some(name)))
}

fn records(resolver: &Arc<Resolver>, key: &Key) -> Vec<Record> {
    let record = |memory: &Arc<Source>| {
        let config = &memory.config;
        config.grants.records.map(|grant| Record::new(Arc::clone(resolver), &config.name, config.role, grant, key.clone()))
    };
    memories(resolver, key).iter().filter_map(record).collect()
}

/// A call of a keeper and what it is asked.
pub fn prepare(resolver: &Arc<Resolver>, keeper: &Source, key: &Key) -> (crate::runtime::Call, crate::runtime::SourceRequest) {
    let live = resolver.live.load();
    let rule = live.config.rule_for(&key.app);
    let login = resolver.login.state();
    (chain::call(resolver, keeper, &login, key, None), chain::request(resolver, keeper, &rule, key, Intent::Resolve))
}

/// What a refused call comes down to, in words.
pub fn text(refused: &Refused) -> &str {
    match refused {
        Refused::Said(refusal) => refusal.text(),
        Refused::Broke(broke) => &broke.text,
    }
}

fn memories(resolver: &Resolver, key: &Key) -> Vec<Arc<Source>> {
    let live = resolver.live.load();
    let steps = &live.config.rule_for(&key.app).chain.steps;
    let sources = steps.iter().filter_map(|step| live.sources.find(&step.source));
    sources.filter(|source| source.config.role == Role::Memory).map(Arc::clone).collect()
}
