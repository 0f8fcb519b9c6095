//! One call of a source: a fresh sandbox, one question, an answer or what became of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use wasmtime::Store;

use super::{
    access::{CommandAccess, FilesAccess, RecordsAccess},
    bindings::{exports::flytoken::source::revoker, flytoken::source::types as wit},
    component::{Linked, Loaded},
    ending::End,
    imports::types,
    outcome::{Broke, BrokeKind, Refused},
    state::State,
    trace::Trace,
};
use crate::{
    app::AppName,
    config::SourceName,
    denials::{Denial, Denials},
    http::Client,
    kind::Kind,
    lease::{Lease, Provenance},
    login::Login,
    network::Sockets,
    owner::Intent,
    sequence::Obtained,
    time::Timestamp,
};

/// What one call may use: the grants of its source, as they stand for this app and kind.
pub struct Call {
    /// The source's name, for its log and for messages.
    pub source: SourceName,
    /// The source's settings.
    pub settings: Arc<BTreeMap<String, String>>,
    /// What is sealed in this call gets this, with the moment at which it is sealed.
    pub provenance: Provenance,
    /// What a secret that is obtained now is marked with.
    pub obtained: Arc<dyn Fn() -> Obtained + Send + Sync>,
    /// The login; none if nobody is logged in, or `login` is not granted.
    pub login: Option<Arc<Login>>,
    /// The record; none if `records` is not granted.
    pub records: Option<Arc<dyn RecordsAccess>>,
    /// The programs; none if `commands` is not granted.
    pub command: Option<Arc<dyn CommandAccess>>,
    /// The files; none if `files` is not granted.
    pub files: Option<Arc<dyn FilesAccess>>,
    /// The origins; none if `http` is not granted.
    pub http: Option<Arc<Client>>,
    /// The destinations; none if `sockets` is not granted.
    pub sockets: Option<Arc<Sockets>>,
    /// The variables that the source sees, by name.
    pub env: Arc<Vec<(String, String)>>,
    /// Where it is noted what the call asks for without its grant.
    pub denials: Denials,
    /// Is told of each of those at the end; their texts are clean by then.
    pub denied: Arc<dyn Fn(Denial) + Send + Sync>,
    /// Whether secrets may be revealed.
    pub reveal: bool,
    /// How long the call may take, host calls included. Waiting for a free sandbox is not counted.
    pub timeout: Duration,
    /// Linear memory in bytes, at most [`super::MAX_MEMORY`].
    pub memory: u64,
    /// The most linear memory, in bytes, that any call took which is counted here.
    pub peak: Arc<AtomicU64>,
    /// Where it is written down what the call does; none but in a trial.
    pub trace: Option<Trace>,
}

/// What a source is asked for.
#[derive(Debug, Clone)]
pub struct SourceRequest {
    /// The app.
    pub app: AppName,
    /// What the token is for.
    pub kind: Kind,
    /// The slug of the app's organisation, if one is configured.
    pub organization: Option<String>,
    /// Why the host asks.
    pub intent: Intent,
    /// The host's clock.
    pub now: Timestamp,
    /// How long a newly made token should live.
    pub lifetime: Duration,
}

/// Stamps the secrets of one call with where they came from.
#[derive(Clone)]
pub(super) struct Stamp {
    /// What they have in common.
    pub(super) provenance: Provenance,
    /// What sets each apart.
    pub(super) obtained: Arc<dyn Fn() -> Obtained + Send + Sync>,
}

impl Stamp {
    /// For one more secret.
    pub(super) fn press(&self) -> Provenance {
        // Not when the call began: a program takes its time, and a machine may sleep meanwhile.
        let Obtained { at, sequence } = (self.obtained)();
        Provenance { obtained: at, sequence, is_login: false, ..self.provenance.clone() }
    }
}

/// How a token ended that was to be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It was good, and the call revoked it.
    Revoked,
    /// It had been revoked before.
    AlreadyRevoked,
}

