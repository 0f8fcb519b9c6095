//! Telling how things are, without a token.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::spawn_blocking};

use super::{Core, Inner, lock};
use crate::{
    audience::Audience,
    cache::Key,
    config::SourceName,
    health::Resting,
    protocol::{
        AppStatus, ConfigStatus, Explanation, Failure, LeaseState, LoginStatus, MintsStatus, Reply, Resources, RestStatus, SourceStatus,
        Status, StorageStatus, Trouble, TroubleKind, UnservedStatus,
    },
    refusal::Refusal,
    time::Timestamp,
};

impl Core {
    /// How the last resolution of `key` went; with `resolve`, a new one first.
    pub(super) async fn explain(&self, key: Key, resolve: bool) -> Result<Reply, Failure> {
        if resolve {
            // The steps of a failure are in the account.
            let _ = self.lease(&key, None).await;
        }
        let resolver = &self.inner.resolver;
        let cached = resolver.cache.find(&key);
        let explanation = resolver.explanations.last(&key).map(|account| {
            Box::new(Explanation {
                app: key.app.clone(),
                kind: key.kind,
                at: account.at,
                renewal: account.renewal,
                lease: cached.as_ref().map(|cached| cached.facts(&key)),
                soft: cached.as_ref().and_then(|cached| cached.soft),
                hard: cached.as_ref().and_then(|cached| cached.hard),
                generation: account.generation.clone(),
                steps: account.steps.clone(),
            })
        });
        Ok(Reply::Explained { explanation })
    }

    /// How everything is.
    pub(super) async fn status(&self) -> Reply {
        let resolver = Arc::clone(&self.inner.resolver);
        // It may wait for the disk.
        let charged = spawn_blocking(move || resolver.mints.charged().ok()).await.unwrap_or_default();
        self.told(charged)
    }

    fn told(&self, charged: Option<usize>) -> Reply {
        let resolver = &self.inner.resolver;
        let now = resolver.clock.now();
        let live = resolver.live.load();
        let login = resolver.login.state();
        let configuration = lock(&self.inner.configuration);
        let rests = resolver.health.all_resting();
        let trouble = |key: &Key| self.trouble(key, &rests, now);
        let cached = resolver.cache.all();
        let unserved = resolver.explanations.failed().into_iter();
        // Both are in order, but not in the same.
        let unserved = unserved.filter(|(key, ..)| cached.binary_search_by(|(other, _)| other.cmp(key)).is_err());
        let unserved = unserved.take(MOST_UNSERVED).map(|(key, account, last_error)| UnservedStatus {
            trouble: trouble(&key),
            app: key.app,
            kind: key.kind,
            last_error,
            failed: account.at,
        });
        let unserved = unserved.collect();
        let (in_cache, mut leases) = (cached.len(), cached);
        leases.sort_by_key(|(_, cached)| cached.state(now) == LeaseState::Fresh);
        let apps_left_out = leave_out(&mut leases, MOST_APPS);
        let apps = leases.into_iter().map(|(key, cached)| AppStatus {
            lease: cached.facts(&key),
            state: cached.state(now),
            last_error: resolver.explanations.last(&key).and_then(|account| account.error()),
            trouble: trouble(&key),
        });
        let apps = apps.collect();
        let sources = live.sources.all().map(|source| SourceStatus {
            open_until: resolver.health.open(&source.config.name).map(|left| now.after(left)),
            ..source.status()
        });
        let mut resting = rests.clone();
        let resting_left_out = leave_out(&mut resting, MOST_RESTING);
        let resting = resting.into_iter().map(|(source, key, Resting { refusal, left })| RestStatus {
            source: source.to_string(),
            app: key.app,
            kind: key.kind,
            outcome: refusal.outcome(),
            text: refusal.text().to_owned(),
            until: left.map(|left| now.after(left)),
        });
        Reply::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            agent: !resolver.one_shot,
            system: self.audience() == Audience::Everybody,
            started: self.inner.started,
            storage: StorageStatus {
                durable: resolver.store.is_durable(),
                directory: self.inner.storage.directory.as_ref().map(|path| path.display().to_string()),
                key: self.inner.storage.key.map(|place| place.to_string()),
                problem: self.inner.storage.problem.clone().or_else(|| resolver.store.notices().last().map(ToString::to_string)),
            },
            login: LoginStatus {
                present: login.login.is_some(),
                origin: login.origin(),
                generation: login.generation.map(|generation| generation.to_string()),
                problem: login.problem.clone(),
            },
            config: ConfigStatus {
                files: configuration.files.iter().map(|path| path.display().to_string()).collect(),
                problem: configuration.problem.clone().or_else(|| self.unrecorded()),
            },
            policy: self.policy_status(),
            // Known to whoever serves it.
            http: Vec::new(),
            chain: live.config.chain.steps.iter().map(|step| step.source.to_string()).collect(),
            strict: live.config.chain.strict,
            sources: sources.collect(),
            apps,
            apps_left_out,
            unserved,
            resting: resting.collect(),
            resting_left_out,
            resources: self.resources(in_cache),
            mints: Some(MintsStatus { charged: charged.map(count), budget: count(live.config.budget.total) }),
            events: resolver.events.newest_first(),
        }))
    }

    /// What keeps a source of the app's chain from being asked, the first in the chain's order; `rests` is in order of the keys.
    fn trouble(&self, key: &Key, rests: &[(SourceName, Key, Resting)], now: Timestamp) -> Option<Trouble> {
        let resolver = &self.inner.resolver;
        let live = resolver.live.load();
        let first = rests.partition_point(|(_, other, _)| other < key);
        let of_key = || rests[first..].iter().take_while(|(_, other, _)| other == key);
        live.config.rule_for(&key.app).chain.steps.iter().find_map(|step| {
            let trouble =
                |what, left: Option<Duration>| Trouble { what, source: step.source.to_string(), until: left.map(|left| now.after(left)) };
            if let Some(left) = resolver.health.open(&step.source) {
                return Some(trouble(TroubleKind::BreakerOpen, Some(left)));
            }
            let (.., Resting { refusal, left }) = of_key().find(|(source, ..)| *source == step.source)?;
            let what = match refusal {
                Refusal::Absent(_) => return None,
                Refusal::Unavailable(_) => TroubleKind::BackedOff,
                Refusal::NeedsHuman { .. } => TroubleKind::NeedsHuman,
                Refusal::Misconfigured(_) | Refusal::Denied(_) => TroubleKind::Misconfigured,
            };
            Some(trouble(what, *left))
        })
    }

    /// What this core holds; of a task that runs on its runtime. Connections are counted by whoever serves them.
    fn resources(&self, leases: usize) -> Resources {
        let Inner { resolver, owners, .. } = &*self.inner;
        let tasks = Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
        Resources {
            leases: count(leases),
            owners: count(owners.count()),
            tombstones: count(resolver.tombstones.count()),
            tasks: count(tasks),
            connections: 0,
            supervisors: count(resolver.commands.supervisors()),
        }
    }
}

