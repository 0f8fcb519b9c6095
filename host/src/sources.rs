//! The loaded sources, and how one takes the place of another while requests run.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    admission::{self, Unpinned},
    builtin,
    config::{ComponentRef, Config, DurationText, Ruled, SourceConfig, SourceName},
    hex,
    lease::Lease,
    metrics::{Counts, Durations},
    protocol::{SourceStatus, StepOutcome},
    runtime::{BoxFuture, Call, Loaded, Refused, Revocation, Runtime, SourceRequest},
};

/// A source's code, ready to be called any number of times.
pub trait Code: Send + Sync {
    /// Asks for a lease. Nothing about it is checked but that its token is one of this call's secrets.
    ///
    /// What is refused is what the source said, or what became of it.
    fn resolve(&self, call: Call, request: SourceRequest) -> BoxFuture<'_, Result<Lease, Refused>>;

    /// Has a keeper remember `lease`.
    fn keep<'a>(&'a self, call: Call, request: SourceRequest, lease: &'a Lease) -> BoxFuture<'a, Result<(), Refused>>;

    /// Has a keeper forget what it remembers for the app and kind of `request`.
    fn forget(&self, call: Call, request: SourceRequest) -> BoxFuture<'_, Result<(), Refused>>;

    /// Has a revoker revoke the token that is called `name` where it was minted.
    fn revoke<'a>(&'a self, call: Call, request: SourceRequest, name: &'a str) -> BoxFuture<'a, Result<Revocation, Refused>>;

    /// Whether it can revoke what it minted.
    fn is_revoker(&self) -> bool;

    /// What it imports, fit to be shown.
    fn imports(&self) -> &[String];

    /// The SHA-256 digest of its file.
    fn sha256(&self) -> [u8; 32];
}

impl Code for Loaded {
    fn resolve(&self, call: Call, request: SourceRequest) -> BoxFuture<'_, Result<Lease, Refused>> {
        Box::pin(self.resolve(call, request))
    }

    fn keep<'a>(&'a self, call: Call, request: SourceRequest, lease: &'a Lease) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(self.keep(call, request, lease))
    }

    fn forget(&self, call: Call, request: SourceRequest) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(self.forget(call, request))
    }

    fn revoke<'a>(&'a self, call: Call, request: SourceRequest, name: &'a str) -> BoxFuture<'a, Result<Revocation, Refused>> {
        Box::pin(self.revoke(call, request, name))
    }

    fn is_revoker(&self) -> bool {
        self.is_revoker()
    }

    fn imports(&self) -> &[String] {
        self.imports()
    }

    fn sha256(&self) -> [u8; 32] {
        self.sha256()
    }
}

/// Every source of one configuration.
#[derive(Default)]
pub struct Sources(BTreeMap<SourceName, Arc<Source>>);

/// One source: its component as it is loaded, or why it is not.
pub struct Source {
    /// Its part of the configuration.
    pub config: Arc<SourceConfig>,
    /// The component, linked to what it was granted; or why there is none.
    pub loaded: Result<Arc<dyn Code>, String>,
    /// Digest of component, settings and grants; what was kept under another one no longer counts.
    pub digest: [u8; 32],
    /// Why the newest component or settings are not the ones in force.
    pub problem: Option<String>,
    /// At most this many sandboxes at once, so that a slow source starves nobody.
    pub sandboxes: Arc<Semaphore>,
    /// Counts since the start.
    pub stats: Arc<Stats>,
}

impl Sources {
    /// Loads every source of `config`, unpinned ones as far as `unpinned` allows them. One that is the same as in `before` is taken over; one that does not load leaves the one before
    /// in force and says why. Blocking, and takes seconds for a large component that was never compiled before.
    pub fn load(runtime: &Runtime, config: &Config, unpinned: Unpinned, before: &Self) -> Self {
        Self(config.sources.iter().map(|(name, source)| (name.clone(), load(runtime, source, unpinned, before.0.get(name)))).collect())
    }

    /// Whether whoever asks them gets the same answers: the same names, each with the same component, settings and grants.
    pub fn do_the_same_as(&self, other: &Self) -> bool {
        let facts = |sources: &Self| sources.all().map(|source| (source.config.name.clone(), source.digest)).collect::<Vec<_>>();
        facts(self) == facts(other)
    }

