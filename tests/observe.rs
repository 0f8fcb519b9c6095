//! What an agent tells of itself: how each app is in `status`, and each request, run and step in the log.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Agent, Corp, Fly, Home, Wire, components::fixture, eventually, frame, get, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Somebody logged in, a `fly` that mints for `web` and `api`, and an agent that logs for machines; with these options.
fn logging(options: &[&str]) -> (Home, Fly, Agent) {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "api"] {
        fly.mints(app, &[minted(1, DAY), minted(1, DAY)]);
    }
    let command = home.command(&[&["agent", "--log", "json"], options].concat());
    let agent = Agent::start_by(&home, command, &home.path(".local/state/flytoken/run/agent.sock"));
    (home, fly, agent)
}

/// The lines of the log about one thing: `request`, `run` or `step`, each with its span's fields and its message.
fn told(agent: &Agent, of: &str) -> Vec<Value> {
    let log = agent.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.filter(|line| line["span"]["name"] == of).collect()
}

fn texts<'a>(lines: &'a [Value], field: &str) -> Vec<&'a str> {
    lines.iter().map(|line| line["span"][field].as_str().unwrap_or_else(|| panic!("no {field} in {line}"))).collect()
}

#[test]
fn a_herd_is_told_as_one_owner_and_the_others_as_coalesced_and_who_comes_later_as_cache() {
    const HERD: u64 = 20;
    let (_home, fly, agent) = logging(&["-v"]);
    fly.hold("web");
    let mut herd = Wire::connect(&agent.socket);
    for id in 1..=HERD {
        herd.send(&frame(id, &get("web")));
    }
    fly.called(1);
    fly.let_go("web");
    for _ in 1..=HERD {
        assert_eq!(herd.receive().unwrap()["reply"]["reply"], "token");
    }
    herd.ask(&get("web"));
    let requests =
        eventually("every request in the log", || Some(told(&agent, "request")).filter(|requests| requests.len() as u64 == HERD + 1));
    let acquirers = texts(&requests, "acquirer");
    let count = |acquirer| acquirers.iter().filter(|found| **found == acquirer).count() as u64;
    assert_eq!((count("owner"), count("coalesced"), count("cache")), (1, HERD - 1, 1), "{acquirers:?}");
    for request in &requests {
        let span = &request["span"];
        assert_eq!((&span["op"], &span["app"], &span["kind"]), (&json!("get"), &json!("web"), &json!("readonly")), "{request}");
        assert_eq!((&span["source"], &span["outcome"]), (&json!("cli"), &json!("done")), "{request}");
        assert!(span["duration_us"].is_u64() && request["level"] == "DEBUG" && request["timestamp"].is_string(), "{request}");
    }
    agent.stop();
}

#[test]
fn each_run_and_each_step_is_told_with_its_outcome_and_how_long_it_took() {
    let (home, fly, agent) = logging(&["-v"]);
    home.get(&["web", "--kind", "deploy"]);
    fly.fails("failed creating token: upstream\u{1b}[31m is down");
    home.run(&["get", "api", "--kind", "deploy"]).ends_with(8);
    let (runs, steps) = (told(&agent, "run"), told(&agent, "step"));
    assert_eq!(texts(&runs, "outcome"), ["lease", "try-again"]);
    assert_eq!((&runs[0]["span"]["source"], &runs[0]["span"]["renewal"]), (&json!("cli"), &json!(false)), "{}", runs[0]);
    let of_web = steps.iter().filter(|step| step["span"]["app"] == "web").cloned().collect::<Vec<_>>();
    assert_eq!(texts(&of_web, "source"), ["storage", "config", "cli"]);
    assert_eq!(texts(&of_web, "outcome"), ["absent", "absent", "lease"]);
    let of_api = &steps[of_web.len()..];
    assert_eq!(texts(of_api, "outcome"), ["absent", "absent", "unavailable", "absent"]);
    assert!(of_api[2]["message"].as_str().unwrap().contains("is down"), "{}", of_api[2]);
    for line in runs.iter().chain(&steps) {
        assert!(line["span"]["duration_us"].is_u64(), "{line}");
        assert!(!line["message"].as_str().unwrap().contains('\u{1b}'), "{line}");
    }
    // A fly process takes its time, and it is the step's.
    assert!(of_web[2]["span"]["duration_us"].as_u64().unwrap() > 500, "{}", of_web[2]);
    let failed = told(&agent, "request").into_iter().find(|request| request["span"]["app"] == "api").unwrap();
    assert_eq!((&failed["span"]["outcome"], &failed["span"]["acquirer"]), (&json!("try-again"), &json!("owner")), "{failed}");
    agent.stop();
}