/// Shortens a list to what an answer has room for; how many it was longer.
fn leave_out<T>(list: &mut Vec<T>, most: usize) -> u64 {
    let left_out = list.len().saturating_sub(most);
    list.truncate(most);
    count(left_out)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Leases that a status lists: a status with more than these, each with the longest error there is, would not fit the longest answer.
const MOST_APPS: usize = 400;

/// Resting sources that a status lists, likewise.
const MOST_RESTING: usize = 150;

/// Apps without a lease that a status lists, likewise.
const MOST_UNSERVED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::AppName,
        kind::Kind,
        lease::Expiry,
        protocol::{LeaseFacts, MAX_ANSWER, StepOutcome},
        time::Timestamp,
    };

    #[test]
    fn the_longest_lists_of_a_status_fit_an_answer_with_room_for_the_rest() {
        // As long as a name can be, and a source's text.
        let (app, name, text) = (AppName::parse(&"a".repeat(63)).unwrap(), "s".repeat(63), "x".repeat(1_100));
        let at = Timestamp::from_seconds(1_700_000_000);
        let lease = LeaseFacts {
            app: app.clone(),
            kind: Kind::MachineExec,
            source: name.clone(),
            expiry: Expiry::At(at),
            obtained: at,
            fingerprint: "0123456789abcdef".parse().unwrap(),
        };
        let trouble = Some(Trouble { what: TroubleKind::Misconfigured, source: name.clone(), until: Some(at) });
        let unserved =
            UnservedStatus { app: app.clone(), kind: Kind::MachineExec, trouble: trouble.clone(), last_error: text.clone(), failed: at };
        let apps = vec![AppStatus { lease, state: LeaseState::Renewing, last_error: Some(text.clone()), trouble }; MOST_APPS];
        let rest = RestStatus { source: name, app, kind: Kind::MachineExec, outcome: StepOutcome::Misconfigured, text, until: Some(at) };
        let bytes = rmp_serde::to_vec_named(&(apps, vec![unserved; MOST_UNSERVED], vec![rest; MOST_RESTING])).unwrap().len();
        assert!(bytes < MAX_ANSWER - 64 * 1024, "{bytes} bytes");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut list = vec![1, 2, 3];
        assert_eq!((leave_out(&mut list, 2), list.len()), (1, 2));
        assert_eq!((leave_out(&mut list, 2), list.len()), (0, 2));
    }
}