    /// Puts `code` in the place of what a source's file holds, or does not.
    #[cfg(test)]
    pub(crate) fn stand_in(&mut self, config: &Arc<SourceConfig>, code: Arc<dyn Code>) {
        let digest = digest(&code.sha256(), config);
        let loaded = self.0.get(&config.name);
        let (sandboxes, stats) = loaded.map_or_else(
            || (Arc::new(Semaphore::new(MOST_SANDBOXES)), Arc::default()),
            |loaded| (Arc::clone(&loaded.sandboxes), Arc::clone(&loaded.stats)),
        );
        let source = Source { config: Arc::clone(config), loaded: Ok(code), digest, problem: None, sandboxes, stats };
        self.0.insert(config.name.clone(), Arc::new(source));
    }

    /// One source by name.
    pub fn find(&self, name: &SourceName) -> Option<&Arc<Source>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.0.values()
    }
}

impl Source {
    /// How long a token that this source makes should live: its setting `expiry`, else `ttl`.
    pub fn lifetime(&self, ttl: Duration) -> Duration {
        let setting = self.config.settings.get("expiry").and_then(|text| DurationText::parse(text).ok());
        setting.map_or(ttl, |DurationText(duration)| duration)
    }

    /// How it is.
    pub fn status(&self) -> SourceStatus {
        let problem = self.problem.clone().or_else(|| self.loaded.as_ref().err().cloned());
        // That it is not loaded is what somebody wanted.
        let problem = problem.filter(|_| self.config.enabled);
        SourceStatus {
            name: self.config.name.to_string(),
            component: self.config.component.to_string(),
            sha256: self.loaded.as_ref().ok().map(|loaded| hex::encode(&loaded.sha256())),
            unpinned: self.config.is_unpinned(),
            disabled: !self.config.enabled,
            calls: self.stats.calls.load(Ordering::Relaxed),
            failures: self.stats.failures.load(Ordering::Relaxed),
            p50_us: self.stats.percentile(50).map(u64::from),
            p99_us: self.stats.percentile(99).map(u64::from),
            memory: Some(self.stats.memory.load(Ordering::Relaxed)).filter(|memory| *memory > 0),
            problem,
            open_until: None,
        }
    }
}

fn load(runtime: &Runtime, config: &Arc<SourceConfig>, unpinned: Unpinned, before: Option<&Arc<Source>>) -> Arc<Source> {
    let stats = before.map_or_else(Arc::default, |before| Arc::clone(&before.stats));
    let sandboxes = before.map_or_else(|| Arc::new(Semaphore::new(MOST_SANDBOXES)), |before| Arc::clone(&before.sandboxes));
    let fresh = |loaded: Result<Arc<dyn Code>, String>, digest, problem| {
        Arc::new(Source {
            config: Arc::clone(config),
            loaded,
            digest,
            problem,
            sandboxes: Arc::clone(&sandboxes),
            stats: Arc::clone(&stats),
        })
    };
    if !config.enabled {
        return fresh(Err("disabled".into()), [0; 32], None);
    }
    let cut = match &config.ruled {
        Some(Ruled::Forbidden) => return fresh(Err("the administrator's policy does not let it run".into()), [0; 32], None),
        Some(Ruled::Cut { rule, what }) => format!(" (the administrator's policy takes away: {what}; rule {rule})"),
        None => String::new(),
    };
    let new = bytes_of(&config.component).and_then(|bytes| {
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        admission::check_pin(config, &sha256, unpinned)?;
        let digest = digest(&sha256, config);
        if let Some(same) = before.filter(|before| before.digest == digest && before.loaded.is_ok() && before.config == *config) {
            return Ok((same.loaded.clone(), digest));
        }
        let loaded = match &config.component {
            ComponentRef::Builtin(_) => runtime.load(&config.name, &bytes, &config.grants, config.role),
            ComponentRef::File(_) => runtime.load_foreign(&config.name, &bytes, &config.grants, config.role),
        };
        let loaded = loaded.map_err(|error| error.to_string())?;
        admission::check_imports(config, loaded.imports())?;
        if config.revoke_on_replace && !loaded.is_revoker() {
            return Err("does not export `flytoken:source/revoker`, which `revoke-on-replace` needs".into());
        }
        Ok((Ok(Arc::new(loaded) as Arc<dyn Code>), digest))
    });
    let new = new.map_err(|problem| problem + &cut);
    match (new, before) {
        (Ok((loaded, digest)), _) => fresh(loaded, digest, None),
        (Err(problem), Some(before)) if may_go_on(before, config, unpinned) => Arc::new(Source {
            config: Arc::clone(&before.config),
            loaded: before.loaded.clone(),
            digest: before.digest,
            problem: Some(problem),
            sandboxes,
            stats,
        }),
        (Err(problem), _) => fresh(Err(problem), [0; 32], None),
    }
}

