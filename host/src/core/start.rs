//! Bringing a core to life.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinSet, spawn_blocking},
};
use tracing::{info, warn};

use super::{
    ConfigurationFacts, Core, Inner, StorageFacts,
    audit::{self, Audit},
    follow,
    metrics::{self, Requests},
    policy, store_failed, tidy,
};
use crate::{
    cache::Cache,
    causes::with_causes,
    changes::Changes,
    command::{self, Commands, supervisor},
    config::{self, Config, KeyPlace, SourceName},
    denials::DeniedCalls,
    events::Events,
    explanations::Explanations,
    health::Health,
    ids::Learnt,
    login::{self, LoginWatch, Place},
    login_memory::LoginMemory,
    mints::Mints,
    output::Output,
    owner::Owners,
    paths::Paths,
    policy::{self as administrator, InForce},
    protocol::{Failure, FailureCode},
    replaced,
    resolver::{self, Live, Resolver},
    runtime::{CompileLimits, Runtime},
    sequence::Sequence,
    sources::Sources,
    store::{Hold, KeySearch, Patience, Purpose, Store, StoreError, SystemKeyring},
    system::{Clock, Defect, Draw, Environment, draw},
    time::Timestamp,
    token::FingerprintKey,
    tombstones::Tombstones,
};

/// What a core is made of.
pub struct Setup {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The variables this process was started with.
    pub environment: Environment,
    /// Where things lie.
    pub paths: Paths,
    /// How it is used.
    pub mode: Mode,
}

/// What a core is put together from.
pub(super) struct Parts {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) draw: Draw,
    pub(super) config: Arc<Config>,
    pub(super) sources: Sources,
    pub(super) runtime: Arc<Runtime>,
    pub(super) store: Arc<Store>,
    pub(super) login: LoginWatch,
    pub(super) commands: Commands,
    pub(super) fingerprints: Arc<FingerprintKey>,
    pub(super) defect: Defect,
    pub(super) environment: Environment,
    pub(super) mode: Mode,
    pub(super) started: Timestamp,
    pub(super) storage: StorageFacts,
    pub(super) configuration: ConfigurationFacts,
    pub(super) policy: Arc<InForce>,
    pub(super) policy_place: administrator::Place,
}

/// How a core is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For long: holds the databases, follows login and configuration, renews in the background.
    Agent,
    /// For one request: holds a database only while it reads or writes it, and looks at the login once, the caller's variables first.
    OneShot,
}

