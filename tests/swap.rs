//! A source is replaced while the agent runs: the new one answers, no request fails, and what does not load changes nothing.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::harness::{
    Agent, Corp, Wire,
    components::{fixture, greedy, release, sha256, vault},
    eventually, get, minted,
};

const DAY: Duration = Duration::from_hours(24);

/// Settings under which both components answer with this token: `vault` for as long as it lasts, the fixture for an hour.
fn for_both(token: &str) -> String {
    format!("behaviour: answer, token: \"{token}\", expiry: \"+3600\"")
}

/// Whether the fixture gave this answer, rather than `vault`.
fn is_of_the_fixture(answer: &Value) -> bool {
    let lease = &answer["reply"]["lease"];
    lease["expiry"]["at"].as_u64().unwrap() - lease["obtained"].as_u64().unwrap() <= 3_600_000
}

/// Has clients ask without pause, for ever new apps, before, during and after `change`, until each has an answer of the fixture. None
/// may fail, and none may be of the old source after one was of the new.
fn ask_meanwhile(agent: &Agent, change: impl FnOnce()) {
    let (over, old, new) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = |client: usize| {
        let mut wire = Wire::connect(&agent.socket);
        let mut had_new = false;
        for number in 0.. {
            let answer = wire.ask(&get(&format!("app-{client}-{number}")));
            assert_eq!(answer["reply"]["reply"], "token", "request {number}: {}", answer["failure"]);
            let is_new = is_of_the_fixture(&answer);
            assert!(is_new || !had_new, "request {number}: the old source answers again");
            old.fetch_add(usize::from(number == 0), Ordering::Relaxed);
            new.fetch_add(usize::from(is_new && !had_new), Ordering::Relaxed);
            had_new |= is_new;
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    thread::scope(|scope| {
        let _over = AtEnd(&over);
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || ask(client))).collect();
        eventually("every client's first answer", || (old.load(Ordering::Relaxed) == CLIENTS).then_some(()));
        assert_eq!(new.load(Ordering::Relaxed), 0);
        change();
        eventually("every client's new answer", || {
            let failed = clients.iter().any(thread::ScopedJoinHandle::is_finished);
            (failed || new.load(Ordering::Relaxed) == CLIENTS).then_some(())
        });
    });
}

/// Ends the clients however the behaviour ends.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const CLIENTS: usize = 4;

#[test]
fn a_component_replaced_by_another_file_is_swapped_without_a_failed_request() {
    let corp = Corp::new(vault());
    corp.configure_corp(&for_both(&minted(7, DAY)), "");
    let agent = corp.home.agent();
    ask_meanwhile(&agent, || corp.install(fixture()));
    corp.runs(fixture());
}

#[test]
fn a_component_written_in_place_is_swapped_once_it_is_whole() {
    let corp = Corp::new(vault());
    corp.configure_corp(&for_both(&minted(7, DAY)), "");
    let agent = corp.home.agent();
    ask_meanwhile(&agent, || {
        let (first, second) = fixture().split_at(fixture().len() / 2);
        fs::write(corp.component(), first).unwrap();
        corp.problem("is not a component that works here");
        let mut file = fs::OpenOptions::new().append(true).open(corp.component()).unwrap();
        file.write_all(second).unwrap();
    });
    corp.runs(fixture());
}

#[test]
fn another_component_under_other_settings_is_swapped_with_them() {
    let corp = Corp::new(vault());
    let token = minted(7, DAY);
    corp.configure_corp(&format!("token: \"{token}\""), "");
    corp.home.write(corp.home.outside("secrets/next.wasm"), fixture());
    let agent = corp.home.agent();
    // Neither component could answer under the settings of the other.
    let settings = for_both(&token).replace("token: ", "id: x, token: ");
    ask_meanwhile(&agent, || {
        corp.configure(&format!(
            "chain: [storage, corp]\nsources: {{ corp: {{ component: next.wasm, dev: true, settings: {{ {settings} }} }} }}\n"
        ));
    });
}

/// What is put in the place of a component.
type Misplaced = (&'static str, fn(&Corp), &'static str);

