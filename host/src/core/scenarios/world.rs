//! A core for one scenario, what happens to it, and what is seen of it.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_yaml::{Mapping, Value};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, sleep_until},
};
use zeroize::Zeroizing;

use super::{
    caller::Caller,
    look::Look,
    script::{Answer, Get, Login, Named, Rewrites, Scenario, What},
    source::Scripted,
    time::{BEGINNING, Length, WallClock},
    tokens::Tokens,
};
use crate::{
    admission::Unpinned,
    audience::Audience,
    command::Commands,
    config::{self, Config, Layers, SourceName, UserFiles},
    core::{
        ConfigurationFacts, Core, StorageFacts, follow,
        start::{Mode, Parts},
    },
    lease::Expiry,
    login::LoginScene,
    login_memory::LoginMemory,
    policy::Place,
    protocol::Request,
    runtime::Runtime,
    sources::{Code, Sources},
    store::{Hold, KEY_LENGTH, Patience, Purpose, SealingKey, Store},
    system::{Clock, Defect, Draw, Environment},
    time::Timestamp,
    token::{FingerprintKey, Mask},
};

/// One scenario as it is played.
pub(super) struct World {
    outside: Outside,
    config: Arc<Config>,
    core: Core,
    callers: Vec<JoinHandle<Vec<String>>>,
    problems: Vec<String>,
}

/// What outlives a core, and what is handed to the next one.
struct Outside {
    clock: Arc<WallClock>,
    folder: tempfile::TempDir,
    store: Arc<Store>,
    fingerprints: Arc<FingerprintKey>,
    tokens: Arc<Tokens>,
    scripted: BTreeMap<SourceName, Arc<Scripted>>,
    scene: LoginScene,
    follows_login: bool,
    mode: Mode,
    draw: Draw,
    drawn: Arc<AtomicUsize>,
}

impl World {
    /// Plays a scenario, and returns what went another way than it says.
    pub(super) async fn play(scenario: Scenario) -> Vec<String> {
        let begun = Instant::now();
        let outside = Outside::new(&scenario);
        let config = outside.configure(&scenario.config);
        let core = outside.core(&config);
        let mut world = Self { outside, config, core, callers: Vec::new(), problems: Vec::new() };
        for event in scenario.story {
            sleep_until(begun + event.at.duration()).await;
            world.happen(event.at, event.what).await;
        }
        for caller in world.callers {
            world.problems.extend(caller.await.unwrap_or_else(|panic| vec![format!("a caller panicked: {panic}")]));
        }
        world.problems
    }

    async fn happen(&mut self, at: Length, what: What) {
        match what {
            What::Get(get) => self.call(at, "get", get, false).await,
            What::Refresh(get) => self.call(at, "refresh", get, true).await,
            What::Invalidate(named) => {
                let request = match &named.token {
                    None => Request::Invalidate { app: named.app.clone(), kind: named.kind, fingerprint: None },
                    Some(name) => {
                        let token = self.outside.tokens.permission(name, Expiry::Never, Mask::READ);
                        let fingerprint = Some(self.outside.fingerprints.of(&token));
                        Request::Invalidate { app: named.app.clone(), kind: named.kind, fingerprint }
                    }
                };
                self.order(at, request, &named).await;
            }
            What::Set(named) => {
                let name = named.token.as_ref().expect("a token to set");
                let token = Arc::new(self.outside.tokens.permission(name, Expiry::Never, Mask::READ));
                self.order(at, Request::Set { app: named.app.clone(), token, force: false }, &named).await;
            }
            What::Unset(named) => self.order(at, Request::Unset { app: named.app.clone() }, &named).await,
            What::Login(login) => self.outside.log_in(&login),
            What::Logout(_) => self.outside.scene.log_out(),
            What::Rewrites(Rewrites { user, times, every }) => {
                for round in 1..=times {
                    let login = Login { user: user.clone(), session: 0, round };
                    self.outside.log_in(&login);
                    sleep(every.duration()).await;
                }
            }
            What::Configure(config) => {
                self.config = self.outside.configure(&config);
                let inner = &self.core.inner;
                let sources = self.outside.load(&self.config, &inner.resolver.live.load().sources);
                follow::put_in_force(inner, Arc::clone(&self.config), sources);
            }
            What::Clock(by) => self.outside.clock.set(by),
            What::Restart(_) => {
                let next = self.outside.core(&self.config);
                std::mem::replace(&mut self.core, next).shutdown().await;
            }
            What::Expect(expect) => {
                // Until nobody has anything to do at this moment, threads that may block included.
                sleep(Duration::from_millis(1)).await;
                let look = Look { at, core: &self.core, scripted: &self.outside.scripted, drawn: &self.outside.drawn, told: Vec::new() };
                let told = look.compare_with(&expect);
                self.problems.extend(told);
            }
        }
        // Whoever was started has asked before the next thing happens.
        settle().await;
    }

    async fn order(&mut self, at: Length, request: Request, named: &Named) {
        let answer = self.core.answer(request).await;
        let failure = answer.err().map(|failure| failure.code);
        if failure != named.fails {
            self.problems.push(format!("at {at}: {}: {failure:?}, not {:?}", named.app, named.fails));
        }
    }

    /// Starts callers, who wait while the story goes on.
    async fn call(&mut self, at: Length, verb: &'static str, get: Get, is_refresh: bool) {
        for _ in 0..get.callers {
            let caller =
                Caller { core: self.core.clone(), tokens: Arc::clone(&self.outside.tokens), at, verb, get: get.clone(), is_refresh };
            self.callers.push(tokio::spawn(caller.call()));
        }
        settle().await;
    }
}

