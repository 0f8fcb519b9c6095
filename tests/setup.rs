//! `flytoken setup`: what it finds, what it writes, and what it leaves alone; and the manual pages.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use crate::harness::{Home, user_token, write_program};

fn home() -> Home {
    let (home, _fly) = Home::logged_in(&user_token());
    write_program(&home.outside("bin/systemctl"), b"#!/bin/sh\n");
    home
}

#[test]
fn it_says_what_is_there_writes_a_configuration_that_holds_and_installs_the_agent() {
    let home = home();
    home.write("fly.toml", "app = \"web\"\n");
    let ran = home.run(&["setup", "--yes", "--strict", "--audit"]);
    ran.ends_with(0);
    for told in
        ["login   ", "bin/fly\n", "app     web\n", "config  none yet", "agent   is not installed", "wrote ", "Next: `flytoken get`\n"]
    {
        assert!(ran.stdout.contains(told), "{told:?}: {}", ran.stdout);
    }
    let shown = home.run(&["config", "show", "--json"]).json();
    assert_eq!(shown["config"]["chain"], "strict", "{shown}");
    assert_eq!(shown["config"]["audit"]["file"], "audit.jsonl", "{shown}");
    assert!(home.path(".config/systemd/user/flytoken.socket").exists());
}

#[test]
fn as_usual_nothing_but_the_version_is_in_force_and_the_agent_can_be_left_out() {
    let home = home();
    let before = home.run(&["config", "show"]).stdout;
    let ran = home.run(&["setup", "--yes", "--no-agent"]);
    ran.ends_with(0);
    assert!(ran.stdout.ends_with("Next: `flytoken get APP`\n"), "{}", ran.stdout);
    let values = |shown: &str| shown.lines().filter(|line| !line.contains("version")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(values(&home.run(&["config", "show"]).stdout), values(&before));
    assert!(!home.path(".config/systemd").exists());
}

#[test]
fn where_no_systemd_answers_no_agent_is_offered_and_the_rest_is_done() {
    let home = home();
    write_program(&home.outside("bin/systemctl"), b"#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n");
    let ran = home.run(&["setup", "--yes"]);
    ran.ends_with(0);
    let told = "agent   cannot be started by anybody here: Failed to connect to bus: No medium found; every command works by itself\n";
    assert!(ran.stdout.contains(told) && ran.stdout.ends_with("Next: `flytoken get APP`\n"), "{}", ran.stdout);
    assert!(home.path(".config/flytoken/config.yaml").exists() && !home.path(".config/systemd").exists());
}

#[test]
fn a_configuration_that_is_there_stays_as_it_is() {
    let home = home();
    home.configure("version: 1\nttl: 1h\n");
    let ran = home.run(&["setup", "--yes", "--strict"]);
    ran.ends_with(0);
    assert!(ran.stdout.contains("config.yaml, which stays as it is"), "{}", ran.stdout);
    let path = home.path(".config/flytoken/config.yaml");
    assert_eq!(fs::read_to_string(&path).unwrap(), "version: 1\nttl: 1h\n");
    // A link that leads nowhere is somebody's as well.
    fs::remove_file(&path).unwrap();
    symlink(home.path("elsewhere.yaml"), &path).unwrap();
    home.run(&["setup", "--yes", "--no-agent"]).ends_with(0);
    assert!(!home.path("elsewhere.yaml").exists());
}

#[test]
fn with_nobody_there_and_nothing_at_hand_it_says_what_to_type() {
    let home = Home::new();
    let asked = home.run(&["setup"]);
    assert!(asked.ends_with(6).contains("add `--yes`"), "{}", asked.stderr);
    assert!(!home.path(".config").exists());
    let ran = home.run(&["setup", "--yes", "--no-agent"]);
    ran.ends_with(0);
    assert!(
        ran.stdout.contains("Next: `fly auth login`, then `curl -L https://fly.io/install.sh | sh`, then `flytoken get APP`"),
        "{}",
        ran.stdout
    );
}

/// Runs a command at a terminal, where somebody types these lines; answers with everything that was to be seen there.
fn at_a_terminal(home: &Home, words: &str, typed: &str) -> Option<String> {
    let model = home.command(&[]);
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} {words}", env!("CARGO_BIN_EXE_flytoken")), "/dev/null"]).env_clear();
    command.envs(model.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "dumb");
    command.current_dir(model.get_current_dir().unwrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    // Its end is left open: it would hang up.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_person_is_asked_three_questions_and_an_empty_answer_is_the_usual_one() {
    for (typed, strict, audit, agent) in [("y\ny\nn\n", true, true, false), ("\n\n\n", false, false, true)] {
        let home = home();
        let Some(seen) = at_a_terminal(&home, "setup", typed) else { return println!("not shown: there is no `script` here") };
        assert_eq!(seen.matches("[y/N]").count() + seen.matches("[Y/n]").count(), 3, "{seen}");
        let text = fs::read_to_string(home.path(".config/flytoken/config.yaml")).unwrap();
        assert_eq!((text.contains("\nchain: strict"), text.contains("\naudit: ")), (strict, audit), "{seen}");
        assert_eq!(home.path(".config/systemd/user/flytoken.socket").exists(), agent, "{seen}");
    }
}

#[test]
fn manual_pages_are_written_where_they_are_wanted_and_a_folder_that_is_none_is_told() {
    let home = Home::new();
    let ran = home.run(&["man", "pages/man1"]);
    ran.ends_with(0);
    let page = fs::read_to_string(home.path("pages/man1/flytoken-policy-test.1")).unwrap();
    assert!(page.contains("Examples:") && page.contains("flytoken policy test "), "{page}");
    home.write("file", "");
    assert!(home.run(&["man", "file/below"]).ends_with(2).contains("hint: name a folder that you may write to"));
}
