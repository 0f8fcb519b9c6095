//! What was acknowledged is there after `kill -9` at any moment, of an agent or of a command without one, and what was never given is not.

mod clients;
mod killed;

use std::{fs, io::Write, process::Stdio, thread, time::Duration};

use flytoken::system::{Environment, draw, random};
use rustix::process::{Pid, Signal, kill_process};

use self::{
    clients::{Auditor, Book, Client, Minting, ONCE, token},
    killed::{Moment, killed, within},
};
use crate::harness::{Home, Wire, get, minted, timed, user_token};

const DAY: Duration = Duration::from_hours(24);

/// How often agents are killed: as often as there is time for, or as often as the variable `FLYTOKEN_TEST_KILLS` says.
enum Kills {
    Within(Duration),
    Exactly(usize),
}

impl Kills {
    fn wanted() -> Self {
        let environment = Environment::of_this_process();
        environment.text("FLYTOKEN_TEST_KILLS").map_or(Self::Within(Duration::from_secs(20)), |kills| Self::Exactly(kills.parse().unwrap()))
    }

    fn are_enough(&self, kills: usize, took: Duration) -> bool {
        match self {
            // Few enough for a machine that is busy with other things, and still some of each kind of moment.
            Self::Within(time) => kills >= 6 && took >= *time,
            Self::Exactly(wanted) => kills >= *wanted,
        }
    }
}

#[test]
fn after_a_kill_at_any_moment_an_agent_has_what_was_acknowledged_last_and_nothing_that_was_rejected() {
    const MINTED: [&str; 2] = ["mint-0", "mint-1"];
    let (home, fly) = Home::logged_in(&user_token());
    home.configure("version: 1\nchain: strict\nbudget: { per-app: 1000, total: 1000 }\napps: [{ match: 'hand-*', chain: [manual] }]\n");
    let notes = home.outside("fly");
    fly.mints("still", &[minted(2, 60 * DAY)]);
    fly.says(ONCE);
    let still = home.run(&["get", "still", "--bare"]).token();
    let auditor = Auditor { fly: &fly, still: ("still", still), others: &MINTED, outdated: 0, named: 0 };
    let mut clients: Vec<Client> = Book::new(3).into_iter().map(Client::Hand).collect();
    clients.extend(MINTED.map(|app| Client::Mint(Minting::new(app, &notes))));
    clients.push(Client::Audit(auditor));

    let (wanted, mut kills, mut took, mut hours) = (Kills::wanted(), 0, Duration::ZERO, 0);
    while !wanted.are_enough(kills, took) {
        let moment = match draw() {
            drawn if drawn < 0.2 => Moment::Started(within(Duration::from_millis(400))),
            _ => Moment::Answered(usize::from(random::<1>()[0] % 40), within(Duration::from_millis(30))),
        };
        took += timed(|| killed(&home, moment, &mut clients, Client::go_on)).1;
        kills += 1;
        for client in &mut clients {
            client.meets_another();
        }
        let Some(Client::Audit(auditor)) = clients.last_mut() else { unreachable!() };
        let calls = fly.calls().len();
        if calls - auditor.outdated > 500 {
            // The budget is spent for the most part: an hour passes.
            hours += 2;
            home.set_clock(hours * 3600);
            auditor.outdated = calls;
        }
    }

    let agent = home.agent();
    let mut wire = Wire::connect(&agent.socket);
    for client in &mut clients {
        match client {
            Client::Hand(book) => book.check(token(&wire.ask(&get(&book.app)))),
            Client::Mint(minting) => minting.take(&wire.ask(&get(&minting.app))),
            Client::Audit(auditor) => auditor.audit(&mut wire).unwrap(),
        }
    }
    let acknowledged: usize = clients.iter().map(Client::acknowledged).sum();
    let mints = fly.calls().len();
    println!("{kills} kills in {} s: {acknowledged} writes acknowledged, {mints} mints named and charged, nothing lost", took.as_secs());
    assert!(acknowledged > kills * 3 && mints > kills, "{acknowledged} writes and {mints} mints in {kills} kills");
    agent.stop();
}

#[test]
fn after_a_kill_at_any_moment_of_commands_without_an_agent_every_token_that_was_acknowledged_is_there() {
    let home = Home::new();
    home.configure("version: 1\nchain: [manual]\n");
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

#[test]
fn after_a_kill_at_any_moment_no_rejected_token_comes_back_and_a_kept_lease_is_still_there() {
    let (home, fly) = Home::logged_in(&user_token());
    home.configure("version: 1\nbudget: { per-app: 1000, total: 1000 }\n");
    fly.says(ONCE);
    let mut clients = ["web", "api"].map(|app| Minting::new(app, &home.outside("fly")));
    fly.mints("still", &[minted(2, DAY)]);
    let still = home.get(&["still"]);
    let cache = home.path(".local/state/flytoken/cache.redb");
    for round in 0..8 {
        let remembered = fs::read(&cache).unwrap();
        killed(&home, Moment::Answered(2 + round, within(Duration::from_millis(30))), &mut clients, Minting::go_on);
        // As if it had been killed each time before storage forgot what was rejected.
        fs::write(&cache, remembered).unwrap();
        let agent = home.agent();
        let mut wire = Wire::connect(&agent.socket);
        for client in &mut clients {
            client.take(&wire.ask(&get(&client.app)));
            client.restock();
        }
        assert_eq!(home.get(&["still"]), still);
        // What the clients were given is remembered by then.
        agent.stop();
    }
    let rejected: usize = clients.iter().map(Minting::rejected).sum();
    assert!(rejected >= 8, "only {rejected} tokens were rejected");
}

#[test]
fn a_restart_within_a_tokens_life_serves_it_with_what_is_left_of_it_and_asks_nobody() {
    for orderly in [true, false] {
        let (home, fly) = Home::logged_in(&user_token());
        fly.mints("web", &[minted(123, DAY), minted(123, 2 * DAY)]);
        let agent = home.agent();
        let first = home.get(&["web"]);
        assert_eq!(first["source"], "cli");
        agent.stop();
        if !orderly {
            let agent = home.agent();
            home.get(&["web"]);
            agent.kill();
        }
        for hours in [0, 5, 22] {
            home.set_clock(hours * 3600);
            let agent = home.agent();
            assert_eq!(home.get(&["web"]), first, "after {hours} h, killed: {}", !orderly);
            let explained = home.explained("web");
            assert_eq!((&explained["source"], explained["steps"].as_array().unwrap().len()), (&"storage".into(), 1), "{explained}");
            let asked = agent.status()["sources"].as_array().unwrap().iter().filter(|source| source["calls"] != 0).count();
            assert_eq!(asked, 1, "another source than storage was asked");
            agent.stop();
        }
        assert_eq!(fly.calls().len(), 1, "killed: {}", !orderly);
        // What is left of its life is what counts: in its last hour it is renewed as it would have been.
        home.set_clock(24 * 3600 - 600);
        let _agent = home.agent();
        assert_eq!(home.get(&["web"]), first);
        fly.called(2);
    }
}
