//! Telling how things are, without a token.

use std::time::Duration;

use super::{Core, lock};
use crate::{
    cache::Key,
    config::SourceName,
    health::Resting,
    protocol::{
        AppStatus, ConfigStatus, Explanation, Failure, LoginStatus, Reply, RestStatus, SourceStatus, Status, StorageStatus, Trouble,
        TroubleKind, UnservedStatus,
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
    pub(super) fn status(&self) -> Reply {
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
        let apps = cached.into_iter().map(|(key, cached)| AppStatus {
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
        let resting = rests.into_iter().map(|(source, key, Resting { refusal, left })| RestStatus {
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
                problem: configuration.problem.clone(),
            },
            chain: live.config.chain.steps.iter().map(|step| step.source.to_string()).collect(),
            strict: live.config.chain.strict,
            sources: sources.collect(),
            apps,
            unserved,
            resting: resting.collect(),
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
                Refusal::Misconfigured(_) => TroubleKind::Misconfigured,
            };
            Some(trouble(what, *left))
        })
    }
}

/// More failures than a person reads; and the answer has to fit a frame.
const MOST_UNSERVED: usize = 200;
