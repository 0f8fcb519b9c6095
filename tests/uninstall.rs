//! `flytoken uninstall`: what was minted is revoked, everything of flytoken's goes, and nothing else does.

#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Agent, Fly, Home, is_there, minted, user_token, write_program};

const DAY: Duration = Duration::from_hours(24);

/// Somebody who uses flytoken: two mints of which one was revoked, a token set by hand, an agent that is installed, a configuration, and
/// files of their own beside all that.
fn used() -> (Home, Fly) {
    let (mut home, fly) = Home::logged_in(&user_token());
    // Not what all behaviours share: that is not to be removed.
    home.set("XDG_CACHE_HOME", &home.path(".cache").display().to_string());
    let shared = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache/flytoken/components");
    copy(&shared, &home.path(".cache/flytoken/components"));
    write_program(&home.outside("bin/systemctl"), b"#!/bin/sh\n");
    for app in ["web", "api"] {
        fly.mints(app, &[minted(123, DAY), minted(123, 2 * DAY)]);
        home.get(&[app]);
    }
    let old = names(&home).pop().unwrap();
    home.run(&["revoke", &old]).ends_with(0);
    home.run_with(&["set", "legacy"], &minted(7, DAY)).ends_with(0);
    home.run(&["agent", "install"]).ends_with(0);
    home.configure("version: 1\n");
    home.write(".local/state/flytoken/notes", "mine");
    (home, fly)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { drop(fs::copy(entry.path(), to)) }
    }
}

/// The names of all mints, the newest first.
fn names(home: &Home) -> Vec<String> {
    let listed = home.run(&["minted", "--json"]).json();
    listed["mints"].as_array().unwrap().iter().map(|mint| mint["name"].as_str().unwrap().to_owned()).collect()
}

/// Every file of the home, without what the harness and `fly` have there.
fn files(home: &Home) -> Vec<String> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() { walk(&entry.path(), into) } else { into.push(entry.path()) }
        }
    }
    let mut found = Vec::new();
    walk(&home.path(""), &mut found);
    let mut found: Vec<_> = found.iter().map(|path| path.strip_prefix(home.path("")).unwrap().display().to_string()).collect();
    found.sort();
    found
}

const LEFT: [&str; 3] = [".config/flytoken/config.yaml", ".fly/config.yml", ".local/state/flytoken/notes"];

#[test]
fn what_is_still_good_is_revoked_and_all_of_flytokens_goes_and_nothing_else() {
    let (home, fly) = used();
    let [good, _revoked] = &names(&home)[..] else { panic!() };
    let ran = home.run(&["uninstall", "--yes"]);
    ran.ends_with(0);
    assert_eq!(fly.is_good(good), Some(false), "{}", ran.stdout);
    assert_eq!(fly.called_to("revoke").len(), 2, "one of them before");
    assert_eq!(files(&home), LEFT, "{}", ran.stdout);
    for told in [
        &format!("revoked  {good}, good until "),
        "stopped  the agent that was installed, with ",
        "flytoken/notes: not flytoken's",
        "config.yaml: your configuration",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let again = home.run(&["uninstall", "--yes"]);
    again.ends_with(0);
    assert_eq!(files(&home), LEFT, "looking made something");
}

#[test]
fn nothing_is_done_before_somebody_agreed() {
    let (home, fly) = used();
    let before = files(&home);
    let shown = home.run(&["uninstall", "--dry-run"]);
    shown.ends_with(0);
    let json = home.run(&["uninstall", "--dry-run", "--json"]).json();
    let steps: Vec<_> = json["steps"].as_array().unwrap().iter().map(|step| (step["action"].as_str(), step["state"].as_str())).collect();
    let expected =
        [("revoke", "would-do"), ("stop", "would-do"), ("remove", "would-do"), ("remove", "would-do"), ("keep", "kept"), ("keep", "kept")];
    assert_eq!(steps, expected.map(|(action, state)| (Some(action), Some(state))), "{json}");
    let asked = home.run(&["uninstall"]);
    let told = asked.ends_with(6);
    assert!(told.contains("revoke  flytoken-") && told.contains("add `--yes`"), "{told}");
    assert_eq!(files(&home), before);
    assert_eq!(fly.called_to("revoke").len(), 1, "one of them before");
}

#[test]
fn while_a_token_cannot_be_revoked_the_ledger_that_names_it_stays() {
    let (home, fly) = used();
    let name = names(&home)[0].clone();
    fly.revokes("echo 'Error: no network' >&2; exit 1");
    let ran = home.run(&["uninstall", "--yes", "--json"]);
    ran.ends_with(7);
    let json = ran.json();
    let step =
        |what: &str| json["steps"].as_array().unwrap().iter().find(|step| step["what"].as_str().unwrap().contains(what)).unwrap().clone();
    assert_eq!(step(&name)["state"], "failed");
    assert!(step("key")["problem"].as_str().unwrap().contains("--no-revoke"), "{json}");
    assert_eq!((&step(".cache")["state"], &step("installed")["state"]), (&"done".into(), &"done".into()), "{json}");
    assert_eq!(names(&home)[0], name, "its name is gone");

    let ran = home.run(&["uninstall", "--yes", "--no-revoke"]);
    ran.ends_with(0);
    assert!(ran.stdout.contains(&format!("{name}: good at Fly until it ends by itself")), "{}", ran.stdout);
    assert_eq!(files(&home), LEFT);
}

#[test]
fn an_agent_that_runs_revokes_and_is_stopped() {
    let (home, fly) = used();
    let name = names(&home)[0].clone();
    let agent: Agent = home.agent();
    let pid = agent.pid();
    thread_waits(agent, || {
        let ran = home.run(&["uninstall", "--yes"]);
        ran.ends_with(0);
        assert!(ran.stdout.contains(&format!("stopped  the agent, process {pid}")), "{}", ran.stdout);
    });
    assert!(!is_there(pid));
    assert_eq!(fly.is_good(&name), Some(false));
    assert_eq!(files(&home), LEFT);
}

/// Does something while another thread waits for the agent's end: one that nobody waits for is not gone.
fn thread_waits(agent: Agent, work: impl FnOnce()) {
    std::thread::scope(|scope| {
        scope.spawn(|| agent.ends());
        work();
    });
}

#[test]
fn a_profile_is_removed_by_itself() {
    let (home, _fly) = used();
    home.run_with(&["--profile", "work", "set", "web"], &minted(1, DAY)).ends_with(0);
    let profile = home.path(".local/state/flytoken/profiles/work");
    assert!(profile.exists());
    let shown = home.run(&["uninstall", "--dry-run"]);
    assert!(shown.stdout.contains("flytoken --profile NAME uninstall"), "{}", shown.stdout);
    home.run(&["--profile", "work", "uninstall", "--yes"]).ends_with(0);
    assert!(!profile.exists() && home.path(".local/state/flytoken/kept.redb").exists() && home.path(".cache/flytoken").exists());
}

#[test]
fn where_there_is_nothing_nothing_is_made() {
    let mut home = Home::new();
    // Not what all behaviours share.
    home.set("XDG_CACHE_HOME", &home.path(".cache").display().to_string());
    let ran = home.run(&["uninstall", "--yes"]);
    ran.ends_with(0);
    assert!(ran.stdout.contains("nothing to remove"), "{}", ran.stdout);
    assert_eq!(files(&home), <[String; 0]>::default());
    assert_eq!(home.run(&["uninstall", "--dry-run", "--json"]).json()["steps"], Value::Array(Vec::new()));
}