/// Whether a source goes on serving, under the settings and grants it was loaded with, while the newest one does not load: not with a
/// grant that it no longer has, nor with imports or without a pin that would not do today. What another component may import, which is the
/// one that is pinned now, is no word on this one.
fn may_go_on(before: &Source, config: &SourceConfig, unpinned: Unpinned) -> bool {
    let Ok(loaded) = &before.loaded else { return false };
    let is_meant = config.sha256.is_none_or(|pinned| pinned == loaded.sha256());
    before.config.grants.are_within(&config.grants)
        && (!is_meant || admission::check_imports(config, loaded.imports()).is_ok())
        && (!before.config.is_unpinned() || !config.is_unpinned() || (config.dev && unpinned == Unpinned::IfDev))
}

fn bytes_of(component: &ComponentRef) -> Result<std::borrow::Cow<'static, [u8]>, String> {
    match component {
        ComponentRef::Builtin(name) => builtin::component(name).map(Into::into).ok_or_else(|| format!("there is no `builtin:{name}`")),
        ComponentRef::File(path) => read(path).map(Into::into).map_err(|error| format!("{}: {error}", path.display())),
    }
}

/// Reads a component. The bytes that are hashed and checked are the bytes that run: the file is read once.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let path = crate::trust::check(path, rustix::process::getuid().as_raw()).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(LARGEST_COMPONENT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST_COMPONENT {
        return Err(format!("a component has at most {} MiB", LARGEST_COMPONENT >> 20));
    }
    Ok(bytes)
}

fn digest(component: &[u8; 32], config: &SourceConfig) -> [u8; 32] {
    Sha256::new().chain_update(component).chain_update(config.digest()).finalize().into()
}

/// What is counted of a source since the start.
#[derive(Debug, Default)]
pub struct Stats {
    /// Calls.
    pub calls: AtomicU64,
    /// Calls that trapped, ran into a limit or were denied.
    pub failures: AtomicU64,
    /// The most linear memory that any of them took, in bytes.
    pub memory: Arc<AtomicU64>,
    /// What came of it, in the order of [`StepOutcome::ALL`].
    pub outcomes: Counts<{ StepOutcome::ALL.len() }>,
    /// How long they took.
    pub durations: Durations,
    /// How long the last ones took.
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    micros: Vec<u32>,
    next: usize,
}

impl Stats {
    /// Counts one call.
    pub fn count(&self, took: Duration, failed: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(failed), Ordering::Relaxed);
        self.durations.add(took);
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let next = recent.next;
        if recent.micros.len() < REMEMBERED_CALLS {
            recent.micros.push(micros);
        } else {
            recent.micros[next] = micros;
        }
        recent.next = (next + 1) % REMEMBERED_CALLS;
    }

    /// How long a call takes at the 99th percentile of the last hundred; zero before the first.
    pub fn p99(&self) -> Duration {
        Duration::from_micros(self.percentile(99).unwrap_or(0).into())
    }

    /// How many microseconds a call takes at this percentile of the last hundred; none before the first.
    pub fn percentile(&self, percent: usize) -> Option<u32> {
        let mut micros = self.recent.lock().unwrap_or_else(PoisonError::into_inner).micros.clone();
        micros.sort_unstable();
        let rank = (micros.len() * percent).div_ceil(100);
        rank.checked_sub(1).and_then(|last| micros.get(last)).copied()
    }
}

/// How many calls the 99th percentile is taken over.
const REMEMBERED_CALLS: usize = 100;

/// Sandboxes that one source may have at once.
const MOST_SANDBOXES: usize = 8;

/// Python and JavaScript components have up to 20 MB; more than this is no token source.
const LARGEST_COMPONENT: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_of_the_last_hundred_calls() {
        let stats = Stats::default();
        assert_eq!((stats.p99(), stats.percentile(50)), (Duration::ZERO, None));
        for micros in 1..=1000 {
            stats.count(Duration::from_micros(micros), false);
        }
        assert_eq!((stats.p99(), stats.percentile(50)), (Duration::from_micros(999), Some(950)));
        assert_eq!(stats.calls.load(Ordering::Relaxed), 1000);
    }
}
