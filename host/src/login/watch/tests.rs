//! The task: by a script under a paused clock, and by real files with real events.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Mutex,
};

use tokio::time::{advance, timeout};
use zeroize::Zeroizing;

use super::*;
use crate::{
    login::{
        Generation, Login, LoginOrigin, Standing,
        follow::tests::Notebook,
        identity::fingerprints,
        look::{Found, Reading},
    },
    time::Timestamp,
    token::{ApiToken, FingerprintKey},
};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(0)
    }
}

/// A place whose content a test sets.
#[derive(Clone, Default)]
struct Scene {
    token: Arc<Mutex<Option<&'static str>>>,
    looks: Arc<Mutex<u64>>,
    wake: Arc<Notify>,
}

impl Scene {
    fn set(&self, token: Option<&'static str>) {
        *self.token.lock().unwrap() = token;
    }

    fn looks(&self) -> u64 {
        *self.looks.lock().unwrap()
    }

    fn sight(&self) -> Sight {
        *self.looks.lock().unwrap() += 1;
        let found = match *self.token.lock().unwrap() {
            Some("panic") => panic!("on request"),
            Some(text) => Found::Token(Reading {
                token: Arc::new(ApiToken::new(Zeroizing::new(text.to_owned()))),
                items: fingerprints(text, &key()),
                last_login: Some(Timestamp::from_seconds(1)),
                doubt: None,
            }),
            None => Found::Nothing("gone".into()),
        };
        Sight { found, changed: Some(Timestamp::from_seconds(0)) }
    }

    fn watch(&self) -> LoginWatch {
        let memory = Arc::new(Notebook::default());
        let follower = Follower::new(LoginOrigin::File("/x".into()), Some("/x".into()), &*memory);
        let scene = self.clone();
        let (login, task) = LoginWatch::following(follower, move || (scene.sight(), OFTEN), &StoppedClock, memory, Arc::clone(&self.wake));
        tokio::spawn(task);
        login
    }
}

fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32].into())
}

