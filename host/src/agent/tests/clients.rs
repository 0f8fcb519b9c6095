//! Clients that are not who they were, or not who they would like to be: real processes, and what they get of an answer.

#![cfg(target_os = "linux")]

use std::sync::Mutex;

use super::*;
use crate::test_support::puppet::Puppet;

/// Answers with the secret, to `slow` once it is let go, and notes whom.
#[derive(Clone)]
struct Judge {
    wanted: Arc<Mutex<Wanted>>,
    seen: Arc<Mutex<Vec<Facts>>>,
    strangers: Arc<AtomicUsize>,
    go: Arc<tokio::sync::Semaphore>,
}

impl Answers for Judge {
    fn answer(&self, client: &Arc<Attested>, request: Request) -> impl Future<Output = Answer> + Send + 'static {
        match client.last_confirmed() {
            Ok(()) => self.seen.lock().unwrap().push(client.facts().clone()),
            Err(_) => drop(self.strangers.fetch_add(1, Ordering::Relaxed)),
        }
        let go = Arc::clone(&self.go);
        async move {
            if matches!(request, Request::Get { app, .. } if app.as_str() == "slow") {
                drop(go.acquire().await);
            }
            Ok(Reply::Set { fingerprint: SECRET.parse().unwrap(), expiry: Expiry::Never, asked_before: Vec::new(), problem: None })
        }
    }

    fn wanted(&self) -> Wanted {
        *self.wanted.lock().unwrap()
    }
}

/// An agent that wants to know what its clients run, and a program for them.
struct Court {
    judge: Judge,
    served: JoinHandle<()>,
    home: tempfile::TempDir,
    _endpoint: Endpoint,
}

impl Court {
    fn new(wanted: Wanted) -> Self {
        let home = tempfile::tempdir().unwrap();
        Puppet::copy_to(&home.path().join("client"));
        let (endpoint, listener) = claim(&home.path().join("agent.sock"));
        let go = Arc::new(tokio::sync::Semaphore::new(0));
        let judge = Judge { wanted: Arc::new(Mutex::new(wanted)), seen: Arc::default(), strangers: Arc::default(), go };
        let served = tokio::spawn(serve(listener, judge.clone(), std::future::pending()));
        Self { judge, served, home, _endpoint: endpoint }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a story of clients in a thread that may wait.
    async fn hear<T: Send + 'static>(&self, story: impl FnOnce(Puppet, &Path) -> T + Send + 'static) -> T {
        let (client, home) = (self.path("client"), self.home.path().to_owned());
        tokio::task::spawn_blocking(move || {
            let mut puppet = Puppet::start(&client);
            puppet.connect(&home.join("agent.sock"));
            story(puppet, &home)
        })
        .await
        .unwrap()
    }

    fn paths_seen(&self) -> Vec<Option<PathBuf>> {
        let seen = self.judge.seen.lock().unwrap();
        seen.iter().map(|facts| facts.executable.clone().and_then(|executable| executable.path)).collect()
    }

    fn end(self) {
        self.served.abort();
    }
}

fn has_secret(bytes: &[u8]) -> bool {
    decode(bytes).is_some_and(|answer| matches!(answer, Ok(Reply::Set { .. })))
}

