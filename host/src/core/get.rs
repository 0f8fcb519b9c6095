//! Handing out and renewing tokens.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tracing::Span;

use super::{Core, deliver::whole};
use crate::{
    app::AppName,
    cache::{Cached, Key},
    delivery::Narrowing,
    kind::Kind,
    observe::Acquirer,
    owner::{Answer, Need},
    protocol::{Failure, FailureCode, LeaseState, Reply, Wish},
};

impl Core {
    /// A token for one app and kind, as narrow as the app's `deliver` rule, the policy and the client's wish want it. What is denied asks no source.
    pub(super) async fn get(&self, key: Key, wish: Wish, most: Narrowing) -> Result<Reply, Failure> {
        self.narrowing(&key, &wish, most)?;
        let cached = self.lease(&key, wish.valid_for.map(Duration::from_secs)).await?;
        self.deliver(&key, &cached, &wish, most)
    }

    /// The cached token, if nothing has to be done about it: no lock is held, no task is asked, nothing is narrowed.
    pub(super) fn cached(&self, key: &Key) -> Option<Reply> {
        let cached = self.find(key)?;
        let at_once = cached.terms.leaves_whole && self.state(&cached) == LeaseState::Fresh;
        at_once.then(|| {
            self.inner.owners.acquired.add(Acquirer::Cache as usize);
            whole(key, &cached)
        })
    }

    /// The lease that answers now.
    pub(super) async fn lease(&self, key: &Key, valid_for: Option<Duration>) -> Result<Arc<Cached>, Failure> {
        let found = self.find(key).filter(|cached| self.state(cached) != LeaseState::Expired);
        if let Some(cached) = &found
            && self.state(cached) != LeaseState::Ending
            && valid_for.is_none_or(|valid_for| self.lasts(cached, valid_for))
        {
            // Otherwise the owner says who acquired it.
            self.inner.owners.note(&Span::current(), Acquirer::Cache);
        }
        let mut cached = match found {
            Some(cached) => cached,
            None => self.ask(key, Need::Any).await?,
        };
        match self.state(&cached) {
            LeaseState::Fresh => {}
            LeaseState::Renewing if self.inner.resolver.one_shot => {}
            LeaseState::Renewing => self.inner.owners.renew(key, cached.lease.provenance.sequence),
            // A failed renewal leaves the lease in place for as long as it lasts.
            LeaseState::Ending | LeaseState::Expired => match self.ask(key, Need::Newer(cached.lease.provenance.sequence)).await {
                Ok(newer) => cached = newer,
                Err(failure) if self.state(&cached) == LeaseState::Expired => return Err(failure),
                Err(_) => {}
            },
        }
        let Some(valid_for) = valid_for else { return Ok(cached) };
        if self.lasts(&cached, valid_for) {
            return Ok(cached);
        }
        let newer = self.ask(key, Need::Newer(cached.lease.provenance.sequence)).await?;
        if self.lasts(&newer, valid_for) { Ok(newer) } else { Err(too_short(key, valid_for)) }
    }

    /// Obtains newer tokens now: of one kind, or of every kind in use.
    pub(super) async fn refresh(&self, app: AppName, kind: Option<Kind>) -> Result<Reply, Failure> {
        let kinds = match kind {
            Some(kind) => vec![kind],
            None => match self.inner.resolver.cache.kinds_of(&app) {
                kinds if kinds.is_empty() => vec![Kind::default()],
                kinds => kinds,
            },
        };
        let mut leases = Vec::new();
        for kind in kinds {
            let key = Key { app: app.clone(), kind };
            let than = self.inner.resolver.cache.find(&key).map_or(0, |cached| cached.lease.provenance.sequence);
            leases.push(self.ask(&key, Need::NewerNow(than)).await?.facts(&key));
        }
        Ok(Reply::Refreshed { leases })
    }

    /// Asks the owner, for as long as a request may take. What the owner started goes on: a mint is kept although its asker left.
    async fn ask(&self, key: &Key, need: Need) -> Result<Arc<Cached>, Failure> {
        let answer: Result<Answer, _> = timeout(PATIENCE, self.inner.owners.ask(key, need)).await;
        match answer {
            Ok(Ok(cached)) => Ok(cached),
            Ok(Err(failure)) => Err(Arc::unwrap_or_clone(failure)),
            Err(_) => Err(Failure {
                code: FailureCode::TryAgain,
                message: format!("no source answered for app `{}` within {} s", key.app, PATIENCE.as_secs()),
                hint: "it is still being asked; try again in a moment, or see `flytoken explain APP`".into(),
                steps: Vec::new(),
            }),
        }
    }

    /// The cached lease, if its login is still in force.
    fn find(&self, key: &Key) -> Option<Arc<Cached>> {
        let resolver = &self.inner.resolver;
        resolver.cache.find(key).filter(|cached| resolver.of_this_login(cached))
    }

    fn state(&self, cached: &Cached) -> LeaseState {
        cached.state(self.inner.resolver.clock.now())
    }

    fn lasts(&self, cached: &Cached, valid_for: Duration) -> bool {
        let needed = self.inner.resolver.clock.now().after(valid_for);
        // Not the end in the cache: a manual token leaves it earlier, and is good for as long as before when it comes back.
        cached.good_until.is_none_or(|end| end >= needed)
    }
}

fn too_short(key: &Key, valid_for: Duration) -> Failure {
    Failure {
        code: FailureCode::TryAgain,
        message: format!("the newest {} token for app `{}` is not valid for another {} s", key.kind, key.app, valid_for.as_secs()),
        hint: format!("ask for less with `--valid-for`, or see `flytoken explain {} --kind {}`", key.app, key.kind),
        steps: Vec::new(),
    }
}

/// How long a request waits for its answer, whatever it waits for: sources, permits, other requests.
pub const PATIENCE: Duration = Duration::from_secs(30);
