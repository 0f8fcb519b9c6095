//! The agent without its socket: answers requests, in a long-running agent as in a command that resolves in its own process.

mod audit;
mod deliver;
mod follow;
mod get;
mod invalidate;
mod manual;
mod metrics;
mod minted;
mod policy;
mod report;
mod revoke;
#[cfg(test)]
mod scenarios;
mod start;
mod tidy;

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use tracing::Instrument as _;

pub use self::{
    get::PATIENCE,
    start::{Mode, Setup},
};
use crate::{
    agent::http,
    cache::Key,
    causes::with_causes,
    delivery::Narrowing,
    metrics::Collector,
    observe::Asked,
    owner::Owners,
    policy::{self as administrator, InForce},
    protocol::{Failure, FailureCode, Reply, Request},
    replaced,
    resolver::Resolver,
    runtime::Runtime,
    store::{PrivateFileError, StoreError},
    time::Timestamp,
};

/// A cheap handle to the agent's heart. Its tasks end when [`Core::shutdown`] was called on the last one.
#[derive(Clone)]
pub struct Core {
    inner: Arc<Inner>,
}

struct Inner {
    resolver: Arc<Resolver>,
    owners: Arc<Owners<Resolver>>,
    runtime: Arc<Runtime>,
    started: Timestamp,
    storage: StorageFacts,
    configuration: std::sync::Mutex<ConfigurationFacts>,
    /// The administrator's policy, and where it lies.
    policy: ArcSwap<InForce>,
    policy_place: administrator::Place,
    /// Where it is to be answered over HTTP.
    http: watch::Sender<http::Places>,
    /// Where numbers are to be pushed.
    collector: watch::Sender<Option<Collector>>,
    /// How many requests there were.
    requests: metrics::Requests,
    /// Where requests are put on record.
    audit: ArcSwap<audit::Audit>,
    /// That something was.
    recorded: Arc<Notify>,
    /// Why the last one could not be, or not as it should, which has been said already.
    unrecorded: ArcSwapOption<String>,
    /// Held by whoever tries to put requests on record again.
    reopening: std::sync::Mutex<()>,
    /// The watchers of login and configuration.
    followers: std::sync::Mutex<JoinSet<()>>,
    /// What goes on after an answer: keepers that forget.
    after: std::sync::Mutex<JoinSet<()>>,
}

impl Inner {
    /// Has everything that failed for these apps and kinds tried again at once: something changed, and it may work now.
    fn forgive(&self, meant: impl Fn(&Key) -> bool + Copy) {
        self.resolver.health.forgive(meant);
        self.owners.forgive(meant);
    }

    /// Takes note of what is done, so that the list of what goes on after answers does not grow.
    fn reap(&self) {
        while lock(&self.after).try_join_next().is_some() {}
    }
}

/// Whether anything survives a restart, and if not, why.
struct StorageFacts {
    directory: Option<std::path::PathBuf>,
    key: Option<crate::config::KeyPlace>,
    problem: Option<String>,
}

/// Which files are in force, and what is wrong with newer ones.
#[derive(Default)]
struct ConfigurationFacts {
    files: Vec<std::path::PathBuf>,
    problem: Option<String>,
}

impl Core {
    /// The answer to a request that needs nobody but the cache: a token with a fresh lease. Neither waits nor needs a runtime.
    pub fn at_once(&self, request: &Request) -> Option<Reply> {
        let Request::Get { app, kind, wish } = request else { return None };
        if !wish.is_nothing() {
            return None;
        }
        let asked = Asked::observe(request);
        let reply = self.cached(&Key { app: app.clone(), kind: *kind })?;
        if let Some(asked) = asked {
            asked.answered_from_cache(&reply);
        }
        Some(reply)
    }

    /// Where it is to be answered over HTTP, as the configuration in force has it.
    pub fn http(&self) -> watch::Receiver<http::Places> {
        self.inner.http.subscribe()
    }

