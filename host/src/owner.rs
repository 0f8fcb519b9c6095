//! One task per app and kind in use: it alone runs that chain, and queues whoever asks meanwhile.
//!
//! It never blocks on a source: a run is a task of its own, so the inbox stays open and a run that panics takes only itself along. What it
//! finds goes into the agent's cache, not into the owner: an owner that dies loses nothing.

mod task;

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::Span;

use self::task::Owner;

use crate::{
    cache::{Cache, Cached, Key},
    metrics::Counts,
    observe::Acquirer,
    protocol::{Failure, FailureCode},
    system::Clock,
};

/// Why the chain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Any good lease will do.
    Resolve,
    /// A newer one is wanted: sources that only remember are not asked.
    Renew,
    /// The same, because the user asked for it: sources that rest are asked too.
    RenewNow,
}

impl Intent {
    /// Whether a newer lease is wanted than memory has.
    pub fn is_renewal(self) -> bool {
        self != Self::Resolve
    }
}

/// What a caller needs of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Any good lease.
    Any,
    /// A lease newer than the one with this sequence, because that one is about to end.
    Newer(u64),
    /// As `Newer`, asked for by the user: what failed a moment ago is tried again.
    NewerNow(u64),
}

/// What an owner answers. One failure is shared by all who waited for it.
pub type Answer = Result<Arc<Cached>, Arc<Failure>>;

/// What one run of the chain brought.
#[derive(Debug)]
pub struct Run {
    /// A checked lease, with its moments drawn, or why there is none.
    pub result: Result<Arc<Cached>, Failure>,
    /// Whether the lease came from a source that only remembers.
    pub remembered: bool,
}