impl Outside {
    fn new(scenario: &Scenario) -> Self {
        let clock = Arc::new(WallClock::new());
        let shared: Arc<dyn Clock> = clock.clone();
        let folder = tempfile::tempdir().unwrap();
        let (key, hold) = (SealingKey::new(Zeroizing::new([5; KEY_LENGTH])), Hold::Held(Patience::of(Duration::ZERO)));
        let store = Arc::new(Store::open(&folder.path().join("state"), key, hold, &shared).unwrap());
        let tokens = Arc::new(Tokens::default());
        let scripted = |(name, answers): (&String, &Vec<Answer>)| {
            let source = Scripted::new(name, answers.clone(), Arc::clone(&tokens), Arc::clone(&shared));
            (SourceName::parse(name).unwrap(), Arc::new(source))
        };
        let drawn = Arc::new(AtomicUsize::new(0));
        let outside = Self {
            scripted: scenario.sources.iter().map(scripted).collect(),
            fingerprints: Arc::new(FingerprintKey::new(store.derive(Purpose::Fingerprints))),
            scene: LoginScene::new(),
            follows_login: scenario.login.is_some() || scenario.story.iter().any(|event| matches!(event.what, What::Login(_))),
            mode: if scenario.one_shot { Mode::OneShot } else { Mode::Agent },
            draw: drawing(scenario.draws.clone(), Arc::clone(&drawn)),
            drawn,
            clock,
            folder,
            store,
            tokens,
        };
        if let Some(login) = &scenario.login {
            outside.log_in(login);
        }
        outside
    }

    fn core(&self, config: &Arc<Config>) -> Core {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (login, following) = self.scene.follow(&*clock, Arc::new(LoginMemory(Arc::clone(&self.store))));
        let core = Core::assemble(Parts {
            draw: Arc::clone(&self.draw),
            config: Arc::clone(config),
            sources: self.load(config, &SHARED.builtin),
            runtime: Arc::clone(&SHARED.runtime),
            store: Arc::clone(&self.store),
            login,
            commands: Commands::new(PathBuf::new(), PathBuf::new(), &Environment::default()),
            fingerprints: Arc::clone(&self.fingerprints),
            defect: Defect::default(),
            environment: Environment::default(),
            mode: self.mode,
            started: clock.now(),
            storage: StorageFacts { directory: None, key: None, problem: None },
            configuration: ConfigurationFacts::default(),
            policy: Arc::default(),
            policy_place: Place { file: PathBuf::new(), owner: 0, home: None, audience: Audience::Owner },
            clock,
        });
        let core = core.map_err(|failure| failure.message).unwrap();
        if self.follows_login {
            let mut followers = core.inner.followers.lock().unwrap();
            followers.spawn(following);
            followers.spawn(follow::login(Arc::downgrade(&core.inner)));
        }
        core
    }

    /// Writes the configuration down, with the scripted sources in it, and loads it as any other.
    fn configure(&self, config: &Mapping) -> Arc<Config> {
        let mut config = config.clone();
        config.insert("version".into(), 1.into());
        let sources = config.entry("sources".into()).or_insert_with(|| Value::Mapping(Mapping::new()));
        let sources = sources.as_mapping_mut().expect("a map of sources");
        for name in self.scripted.keys() {
            let source = sources.entry(name.as_str().into()).or_insert_with(|| Value::Mapping(Mapping::new()));
            source.as_mapping_mut().expect("a map of keys").insert("component".into(), format!("/nowhere/{name}").into());
        }
        loaded(self.folder.path(), &serde_yaml::to_string(&config).unwrap())
    }

    /// Loads the built-in sources, and puts the scripted ones beside them.
    fn load(&self, config: &Config, before: &Sources) -> Sources {
        let mut sources = Sources::load(&SHARED.runtime, config, Unpinned::default(), before);
        for (name, code) in &self.scripted {
            sources.stand_in(&config.sources[name], Arc::clone(code) as Arc<dyn Code>);
        }
        sources
    }

    /// Has flyctl write this login.
    fn log_in(&self, Login { user, session, round }: &Login) {
        let token = self.tokens.login(user, *round, self.clock.now().after(DISCHARGE));
        let last_login = Timestamp::from_seconds(BEGINNING + u64::from(*session));
        self.scene.log_in(token, last_login, &self.fingerprints);
    }
}

/// What all scenarios have in common: the sandboxes, and the built-in sources, compiled once.
struct Shared {
    runtime: Arc<Runtime>,
    builtin: Sources,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let runtime = Arc::new(Runtime::new(None).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let builtin = Sources::load(&runtime, &loaded(folder.path(), "version: 1\n"), Unpinned::default(), &Sources::default());
    Shared { runtime, builtin }
});

fn loaded(folder: &Path, text: &str) -> Arc<Config> {
    let file = folder.join("config.yaml");
    std::fs::write(&file, text).unwrap();
    let layers =
        Layers { system: folder.join("none"), user: Some(UserFiles::Named(file)), home: None, uid: rustix::process::getuid().as_raw() };
    config::load(&layers).unwrap_or_else(|error| panic!("{error}")).config
}

/// Draws the numbers of a list, and its last one again and again.
fn drawing(draws: Vec<f64>, count: Arc<AtomicUsize>) -> Draw {
    let draws = Mutex::new(VecDeque::from(if draws.is_empty() { vec![0.5] } else { draws }));
    Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let mut draws = draws.lock().unwrap();
        if draws.len() > 1 { draws.pop_front().unwrap() } else { draws[0] }
    })
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

/// How long a discharge of the login lives.
const DISCHARGE: Duration = Duration::from_mins(5);