fn token(state: &LoginState) -> Option<String> {
    state.login.as_ref().map(|login| login.token.expose().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_first_state_is_there_at_once_and_the_next_within_five_seconds_without_an_event() {
    let scene = Scene::default();
    scene.set(Some("fo1_a"));
    let mut login = scene.watch();
    assert_eq!(token(&login.state()).as_deref(), Some("fo1_a"));
    scene.set(Some("fo1_b"));
    let begun = Instant::now();
    let state = login.changed().await.unwrap();
    assert_eq!(token(&state).as_deref(), Some("fo1_b"));
    assert!(begun.elapsed() <= OFTEN + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn many_events_are_one_look_and_a_caller_does_not_wait_for_them() {
    let scene = Scene::default();
    scene.set(Some("fo1_a"));
    let mut login = scene.watch();
    scene.set(Some("fo1_b"));
    for _ in 0..100 {
        scene.wake.notify_one();
        advance(Duration::from_micros(100)).await;
    }
    login.changed().await.unwrap();
    assert_eq!(scene.looks(), 2);

    scene.set(Some("fo1_c"));
    let begun = Instant::now();
    assert_eq!(token(&*login.look_now().await).as_deref(), Some("fo1_c"));
    assert!(begun.elapsed() < DEBOUNCE);
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_share_a_look() {
    let scene = Scene::default();
    let login = scene.watch();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let login = login.clone();
            tokio::spawn(async move { login.look_now().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(scene.looks() <= 4, "{} looks", scene.looks());
}

#[tokio::test(start_paused = true)]
async fn a_logout_is_known_two_seconds_after_it_was_first_seen() {
    let scene = Scene::default();
    scene.set(Some("fo1_a"));
    let mut login = scene.watch();
    let generation = login.state().generation.unwrap();
    scene.set(None);
    let state = login.look_now().await;
    let begun = Instant::now();
    assert_eq!((token(&state).as_deref(), state.standing(generation)), (Some("fo1_a"), Standing::Current));
    assert!(login.changed().await.unwrap().problem.is_some());
    let state = login.changed().await.unwrap();
    assert_eq!((token(&state), state.standing(generation)), (None, Standing::Void));
    assert!((Duration::from_millis(1990)..Duration::from_millis(2050)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_one_shot_looks_again_only_when_asked_and_not_at_its_own_variables() {
    let at = |origin: LoginOrigin, revision: u64| {
        let login =
            Login { token: Arc::new(ApiToken::new(Zeroizing::new("fo1_a".into()))), generation: Generation::numbered(1), revision, origin };
        LoginState { login: Some(Arc::new(login)), generation: None, problem: None, file: None, last_login: None, remembered: false }
    };
    for (origin, looks) in [(LoginOrigin::File("/x".into()), 2), (LoginOrigin::Variable("FLY_API_TOKEN"), 1)] {
        let mut revision = 0;
        let (login, task) = LoginWatch::on_demand(move || {
            revision += 1;
            at(origin.clone(), revision)
        });
        let task = tokio::spawn(task);
        assert_eq!(login.state().revision(), Some(1));
        assert_eq!(login.look_now().await.revision(), Some(looks));
        assert_eq!(login.with_state(LoginState::revision), Some(looks));
        drop(login);
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_watching_ends_with_the_last_handle() {
    let scene = Scene::default();
    let memory = Arc::new(Notebook::default());
    let follower = Follower::new(LoginOrigin::File("/x".into()), None, &*memory);
    let eye = scene.clone();
    let (login, task) = LoginWatch::following(follower, move || (eye.sight(), OFTEN), &StoppedClock, memory, Arc::clone(&scene.wake));
    let task = tokio::spawn(task);
    let other = login.clone();
    drop(login);
    other.look_now().await;
    drop(other);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_is_a_problem_and_the_last_state_stays() {
    let scene = Scene::default();
    scene.set(Some("fo1_a"));
    let mut login = scene.watch();
    scene.set(Some("panic"));
    let state = login.look_now().await;
    assert_eq!(token(&state).as_deref(), Some("fo1_a"));
    assert!(login.changed().await.unwrap().problem.is_some());
    assert!(login.changed().await.is_none());
}

/// A watch over real files, with the real clock: events must be faster than the clock's five seconds.
struct Live {
    root: tempfile::TempDir,
    login: LoginWatch,
}

impl Live {
    fn new(prepare: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let place = Place::directory(&root.path().join(".fly"));
        let (login, task) = LoginWatch::start(place, &StoppedClock, Arc::new(key()), Arc::new(Notebook::default()));
        tokio::spawn(task);
        Self { root, login }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Waits for a state with this token, brought by an event.
    async fn expect(&mut self, expected: &str) -> Arc<LoginState> {
        let arrived = timeout(Duration::from_secs(3), async {
            loop {
                let state = self.login.state();
                if token(&state).as_deref() == Some(expected) {
                    return state;
                }
                self.login.changed().await.unwrap();
            }
        });
        arrived.await.unwrap_or_else(|_| panic!("no event brought {expected}: {:?}", self.login.state()))
    }
}

fn write(path: &Path, token: &str) {
    fs::write(path, format!("access_token: {token}\nlast_login: 2026-08-21T10:00:00Z\n")).unwrap();
}

#[tokio::test]
async fn rewriting_renaming_and_replacing_the_directory_are_seen_by_events() {
    let mut live = Live::new(|root| {
        fs::create_dir(root.join(".fly")).unwrap();
        write(&root.join(".fly/config.yml"), "fm2_a,fo1_u");
    });
    let first = live.expect("fm2_a,fo1_u").await;
    write(&live.path(".fly/config.yml"), "fm2_b,fo1_u");
    let second = live.expect("fm2_b,fo1_u").await;
    assert_eq!(first.generation, second.generation);

    write(&live.path(".fly/new"), "fm2_c,fo1_u");
    fs::rename(live.path(".fly/new"), live.path(".fly/config.yml")).unwrap();
    live.expect("fm2_c,fo1_u").await;

    fs::create_dir(live.path("other")).unwrap();
    write(&live.path("other/config.yml"), "fm2_d,fo1_u");
    fs::rename(live.path(".fly"), live.path("old")).unwrap();
    fs::rename(live.path("other"), live.path(".fly")).unwrap();
    if cfg!(target_os = "linux") {
        live.expect("fm2_d,fo1_u").await;
        write(&live.path(".fly/config.yml"), "fm2_e,fo1_u");
        let last = live.expect("fm2_e,fo1_u").await;
        assert_eq!(first.generation, last.generation);
    }
}

#[tokio::test]
async fn a_directory_that_appears_later_and_links_are_seen_by_events() {
    if cfg!(target_os = "macos") {
        return; // Seen by the clock there.
    }
    let mut live = Live::new(|_| {});
    assert!(live.login.state().login.is_none() && live.login.state().problem.is_none());
    fs::create_dir(live.path("dotfiles")).unwrap();
    write(&live.path("dotfiles/fly.yml"), "fo1_a");
    fs::create_dir(live.path(".fly")).unwrap();
    symlink("../dotfiles/fly.yml", live.path(".fly/config.yml")).unwrap();
    live.expect("fo1_a").await;
    write(&live.path("dotfiles/fly.yml"), "fo1_b");
    live.expect("fo1_b").await;
}

#[tokio::test]
async fn looking_is_no_event_and_neither_are_flyctls_other_files() {
    let live = Live::new(|root| {
        fs::create_dir(root.join(".fly")).unwrap();
        write(&root.join(".fly/config.yml"), "fo1_a");
    });
    live.login.look_now().await;
    let wake = Arc::new(Notify::new());
    let mut events = Events::new(&live.path(".fly/config.yml"), Arc::clone(&wake));
    events.arm();
    for _ in 0..10 {
        live.login.look_now().await;
        fs::write(live.path(".fly/perms.1"), "").unwrap();
        fs::remove_file(live.path(".fly/perms.1")).unwrap();
    }
    assert!(timeout(Duration::from_millis(50), wake.notified()).await.is_err(), "nothing happened to the login");
    write(&live.path(".fly/config.yml"), "fo1_b");
    timeout(Duration::from_secs(3), wake.notified()).await.expect("the login was rewritten");
}