/// What can be asked.
enum Question<'a> {
    Resolve,
    Keep(&'a Lease),
    Forget,
    Revoke(&'a str),
}

/// What is answered, if it is no refusal.
pub(super) enum Answer {
    Lease(Lease),
    Done,
    Revoked(Revocation),
}

impl Loaded {
    /// Asks for a lease. Nothing about it is checked but that its token is one of this call's secrets.
    ///
    /// # Errors
    /// [`Refused`]: what the source said, or what became of it.
    pub async fn resolve(&self, call: Call, request: SourceRequest) -> Result<Lease, Refused> {
        match self.ask(call, request, Question::Resolve).await? {
            Answer::Lease(lease) => Ok(lease),
            Answer::Done | Answer::Revoked(_) => Err(no_answer()),
        }
    }

    /// Has a keeper remember `lease`.
    ///
    /// # Errors
    /// [`Refused`]: what the keeper said, or what became of it.
    pub async fn keep(&self, call: Call, request: SourceRequest, lease: &Lease) -> Result<(), Refused> {
        self.ask(call, request, Question::Keep(lease)).await.map(drop)
    }

    /// Has a keeper forget what it remembers for the app and kind of `request`.
    ///
    /// # Errors
    /// [`Refused`]: what the keeper said, or what became of it.
    pub async fn forget(&self, call: Call, request: SourceRequest) -> Result<(), Refused> {
        self.ask(call, request, Question::Forget).await.map(drop)
    }

    /// Has a revoker revoke the token that is called `name` where it was minted.
    ///
    /// # Errors
    /// [`Refused`]: what the revoker said, or what became of it. The token may still be good then.
    pub async fn revoke(&self, call: Call, request: SourceRequest, name: &str) -> Result<Revocation, Refused> {
        match self.ask(call, request, Question::Revoke(name)).await? {
            Answer::Revoked(revocation) => Ok(revocation),
            Answer::Done | Answer::Lease(_) => Err(no_answer()),
        }
    }

    async fn ask(&self, call: Call, request: SourceRequest, question: Question<'_>) -> Result<Answer, Refused> {
        let runtime = &self.0.runtime;
        // Nobody closes it, and without a permit the pool itself would say so.
        let _sandbox = runtime.sandboxes.acquire().await.ok();
        let (source, timeout, denied) = (call.source.clone(), call.timeout, Arc::clone(&call.denied));
        let peak = Arc::clone(&call.peak);
        if let Some(trace) = &call.trace {
            trace.begin();
        }
        let deadline = Instant::now() + timeout;
        let mut store = State::store(&runtime.engine, call, deadline);

        let answer = {
            let _ticking = runtime.ticker.ticking();
            // The store interrupts wasm code by itself; this bounds the time inside host calls.
            timeout_at(deadline, self.0.answer(&mut store, types::request(&request), question)).await
        };
        let end = match answer {
            Ok(Ok(Ok(answer))) => End::Answered(answer),
            Ok(Ok(Err(refusal))) => End::Refused(refusal),
            Ok(Err(error)) => End::Failed(error),
            Err(_elapsed) => End::TimedOut,
        };
        peak.fetch_max(store.data().memory_taken() as u64, Ordering::Relaxed);
        end.settle(store.data_mut(), &source, timeout, &*denied)
    }
}

impl Linked {
    async fn answer(
        &self,
        store: &mut Store<State>,
        request: wit::Request,
        question: Question<'_>,
    ) -> wasmtime::Result<Result<Answer, wit::Refusal>> {
        let instance = self.component.instantiate_async(&mut *store).await?;
        store.data().started();
        match question {
            Question::Resolve => {
                let answer = self.source.load(&mut *store, &instance)?.call_resolve(&mut *store, &request).await?;
                match answer {
                    Ok(lease) => types::take(lease, store.data_mut().secrets()).map(|lease| Ok(Answer::Lease(lease))),
                    Err(refusal) => Ok(Err(refusal)),
                }
            }
            Question::Keep(lease) => {
                let Some(keeper) = &self.keeper else { return Ok(Err(not_exported("keeper"))) };
                let keeper = keeper.load(&mut *store, &instance)?;
                let lease = types::lend(lease, store.data_mut().secrets())?;
                Ok(keeper.call_keep(&mut *store, &request, &lease).await?.map(|()| Answer::Done))
            }
            Question::Forget => {
                let Some(keeper) = &self.keeper else { return Ok(Err(not_exported("keeper"))) };
                let keeper = keeper.load(&mut *store, &instance)?;
                Ok(keeper.call_forget(&mut *store, &request).await?.map(|()| Answer::Done))
            }
            Question::Revoke(name) => {
                let Some(revoker) = &self.revoker else { return Ok(Err(not_exported("revoker"))) };
                let answer = revoker.load(&mut *store, &instance)?.call_revoke(&mut *store, &request, name).await?;
                Ok(answer.map(|revocation| {
                    Answer::Revoked(match revocation {
                        revoker::Revocation::Revoked => Revocation::Revoked,
                        revoker::Revocation::AlreadyRevoked => Revocation::AlreadyRevoked,
                    })
                }))
            }
        }
    }
}

fn not_exported(interface: &str) -> wit::Refusal {
    wit::Refusal::Misconfigured(format!("does not export `flytoken:source/{interface}`"))
}

fn no_answer() -> Refused {
    Refused::Broke(Broke { kind: BrokeKind::Trapped, text: "gave no answer".into() })
}
