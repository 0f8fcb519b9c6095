//! `doctor`: what is wrong, and the command that mends it.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, time::Duration};

use flytoken::{
    system::{Clock, Environment, SystemClock},
    time::Timestamp,
    token::{AUTH_LOCATION, Caveat},
};
use serde_json::Value;

use crate::harness::{Home, canary, discharged, eventually, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Every check of a home, which leads to this exit code.
fn checks(home: &Home, exit: i32) -> Vec<Value> {
    let ran = home.run(&["doctor", "--json"]);
    assert_eq!(ran.ends_with(exit), "");
    canary::assert_clean("what doctor says", ran.stdout.as_bytes());
    let checks = ran.json()["checks"].take();
    let checks = checks.as_array().unwrap().clone();
    for check in &checks {
        let mut keys: Vec<_> = check.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["command", "name", "state", "text"], "{check}");
        assert!(["ok", "warn", "fail"].contains(&check["state"].as_str().unwrap()), "{check}");
        assert_eq!(check["state"] == "ok", check["command"].is_null(), "what is wrong comes with what mends it: {check}");
    }
    checks
}

/// State, text and command of the one check of this name.
fn only<'a>(checks: &'a [Value], name: &str) -> (&'a str, &'a str, Option<&'a str>) {
    let mut found = checks.iter().filter(|check| check["name"] == name);
    let (Some(check), None) = (found.next(), found.next()) else { panic!("not one {name}: {checks:?}") };
    (check["state"].as_str().unwrap(), check["text"].as_str().unwrap(), check["command"].as_str())
}

pub(crate) fn ago(duration: Duration) -> String {
    let then = SystemClock::new(&Environment::default()).now().before(duration);
    jiff::Timestamp::from_second(then.seconds().try_into().unwrap()).unwrap().to_string()
}

/// A home in which somebody logged in so long ago.
fn logged_in(token: &str, since: Duration) -> Home {
    let home = Home::new();
    home.install_fly();
    home.write_login(&format!("access_token: {token}\nlast_login: {}\n", ago(since)));
    home
}

#[test]
fn a_home_without_a_login_fails_and_says_how_to_log_in() {
    let home = Home::new();
    let checks = checks(&home, 7);
    let (state, text, command) = only(&checks, "login");
    assert!(state == "fail" && text.contains(".fly/config.yml"), "{text}");
    assert_eq!(command, Some("fly auth login"));
    assert_eq!(only(&checks, "variables").0, "ok");
    assert_eq!(only(&checks, "config").1, "the built-in defaults are in force");
    assert_eq!(only(&checks, "key").0, "ok");
    assert_eq!((only(&checks, "agent").0, only(&checks, "agent").2), ("warn", Some("flytoken agent")));
    assert!(!home.path(".local").exists(), "looking makes nothing");
}

#[test]
fn a_login_is_told_by_organisation_with_its_discharges() {
    let end = |checks: &[Value], name: &str, what: &str| {
        let found = checks.iter().find(|check| check["name"] == name && check["text"].as_str().unwrap().contains(what));
        let check = found.unwrap_or_else(|| panic!("no {name} with {what}: {checks:?}"));
        (
            check["state"].as_str().unwrap().to_owned(),
            check["text"].as_str().unwrap().to_owned(),
            check["command"].as_str().map(str::to_owned),
        )
    };
    let ended = discharged(organization(22), Duration::from_secs(0)).replace(',', " ,");
    let bundle = format!(
        "{},{},{},{}",
        discharged(organization(11), DAY),
        ended,
        *organization(33).third_party(AUTH_LOCATION).sign().macaroon.encode(),
        user_token()
    );
    let home = logged_in(&bundle, DAY);
    home.set_clock(5);
    let checks = checks(&home, 0);
    let (state, text, _) = only(&checks, "login");
    assert!(state == "ok" && text.contains("3 permission tokens, 2 discharges, 1 user token"), "{text}");

    let (state, text, command) = end(&checks, "organization", "organisation 11");
    assert!(state == "ok" && text.contains("usable until ") && command.is_none(), "{text}");
    let (state, text, command) = end(&checks, "discharge", "organisation 11");
    assert!(state == "ok" && text.contains("from https://auth.fly.io, until ") && command.is_none(), "{text}");

    let (state, text, command) = end(&checks, "organization", "organisation 22");
    assert!(state == "warn" && text.contains("cannot be used: its discharge from https://auth.fly.io has expired: "), "{text}");
    assert_eq!(command.as_deref(), Some("fly auth whoami"));
    let (state, text, command) = end(&checks, "discharge", "organisation 22");
    assert!(state == "warn" && text.contains("expired "), "{text}");
    assert_eq!(command.as_deref(), Some("fly auth whoami"));

    let (state, text, command) = end(&checks, "discharge", "organisation 33");
    assert!(state == "warn" && text.contains("none from https://api.fly.io/aaa/v1"), "{text}");
    assert_eq!(command.as_deref(), Some("fly auth whoami"));
}

