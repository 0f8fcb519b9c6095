//! The task of one app and kind: what it hears, the run in flight, and who waits for it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};
use tracing::Span;

use super::{Answer, Intent, Message, Need, Owners, Run, Upstream, crashed, unchanged};
use crate::{
    cache::{Cached, Key},
    observe::Acquirer,
    protocol::{Failure, FailureCode, LeaseState},
};

/// Somebody who waits for a lease, and what for.
type Waiter = (Need, oneshot::Sender<Answer>);

/// The task of one app and kind.
pub(super) struct Owner<U> {
    owners: Arc<Owners<U>>,
    key: Key,
    messages: mpsc::UnboundedReceiver<Message>,
    waiters: Vec<Waiter>,
    /// Whether someone who does not wait wants the lease renewed.
    renewal_wanted: bool,
    /// At most one run.
    flight: JoinSet<Run>,
    /// Runs under configurations that are no longer in force.
    superseded: JoinSet<Vec<Waiter>>,
    /// What the run in flight is for.
    intent: Intent,
    /// How often the run in flight was started over because its lease was unwanted by the time it came.
    reruns: u8,
    /// The last failure, and until when it answers in the place of a new run.
    failed: Option<(Arc<Failure>, Instant)>,
    /// Whether the last run panicked.
    crashed: bool,
}

impl<U: Upstream> Owner<U> {
    /// One that has nothing to do yet, and hears these messages.
    pub(super) fn new(owners: Arc<Owners<U>>, key: Key, messages: mpsc::UnboundedReceiver<Message>) -> Self {
        Self {
            owners,
            key,
            messages,
            waiters: Vec::new(),
            renewal_wanted: false,
            flight: JoinSet::new(),
            superseded: JoinSet::new(),
            intent: Intent::Resolve,
            reruns: 0,
            failed: None,
            crashed: false,
        }
    }

