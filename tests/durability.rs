//! What was acknowledged is there after `kill -9` at any moment, of an agent or of a command without one, and what was never given is not.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use flytoken::system::draw;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Bundle, Home, Wire, eventually, get, minted, timed, user_token};

const DAY: Duration = Duration::from_hours(24);

/// What somebody knows who sets tokens for an app, and rejects them.
struct Book {
    app: String,
    /// The token that was acknowledged last; none if its rejection was.
    kept: Option<String>,
    /// What may be found instead: what was tried after that, and never acknowledged.
    tried: Vec<Option<String>>,
}

impl Book {
    /// Books of apps that have no token yet.
    fn new(count: usize) -> Vec<Self> {
        (0..count).map(|number| Self { app: format!("app-{number}"), kept: None, tried: Vec::new() }).collect()
    }

    /// A token that no app has had is about to be set.
    fn set(&mut self) -> String {
        let token = minted(1, DAY);
        self.tried.push(Some(token.clone()));
        token
    }

    /// The one there is is about to be rejected.
    fn reject(&mut self) {
        self.tried.push(None);
    }

    /// What was tried last is so for certain.
    fn acknowledge(&mut self) {
        self.kept = self.tried.pop().unwrap();
        self.tried.clear();
    }

    /// Fails unless this is the token to be found.
    fn check(&mut self, found: Option<String>) {
        let expected = found == self.kept || self.tried.contains(&found);
        let found_one = found.is_some();
        assert!(expected, "{}: what is found, a token: {found_one}, is neither what was acknowledged last nor tried since", self.app);
        self.kept = found;
        self.tried.clear();
    }
}

/// When an agent is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its process was started, ready or not.
    Started(Duration),
    /// So long after so many of its answers.
    Answered(usize, Duration),
}

/// A home whose tokens are set by hand.
fn by_hand() -> Home {
    let home = Home::new();
    home.configure("version: 1\nchain: [manual]\n");
    home
}