impl Core {
    /// Reads the configuration, opens the databases, looks at the login, loads the sources, and begins to follow all of them.
    ///
    /// # Errors
    /// Exit 7 for a configuration that does not hold and for a `kept` database that is damaged, exit 5 if another process holds the
    /// databases; a home that cannot be written is none: then everything is in memory only, with one warning.
    pub async fn start(setup: Setup) -> Result<Self, Failure> {
        let Setup { clock, environment, paths, mode } = setup;
        let uid = rustix::process::getuid().as_raw();
        let layers = paths.layers(uid);
        // Looked at before anything is read: what changes while the rest starts is a change to whoever follows.
        let mut changes = (mode == Mode::Agent).then(|| Changes::of(follow::first_places(&layers)));
        let place = paths.policy();
        let policy = Arc::new(InForce::load(&place).map_err(|error| policy_failed(&error))?);
        policy::suffices(&policy, &place)?;
        if mode == Mode::OneShot {
            policy::allow_without_agent(&policy)?;
        }
        let mut loaded = config::load(&layers).map_err(|error| configuration_failed(&error))?;
        if let Some(changes) = &mut changes {
            changes.follow(follow::places(&layers, &loaded, &place));
        }
        let configured = Arc::clone(&loaded.config);
        loaded.config = policy::limit(&policy, loaded.config);
        let started = clock.now();

        // Sources and databases take their time on different things: a keyring that hangs holds up no component.
        let unpinned = policy.unpinned();
        let loading = {
            let (cache, config) = (paths.components_cache(), Arc::clone(&loaded.config));
            let (limits, slow) = (CompileLimits::new(&environment), says_what_takes_long(&environment, mode));
            spawn_blocking(move || {
                let runtime = Arc::new(Runtime::with_limits(cache.as_deref(), limits, slow).map_err(|error| internal(&error))?);
                let sources = Sources::load(&runtime, &config, unpinned, &Sources::default());
                Ok::<_, Failure>((runtime, sources))
            })
        };
        let opening = {
            let (paths, environment, clock) = (paths.clone(), environment.clone(), Arc::clone(&clock));
            let key = loaded.config.key;
            spawn_blocking(move || open_store(&paths, &environment, &clock, key, mode))
        };
        let (store, storage) = opening.await.map_err(|error| internal(&error))??;
        let (runtime, sources) = loading.await.map_err(|error| internal(&error))??;

        let fingerprints = Arc::new(FingerprintKey::new(store.derive(Purpose::Fingerprints)));
        let memory = Arc::new(LoginMemory(Arc::clone(&store)));
        let mut followers = JoinSet::new();
        let login_place = login_place(&paths, &environment, mode);
        let login = match mode {
            Mode::OneShot => {
                let (environment, clock, fingerprints) = (environment.clone(), Arc::clone(&clock), Arc::clone(&fingerprints));
                let look = move || login::one_shot(&environment, &login_place, &*clock, &fingerprints, &*memory);
                let (watch, looking) = LoginWatch::on_demand(look);
                followers.spawn(looking);
                watch
            }
            Mode::Agent => {
                let (watch, following) = LoginWatch::start(login_place, &*clock, Arc::clone(&fingerprints), memory);
                followers.spawn(following);
                watch
            }
        };
        let scratch = command::scratch_place(&environment);
        if mode == Mode::Agent {
            let place = scratch.clone();
            drop(spawn_blocking(move || command::sweep(&place)));
        }
        let core = Self::assemble(Parts {
            commands: Commands::new(supervisor::this_program().map_err(|error| internal(&error))?, scratch, &environment),
            clock,
            draw: Arc::new(draw),
            config: loaded.config,
            sources,
            runtime,
            store,
            login,
            fingerprints,
            defect: Defect::new(&environment),
            environment,
            mode,
            started,
            storage,
            configuration: ConfigurationFacts { files: loaded.read, problem: None },
            policy,
            policy_place: place,
        })?;
        if let Some(changes) = changes {
            followers.spawn(replaced::follow(Arc::downgrade(&core.inner.resolver)));
            followers.spawn(follow::login(Arc::downgrade(&core.inner)));
            followers.spawn(audit::follow(Arc::downgrade(&core.inner), Arc::clone(&core.inner.recorded)));
            followers.spawn(tidy::tidy(Arc::downgrade(&core.inner)));
            followers.spawn(metrics::push(Arc::downgrade(&core.inner)));
            followers.spawn(follow::configuration(Arc::downgrade(&core.inner), layers, configured, changes));
        }
        *super::lock(&core.inner.followers) = followers;
        Ok(core)
    }

