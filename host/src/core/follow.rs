//! Following what changes while the agent runs: the login, the configuration, the components.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{ConfigurationFacts, Inner, lock};
use crate::{
    changes::{Changes, Places},
    config::{self, ComponentRef, Layers, Loaded},
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

/// Loads the configuration and the components again when a file changes. What does not hold leaves what is in force in place.
pub(super) async fn configuration(inner: Weak<Inner>, layers: Layers, loaded: Loaded) {
    let mut changes = Changes::of(places(&layers, &loaded));
    loop {
        changes.wait(INTERVAL).await;
        let read = {
            let layers = layers.clone();
            spawn_blocking(move || config::load(&layers)).await
        };
        let Some(inner) = inner.upgrade() else { return };
        match read {
            Ok(Ok(loaded)) => {
                apply(&inner, &loaded).await;
                *lock(&inner.configuration) = ConfigurationFacts { files: loaded.read.clone(), problem: None };
                changes.follow(places(&layers, &loaded));
            }
            Ok(Err(error)) => {
                warn!("the configuration in force stays: {error}");
                lock(&inner.configuration).problem = Some(error.to_string());
            }
            Err(error) => warn!("the configuration in force stays: {error}"),
        }
    }
}

/// Loads the sources beside the ones in force and swaps them between calls: a call that runs ends with what it began with.
async fn apply(inner: &Arc<Inner>, loaded: &Loaded) {
    let (runtime, config, before) = (Arc::clone(&inner.runtime), Arc::clone(&loaded.config), inner.resolver.live.load_full());
    let Ok(sources) = spawn_blocking(move || Sources::load(&runtime, &config, &before.sources)).await else { return };
    for source in sources.all().filter(|source| source.problem.is_some()) {
        warn!(source = %source.config.name, "the source in force stays: {}", source.problem.as_deref().unwrap_or_default());
    }
    let resolver = &inner.resolver;
    let before = resolver.live.load_full();
    let changed = before.config != loaded.config;
    resolver.live.store(Arc::new(Live { config: Arc::clone(&loaded.config), sources, revision: before.revision + 1 }));
    // What was obtained under other settings, grants or bytes no longer counts. After any other change each lease has to pass the check
    // again, since ids, organisations and chains decide what fits; memory has it at hand.
    resolver.cache.take_where(|_, cached| {
        let provenance = &cached.lease.provenance;
        changed || resolver.source_digest(&provenance.source) != Some(provenance.source_digest)
    });
    inner.forgive(|_| true);
    info!("the configuration was loaded anew");
}

/// The files whose change matters: the configuration's own, those that are not there yet, and the components.
fn places(layers: &Layers, loaded: &Loaded) -> Places {
    let component = |component: &ComponentRef| match component {
        ComponentRef::File(path) => Some(path.clone()),
        ComponentRef::Builtin(_) => None,
    };
    let components = loaded.config.sources.values().filter_map(|source| component(&source.component));
    Places { files: loaded.files.iter().cloned().chain(components).collect(), folders: layers.folders() }
}

/// Files are looked at this often in case an event was lost.
const INTERVAL: Duration = Duration::from_secs(5);