/// Starts an agent, lets `client` talk to it for each of `clients` at the same time, and kills it. A client is called again and again,
/// and counts its answers, until it returns none: the agent is gone.
fn killed<C: Send>(home: &Home, moment: Moment, clients: &mut [C], client: impl Fn(&mut C, &mut Wire) -> Option<()> + Sync) -> usize {
    let child = home.command(&["agent"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (answers, gone) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let doomed = Doomed { child, gone: &gone };
        for each in clients {
            let (client, answers, gone) = (&client, &answers, &gone);
            scope.spawn(move || {
                // It may be killed before it listens.
                let connected = || Wire::try_connect(&socket(home)).map(Some).or(gone.load(Ordering::SeqCst).then_some(None));
                let Some(mut wire) = eventually("an agent or its end", connected) else { return };
                while client(each, &mut wire).is_some() {
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        match moment {
            Moment::Started(after) => thread::sleep(after),
            Moment::Answered(least, after) => {
                eventually("answers", || (answers.load(Ordering::SeqCst) >= least).then_some(()));
                thread::sleep(after);
            }
        }
        drop(doomed);
    });
    answers.into_inner()
}

/// An agent that is killed when this is dropped, also when the test fails before it is time.
struct Doomed<'a> {
    child: Child,
    gone: &'a AtomicBool,
}

impl Drop for Doomed<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.gone.store(true, Ordering::SeqCst);
    }
}

fn socket(home: &Home) -> PathBuf {
    home.path(".local/state/flytoken/run/agent.sock")
}

/// Sets a token, or now and then rejects the one that is there.
fn set_or_reject(book: &mut Book, wire: &mut Wire) -> Option<()> {
    let (request, reply) = if book.kept.is_some() && draw() < 0.25 {
        book.reject();
        (invalidate(&book.app), "invalidated")
    } else {
        (json!({ "op": "set", "app": book.app, "token": book.set() }), "set")
    };
    let answer = wire.try_ask(&request)?;
    assert_eq!(answer["reply"]["reply"], reply, "{answer}");
    book.acknowledge();
    Some(())
}

fn invalidate(app: &str) -> Value {
    json!({ "op": "invalidate", "app": app, "kind": null, "fingerprint": null })
}

/// The token that the agent has for this app, which nothing but its absence may explain if there is none.
fn token(answer: &Value) -> Option<String> {
    if answer["failure"].is_object() {
        assert_eq!(answer["failure"]["code"], "no-token", "{answer}");
    }
    answer["reply"]["token"].as_str().map(str::to_owned)
}

/// A moment within these.
fn within(most: Duration) -> Duration {
    most.mul_f64(draw())
}

#[test]
fn after_a_kill_at_any_moment_an_agent_has_what_was_acknowledged_last_and_nothing_that_was_rejected() {
    let mut answers = 0;
    for _ in 0..3 {
        let home = by_hand();
        let mut books = Book::new(4);
        for round in 0..6 {
            let moment = match round % 3 {
                0 => Moment::Started(within(Duration::from_millis(300))),
                _ => Moment::Answered(round, within(Duration::from_millis(15))),
            };
            answers += killed(&home, moment, &mut books, set_or_reject);
            let agent = home.agent();
            let mut wire = Wire::connect(&agent.socket);
            for book in &mut books {
                book.check(token(&wire.ask(&get(&book.app))));
            }
            agent.kill();
        }
    }
    assert!(answers > 40, "only {answers} requests were acknowledged");
}

#[test]
fn after_a_kill_at_any_moment_of_commands_without_an_agent_every_token_that_was_acknowledged_is_there() {
    let home = by_hand();
    let mut books = Book::new(3);
    let set = |book: &mut Book| {
        let token = book.set();
        let mut child =
            home.command(&["set", &book.app]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // It may be killed before it reads.
        let _ = child.stdin.take().unwrap().write_all(token.as_bytes());
        child
    };
    let (ended, whole) = timed(|| set(&mut books[0]).wait().unwrap());
    assert!(ended.success());
    books[0].acknowledge();
    let mut acknowledged = 0;
    for _ in 0..15 {
        thread::scope(|scope| {
            let threads: Vec<_> = books
                .iter_mut()
                .map(|book| {
                    scope.spawn(|| {
                        let mut child = set(book);
                        thread::sleep(within(whole * 2));
                        // One that has ended by itself keeps its process until it is waited for.
                        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
                        let acknowledged = child.wait().unwrap().success();
                        if acknowledged {
                            book.acknowledge();
                        }
                        usize::from(acknowledged)
                    })
                })
                .collect();
            acknowledged += threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>();
        });
        for book in &mut books {
            let ran = home.run(&["get", &book.app, "--bare"]);
            assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
            book.check((ran.code == Some(0)).then(|| ran.token()));
        }
    }
    assert!((1..45).contains(&acknowledged), "{acknowledged} of 45 commands ended before they were killed");
}

/// What somebody knows who gets tokens for an app and has them rejected.
struct Rejecting {
    app: &'static str,
    minted: Vec<String>,
    rejected: Vec<String>,
    /// What was given last, and is not rejected.
    given: Option<String>,
}

impl Rejecting {
    /// Takes what the agent gave: a token of this app, and none that was rejected.
    fn take(&mut self, answer: &Value) {
        let found = token(answer).unwrap_or_else(|| panic!("{}: {answer}", self.app));
        let found = Bundle::of(&found);
        let mint = self.minted.iter().find(|mint| found.is_from(mint)).expect("a token of this app");
        assert!(!self.rejected.contains(mint), "{}: a rejected token came back", self.app);
        self.given = Some(mint.clone());
    }

    /// Gets a token, or has the one rejected that it was given.
    fn go_on(&mut self, wire: &mut Wire) -> Option<()> {
        if self.given.is_none() || draw() < 0.3 {
            let answer = wire.try_ask(&get(self.app))?;
            self.take(&answer);
        } else {
            let answer = wire.try_ask(&invalidate(self.app))?;
            assert_eq!(answer["reply"]["reply"], "invalidated", "{answer}");
            self.rejected.extend(self.given.take());
        }
        Some(())
    }
}

/// Mints each token once.
const ONCE: &str = r#"
for token in $(ls "$notes/$5" | sort -n); do
    mv "$notes/$5/$token" "$notes/$5/.$token" && exec cat "$notes/$5/.$token"
done
exit 1
"#;

#[test]
fn after_a_kill_at_any_moment_no_rejected_token_comes_back_and_a_kept_lease_is_still_there() {
    let (home, fly) = Home::logged_in(&user_token());
    home.configure("version: 1\nbudget: { per-app: 1000, total: 1000 }\n");
    fly.says(ONCE);
    let mut clients =
        ["web", "api"].map(|app| Rejecting { app, minted: (0..200).map(|_| minted(1, DAY)).collect(), rejected: Vec::new(), given: None });
    for client in &clients {
        fly.mints(client.app, &client.minted);
    }
    fly.mints("still", &[minted(2, DAY)]);
    let still = home.get(&["still"]);
    let cache = home.path(".local/state/flytoken/cache.redb");
    for round in 0..8 {
        let remembered = fs::read(&cache).unwrap();
        killed(&home, Moment::Answered(2 + round, within(Duration::from_millis(30))), &mut clients, Rejecting::go_on);
        // As if it had been killed each time before storage forgot what was rejected.
        fs::write(&cache, remembered).unwrap();
        let agent = home.agent();
        let mut wire = Wire::connect(&agent.socket);
        for client in &mut clients {
            client.take(&wire.ask(&get(client.app)));
        }
        assert_eq!(home.get(&["still"]), still);
        // What the clients were given is remembered by then.
        agent.stop();
    }
    let rejected: usize = clients.iter().map(|client| client.rejected.len()).sum();
    assert!(rejected >= 8, "only {rejected} tokens were rejected");
}
