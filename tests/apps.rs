//! Which app is meant, and that nothing else than an app's name gets any further.

use std::fs;

use crate::harness::{Home, minted, user_token};

/// What is no app name, for one reason each.
const BAD: [&str; 16] = [
    "",
    "-web",
    "web-",
    "-",
    "Web",
    "web_1",
    "web.internal",
    "../web",
    "/etc/passwd",
    "we b",
    "web\n",
    "web\t",
    "wéb",
    "web;id",
    "$(id)",
    "a123456789012345678901234567890123456789012345678901234567890123",
];

/// Every command that takes an app, and how it ends without one: `exec` has an exit code of its own for its own failures.
const COMMANDS: [(&[&str], i32); 8] = [
    (&["get"], 2),
    (&["env"], 2),
    (&["set"], 2),
    (&["unset"], 2),
    (&["refresh"], 2),
    (&["invalidate"], 2),
    (&["explain", "--resolve"], 2),
    (&["exec"], 125),
];

/// Runs a command for an app named by `-a`.
fn run(home: &Home, command: &[&str], app: &str) -> crate::harness::Ran {
    let option = format!("--app={app}");
    let rest: &[&str] = if command[0] == "exec" { &["--", "true"] } else { &[] };
    home.run_with(&[command, &[&option], rest].concat(), "FlyV1 fm2_x")
}

#[test]
fn every_bad_app_name_is_refused_before_any_source_hears_of_it() {
    let (home, fly) = Home::logged_in(&user_token());
    let _agent = home.agent();
    for (command, exit) in COMMANDS {
        // One for every command, and every one for the first.
        for app in BAD.iter().take(if command == ["get"] { BAD.len() } else { 3 }) {
            let ran = run(&home, command, app);
            assert!(ran.ends_with(exit).contains("app name"), "{command:?} {app:?}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{command:?} {app:?}");
        }
    }
    let status = home.run(&["status", "--json"]).json();
    let calls: Vec<u64> = status["sources"].as_array().unwrap().iter().map(|source| source["calls"].as_u64().unwrap()).collect();
    assert_eq!(calls, [0, 0, 0, 0], "{status}");
    assert!(fly.calls().is_empty());
}

#[test]
fn a_bad_name_is_refused_wherever_it_stands_and_without_an_agent_too() {
    for bad in ["Web", "../web", "we b"] {
        let (mut home, fly) = Home::logged_in(&user_token());
        home.run(&["get", bad]).ends_with(2);
        home.run(&["get", "-a", bad]).ends_with(2);
        fs::write(home.path("fly.toml"), format!("app = {bad:?}\n")).unwrap();
        assert!(home.run(&["get"]).ends_with(2).contains("./fly.toml"));
        home.set("FLY_APP", bad);
        assert!(home.run(&["get"]).ends_with(2).contains("FLY_APP"));
        assert!(fly.calls().is_empty());
        assert!(!fs::exists(home.path(".local/state/flytoken")).unwrap(), "nothing was even opened");
    }
}

#[test]
fn a_token_in_the_place_of_an_app_is_refused_and_not_repeated() {
    let home = Home::new();
    for arguments in [vec!["get"], vec!["get", "-a"], vec!["explain"], vec!["unset"]] {
        let token = format!("FlyV1 {}", minted(123, std::time::Duration::from_mins(1)));
        // The harness searches what it wrote to standard error.
        let ran = home.run(&[&arguments[..], &[&token]].concat());
        assert!(ran.ends_with(2).contains("app name") && ran.stdout.is_empty(), "{}", ran.stderr);
    }
}

#[test]
fn the_longest_and_the_shortest_name_are_taken() {
    let home = Home::new();
    for app in ["a", "0", "a--b", &"a".repeat(63)] {
        home.run(&["get", app]).ends_with(6);
    }
}

#[test]
fn the_app_is_the_one_named_then_fly_app_then_the_one_of_fly_toml() {
    let mut home = Home::new();
    for app in ["named", "of-variable", "of-file"] {
        home.run_with(&["set", app], &minted(123, std::time::Duration::from_hours(1))).ends_with(0);
    }
    let app = |home: &Home, arguments: &[&str]| home.get(arguments)["app"].as_str().unwrap().to_owned();
    assert!(home.run(&["get"]).ends_with(2).contains("no app is named"));
    fs::write(home.path("fly.toml"), "app = \"of-file\"\nprimary_region = \"ams\"\n").unwrap();
    assert_eq!(app(&home, &[]), "of-file");
    home.set("FLY_APP", "");
    assert_eq!(app(&home, &[]), "of-file", "an empty variable counts as absent");
    home.set("FLY_APP", "of-variable");
    assert_eq!(app(&home, &[]), "of-variable");
    assert_eq!(app(&home, &["-a", "named"]), "named");
    assert_eq!(app(&home, &["named"]), "named");
}

#[test]
fn a_broken_fly_toml_is_named_with_its_place_and_not_read_where_the_app_is_named() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(123, std::time::Duration::from_hours(1))).ends_with(0);
    fs::write(home.path("fly.toml"), "app = 'web'\nregion = = 'x'\n").unwrap();
    assert!(home.run(&["get"]).ends_with(2).contains("./fly.toml:2:10"));
    home.run(&["get", "web"]).ends_with(0);
}

#[test]
fn an_app_named_twice_is_a_mistake() {
    let home = Home::new();
    home.run(&["get", "web", "-a", "other"]).ends_with(2);
}