#[test]
fn what_does_not_load_leaves_the_old_one_serving_and_the_status_says_why() {
    let cases: [Misplaced; 9] = [
        ("garbage", |corp| corp.install(b"garbage"), "is not a WebAssembly component"),
        ("nothing", |corp| corp.install(b""), "is not a WebAssembly component"),
        ("a core module", |corp| corp.install(b"\0asm\x01\0\0\0"), "is a core WebAssembly module, not a component"),
        ("half a component", |corp| corp.install(&vault()[..vault().len() / 2]), "is not a component that works here"),
        ("a component that is no source", |corp| corp.install(b"\0asm\x0d\0\x01\0"), "does not export `flytoken:source/source`"),
        ("one that wants more", |corp| corp.install(greedy()), "needs the grant `"),
        ("another one than is pinned", |corp| corp.install(&release(vault(), "release-2")), "is not the one that `sha256` names"),
        ("no file", |corp| fs::remove_file(corp.component()).unwrap(), "corp.wasm"),
        (
            "a file that others can write",
            |corp| fs::set_permissions(corp.component(), fs::Permissions::from_mode(0o666)).unwrap(),
            "can be changed by everybody; type `chmod go-w ",
        ),
    ];
    let corp = Corp::new(vault());
    let pin = format!("    sha256: {}\n", sha256(vault()));
    corp.configure_corp(&for_both(&minted(7, DAY)), "");
    let agent = corp.home.agent();
    corp.runs(vault());
    for (number, (what, misplace, told)) in cases.into_iter().enumerate() {
        if what.ends_with("pinned") {
            corp.configure_corp(&for_both(&minted(7, DAY)), &pin);
            corp.runs(vault());
        }
        misplace(&corp);
        let problem = corp.problem(told);
        assert_eq!(corp.status()["sha256"], sha256(vault()), "{what}: {problem}");
        let text = corp.home.run(&["status"]).stdout;
        assert!(text.lines().any(|line| line.starts_with("corp ") && line.contains("the one before serves: ")), "{what}: {text}");
        assert!(agent.log().contains(told), "{what}: the log does not say why");
        let app = format!("app-{number}");
        assert_eq!(corp.home.get(&[&app])["source"], "corp", "{what}");
        corp.install(vault());
        corp.runs(vault());
    }
}

/// How often a source is replaced under load, or as often as the variable `FLYTOKEN_TEST_SWAPS` says.
fn swaps() -> usize {
    let environment = flytoken::system::Environment::of_this_process();
    environment.text("FLYTOKEN_TEST_SWAPS").map_or(40, |swaps| swaps.parse().unwrap())
}

#[test]
fn swap_after_swap_under_load_no_request_fails_and_memory_stays() {
    let (swaps, requests) = (swaps(), swaps() * REQUESTS_PER_SWAP);
    let releases = [release(vault(), "release-1"), release(vault(), "release-2")];
    let corp = Corp::new(&releases[0]);
    corp.configure_corp(&for_both(&minted(7, DAY)), "");
    let agent = corp.home.agent();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    // A swap takes away what the source before it obtained, so that the same apps reach the source again and again.
    let ask = |client: usize| {
        let mut wire = Wire::connect(&agent.socket);
        for number in 0.. {
            let answer = wire.ask(&get(&format!("app-{client}-{}", number % APPS)));
            assert_eq!(answer["reply"]["reply"], "token", "request {number}: {}", answer["failure"]);
            asked.fetch_add(1, Ordering::Relaxed);
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let mut memory = Vec::new();
    thread::scope(|scope| {
        let _over = AtEnd(&over);
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || ask(client))).collect();
        for swap in 1..=swaps {
            let new = &releases[swap % 2];
            let digest = sha256(new);
            corp.install(new);
            eventually("the swap", || {
                let failed = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (failed || is_run_by(&agent, &digest)).then_some(())
            });
            // Each release is at work for its share of the requests.
            eventually("its requests", || {
                let failed = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (failed || asked.load(Ordering::Relaxed) >= swap * REQUESTS_PER_SWAP).then_some(())
            });
            memory.push(agent.memory());
        }
    });
    assert!(asked.load(Ordering::Relaxed) >= requests);
    let calls = corp.status()["calls"].as_u64().unwrap();
    assert!(calls >= swaps as u64 * APPS as u64 / 2, "{calls} calls: the releases were hardly asked");
    // The first quarter is for what grows once: pools, stacks, the allocator's own.
    let settled = memory[swaps / 4];
    let most = memory[swaps / 4..].iter().max().unwrap();
    println!(
        "{swaps} swaps, {} requests, {calls} calls; memory {} KiB at first, {settled} KiB, at most {most} KiB",
        asked.load(Ordering::Relaxed),
        memory[0]
    );
    assert!(*most <= settled + GROWTH, "memory grew from {settled} KiB to {most} KiB: {memory:?}");
}

/// Whether `corp` is the component with this digest.
fn is_run_by(agent: &Agent, digest: &str) -> bool {
    let status = agent.status();
    status["sources"].as_array().unwrap().iter().any(|source| source["name"] == "corp" && source["sha256"] == *digest)
}

/// Of each client.
const APPS: usize = 12;

const REQUESTS_PER_SWAP: usize = 50;

/// What the allocator of the system may keep from one moment to the next, in KiB; forty components that were never let go take more.
const GROWTH: u64 = 6 << 10;