    /// Lives until nothing has been to do for a while.
    pub(super) async fn live(mut self) {
        // A change of the configuration is heard by every owner and is no work: it must not keep those alive that have none.
        let mut idle_from = Instant::now();
        loop {
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => {
                        if !matches!(message, Message::Forgive | Message::Supersede) {
                            idle_from = Instant::now();
                        }
                        self.hear(message);
                    }
                    None => return,
                },
                Some(run) = self.flight.join_next() => {
                    idle_from = Instant::now();
                    self.settle(run);
                }
                Some(Ok(unserved)) = self.superseded.join_next() => {
                    for (need, reply) in unserved {
                        self.hear(Message::Ask(need, reply, None));
                    }
                }
                () = tokio::time::sleep_until(idle_from + IDLE) => {
                    if self.retire() {
                        return;
                    }
                    // Messages are heard next, and whether they are work is told then.
                    if !self.flight.is_empty() || !self.superseded.is_empty() {
                        idle_from = Instant::now();
                    }
                }
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Forgive => self.failed = None,
            Message::Supersede => self.supersede(),
            Message::Renew(than) => {
                let newer = self.cached().is_some_and(|cached| cached.lease.provenance.sequence > than);
                if !newer && self.remembered_failure().is_none() {
                    self.renewal_wanted = true;
                    self.start();
                }
            }
            Message::Ask(need, reply, span) => {
                if let Some(answer) = self.answer_at_once(need) {
                    self.note(span, if answer.is_ok() { Acquirer::Cache } else { Acquirer::Coalesced });
                    // The asker may have left.
                    let _ = reply.send(answer);
                } else {
                    self.note(span, if self.flight.is_empty() { Acquirer::Owner } else { Acquirer::Coalesced });
                    self.waiters.push((need, reply));
                    self.start();
                }
            }
        }
    }

    fn note(&self, span: Option<Span>, acquirer: Acquirer) {
        if let Some(span) = span {
            self.owners.note(&span, acquirer);
        }
    }

    /// What can be said without a run: somebody may have filled the cache while the caller queued.
    fn answer_at_once(&mut self, need: Need) -> Option<Answer> {
        if let Some(cached) = self.cached() {
            let good = match need {
                Need::Any => true,
                Need::Newer(than) | Need::NewerNow(than) => cached.lease.provenance.sequence > than,
            };
            if good {
                return Some(Ok(cached));
            }
        }
        match need {
            Need::NewerNow(_) => None,
            Need::Any | Need::Newer(_) => self.remembered_failure().map(Err),
        }
    }

    /// Starts a run unless one is in flight.
    fn start(&mut self) {
        if self.flight.is_empty() {
            self.reruns = 0;
            let now = self.waiters.iter().any(|(need, _)| matches!(need, Need::NewerNow(_)));
            let renew = self.renewal_wanted || self.waiters.iter().any(|(need, _)| *need != Need::Any);
            self.launch(match (now, renew) {
                (true, _) => Intent::RenewNow,
                (false, true) => Intent::Renew,
                (false, false) => Intent::Resolve,
            });
        }
    }

    fn launch(&mut self, intent: Intent) {
        self.intent = intent;
        self.flight.spawn(Arc::clone(&self.owners.upstream).run(self.key.clone(), intent));
    }

    fn settle(&mut self, run: Result<Run, tokio::task::JoinError>) {
        let crashed_before = std::mem::replace(&mut self.crashed, run.is_err());
        match run {
            Err(_) => {
                self.fail(crashed(&self.key));
                // One crash is no rule, so the next request runs anew; from the second one on a herd would crash once for each of it.
                if !crashed_before {
                    self.failed = None;
                }
            }
            Ok(Run { result: Err(failure), .. }) => self.fail(failure),
            Ok(Run { result: Ok(cached), remembered }) => match self.owners.upstream.admissible(&self.key, cached, remembered) {
                Some(cached) => self.admit(cached, remembered),
                None => self.run_again(),
            },
        }
    }

    /// What came is no longer wanted: it was invalidated meanwhile, or login or configuration are others.
    fn run_again(&mut self) {
        if self.reruns < MOST_RERUNS {
            self.reruns += 1;
            // Memory has just been found to hold the unwanted one.
            self.launch(Intent::Renew);
        } else {
            let message = format!(
                "the token for app `{}` was invalidated, or login or configuration changed, each time it was resolved",
                self.key.app
            );
            self.fail(Failure {
                code: FailureCode::TryAgain,
                message,
                hint: "try again, with the same command; `flytoken status` says what changed".into(),
                steps: Vec::new(),
            });
        }
    }

    fn admit(&mut self, cached: Arc<Cached>, remembered: bool) {
        self.failed = None;
        let cached = match (self.intent, self.cached()) {
            // A renewal replaces the lease only with a different one that ends no earlier.
            (Intent::Renew | Intent::RenewNow, Some(old)) if old.fingerprint == cached.fingerprint || ends_earlier(&cached, &old) => {
                self.rest(Arc::new(unchanged(&self.key)));
                old
            }
            (_, before) => {
                let Some(cached) = self.put(cached, remembered) else { return self.run_again() };
                if !remembered {
                    self.owners.keep(&self.key, &cached, before);
                }
                cached
            }
        };
        self.waiters = serve(std::mem::take(&mut self.waiters), &cached, remembered);
        self.renewal_wanted &= remembered;
        if !self.waiters.is_empty() || self.renewal_wanted {
            self.start();
        }
    }

    /// Puts a lease into the cache. Between the look at it and the put an invalidation or a new configuration may have emptied the cache;
    /// what they left behind is there by now, so the lease is looked at once more.
    fn put(&self, mut cached: Arc<Cached>, remembered: bool) -> Option<Arc<Cached>> {
        loop {
            self.owners.cache.put(self.key.clone(), Arc::clone(&cached));
            match self.owners.upstream.admissible(&self.key, Arc::clone(&cached), remembered) {
                Some(same) if Arc::ptr_eq(&same, &cached) => return Some(same),
                Some(checked_again) => cached = checked_again,
                None => {
                    self.owners.cache.take(&self.key, |found| std::ptr::eq(found, &raw const *cached));
                    return None;
                }
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        let failure = Arc::new(failure);
        self.rest(Arc::clone(&failure));
        // A renewal does not ask memory; whoever takes any lease gets the whole chain, unless that has just been tried.
        let renewed = self.intent.is_renewal() && self.reruns == 0;
        let (unserved, failed): (Vec<_>, Vec<_>) = self.waiters.drain(..).partition(|(need, _)| renewed && *need == Need::Any);
        self.waiters = unserved;
        self.renewal_wanted = false;
        for (_, reply) in failed {
            let _ = reply.send(Err(Arc::clone(&failure)));
        }
        if !self.waiters.is_empty() {
            self.start();
        }
    }

    /// Lets the run in flight end for those who wait for it. What comes next is asked under the configuration in force, and so is again
    /// what that run does not answer.
    fn supersede(&mut self) {
        self.failed = None;
        self.renewal_wanted = false;
        if self.flight.is_empty() {
            return;
        }
        let (mut flight, waiters) = (std::mem::take(&mut self.flight), std::mem::take(&mut self.waiters));
        let (owners, key) = (Arc::clone(&self.owners), self.key.clone());
        self.superseded.spawn(async move {
            let Some(Ok(Run { result: Ok(cached), remembered })) = flight.join_next().await else { return waiters };
            let Some(cached) = owners.upstream.admissible(&key, cached, remembered) else { return waiters };
            if !remembered {
                owners.keep(&key, &cached, None);
            }
            // Not cached: another source may come first now.
            serve(waiters, &cached, remembered)
        });
    }

    /// Remembers a failure for a moment, so that a herd that comes after it does not ask every source again.
    fn rest(&mut self, failure: Arc<Failure>) {
        self.failed = Some((failure, Instant::now() + REMEMBERED));
    }

    fn remembered_failure(&self) -> Option<Arc<Failure>> {
        self.failed.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(failure, _)| Arc::clone(failure))
    }

    /// The cached lease, unless it has ended, or its login has.
    fn cached(&self) -> Option<Arc<Cached>> {
        let usable =
            |cached: &Arc<Cached>| cached.state(self.owners.clock.now()) != LeaseState::Expired && self.owners.upstream.current(cached);
        self.owners.cache.find(&self.key).filter(usable)
    }

    /// Leaves, if nothing is to be done. Under the lock that senders take, so that no message is lost.
    fn retire(&mut self) -> bool {
        let mut inboxes = self.owners.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let leaving = self.flight.is_empty() && self.superseded.is_empty() && self.messages.is_empty();
        if leaving {
            inboxes.remove(&self.key);
        }
        leaving
    }
}

/// Hands a lease to those who wait for it, and returns the others: whoever wants a newer one than memory has must have the sources asked.
fn serve(waiters: Vec<Waiter>, cached: &Arc<Cached>, remembered: bool) -> Vec<Waiter> {
    let (unserved, served): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|(need, _)| remembered && *need != Need::Any);
    for (_, reply) in served {
        // The asker may have left; the lease is cached all the same.
        let _ = reply.send(Ok(Arc::clone(cached)));
    }
    unserved
}

fn ends_earlier(new: &Cached, old: &Cached) -> bool {
    match (new.end, old.end) {
        (Some(new), Some(old)) => new < old,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// How long a failure answers in the place of a new run.
pub(super) const REMEMBERED: Duration = Duration::from_secs(2);

/// An owner without work for this long ends: no sooner than what failed may be tried again, and not much later, since an owner takes
/// more memory than the lease that it brought.
pub(super) const IDLE: Duration = Duration::from_secs(3);

/// How often a run is started over because its lease was unwanted by the time it came.
const MOST_RERUNS: u8 = 2;