#[test]
fn without_being_asked_an_agent_tells_of_a_failure_once_and_of_nothing_that_goes_well() {
    let (home, fly, agent) = logging(&[]);
    home.get(&["web"]);
    fly.fails("failed creating token: upstream is down");
    // Until the source was asked a second time: the failure is the same.
    eventually("another run", || {
        home.run(&["get", "api"]).ends_with(8);
        (fly.calls().len() >= 3).then_some(())
    });
    let log = agent.log();
    assert!(["request", "run", "step"].iter().all(|of| told(&agent, of).is_empty()), "{log}");
    let failures: Vec<&str> = log.lines().filter(|line| line.contains("upstream is down")).collect();
    assert_eq!(failures.len(), 1, "{log}");
    let failure: Value = serde_json::from_str(failures[0]).unwrap();
    let expected = json!({ "level": "INFO", "app": "api", "kind": "readonly", "source": "cli", "outcome": "try-again" });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(failure[key], *value, "{failure}");
    }
    assert!(!log.contains("web"), "{log}");
    agent.stop();
}

#[test]
fn an_apps_line_in_status_says_what_keeps_it_from_a_token() {
    let (home, fly, agent) = logging(&[]);
    home.get(&["web"]);
    fly.fails("failed creating token: upstream is down");
    home.run(&["refresh", "web"]).ends_with(8);
    home.run(&["get", "api"]).ends_with(8);
    let status = home.run(&["status", "--json"]).json();
    let (web, api) = (&status["apps"][0], &status["unserved"][0]);
    assert_eq!(
        (&web["app"], &web["state"], &api["app"], &api["kind"]),
        (&json!("web"), &json!("fresh"), &json!("api"), &json!("readonly")),
        "{status}"
    );
    for line in [web, api] {
        assert!(line["last_error"].as_str().unwrap().contains("upstream is down"), "{status}");
        assert_eq!((&line["trouble"]["what"], &line["trouble"]["source"]), (&json!("backed-off"), &json!("cli")), "{status}");
        assert!(line["trouble"]["until"].is_u64(), "{status}");
    }
    let shown = home.run(&["status"]).stdout;
    let line = |app: &str| {
        shown.lines().find(|line| line.starts_with(&format!("{app} "))).unwrap_or_else(|| panic!("no {app} in {shown}")).to_owned()
    };
    assert!(line("web").contains("fresh, cli backed off until"), "{shown}");
    assert!(line("api").contains("no token, cli backed off until") && line("api").contains("upstream is down"), "{shown}");
    // What it is served with again is no longer there.
    fly.recovers();
    home.run(&["refresh", "api"]).ends_with(0);
    let status = home.run(&["status", "--json"]).json();
    assert!(status["unserved"].as_array().unwrap().is_empty(), "{status}");
    assert_eq!(
        (&status["apps"][0]["app"], &status["apps"][0]["trouble"], &status["apps"][0]["last_error"]),
        (&json!("api"), &Value::Null, &Value::Null),
        "{status}"
    );
    agent.stop();
}

#[test]
fn an_open_breaker_shows_on_the_line_of_every_app_that_needs_the_source() {
    let corp = Corp::new(fixture());
    corp.configure_corp("behaviour: trap", "");
    let agent = corp.home.agent();
    for app in ["one", "two", "three"] {
        corp.home.run(&["get", app]).ends_with(8);
    }
    let status = corp.home.run(&["status", "--json"]).json();
    let unserved = status["unserved"].as_array().unwrap();
    assert_eq!(unserved.len(), 3, "{status}");
    for line in unserved {
        assert_eq!(line["trouble"]["what"], "breaker-open", "{status}");
    }
    assert!(corp.home.run(&["status"]).stdout.contains("no token, corp breaker open until"));
    agent.stop();
}