    /// Puts a core together from what was opened and loaded. Nothing follows anything yet.
    ///
    /// # Errors
    /// If the tombstones cannot be read.
    pub(super) fn assemble(parts: Parts) -> Result<Self, Failure> {
        let Parts { clock, draw, config, sources, runtime, store, login, commands, fingerprints, defect, environment, mode, .. } = parts;
        let tombstones = Tombstones::open(Arc::clone(&store), clock.now()).map_err(|error| store_failed(&error))?;
        let cache = Arc::new(Cache::default());
        let recorded = Arc::default();
        let resolver = Arc::new(Resolver {
            denied: DeniedCalls::new(Arc::clone(&recorded)),
            live: ArcSwap::from_pointee(Live { config, sources, revision: 0 }),
            learnt: Learnt(Arc::clone(&store)),
            health: Health::new(Arc::clone(&draw)),
            replaced: Arc::default(),
            mints: Mints::open(Arc::clone(&store), Arc::clone(&clock)),
            sequence: Sequence::after(tombstones.greatest_sequence(), Arc::clone(&clock)),
            store,
            tombstones,
            login,
            commands,
            fingerprints,
            cache: Arc::clone(&cache),
            keeping: Semaphore::new(resolver::AT_ONCE),
            explanations: Explanations::default(),
            events: Events::default(),
            draw,
            defect,
            environment,
            one_shot: mode == Mode::OneShot,
            clock: Arc::clone(&clock),
        });
        let audit = Audit::open(resolver.live.load().config.audit.clone(), &resolver);
        let live = resolver.live.load_full();
        let inner = Inner {
            http: watch::Sender::new(live.config.http),
            collector: watch::Sender::new(live.config.collector.clone()),
            requests: Requests::default(),
            policy: ArcSwap::new(parts.policy),
            policy_place: parts.policy_place,
            audit: ArcSwap::from_pointee(audit),
            recorded,
            unrecorded: ArcSwapOption::empty(),
            reopening: Mutex::default(),
            owners: Owners::new(Arc::clone(&resolver), cache, clock),
            resolver,
            runtime,
            started: parts.started,
            storage: parts.storage,
            configuration: Mutex::new(parts.configuration),
            followers: Mutex::default(),
            after: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Where the login is looked for. A profile is an account of its own: neither a systemd credential nor another profile's login is its.
fn login_place(paths: &Paths, environment: &Environment, mode: Mode) -> Place {
    match (paths.profile(), paths.fly(), mode) {
        (Some(_), Some(fly), _) => Place::directory(fly),
        (_, _, Mode::Agent) => Place::of_agent(environment),
        (_, _, Mode::OneShot) => Place::of_flyctl(environment),
    }
}

/// Opens the databases, or says why everything stays in memory.
fn open_store(
    paths: &Paths,
    environment: &Environment,
    clock: &Arc<dyn Clock>,
    wanted: Option<KeyPlace>,
    mode: Mode,
) -> Result<(Arc<Store>, StorageFacts), Failure> {
    let in_memory = |store: Result<Store, StoreError>, directory: Option<PathBuf>, problem: String| {
        warn!("nothing is kept on disk: {problem}");
        let store = store.map_err(|error| store_failed(&error))?;
        Ok((Arc::new(store), StorageFacts { directory, key: None, problem: Some(problem) }))
    };
    let Some(directory) = paths.state().map(std::path::Path::to_owned) else {
        return in_memory(Store::memory(clock), None, "neither XDG_STATE_HOME nor HOME is set".into());
    };
    let search =
        KeySearch { directory: &directory, environment, keyring: Arc::new(SystemKeyring), wanted, patience: Patience::of(KEY_PATIENCE) };
    let found = match search.find() {
        Ok(found) => found,
        Err(error) => {
            return in_memory(Store::memory(clock), Some(directory.clone()), format!("{}; {}", with_causes(&error), error.hint()));
        }
    };
    let key = Arc::new(found.key);
    let unwritable = |error: &StoreError| {
        let problem = format!("{}; {}", with_causes(error), error.hint());
        in_memory(Store::copied(&directory, Arc::clone(&key), clock), Some(directory.clone()), problem)
    };
    let hold = match mode {
        Mode::Agent => Hold::Held(Patience::of(AGENT_PATIENCE)),
        Mode::OneShot => Hold::PerOperation(Patience::of(ONE_SHOT_PATIENCE)),
    };
    let opened = Store::open(&directory, Arc::clone(&key), hold, clock).and_then(|store| store.kept().check().map(|()| store));
    match opened {
        Ok(store) => Ok((Arc::new(store), StorageFacts { directory: Some(directory), key: Some(found.place), problem: None })),
        // A disk that takes nothing, or a directory of somebody else's: what is there can still be handed out, and what is obtained.
        Err(error @ (StoreError::Io { .. } | StoreError::File(_))) => unwritable(&error),
        Err(error) => Err(store_failed(&error)),
    }
}

/// Whoever waits for a command is told what for; an agent notes it.
fn says_what_takes_long(environment: &Environment, mode: Mode) -> impl Fn(&SourceName) + Send + Sync + 'static {
    let output = Output::of_this_process(environment);
    move |source| match mode {
        Mode::OneShot => output.say_to_person(|paint| paint.faint(format!("{source} is compiled, once; that may take a minute"))),
        Mode::Agent => info!(%source, "the component is compiled, once; that may take a minute"),
    }
}

fn configuration_failed(error: &config::ConfigErrors) -> Failure {
    Failure {
        code: FailureCode::Misconfigured,
        message: error.to_string(),
        hint: "mend the file, then run `flytoken config check`".into(),
        steps: Vec::new(),
    }
}

fn policy_failed(error: &config::ConfigErrors) -> Failure {
    Failure {
        code: FailureCode::Denied,
        message: format!("the administrator's policy does not hold, so nothing starts:\n{error}"),
        hint: "have the administrator mend the file, and look at it with `flytoken policy check`".into(),
        steps: Vec::new(),
    }
}

fn internal(error: &dyn std::fmt::Display) -> Failure {
    let hint = "see that the system has threads and memory left, `ulimit -u -v`; if so, this is a defect of flytoken".into();
    Failure { code: FailureCode::Internal, message: format!("flytoken could not start: {error}"), hint, steps: Vec::new() }
}

/// Another process may be choosing the key's place, and its keyring may take two seconds to fail.
const KEY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a new agent waits for a command without an agent to close the databases.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a command without an agent waits for another to finish one read or write.
const ONE_SHOT_PATIENCE: Duration = Duration::from_secs(10);