/// What an owner needs of the rest of the agent.
pub trait Upstream: Send + Sync + 'static {
    /// Runs the chain of `key` once.
    fn run(self: Arc<Self>, key: Key, intent: Intent) -> Pin<Box<dyn Future<Output = Run> + Send>>;

    /// The lease, if it may be handed out at this moment: it is not invalidated, belongs to no former login, and was checked, now if not
    /// before, under the configuration in force.
    fn admissible(&self, key: &Key, cached: Arc<Cached>, remembered: bool) -> Option<Arc<Cached>>;

    /// Whether a cached lease is of the login in force; the others are about to be dropped from the cache.
    fn current(&self, cached: &Cached) -> bool;

    /// Has the lease remembered durably, if its source is to be; `before` was cached in its place. Called after the answer has gone out.
    fn keep(self: Arc<Self>, key: Key, cached: Arc<Cached>, before: Option<Arc<Cached>>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Every owner there is.
pub struct Owners<U> {
    upstream: Arc<U>,
    cache: Arc<Cache>,
    clock: Arc<dyn Clock>,
    inboxes: Mutex<HashMap<Key, mpsc::UnboundedSender<Message>>>,
    /// How many leases are being kept right now.
    keeping: watch::Sender<usize>,
    /// Who acquired what requests were answered with, in the order of [`Acquirer::ALL`].
    pub acquired: Counts<{ Acquirer::ALL.len() }>,
}

enum Message {
    /// With the span of the request, which is told who acquires the lease for it; none if that was told before.
    Ask(Need, oneshot::Sender<Answer>, Option<Span>),
    /// A newer lease is wanted, and nobody waits for it.
    Renew(u64),
    /// What failed may work now.
    Forgive,
    /// Another configuration is in force.
    Supersede,
}

impl<U: Upstream> Owners<U> {
    /// No owners yet.
    pub fn new(upstream: Arc<U>, cache: Arc<Cache>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { upstream, cache, clock, inboxes: Mutex::default(), keeping: watch::Sender::new(0), acquired: Counts::default() })
    }

    /// Asks the owner of `key`, and waits for its answer.
    ///
    /// # Errors
    /// The failure of the run that was to answer, shared with everybody who waited for it.
    pub async fn ask(self: &Arc<Self>, key: &Key, need: Need) -> Answer {
        // An owner that dies drops its waiters; the next one is asked, once.
        for _ in 0..2 {
            let (reply, answer) = oneshot::channel();
            self.send(key, Message::Ask(need, reply, Some(Span::current())));
            if let Ok(answer) = answer.await {
                return answer;
            }
        }
        Err(Arc::new(crashed(key)))
    }

    /// Takes note of who acquires what a request is answered with.
    pub fn note(&self, span: &Span, acquirer: Acquirer) {
        Acquirer::note(span, acquirer);
        self.acquired.add(acquirer as usize);
    }

    /// Has the lease renewed in the background, unless that is under way or failed a moment ago.
    pub fn renew(self: &Arc<Self>, key: &Key, than: u64) {
        self.send(key, Message::Renew(than));
    }

    /// Lets every owner of a matching key try at once what failed a moment ago: a login, a setting or a program is new.
    pub fn forgive(&self, meant: impl Fn(&Key) -> bool) {
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, inbox) in inboxes.iter().filter(|(key, _)| meant(key)) {
            // An owner that is gone remembers nothing.
            let _ = inbox.send(Message::Forgive);
        }
    }

    /// Has every owner of a matching key ask anew from now on: what is configured for it is another. A run that began under what was before
    /// ends for those who wait for it already, and for nobody else.
    pub fn supersede(&self, meant: impl Fn(&Key) -> bool) {
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, inbox) in inboxes.iter().filter(|(key, _)| meant(key)) {
            // An owner that is gone has no run.
            let _ = inbox.send(Message::Supersede);
        }
    }

    /// Waits until every lease that was handed out has been kept.
    pub async fn settled(&self) {
        // The sender lives as long as `self`.
        let _ = self.keeping.subscribe().wait_for(|keeping| *keeping == 0).await;
    }

    /// Ends every owner, also one whose run is in flight.
    pub fn close(&self) {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many owners there are at the moment.
    pub fn count(&self) -> usize {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Has the lease kept, in a task of its own: the answer goes out meanwhile.
    fn keep(self: &Arc<Self>, key: &Key, cached: &Arc<Cached>, before: Option<Arc<Cached>>) {
        let keeping = Arc::clone(&self.upstream).keep(key.clone(), Arc::clone(cached), before);
        self.keeping.send_modify(|count| *count += 1);
        let counted = Counted(Arc::clone(self));
        tokio::spawn(async move {
            keeping.await;
            drop(counted);
        });
    }

    /// Unbounded, because each message is a request that its connection has counted already.
    fn send(self: &Arc<Self>, key: &Key, message: Message) {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let message = match inboxes.get(key) {
            None => message,
            Some(inbox) => match inbox.send(message) {
                Ok(()) => return,
                Err(mpsc::error::SendError(message)) => message,
            },
        };
        let (inbox, messages) = mpsc::unbounded_channel();
        // The receiver is right here.
        let _ = inbox.send(message);
        inboxes.insert(key.clone(), inbox);
        tokio::spawn(Owner::new(Arc::clone(self), key.clone(), messages).live());
    }
}

/// Counts a keeping task down however it ends.
struct Counted<U: Upstream>(Arc<Owners<U>>);

impl<U: Upstream> Drop for Counted<U> {
    fn drop(&mut self) {
        self.0.keeping.send_modify(|count| *count -= 1);
    }
}

fn crashed(key: &Key) -> Failure {
    Failure {
        code: FailureCode::Internal,
        message: format!("flytoken failed while it resolved a token for app `{}`", key.app),
        hint: "this is a defect of flytoken; the other apps are not touched, and the next request starts anew; tell its authors what `flytoken doctor --json` says".into(),
        steps: Vec::new(),
    }
}

fn unchanged(key: &Key) -> Failure {
    Failure {
        code: FailureCode::TryAgain,
        message: format!("no source has a newer token for app `{}`", key.app),
        hint: format!("the token there is goes on being given; see `flytoken explain {} --kind {}`", key.app, key.kind),
        steps: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
