//! `flytoken plugin run`: one call of a component, outside any agent, with everything that it does and nothing of the user's.

mod check;

use std::{fs, time::Duration};

use flytoken::builtin;
use serde_json::{Value, json};

use crate::harness::{
    Home, Ran, canary,
    components::{fixture, greedy, vault},
    minted, user_token,
};

const DAY: Duration = Duration::from_hours(24);

fn home() -> Home {
    let home = Home::new();
    home.write("vault.wasm", vault());
    home.write("greedy.wasm", greedy());
    home.write("fixture.wasm", fixture());
    for name in ["config", "file", "storage"] {
        home.write(format!("{name}.wasm"), builtin::component(name).unwrap());
    }
    home
}

/// Runs a component; nothing that it prints holds a token.
fn run(home: &Home, arguments: &[&str]) -> Ran {
    let ran = home.run(&[&["plugin", "run", "--app", "web"], arguments].concat());
    canary::assert_clean("standard output", ran.stdout.as_bytes());
    ran
}

fn names(told: &Value) -> Vec<&str> {
    told["calls"].as_array().unwrap().iter().map(|call| call["name"].as_str().unwrap()).collect()
}

#[test]
fn a_run_tells_every_call_into_the_host_and_the_facts_of_the_lease_and_never_the_token() {
    let home = home();
    let setting = format!("token={}", minted(7, DAY));
    let ran = run(&home, &["vault.wasm", "--setting", &setting, "--json"]);
    ran.ends_with(0);
    let told = ran.json();
    assert_eq!(names(&told), ["settings.get token", "secrets.seal"]);
    assert!(told["calls"].as_array().unwrap().iter().all(|call| call["took_us"].is_u64() && call["at_us"].is_u64()), "{told}");
    assert_eq!((&told["outcome"], &told["grants"], &told["log"]), (&json!("lease"), &json!(""), &json!([])));
    let lease = &told["lease"];
    assert_eq!((&lease["holds"], &lease["id"], &lease["expires_at"]), (&json!(true), &json!("vault"), &json!(null)));
    assert_eq!(lease["items"], json!(["permission token", "discharge"]));
    assert!(lease["token_expires_at"].is_u64() && lease["fingerprint"].as_str().unwrap().len() == 16, "{told}");
    for number in ["compiled_us", "linked_us", "started_us", "took_us", "memory_bytes"] {
        assert!(told[number].as_u64().unwrap() > 0, "{number}: {told}");
    }
    let text = run(&home, &["vault.wasm", "--setting", &setting]);
    text.ends_with(0);
    for part in ["settings.get token", "secrets.seal", "permission token, discharge", "This run needed no grants"] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    // For another kind the same token does not hold, and the chain would go on.
    let org = run(&home, &["vault.wasm", "--setting", &setting, "--kind", "login", "--json"]);
    org.ends_with(3);
    assert_eq!((&org.json()["lease"]["holds"], &org.json()["lease"]["text"]), (&json!(false), &json!("it is not the login")));
}

#[test]
fn each_end_has_its_name_and_the_exit_code_of_a_chain() {
    let home = home();
    let token = format!("token={}", minted(7, DAY));
    for (behaviour, outcome, code) in [
        ("answer", "lease", 0),
        ("absent", "absent", 3),
        ("unavailable", "unavailable", 8),
        ("needs-human", "needs-human", 6),
        ("misconfigured", "misconfigured", 7),
        ("forge", "lease", 7),
        ("reveal", "denied", 7),
        ("token-in-text", "absent", 3),
        ("token-in-log", "lease", 0),
        ("loop", "timed-out", 8),
        ("grow", "out-of-memory", 8),
        ("trap", "trapped", 8),
        ("many-secrets", "limit", 8),
    ] {
        let behaviour_setting = format!("behaviour={behaviour}");
        let ran = run(&home, &["fixture.wasm", "--setting", &behaviour_setting, "--setting", &token, "--timeout", "2s", "--json"]);
        ran.ends_with(code);
        let told = ran.json();
        assert_eq!(told["outcome"], outcome, "{behaviour}: {told}");
        match behaviour {
            "reveal" => {
                assert!(told["denied"][0].as_str().unwrap().contains("add `reveal: true`"), "{told}");
                assert!(names(&told).contains(&"secrets.reveal"), "{told}");
            }
            "token-in-log" => assert_eq!(told["log"], json!(["the token is [token],[token]"])),
            "token-in-text" => assert_eq!(told["text"], "the token is [token],[token]"),
            "many-secrets" => assert!(told["calls_left_out"].is_u64() && names(&told).len() <= 200, "{told}"),
            _ => {}
        }
    }
}

