//! Revoking one mint: it is handed out no longer, then it is revoked where it was minted, then the ledger says so.
//!
//! In this order nobody is handed a token that is about to be dead, and a crash in between leaves one that is merely unused.

use std::{sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};
use tracing::{info, warn};

use crate::{
    acquire::{Acquisition, Purpose},
    cache::{Cached, Key},
    chain, keep,
    kind::Kind,
    mints::{Attempt, Mint},
    owner::Intent,
    refusal::Refusal,
    resolver::Resolver,
    runtime::{BrokeKind, Refused, Revocation},
    store::StoreError,
    time::Timestamp,
    tombstones::Burial,
};

/// What came of it, as far as it got.
pub struct Revoked {
    /// How the token ended where it was minted; or why it may still be good.
    pub outcome: Result<Revocation, Refusal>,
    /// When, as the ledger has it.
    pub at: Timestamp,
    /// Whether all of it is on disk here.
    pub written: Result<(), StoreError>,
    /// What was cached of it.
    pub dropped: Vec<(Key, Arc<Cached>)>,
}

/// Revokes the mint that the ledger calls `name`. Whatever fails on the way, the rest is done: a full disk is no reason to leave a token good.
pub async fn revoke(resolver: &Arc<Resolver>, name: &str, mint: &Mint) -> Revoked {
    let (dropped, buried) = stop_handing_out(resolver, name, mint).await;
    let outcome = match timeout(REVOKING, at_its_source(resolver, name, mint)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Refusal::Unavailable(format!("it was not done within {} s", REVOKING.as_secs()))),
    };
    let at = resolver.clock.now();
    let attempt = match &outcome {
        Ok(_) => Attempt::Succeeded { at },
        Err(refusal) => Attempt::Failed { at, why: refusal.text().to_owned() },
    };
    let noted = {
        let (resolver, name) = (Arc::clone(resolver), name.to_owned());
        spawn_blocking(move || resolver.mints.note(&name, attempt))
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    };
    Revoked { outcome, at, written: buried.and(noted), dropped }
}

/// Whether this very mint is what a cache or a memory answers with, for any kind of its app.
///
/// # Errors
/// When the disk fails: then nobody can tell.
pub fn is_in_use(resolver: &Arc<Resolver>, name: &str, mint: &Mint) -> Result<bool, StoreError> {
    for key in keys(mint) {
        let is_cached = resolver.cache.find(&key).is_some_and(|cached| cached.lease.id.as_deref() == Some(name));
        if is_cached || keep::remembered(resolver, &key)?.iter().any(|lease| lease.id.as_deref() == Some(name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Commits a tombstone for the mint and for the token, and empties the cache and the memories of that very lease: a newer one stays.
async fn stop_handing_out(resolver: &Arc<Resolver>, name: &str, mint: &Mint) -> (Vec<(Key, Arc<Cached>)>, Result<(), StoreError>) {
    let burying = {
        let (resolver, name, mint) = (Arc::clone(resolver), name.to_owned(), mint.clone());
        spawn_blocking(move || bury(&resolver, &name, &mint)).await
    };
    // Dropped although the disk may have failed: not handing out is the safe side.
    let dropped = resolver.cache.take_where(|key, cached| key.app == mint.app && cached.lease.id.as_deref() == Some(name));
    (dropped, burying.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
}

fn bury(resolver: &Arc<Resolver>, name: &str, mint: &Mint) -> Result<(), StoreError> {
    let mut tokens = Vec::new();
    for key in keys(mint) {
        if let Some(cached) = resolver.cache.find(&key).filter(|cached| cached.lease.id.as_deref() == Some(name)) {
            tokens.push((cached.fingerprint, cached.lease.expiry.at()));
        }
        // A memory that cannot be read hands out nothing; what it has is dead by its name all the same.
        for lease in keep::remembered(resolver, &key).unwrap_or_default() {
            if lease.id.as_deref() == Some(name) {
                tokens.push((resolver.fingerprints.of(&lease.token), lease.expiry.at()));
            }
        }
    }
    tokens.sort_by_key(|(fingerprint, _)| *fingerprint);
    tokens.dedup_by_key(|(fingerprint, _)| *fingerprint);
    let until = tokens.iter().filter_map(|(_, end)| *end).chain([mint.until]).max();
    let burial = Burial { app: mint.app.clone(), kind: None, tokens, cutoff: None, mint: Some((name.to_owned(), until)) };
    resolver.tombstones.bury(&burial, resolver.clock.now())?;
    for key in keys(mint) {
        keep::drop_mint(resolver, &key, name)?;
    }
    Ok(())
}

/// The mint may have been shared by other kinds of its app that were asked for at the same moment.
fn keys(mint: &Mint) -> impl Iterator<Item = Key> {
    Kind::ALL.into_iter().map(|kind| Key { app: mint.app.clone(), kind })
}

/// Has the source that minted it revoke it.
async fn at_its_source(resolver: &Arc<Resolver>, name: &str, mint: &Mint) -> Result<Revocation, Refusal> {
    let misconfigured = |text: String| Err(Refusal::Misconfigured(text));
    let by = &mint.source;
    let live = resolver.live.load_full();
    let Some(source) = live.sources.find(by) else {
        return misconfigured(format!("the source `{by}`, which minted it, is not configured"));
    };
    let loaded = match &source.loaded {
        Ok(loaded) if loaded.is_revoker() => loaded,
        Ok(_) => {
            return misconfigured(format!("the source `{by}`, which minted it, does not export `flytoken:source/revoker`"));
        }
        Err(problem) => return misconfigured(format!("the source `{by}`, which minted it, is not loaded: {problem}")),
    };
    let key = Key { app: mint.app.clone(), kind: mint.kind };
    let (login, rule) = (resolver.login.state(), live.config.rule_for(&mint.app));
    // Closed by nobody.
    let _sandbox = Arc::clone(&source.sandboxes).acquire_owned().await.ok();
    let acquisition = if source.config.grants.commands.is_empty() {
        None
    } else {
        let permit = resolver.commands.permit().await;
        Some(Arc::new(Acquisition::new(resolver, source, &login, &rule, &key, (Purpose::Revoke, permit))))
    };
    let mut call = chain::call(resolver, source, &login, &key, acquisition);
    // It looks, revokes, and looks again.
    call.timeout *= 2;
    let request = chain::request(resolver, source, &rule, &key, Intent::Resolve);
    loaded.revoke(call, request, name).await.map_err(|refused| match refused {
        Refused::Said(refusal) => refusal,
        Refused::Broke(broke) if broke.kind == BrokeKind::Denied => Refusal::Misconfigured(broke.text),
        Refused::Broke(broke) => Refusal::Unavailable(broke.text),
    })
}

/// Says in the log what came of a revocation that nobody waits for.
pub fn tell(name: &str, mint: &Mint, revoked: &Revoked) {
    let (app, kind) = (&mint.app, mint.kind);
    match &revoked.outcome {
        Ok(_) => info!(%app, %kind, mint = name, "a token that was replaced is revoked"),
        Err(refusal) => warn!(%app, %kind, mint = name, "a token that was replaced may still be good: {}", refusal.text()),
    }
    if let Err(error) = &revoked.written {
        warn!(%app, %kind, mint = name, "what became of a token that was replaced is not on disk: {error}");
    }
}

/// How long a revocation may take in all: less than whoever asks for it waits.
const REVOKING: Duration = Duration::from_secs(25);