#[test]
fn flyctl_takes_a_login_for_thirty_days() {
    let day = |days: u64| Duration::from_hours(24 * days);
    for (since, expected, exit) in [(day(1), "ok", 0), (day(28), "warn", 0), (day(31), "fail", 7)] {
        let home = logged_in(&user_token(), since);
        let checks = checks(&home, exit);
        let (state, text, command) = only(&checks, "login-age");
        assert_eq!((state, command), (expected, (expected != "ok").then_some("fly auth login")), "{text}");
        assert!(text.contains("30 days"), "{text}");
    }
    let home = Home::new();
    home.write_login(&format!("access_token: {}\n", user_token()));
    let checks = checks(&home, 7);
    assert_eq!(only(&checks, "login-age").0, "fail", "flyctl takes no login of unknown age");
}

#[test]
fn a_login_that_cannot_be_used_at_all_fails() {
    let whole = minted(123, DAY);
    let cut = &whole[..100];
    let discharge = whole.split_once(',').unwrap().1;
    for (token, expected) in
        [(cut, "item 1: cut off at byte 72"), (discharge, "it holds no permission token"), ("hunter2", "item 1: not a Fly token")]
    {
        let home = logged_in(token, DAY);
        let checks = checks(&home, 7);
        let (state, text, command) = only(&checks, "login");
        assert!(state == "fail" && text.contains(expected) && command == Some("fly auth login"), "{text}");
    }
    let home = Home::new();
    home.write_login("access_token: [\n");
    let checks = checks(&home, 7);
    assert!(only(&checks, "login").1.contains("line "), "{checks:?}");
}

