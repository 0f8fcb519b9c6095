//! Sources that misbehave, through a real agent: whatever one does comes to an outcome with its name on it, the next step answers, and
//! nobody else notices.

mod cases;
mod guest;
mod lies;

use std::{collections::BTreeSet, fmt::Write, fs, thread, time::Duration};

use serde_json::Value;

use self::{
    cases::{APP, Case, answering, breaking, case, plain, telling, unloadable, useless},
    lies::{exhausting, lying, outdated, reaching, remembering},
};
use crate::harness::{ACME, Bundle, Home, Wire, canary, discharged, frame, get, minted, organization, timed, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home in which each case has its source, and in front of `cli`, which mints one and the same token for whatever app.
struct Stage {
    home: Home,
    mint: String,
}

impl Stage {
    fn new(cases: &[Case]) -> Self {
        let (mut home, fly) = Home::logged_in(&user_token());
        let mint = minted(APP, DAY);
        fly.says(&format!("echo '{{ \"token\": \"FlyV1 {mint}\" }}'"));
        // Settings hold tokens here, so the file lies where they come from.
        let (mut sources, mut apps) = (String::new(), String::new());
        for Case { name, component, source, .. } in cases {
            let path = home.path(&format!("{name}.wasm"));
            home.write(&path, component);
            writeln!(sources, "  {name}: {{ component: '{}', dev: true, {source} }}", path.display()).unwrap();
            // An id belongs to one app; the others show what does not need one.
            writeln!(apps, "  - {{ match: '{name}', chain: [{name}, cli], id: {APP} }}").unwrap();
            writeln!(apps, "  - {{ match: '{name}-for-*', chain: [{name}, cli] }}").unwrap();
            writeln!(apps, "  - {{ match: 'only-{name}', chain: [{name}] }}").unwrap();
        }
        let config = home.outside("secrets/config.yaml");
        home.write(
            &config,
            format!("version: 1\nchain: [cli]\nbudget: {{ per-app: 1000, total: 1000 }}\nsources:\n{sources}apps:\n{apps}"),
        );
        home.set("FLYTOKEN_CONFIG", &config.display().to_string());
        home.run(&["config", "check"]).ends_with(0);
        Self { home, mint }
    }

    /// What the source's own step came to when `app` was resolved, which no run before has done.
    fn resolve(&self, case: &Case, app: &str) -> Value {
        let answer = self.home.get(&[app]);
        let step = self.home.explained(app)["steps"][0].take();
        let name = case.name;
        assert_eq!(step["source"], name, "{step}");
        assert_eq!(step["outcome"], case.outcome, "{name}: {step}");
        assert!(step["text"].as_str().unwrap().contains(&case.says), "{name}: {step}");
        let answered = if case.outcome == "lease" { name } else { "cli" };
        assert_eq!(answer["source"], answered, "{name}: {answer}");
        assert!(answered != "cli" || Bundle::answered(&answer).is_from(&self.mint), "{name}");
        step
    }
}

/// Every source that does harm in a call.
fn harmful() -> Vec<Case> {
    [breaking(), exhausting(), lying(), reaching(), useless(), telling()].into_iter().flatten().collect()
}

#[test]
fn every_case_has_a_name_of_its_own_and_none_got_lost() {
    let names: Vec<&str> = [harmful(), unloadable(), outdated()].iter().flatten().map(|case| case.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(names.len() >= FEWEST_CASES, "{} cases: {names:?}", names.len());
}

#[test]
fn a_source_that_breaks_down_is_named_and_the_next_step_answers() {
    shown(&breaking(), |source| source["failures"] == 1);
}

#[test]
fn a_source_that_takes_all_it_can_get_is_named_and_the_next_step_answers() {
    shown(&exhausting(), |source| source["failures"] == 1);
}

#[test]
fn a_source_that_lies_at_the_boundary_is_named_and_the_next_step_answers() {
    shown(&lying(), |source| source["failures"] == 1);
}

#[test]
fn a_source_that_reaches_for_more_than_it_was_granted_gets_nothing_and_the_next_step_answers() {
    shown(&reaching(), |source| source["calls"] == 1);
}

#[test]
fn a_source_whose_answer_is_of_no_use_is_named_and_the_next_step_answers() {
    shown(&useless(), |source| source["failures"] == 0 && source["problem"].is_null());
}

#[test]
fn a_source_that_does_not_load_is_named_with_what_to_do_and_the_next_step_answers() {
    let cases: Vec<Case> = [unloadable(), outdated()].into_iter().flatten().collect();
    shown(&cases, |source| source["calls"] == 0 && source["problem"].is_string());
}

#[test]
fn a_component_of_200_mb_is_told_by_its_size_and_costs_no_memory() {
    let huge = Case { component: b"\0asm\x0d\0\x01\0".to_vec(), ..case("huge", "grants: {}", "misconfigured", "not loaded: ") };
    let stage = Stage::new(std::slice::from_ref(&huge));
    let file = fs::File::options().write(true).open(stage.home.path("huge.wasm")).unwrap();
    file.set_len(200 << 20).unwrap();
    let agent = stage.home.agent();
    let step = stage.resolve(&huge, "huge");
    assert!(step["text"].as_str().unwrap().contains("a component has at most 64 MiB"), "{step}");
    assert!(agent.peak_memory() < 150 << 10, "{} KiB", agent.peak_memory());
    agent.stop();
    // Whatever is left is searched for tokens.
    file.set_len(0).unwrap();
}

#[test]
fn no_source_sees_the_record_of_another_app_kind_or_source() {
    let cases = [remembering("remembers"), remembering("remembers-too")];
    let stage = Stage::new(&cases);
    let agent = stage.home.agent();
    let [own, other] = &cases;
    stage.resolve(own, "remembers");
    // There it is, and as little a token as before.
    stage.home.run(&["refresh", "remembers"]).ends_with(0);
    let again = stage.home.explained("remembers")["steps"][0].take();
    assert_eq!(again["outcome"], "misconfigured", "{again}");
    assert!(again["text"].as_str().unwrap().contains("what it gave is no token"), "{again}");
    stage.resolve(own, "remembers-for-another");
    stage.resolve(other, "remembers-too");
    stage.home.run(&["get", "remembers", "--kind", "deploy"]).ends_with(0);
    let step = stage.home.run(&["explain", "remembers", "--kind", "deploy", "--json"]).json()["resolution"]["steps"][0].take();
    assert_eq!((&step["source"], &step["outcome"]), (&own.name.into(), &"absent".into()), "{step}");
    agent.stop();
}

/// Shows each case, that `status` says of its source what it should, and that a call leaves no descriptor behind.
fn shown(cases: &[Case], status_tells: impl Fn(&Value) -> bool) {
    let stage = Stage::new(cases);
    let agent = stage.home.agent();
    // What mints is started once, and stays.
    stage.home.get(&["nothing-hostile"]);
    for case in cases {
        let before = agent.settled_descriptors();
        stage.resolve(case, case.name);
        let after = agent.settled_descriptors();
        assert!(after <= before.map(|before| before + MOST_SHARED), "{}: {before:?} descriptors became {after:?}", case.name);
    }
    let status = stage.home.run(&["status", "--json"]).json();
    for case in cases {
        let source = status["sources"].as_array().unwrap().iter().find(|source| source["name"] == case.name).unwrap();
        assert!(status_tells(source), "{source}");
    }
    assert_harmless("the log", &agent.log());
    agent.stop();
}

#[test]
fn what_a_source_says_can_neither_move_a_cursor_nor_hold_a_token() {
    let cases = telling();
    let stage = Stage::new(&cases);
    let agent = stage.home.agent();
    for case in &cases {
        let step = stage.resolve(case, case.name);
        assert_harmless(case.name, step["text"].as_str().unwrap());
        // For people, and where it is the last word.
        let [explained, failed] =
            [["explain", case.name].as_slice(), &["get", &format!("only-{}", case.name)]].map(|arguments| stage.home.run(arguments));
        assert_eq!(failed.code == Some(0), case.outcome == "lease", "{}: {}", case.name, failed.stderr);
        for text in [&explained.stdout, &failed.stderr] {
            assert_harmless(case.name, text);
        }
        assert!(case.outcome == "lease" || (explained.stdout.contains(&case.says) && failed.stderr.contains(&case.says)), "{}", case.name);
        canary::assert_clean(case.name, explained.stdout.as_bytes());
    }
    agent.stop();
}

#[test]
fn what_a_source_writes_is_logged_with_its_name_and_can_do_no_harm() {
    let token = minted(APP, DAY);
    let logging = |name, says: &str| answering(name, &token, "", "lease", "").says(says).behaves(name);
    let cases = [
        logging("token-in-log", "the token is [token]"),
        logging("escapes-in-log", r"\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}"),
        logging("log", "noise noise"),
        logging("token-in-id", ""),
        logging("escapes-in-id", ""),
        plain("panic", "unavailable", "the fixture panics"),
    ];
    let stage = Stage::new(&cases);
    let agent = stage.home.agent();
    let mut seen = 0;
    for case in &cases {
        stage.resolve(&Case { says: String::new(), ..case.clone() }, case.name);
        let log = agent.log();
        let lines: Vec<&str> = log[seen..].lines().filter(|line| line.contains(&format!("source={}", case.name))).collect();
        assert_eq!(!case.says.is_empty(), lines.iter().any(|line| line.contains(&case.says)), "{}: {}", case.name, &log[seen..]);
        assert!(log.len() - seen < MOST_LOGGED, "{}: {} bytes", case.name, log.len() - seen);
        assert_harmless(case.name, &log[seen..]);
        seen = log.len();
    }
    // The name of a lease is on disk by now, sealed; nothing shows it.
    for arguments in [&["status"][..], &["status", "--json"], &["explain", "token-in-id", "--json"], &["explain", "escapes-in-id"]] {
        let ran = stage.home.run(arguments);
        assert_harmless("an id", &ran.stdout);
        canary::assert_clean("an id", ran.stdout.as_bytes());
    }
    agent.stop();
}

#[test]
fn other_apps_are_served_while_a_source_is_busy_for_as_many_apps_as_it_may() {
    let token = minted(APP, DAY);
    let cases =
        [case("loop", "timeout: 20s, settings: { behaviour: loop }", "unavailable", ""), answering("calm", &token, "", "lease", "")];
    let stage = Stage::new(&cases);
    let agent = stage.home.agent();
    stage.resolve(&cases[1], "calm-for-0");
    let mut waiting = Wire::connect(&agent.socket);
    for id in 1..=MOST_CALLS {
        waiting.send(&frame(id, &get(&format!("loop-for-{id}"))));
    }
    let source = |name: &str| {
        let status = stage.home.run(&["status", "--json"]).json();
        status["sources"].as_array().unwrap().iter().find(|source| source["name"] == name).unwrap().clone()
    };
    for app in ["calm-for-0", "calm-for-1", "calm-for-2"] {
        assert_eq!(stage.home.get(&[app])["source"], "calm", "{app}");
    }
    assert_eq!(source("calm")["calls"], 3);
    assert_eq!(source("loop")["calls"], 0, "a call ended already, so this shows nothing");
    // None of these calls keeps the agent from stopping either.
    let ((), took) = timed(|| agent.stop());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told: Vec<Value> = std::iter::from_fn(|| waiting.receive()).map(|answer| answer["failure"]["code"].clone()).collect();
    assert_eq!(told, vec!["agent"; told.len()], "whoever waits is told that the agent stops");
    assert_eq!(told.len() as u64, MOST_CALLS);
}

#[test]
fn a_token_of_another_kind_leaves_as_what_was_asked_for_or_not_at_all() {
    // Good for all that an organisation has, and asked for as less than that, and as more.
    let wide = answering("wide", &discharged(organization(ACME), DAY), "", "lease", "");
    let stage = Stage::new(std::slice::from_ref(&wide));
    let _agent = stage.home.agent();
    assert!(Bundle::answered(&stage.home.get(&["wide"])).reads_only());
    let login = stage.home.run(&["get", "only-wide", "--kind", "login", "--json"]);
    login.ends_with(3);
    let step = login.json()["error"]["steps"][0].take();
    assert_eq!((&step["source"], &step["outcome"], &step["text"]), (&"wide".into(), &"absent".into(), &"it is not the login".into()));
}

#[test]
fn what_sources_take_is_given_back() {
    let mut cases = harmful();
    // It would fit an app whose id nobody knows.
    cases.retain(|case| case.name != "wrong-app");
    cases.chunks(MOST_SOURCES).for_each(assert_given_back);
}

/// Shows each case thrice, and that the agent is as it was after the first time.
fn assert_given_back(cases: &[Case]) {
    let stage = Stage::new(cases);
    let agent = stage.home.agent();
    let round = |number: usize| {
        thread::scope(|scope| {
            // Two at a time, as the agent's threads are: otherwise the cases that take their time decide how long this lasts.
            for half in cases.chunks(cases.len().div_ceil(2)) {
                let stage = &stage;
                scope.spawn(move || half.iter().for_each(|case| drop(stage.resolve(case, &format!("{}-for-{number}", case.name)))));
            }
        });
    };
    stage.home.get(&["nothing-hostile"]);
    let memory = agent.memory();
    round(0);
    // Each component's first call opens what all of its calls share.
    let descriptors = agent.settled_descriptors();
    (1..=2).for_each(round);
    let (memory_later, descriptors_later) = (agent.memory(), agent.settled_descriptors());
    assert!(
        descriptors_later <= descriptors.map(|before| before + MOST_OPENED),
        "{descriptors:?} descriptors became {descriptors_later:?}"
    );
    assert!(memory_later < memory + MOST_GROWN, "{memory} KiB became {memory_later} KiB");
    agent.stop();
}

/// Fails if a text does more on a terminal than stand there.
fn assert_harmless(what: &str, text: &str) {
    let harmful =
        text.chars().find(|character| (character.is_control() && *character != '\n') || "\u{202e}\u{200b}\u{2028}".contains(*character));
    assert!(harmful.is_none(), "{what}: {harmful:?} in {text}");
}

/// Sources of one configuration, with some room for those that are built in.
const MOST_SOURCES: usize = 50;

/// How many of them there are at least.
const FEWEST_CASES: usize = 80;

/// What one call may add to the log, in bytes: a few lines of its own, and what the agent says of it.
const MOST_LOGGED: usize = 8 << 10;

/// Calls that one source may have at a time.
const MOST_CALLS: u64 = 8;

/// What an agent may grow by, in KiB, while sources take hundreds of times as much: what an allocator does not give back at once.
const MOST_GROWN: u64 = 16 << 10;

/// Descriptors that stay open after a component's first call: what all of its calls share.
const MOST_SHARED: usize = 4;

/// Descriptors that an agent may have opened meanwhile: those of the processes that commands wait in, at most four. A call that left one
/// behind would leave dozens.
const MOST_OPENED: usize = 16;