    /// Answers one request.
    ///
    /// # Errors
    /// A [`Failure`] with its exit code, what happened, a hint, and every step's own reason where the chain ran.
    pub async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        self.answer_within(request, Narrowing::default()).await
    }

    /// Answers one request with a token no wider than `most`.
    async fn answer_within(&self, request: Request, most: Narrowing) -> Result<Reply, Failure> {
        let Some(asked) = Asked::observe(&request) else { return self.respond(request, most).await };
        let answer = self.respond(request, most).instrument(asked.span()).await;
        asked.answered(answer.as_ref());
        answer
    }

    async fn respond(&self, request: Request, most: Narrowing) -> Result<Reply, Failure> {
        match request {
            Request::Get { app, kind, wish } => self.get(Key { app, kind }, wish, most).await,
            Request::Refresh { app, kind } => self.refresh(app, kind).await,
            Request::Set { app, token, force } => self.set(app, token, force).await,
            Request::Unset { app } => self.unset(app).await,
            Request::Invalidate { app, kind, fingerprint } => self.invalidate(app, kind, fingerprint).await,
            Request::InvalidateToken { app, kind, token } => {
                let fingerprint = self.fingerprint(&app, kind, &token);
                self.invalidate(app, kind, Some(fingerprint)).await
            }
            Request::Explain { app, kind, resolve } => self.explain(Key { app, kind }, resolve).await,
            Request::Status => Ok(self.status().await),
            Request::Minted => self.minted().await,
            Request::Revoke { name } => self.revoke(name).await,
            Request::VerifyAudit => self.verify_audit().await,
        }
    }

    /// Whether a granted program runs, for a request or in the background.
    pub fn is_at_work(&self) -> bool {
        self.inner.resolver.commands.at_work()
    }

    /// Waits until what was promised after an answer is done, for two seconds at most.
    pub async fn settle(&self) {
        let after = std::mem::take(&mut *lock(&self.inner.after));
        let settle = async {
            after.join_all().await;
            self.inner.owners.settled().await;
        };
        // What is not kept by then costs one more question after the restart.
        let _ = tokio::time::timeout(SETTLE, settle).await;
    }

    /// Revokes what a newer mint has taken the place of, where the configuration wants that; for 15 seconds at most. For a command without
    /// an agent: an agent does so meanwhile.
    pub async fn revoke_replaced(&self) {
        let resolver = &self.inner.resolver;
        if tokio::time::timeout(REVOKE, replaced::revoke_all(resolver)).await.is_err() {
            tracing::warn!("a token that was replaced was not revoked within {} s, and ends by itself", REVOKE.as_secs());
        }
    }

    /// Settles, and ends every task. The databases are free for another process once this handle and its clones are gone.
    pub async fn shutdown(self) {
        self.settle().await;
        audit::settle(&self.inner).await;
        self.inner.owners.close();
        let mut followers = std::mem::take(&mut *lock(&self.inner.followers));
        followers.shutdown().await;
        // A one-shot may be about to become another program, which would inherit them; an agent's end by themselves when it is gone.
        if self.inner.resolver.one_shot {
            self.inner.resolver.commands.close().await;
        }
    }
}

/// A lock whose holder cannot leave it half changed: a panic while it was held does not matter.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A failure of storage, as a caller meets it.
fn store_failed(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Busy { .. } => FailureCode::Agent,
        StoreError::Io { .. } | StoreError::File(PrivateFileError::Io { .. }) => FailureCode::TryAgain,
        _ => FailureCode::Misconfigured,
    };
    Failure { code, message: with_causes(error), hint: error.hint(), steps: Vec::new() }
}

/// The same, after what it means for the caller.
fn storage_failed(what: &str, error: &StoreError) -> Failure {
    let failure = store_failed(error);
    Failure { message: format!("{what}: {}", failure.message), ..failure }
}

/// How long a command that has its answer goes on to revoke what was replaced.
const REVOKE: Duration = Duration::from_secs(15);

/// How long an ending process waits for leases to be kept.
const SETTLE: Duration = Duration::from_secs(2);