#[test]
fn the_least_grants_are_told_and_may_stand_in_a_configuration() {
    let home = home();
    let token = minted(7, DAY);
    home.write(home.outside("secrets/token"), &token);
    home.write(home.outside("secrets/other"), "nothing");
    let path = |name: &str| home.outside("secrets").join(name).display().to_string();
    let files = format!("files: {{ token: {}, other: {} }}", path("token"), path("other"));
    let ran = run(&home, &["file.wasm", "--grant", &files, "--json"]);
    ran.ends_with(0);
    let told = ran.json();
    assert_eq!(names(&told), ["settings.keys", "settings.get file", "files.seal token"]);
    assert_eq!(told["grants"], format!("files:\n  token: {}\n", path("token")));
    let lines = told["grants"].as_str().unwrap().lines().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n");
    home.configure(&format!("version: 1\nsources:\n  mine:\n    component: ./file.wasm\n    dev: true\n    grants:\n{lines}\n"));
    home.run(&["config", "check"]).ends_with(0);

    // What is not there, or not granted, is told with the line to add.
    let ran = run(&home, &["file.wasm", "--grant", &files, "--setting", "file=third", "--json"]);
    ran.ends_with(7);
    assert!(ran.json()["denied"][0].as_str().unwrap().contains("third: /a/path"), "{}", ran.stdout);
    assert_eq!(ran.json()["only_to_load"], json!(["files"]));
    let told = run(&home, &["file.wasm", "--grant", &files, "--setting", "file=third"]).stdout;
    assert!(told.contains("This run used none of its grants") && !told.contains("The least grants"), "{told}");
    let told = run(&home, &["file.wasm", "--grant", &files]).stdout;
    assert!(told.contains("The least grants that this run needed:") && !told.contains("used none"), "{told}");

    let refused = run(&home, &["greedy.wasm"]);
    // Each grant that it lacks, at once; nobody looks for a configuration that there is none of.
    let hint = "hint: add --grant 'commands: [{ program: …, args: […] }]' --grant 'login' --grant 'records: cache'";
    assert!(refused.ends_with(7).contains(hint), "{}", refused.stderr);
    assert!(!refused.stderr.contains("sources.greedy"), "{}", refused.stderr);
    let (login, records) = ("login", "records: cache");
    let refused = run(&home, &["greedy.wasm", "--grant", login, "--grant", records]);
    assert!(refused.ends_with(7).contains("which needs the grant `commands`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: add --grant 'commands: "), "{}", refused.stderr);
}

#[test]
fn nothing_of_the_users_is_touched_or_used() {
    let (home, fly) = Home::logged_in(&user_token());
    for (name, bytes) in [("config", builtin::component("config")), ("greedy", Some(greedy()))] {
        home.write(format!("{name}.wasm"), bytes.unwrap());
    }
    home.configure("this: holds for no configuration\n");
    let ran = run(&home, &["config.wasm", "--grant", "login", "--json"]);
    ran.ends_with(0);
    // The user's own is a user token alone, which no kind but `login` gets.
    assert_eq!(ran.json()["lease"]["items"], json!(["permission token", "discharge", "user token"]));
    run(&home, &["config.wasm", "--grant", "login", "--logged-out"]).ends_with(3);
    assert!(!home.path(".local").exists(), "a trial keeps nothing");
    drop(fly);
}

#[test]
fn a_token_is_revealed_on_a_terminal_alone_and_mistakes_are_those_of_a_configuration() {
    let home = home();
    let token = format!("token={}", minted(7, DAY));
    let refused = run(&home, &["vault.wasm", "--setting", &token, "--reveal"]);
    assert!(refused.ends_with(2).contains("standard output is none") && refused.stdout.is_empty(), "{}", refused.stderr);
    run(&home, &["vault.wasm", "--reveal", "--json"]).ends_with(2);
    // `script` gives it a terminal of its own.
    #[cfg(target_os = "linux")]
    for (reveal, is_shown) in [("--reveal", true), ("", false)] {
        let line = format!("script -qec 'flytoken plugin run vault.wasm --app web --setting {token} {reveal}' /dev/null");
        let shown = home.shell(&home.path(""), &line);
        assert_eq!(shown.contains(token.trim_start_matches("token=")), is_shown, "{reveal}: {shown}");
        assert!(shown.contains("This run needed no grants."), "{reveal}: {shown}");
    }
    for (grants, told) in [
        (vec!["lgoin"], "did you mean `login`?"),
        (vec!["reveal", "http: [{ origin: 'https://vault.example' }]"], "may-leak"),
        (vec!["http: [{ origin: 'http://vault.example' }]"], "`http://` is for private networks alone"),
        (vec!["memory: 4GiB"], "must be from"),
    ] {
        let arguments: Vec<&str> = grants.iter().flat_map(|grant| ["--grant", grant]).collect();
        let refused = run(&home, &[&["vault.wasm"], &arguments[..]].concat());
        assert!(refused.ends_with(2).contains(told), "{grants:?}: {}", refused.stderr);
    }
    let both = ["vault.wasm", "--grant", "reveal", "--grant", "http: [{ origin: 'https://vault.example' }]", "--may-leak"];
    run(&home, &both).ends_with(3);
    run(&home, &["vault.wasm", "--timeout", "3m"]).ends_with(2);
    run(&home, &["vault.wasm", "--app", "Big_App"]).ends_with(2);
    assert!(fs::read_dir(home.path(".local")).is_err());
}
