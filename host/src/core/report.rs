//! Telling how things are, without a token.

use super::{Core, lock};
use crate::{
    cache::Key,
    health::Resting,
    protocol::{AppStatus, ConfigStatus, Explanation, Failure, LoginStatus, Reply, RestStatus, SourceStatus, Status, StorageStatus},
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
        let apps = resolver.cache.all().into_iter().map(|(key, cached)| AppStatus {
            lease: cached.facts(&key),
            state: cached.state(now),
            last_error: resolver.explanations.last(&key).and_then(|account| account.error()),
        });
        let sources = live.sources.all().map(|source| SourceStatus {
            open_until: resolver.health.open(&source.config.name).map(|left| now.after(left)),
            ..source.status()
        });
        let resting = resolver.health.all_resting().into_iter().map(|(source, key, Resting { refusal, left })| RestStatus {
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
            apps: apps.collect(),
            resting: resting.collect(),
        }))
    }
}
