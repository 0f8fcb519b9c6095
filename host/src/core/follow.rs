//! Following what changes while the agent runs: the login, the configuration, the components.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{ConfigurationFacts, Inner, audit, lock, policy};
use crate::{
    changes::{Changes, Places},
    config::{self, ComponentRef, Config, Layers, Loaded, UserFiles},
    policy as administrator,
    resolver::Live,
    sources::Sources,
};

/// Drops what a login that ended obtained, and what a rewritten one replaces, the moment the login changes.
pub(super) async fn login(inner: Weak<Inner>) {
    let Some(mut watch) = inner.upgrade().map(|inner| inner.resolver.login.clone()) else { return };
    let mut before = watch.state();
    while let Some(state) = watch.changed().await {
        let Some(inner) = inner.upgrade() else { return };
        if state.generation != before.generation {
            info!(generation = ?state.generation, "the login changed; what the old one obtained is dropped");
        }
        // After a mere rewrite, for which flyctl fetched new discharges, that is what came out of the old file; nothing that was minted.
        inner.resolver.cache.take_where(|_, cached| !inner.resolver.of_this_login(cached));
        inner.forgive(|_| true);
        before = state;
    }
}

/// Loads the configuration and the components again when a file changes. What does not hold leaves what is in force in place;
/// `configured` is that, before the policy limits it.
pub(super) async fn configuration(inner: Weak<Inner>, layers: Layers, mut configured: Arc<Config>, mut changes: Changes) {
    loop {
        changes.wait(INTERVAL).await;
        let read = {
            let layers = layers.clone();
            spawn_blocking(move || config::load(&layers)).await
        };
        let Some(inner) = inner.upgrade() else { return };
        // First, so that nothing is handed out in between that it no longer lets go.
        let policy = policy::reload(&inner).await;
        match read {
            Ok(Ok(loaded)) => {
                changes.follow(places(&layers, &loaded, &inner.policy_place));
                configured = Arc::clone(&loaded.config);
                apply(&inner, policy::limit(&policy, loaded.config)).await;
                *lock(&inner.configuration) = ConfigurationFacts { files: loaded.read, problem: None };
            }
            Ok(Err(error)) => {
                warn!("the configuration in force stays: {error}");
                lock(&inner.configuration).problem = Some(error.to_string());
                // A component may have changed as well, or instead.
                apply(&inner, policy::limit(&policy, Arc::clone(&configured))).await;
            }
            Err(error) => warn!("the configuration in force stays: {error}"),
        }
    }
}

/// Loads the sources beside the ones in force and swaps them between calls: a call that runs ends with what it began with.
async fn apply(inner: &Arc<Inner>, config: Arc<Config>) {
    let before = inner.resolver.live.load_full();
    let sources = {
        let (runtime, config, before) = (Arc::clone(&inner.runtime), Arc::clone(&config), Arc::clone(&before));
        let unpinned = inner.policy.load().unpinned();
        spawn_blocking(move || Sources::load(&runtime, &config, unpinned, &before.sources)).await
    };
    if let Ok(sources) = sources {
        let auditing = {
            let (inner, settings) = (Arc::clone(inner), config.audit.clone());
            spawn_blocking(move || audit::put_in_force(&inner, settings))
        };
        // First, so that nothing is handed out under the new configuration that is on record under the old one alone.
        let _ = auditing.await;
        put_in_force(inner, config, sources);
    }
}

/// Puts a configuration and its sources in the place of those in force.
pub(super) fn put_in_force(inner: &Inner, config: Arc<Config>, sources: Sources) {
    for source in sources.all() {
        let status = source.status();
        match status.problem {
            Some(problem) if status.sha256.is_some() => warn!(source = %status.name, "the component in force stays: {problem}"),
            Some(problem) => warn!(source = %status.name, "not loaded: {problem}"),
            None => {}
        }
    }
    let resolver = &inner.resolver;
    let before = resolver.live.load_full();
    let changed = before.config != config;
    let same_sources = sources.do_the_same_as(&before.sources);
    let live = Arc::new(Live { config, sources, revision: before.revision + 1 });
    let difference = before.config.difference(&live.config);
    resolver.live.store(Arc::clone(&live));
    inner.http.send_if_modified(|places| std::mem::replace(places, live.config.http) != live.config.http);
    inner.collector.send_if_modified(|collector| {
        let before = std::mem::replace(collector, live.config.collector.clone());
        before != *collector
    });
    // What was obtained under other settings, grants or bytes no longer counts. Of the apps that the change concerns each lease has to pass
    // the check again, since ids, organisations and chains decide what fits; memory has it at hand.
    resolver.cache.take_where(|key, cached| {
        let provenance = &cached.lease.provenance;
        difference.concerns(&key.app) || resolver.source_digest(&provenance.source) != Some(provenance.source_digest)
    });
    // Whether what was tried in vain was the same or not: it may work now.
    inner.forgive(|_| true);
    if changed || !same_sources {
        // A run that the change does not concern goes on: whoever mints for minutes on end must not be told to begin anew each time.
        inner.owners.supersede(|key| !same_sources || difference.concerns(&key.app));
        info!("what is configured is in force");
    }
}

/// The files whose change matters before any was read.
pub(super) fn first_places(layers: &Layers) -> Places {
    let named = match &layers.user {
        Some(UserFiles::Named(file)) => Some(file.clone()),
        Some(UserFiles::Folder(_)) | None => None,
    };
    Places { files: named.into_iter().collect(), folders: layers.folders() }
}

/// The files whose change matters: the configuration's own, those that are not there yet, and the components.
pub(super) fn places(layers: &Layers, loaded: &Loaded, policy: &administrator::Place) -> Places {
    let component = |component: &ComponentRef| match component {
        ComponentRef::File(path) => Some(path.clone()),
        ComponentRef::Builtin(_) => None,
    };
    let components = loaded.config.sources.values().filter_map(|source| component(&source.component));
    Places { files: loaded.files.iter().cloned().chain(components).chain([policy.file.clone()]).collect(), folders: layers.folders() }
}

/// Files are looked at this often in case an event was lost.
const INTERVAL: Duration = Duration::from_secs(5);