#[test]
fn variables_that_go_before_the_login_are_named_with_how_to_be_rid_of_them() {
    let mut home = logged_in(&user_token(), DAY);
    for name in ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN", "FLY_AUTH_TOKEN"] {
        home.set(name, &user_token());
    }
    home.set("FLY_API_BASE_URL", "http://127.0.0.1:1");
    let checks = checks(&home, 0);
    assert!(only(&checks, "login").1.starts_with("FLY_ACCESS_TOKEN holds "), "{checks:?}");
    let named: Vec<_> = checks.iter().filter(|check| check["name"] == "variables").collect();
    let commands: Vec<_> = named.iter().map(|check| check["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["unset FLY_ACCESS_TOKEN", "unset FLY_API_TOKEN", "unset FLY_AUTH_TOKEN", "unset FLY_API_BASE_URL"]);
    assert!(named.iter().all(|check| check["state"] == "warn"), "{named:?}");
}

#[test]
fn a_variable_is_the_login_where_there_is_no_other() {
    let mut home = Home::new();
    home.set("FLY_API_TOKEN", &minted(123, DAY));
    let checks = checks(&home, 0);
    let (state, text, _) = only(&checks, "login");
    assert!(state == "ok" && text.starts_with("FLY_API_TOKEN holds 1 permission token"), "{text}");
    assert_eq!(only(&checks, "variables").0, "ok");
    assert!(!checks.iter().any(|check| check["name"] == "login-age"), "only a file's login has an age");
}

#[test]
fn flyctl_is_found_where_commands_find_it() {
    let home = logged_in(&user_token(), DAY);
    let found = home.outside("bin/fly");
    assert_eq!(only(&checks(&home, 0), "fly"), ("ok", found.to_str().unwrap(), None));
    fs::set_permissions(&found, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let checks = checks(&home, 7);
    let (state, text, _) = only(&checks, "fly");
    assert!(state == "fail" && text.contains("chmod go-w"), "{text}");
}

#[test]
fn the_agent_is_asked_how_it_is() {
    let home = logged_in(&user_token(), DAY);
    let agent = home.agent();
    let all = checks(&home, 0);
    let (state, text, _) = only(&all, "agent");
    assert!(state == "ok" && text.contains(&format!("process {} runs", agent.pid())), "{text}");
    assert_eq!(only(&all, "key").0, "ok");

    home.configure("version: 1\nchian: strict\n");
    crate::harness::eventually("the agent to see it", || {
        let text = home.run(&["status", "--json"]).json()["config"]["problem"].clone();
        text.is_string().then_some(())
    });
    let all = checks(&home, 7);
    let (state, text, _) = only(&all, "agent");
    assert!(state == "fail" && text.contains("its configuration is not the newest"), "{text}");
    let (state, text, command) = only(&all, "config");
    assert!(state == "fail" && text.contains("config.yaml:2:1"), "{text}");
    assert_eq!(command, Some("flytoken config check"));
    agent.stop();

    let run = home.run(&["--agent", "never", "doctor", "--json"]).json();
    assert_eq!(only(run["checks"].as_array().unwrap(), "agent").0, "ok", "nobody asked for it");
    let ran = home.run(&["--agent", "require", "doctor", "--json"]);
    ran.ends_with(7);
    assert_eq!(only(ran.json()["checks"].as_array().unwrap(), "agent").0, "fail");
}

#[test]
fn a_key_file_is_called_what_it_is() {
    let home = logged_in(&user_token(), DAY);
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    let all = checks(&home, 0);
    let (state, text, _) = only(&all, "key");
    assert!(state == "ok" && text.contains("a file beside the databases"), "{text}");
    fs::write(home.path(".local/state/flytoken/key"), "no key\n").unwrap();
    assert_eq!(only(&checks(&home, 7), "key").0, "fail");
}

#[test]
fn a_source_that_cannot_answer_is_told_with_or_without_an_agent() {
    let home = logged_in(&user_token(), Duration::from_mins(1));
    let source = "sources: { corp: { component: ./corp.wasm, dev: true } }\n";
    for with_agent in [false, true] {
        for (config, exit, state, text) in [
            (format!("{source}chain: [corp, cli]\n"), 7, "fail", "`corp` stands in a chain and is not loaded: "),
            (format!("{source}apps: [{{ match: web, chain: [corp] }}]\n"), 7, "fail", "`corp` stands in a chain and is not loaded: "),
            (source.to_owned(), 0, "warn", "`corp` is not loaded, and no chain asks it: "),
        ] {
            home.configure(&config);
            let agent = with_agent.then(|| home.agent());
            let checks = checks(&home, exit);
            let told = only(&checks, "sources");
            assert!(told.0 == state && told.1.starts_with(text) && told.1.ends_with("corp.wasm does not exist"), "{told:?}");
            assert_eq!(told.2, Some("flytoken plugin list"));
            drop(agent);
        }
    }
    home.configure("ttl: 1h\n");
    let _agent = home.agent();
    assert_eq!(only(&checks(&home, 0), "sources").0, "ok");
}

#[test]
fn a_state_folder_that_others_may_read_and_a_policy_are_told_with_what_mends_them() {
    let home = logged_in(&user_token(), DAY);
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    let state = home.path(".local/state/flytoken");
    assert_eq!(only(&checks(&home, 0), "state"), ("ok", state.to_str().unwrap(), None));
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mend = format!("chmod 700 {}", state.display());
    let all = checks(&home, 7);
    assert_eq!((only(&all, "state").0, only(&all, "state").2), ("fail", Some(mend.as_str())));
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();

    for (policy, exit, state, command) in [
        ("version: 1\n", 0, "ok", None),
        ("version: 1\nmode: report\n", 0, "warn", Some("flytoken policy show")),
        ("version: 1\nagent: required\n", 7, "fail", Some("flytoken agent")),
        ("version: 1\nnope: 1\n", 7, "fail", Some("flytoken policy check ")),
    ] {
        home.govern(policy);
        let all = checks(&home, exit);
        let told = only(&all, "policy");
        assert!(
            told.0 == state && told.2.map(|told| command.is_some_and(|begin| told.starts_with(begin))) == command.map(|_| true),
            "{told:?}"
        );
    }
}

#[test]
fn people_see_a_line_for_each_check_and_the_command_below_it() {
    let home = Home::new();
    let ran = home.run(&["doctor"]);
    assert_eq!(ran.ends_with(7), "");
    let lines: Vec<_> = ran.stdout.lines().collect();
    let login = lines.iter().position(|line| line.starts_with("fail  login ")).unwrap_or_else(|| panic!("{}", ran.stdout));
    assert_eq!(lines[login + 1].trim_start(), "run `fly auth login`");
    assert!(lines.last().unwrap().starts_with("1 failure, "), "{}", ran.stdout);
}

#[test]
fn a_permission_token_that_ended_is_told_with_what_brings_a_new_one() {
    let ended = organization(11).caveat(Caveat::ValidityWindow { not_before: 0, not_after: 1_000 }).sign().macaroon.encode().to_string();
    assert!(Timestamp::from_seconds(1_000) < SystemClock::new(&Environment::default()).now());
    for (bundle, expected) in [(ended.clone(), "fly auth login"), (format!("{ended},{}", user_token()), "fly auth whoami")] {
        let home = logged_in(&bundle, DAY);
        let all = checks(&home, 0);
        let (state, text, command) = only(&all, "organization");
        assert!(state == "warn" && text.contains("it has expired"), "{text}");
        assert_eq!(command, Some(expected));
    }
}

#[test]
fn http_is_looked_at_where_it_is_configured() {
    let home = logged_in(&user_token(), Duration::from_mins(1));
    assert_eq!(only(&checks(&home, 0), "http"), ("ok", "off, as the configuration has it", None));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    home.configure(&format!("version: 1\nhttp: {{ socket: true, loopback: '127.0.0.1:{port}' }}\n"));
    let run = home.path(".local/state/flytoken/run");
    let (socket, bearer) = (run.join("http.sock"), run.join("http.bearer"));
    let address = format!("127.0.0.1:{port}");
    let named = format!("{} and {address}", socket.display());
    assert_eq!(only(&checks(&home, 0), "http").1, format!("off, as no agent of yours runs; it would be on {named}"));

    // Somebody else has the port.
    let agent = home.agent();
    let problem = eventually("the problem", || {
        let http = home.run(&["status", "--json"]).json()["http"].take();
        let of_port = http.as_array().unwrap().iter().find(|place| place["at"] == address.as_str()).cloned();
        of_port.filter(|place| !place["problem"].is_null())
    });
    assert!(problem["problem"].as_str().unwrap().contains("cannot listen"), "{problem}");
    let found = checks(&home, 7);
    let (state, text, _) = only(&found, "http");
    assert!(state == "fail" && text.contains(&address) && text.contains("cannot listen"), "{text}");
    let shown = home.run(&["status"]).stdout;
    assert!(shown.contains(&format!("http     {}\n         {address}\n         problem: cannot listen", socket.display())), "{shown}");
    drop(taken);
    eventually("the port", || {
        home.run(&["status", "--json"]).json()["http"].as_array().unwrap().iter().all(|place| place["problem"].is_null()).then_some(())
    });
    let found = checks(&home, 0);
    let (state, text, _) = only(&found, "http");
    assert_eq!((state, text), ("ok", format!("on {named}; over TCP for who shows what is in {}", bearer.display()).as_str()));

    fs::set_permissions(&bearer, fs::Permissions::from_mode(0o644)).unwrap();
    let found = checks(&home, 7);
    let (state, text, command) = only(&found, "http");
    assert!(state == "fail" && text.contains("nobody can ask over TCP"), "{text}");
    assert_eq!(command, Some(format!("chmod 600 {}", bearer.display()).as_str()));
    fs::remove_file(&bearer).unwrap();
    let found = checks(&home, 7);
    let (state, text, command) = only(&found, "http");
    assert!(state == "fail" && text.contains("is gone"), "{text}");
    assert_eq!(command, Some(format!("kill {}; flytoken agent", agent.pid()).as_str()));
    // It is not there for clients, though somebody listens.
    home.configure("version: 1\nhttp: { socket: true }\n");
    eventually("one place", || (home.run(&["status", "--json"]).json()["http"].as_array().unwrap().len() == 1).then_some(()));
    fs::rename(&socket, run.join("away")).unwrap();
    let found = checks(&home, 7);
    let (state, text, _) = only(&found, "http");
    assert!(state == "fail" && text.contains("cannot be reached"), "{text}");
    fs::rename(run.join("away"), &socket).unwrap();
    home.govern("version: 1\nhttp: []\n");
    eventually("the policy", || home.run(&["status", "--json"]).json()["http"].as_array().unwrap().is_empty().then_some(()));
    let found = checks(&home, 0);
    assert_eq!((only(&found, "http").0, only(&found, "http").2), ("warn", Some("flytoken policy show")));
}