fn decode(body: &[u8]) -> Option<Answer> {
    let mut incoming = Incoming::new(MAX_ANSWER);
    let frame = [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    incoming.room()[..frame.len()].copy_from_slice(&frame);
    incoming.received(frame.len());
    Some(incoming.next(decode_answer).ok()??.ok()?.1)
}

fn is_denied(body: &[u8]) -> bool {
    matches!(decode(body), Some(Err(failure)) if failure.code == FailureCode::Denied && failure.message.contains("another program"))
}

const EXECUTABLE: Wanted = Wanted { groups: false, executable: true, sha256: false, cgroup: false };

const SECRET: &str = "0123456789abcdef";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stays_what_it_is_is_answered_as_often_as_it_asks() {
    let court = Court::new(EXECUTABLE);
    court
        .hear(|mut puppet, _| {
            for id in 1..=3 {
                puppet.send(&frames([(id, "web")]));
                assert!(has_secret(&puppet.receive().unwrap()));
            }
        })
        .await;
    assert_eq!(court.paths_seen(), vec![Some(court.path("client").canonicalize().unwrap()); 3]);
    court.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_becomes_another_program_before_it_asks_gets_nothing() {
    let court = Court::new(EXECUTABLE);
    let asked = frames([(1, "web")]);
    let judge = court.judge.clone();
    let heard = court
        .hear(move |mut puppet, home| {
            puppet.send(&frames([(1, "web")]));
            assert!(has_secret(&puppet.receive().unwrap()), "as itself it is answered");
            std::fs::write(home.join("asked"), asked).unwrap();
            puppet.become_shell(&format!("cat {}; cat >&2", home.join("asked").display()));
            puppet.rest()
        })
        .await;
    assert!(is_denied(&heard[4..]), "{heard:?}");
    assert_eq!(judge.strangers.load(Ordering::Relaxed), 1, "whoever answers is told, to have it on record");
    court.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_becomes_another_program_while_it_waits_gets_nothing() {
    let court = Court::new(EXECUTABLE);
    let judge = court.judge.clone();
    let heard = court
        .hear(move |mut puppet, _| {
            puppet.send(&frames([(1, "slow"), (2, "slow")]));
            while judge.seen.lock().unwrap().len() < 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
            puppet.become_shell("echo here >&2; cat >&2");
            assert_eq!(puppet.line(), "here");
            judge.go.add_permits(2);
            puppet.rest()
        })
        .await;
    assert!(is_denied(&heard[4..]), "{heard:?}");
    let whole = 4 + u32::from_be_bytes(heard[..4].try_into().unwrap()) as usize;
    assert_eq!(heard.len(), whole, "the first is the last thing that is said");
    court.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_left_with_a_connection_of_a_process_that_ended_gets_nothing() {
    let court = Court::new(EXECUTABLE);
    for (what, before) in [("asked before", true), ("asks only now", false)] {
        let asked = frames([(1, "web")]);
        let heard = court
            .hear(move |mut puppet, home| {
                if before {
                    puppet.send(&frames([(7, "web")]));
                    puppet.receive().unwrap();
                }
                let (asked_at, go) = (home.join("asked"), home.join("go"));
                let _ = std::fs::remove_file(&go);
                std::fs::write(&asked_at, asked).unwrap();
                let (asked_at, go) = (asked_at.display(), go.display());
                puppet.start_shell(&format!("until [ -e {go} ]; do sleep 0.01; done; cat {asked_at}; cat >&2"));
                puppet.end();
                std::fs::write(home.join("go"), "").unwrap();
                puppet.rest()
            })
            .await;
        assert!(is_denied(&heard[4..]), "{what}: {heard:?}");
    }
    court.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_was_replaced_on_disk_is_no_longer_what_lies_at_its_path() {
    let court = Court::new(EXECUTABLE);
    let client = court.path("client");
    court
        .hear(move |mut puppet, home| {
            std::fs::rename(&client, home.join("old")).unwrap();
            std::fs::remove_file(home.join("old")).unwrap();
            Puppet::copy_to(&client);
            // It is the same process in the same file as when it connected.
            puppet.send(&frames([(1, "web")]));
            assert!(has_secret(&puppet.receive().unwrap()));
            puppet.connect(&home.join("agent.sock"));
            puppet.send(&frames([(1, "web")]));
            puppet.receive().unwrap();
        })
        .await;
    let seen = court.paths_seen();
    assert_eq!(seen.last().unwrap(), &None, "{seen:?}");
    court.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_interest_later_is_found_out_at_the_next_request() {
    let court = Court::new(Wanted::default());
    let judge = court.judge.clone();
    court
        .hear(move |mut puppet, _| {
            let mut ask = |id| {
                puppet.send(&frames([(id, "web")]));
                assert!(has_secret(&puppet.receive().unwrap()));
            };
            ask(1);
            *judge.wanted.lock().unwrap() = EXECUTABLE;
            ask(2);
            *judge.wanted.lock().unwrap() = Wanted::default();
            ask(3);
        })
        .await;
    let client = Some(court.path("client").canonicalize().unwrap());
    // What is known stays known.
    assert_eq!(court.paths_seen(), [None, client.clone(), client]);
    court.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_became_another_program_is_not_looked_at_anew_when_more_is_wanted() {
    let court = Court::new(EXECUTABLE);
    let judge = court.judge.clone();
    let asked = frames([(2, "web")]);
    let heard = court
        .hear(move |mut puppet, home| {
            puppet.send(&frames([(1, "slow")]));
            while judge.seen.lock().unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::fs::write(home.join("asked"), asked).unwrap();
            *judge.wanted.lock().unwrap() = Wanted { cgroup: true, ..EXECUTABLE };
            puppet.become_shell(&format!("cat {}; cat >&2", home.join("asked").display()));
            puppet.rest()
        })
        .await;
    assert!(is_denied(&heard[4..]), "{heard:?}");
    court.end();
}
