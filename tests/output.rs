//! What `get`, `env` and `exec` hand over, and in which form.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use crate::harness::{Home, discharged, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home in which `web` has this token, set by hand: it is handed over as it is.
fn set(token: &str) -> Home {
    let home = Home::new();
    home.run_with(&["set", "web"], token).ends_with(0);
    home
}

#[test]
fn get_prints_the_token_in_the_form_asked_for_and_nothing_else() {
    let (macaroon, user) = (minted(123, DAY), user_token());
    for (token, option, expected) in [
        (&macaroon, None, format!("FlyV1 {macaroon}\n")),
        (&macaroon, Some("--bare"), format!("{macaroon}\n")),
        (&macaroon, Some("--header"), format!("Authorization: FlyV1 {macaroon}\n")),
        (&user, None, format!("{user}\n")),
        (&user, Some("--bare"), format!("{user}\n")),
        (&user, Some("--header"), format!("Authorization: Bearer {user}\n")),
    ] {
        let home = set(token);
        for with_agent in [false, true] {
            let _agent = with_agent.then(|| home.agent());
            let ran = home.run(&[&["get", "web"][..], option.as_slice()].concat());
            assert_eq!((&*ran.stdout, &*ran.stderr, ran.code), (&*expected, "", Some(0)), "{option:?}");
        }
    }
}

#[test]
fn get_as_json_has_exactly_the_promised_keys() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    for kind in ["readonly", "login"] {
        let answer = home.get(&["web", "--kind", kind]);
        let mut keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["app", "expires_at", "fingerprint", "kind", "obtained_at", "source", "token"]);
        assert_eq!((&answer["app"], &answer["kind"]), (&"web".into(), &kind.into()));
        assert!(answer["obtained_at"].is_u64() && answer["fingerprint"].as_str().unwrap().len() == 16, "{answer}");
    }
}

#[test]
fn the_end_of_a_token_is_told_in_unix_seconds_and_null_where_nobody_knows_it() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    let minted = home.get(&["web"]);
    let lasts = minted["expires_at"].as_u64().unwrap() - minted["obtained_at"].as_u64().unwrap();
    assert!((86_390..=86_400).contains(&lasts), "{minted}");
    assert!(home.get(&["web", "--kind", "login"])["expires_at"].is_null());
}

#[test]
fn a_failure_with_json_is_json_on_stdout() {
    let ran = Home::new().run(&["get", "web", "--json"]);
    assert_eq!(ran.ends_with(6), "");
    let failure = ran.json();
    let mut keys: Vec<&String> = failure["error"].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["code", "hint", "message", "steps"]);
    assert_eq!(failure["error"]["code"], "needs-human");
}

#[test]
fn forms_that_exclude_each_other_are_refused() {
    for options in [["--bare", "--header"], ["--header", "--json"]] {
        Home::new().run(&[&["get", "web"], &options[..]].concat()).ends_with(2);
    }
}

#[test]
fn env_prints_lines_that_each_reader_takes() {
    let token = minted(123, DAY);
    let home = set(&token);
    for (format, expected) in [
        ("bash", format!("export FLY_API_TOKEN='FlyV1 {token}'\nunset FLY_ACCESS_TOKEN\n")),
        ("fish", format!("set -gx FLY_API_TOKEN 'FlyV1 {token}'\nset -e FLY_ACCESS_TOKEN\n")),
        ("dotenv", format!("FLY_API_TOKEN='FlyV1 {token}'\n")),
        ("json", format!("{{\"FLY_API_TOKEN\":\"FlyV1 {token}\"}}\n")),
    ] {
        let ran = home.run(&["env", "web", "--format", format]);
        ran.ends_with(0);
        assert_eq!(ran.stdout, expected, "{format}");
    }
    assert_eq!(home.run(&["env", "web"]).stdout, home.run(&["env", "web", "--format", "bash"]).stdout);
}

#[test]
fn a_shell_that_evaluates_env_has_the_token_and_no_rival() {
    let token = minted(123, DAY);
    let home = set(&token);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("eval \"$FLYTOKEN_LINES\"; printf '%s|%s' \"$FLY_API_TOKEN\" \"${FLY_ACCESS_TOKEN-unset}\"");
    let output = shell.env("FLYTOKEN_LINES", home.run(&["env", "web"]).stdout).env("FLY_ACCESS_TOKEN", "rival").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("FlyV1 {token}|unset"));
}

#[test]
fn a_failed_env_prints_nothing_to_evaluate() {
    let ran = Home::new().run(&["env", "web"]);
    ran.ends_with(6);
    assert_eq!(ran.stdout, "");
}

#[test]
fn exec_runs_the_command_with_the_token_and_without_its_rivals() {
    let login = format!("{},{}", discharged(organization(1), DAY), user_token());
    let (mut home, _) = Home::logged_in(&login);
    let agent = home.agent();
    let token = home.run(&["get", "web"]).token();
    // What a command finds in a careless user's shell; set for the command alone, since `flytoken` would take them for the login.
    for rival in ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN", "FLY_AUTH_TOKEN", "FLY_METRICS_TOKEN"] {
        home.set(rival, "rival");
    }
    home.set("OTHER", "kept");
    let ran =
        home.run(&["exec", "web", "--", "sh", "-c", "env | grep -E '^(FLY_|OTHER)' | sort; echo \"arguments: $*\"", "sh", "a b", "--c"]);
    assert_eq!(ran.ends_with(0), "");
    assert_eq!(ran.stdout, format!("FLY_API_TOKEN={token}\nOTHER=kept\narguments: a b --c\n"));
    drop(agent);
}

#[test]
fn exec_becomes_the_command() {
    let home = set(&minted(123, DAY));
    let mut child = home.command(&["exec", "web", "--", "sh", "-c", "echo $$"]);
    let child = child.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), id.to_string());
}

#[test]
fn exec_hands_standard_input_over() {
    let home = set(&minted(123, DAY));
    let ran = home.run_with(&["exec", "web", "--", "cat"], "what was typed");
    assert_eq!(ran.stdout, "what was typed");
}

#[test]
fn exec_ends_as_its_command_does_and_has_codes_of_its_own_for_its_own_failures() {
    let home = set(&minted(123, DAY));
    let plain = home.path("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let plain = plain.to_str().unwrap();
    for (what, arguments, exit) in [
        ("its command's", &["exec", "web", "--", "sh", "-c", "exit 7"][..], 7),
        ("no token", &["exec", "nobody", "--", "true"], 125),
        ("a bad app", &["exec", "No", "--", "true"], 125),
        ("no command", &["exec", "web"], 125),
        ("an unknown option", &["exec", "web", "--what", "--", "true"], 125),
        ("no agent", &["--agent", "require", "exec", "web", "--", "true"], 125),
        ("not executable", &["exec", "web", "--", plain], 126),
        ("a directory", &["exec", "web", "--", "/"], 126),
        ("not found", &["exec", "web", "--", "no-such-program"], 127),
        ("not found by its path", &["exec", "web", "--", "/no/such/program"], 127),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(exit), "{what}: {}", ran.stderr);
        assert_eq!((&*ran.stdout, ran.stderr.is_empty()), ("", exit == 7), "{what}");
    }
}

#[test]
fn exec_passes_a_failed_resolution_on_with_every_steps_reason() {
    let home = Home::new();
    assert!(home.run(&["exec", "web", "--", "true"]).ends_with(125).contains("fly auth login"));
}
