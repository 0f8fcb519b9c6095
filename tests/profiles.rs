//! Several accounts side by side: what there is, which one is in force, and that each command that is told to be typed is about that one.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Agent, Home, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

fn listed(home: &Home, more: &[&str]) -> Vec<Value> {
    let ran = home.run(&[&["profile", "--json"], more].concat());
    ran.ends_with(0);
    ran.json()["profiles"].as_array().unwrap().clone()
}

#[test]
fn every_profile_is_listed_with_its_login_and_its_agent() {
    let mut home = Home::new();
    let only = json!({
        "name": "default", "current": true, "logged_in": false, "agent": null,
        "config": home.path(".config/flytoken"), "fly": home.path(".fly"),
    });
    assert_eq!(listed(&home, &[]), [only]);
    assert!(!home.path(".config").exists() && !home.path(".local").exists(), "looking makes nothing");

    home.log_in(&user_token());
    home.write(
        ".config/flytoken/profiles/work/fly/config.yml",
        format!("access_token: {}\nlast_login: 2026-11-01T10:00:00Z\n", user_token()),
    );
    fs::create_dir_all(home.path(".local/state/flytoken/profiles/club")).unwrap();
    fs::create_dir_all(home.path(".config/flytoken/profiles/No Name")).unwrap();
    home.write(".config/flytoken/profiles/file", "");
    let socket = home.path(".local/state/flytoken/profiles/work/run/agent.sock");
    let agent = Agent::start_by(&home, home.command(&["agent", "--profile", "work"]), &socket);
    // A variable of this shell is no login of any profile.
    home.set("FLY_API_TOKEN", &user_token());
    let short = |profiles: Vec<Value>| -> Vec<Value> {
        profiles.into_iter().map(|profile| json!([profile["name"], profile["current"], profile["logged_in"], profile["agent"]])).collect()
    };
    let expected = [json!(["default", true, true, null]), json!(["club", false, false, null]), json!(["work", false, true, agent.pid()])];
    assert_eq!(short(listed(&home, &[])), expected);
    let expected = [
        json!(["default", false, true, null]),
        json!(["club", false, false, null]),
        json!(["new", true, false, null]),
        json!(["work", false, true, agent.pid()]),
    ];
    assert_eq!(short(listed(&home, &["--profile", "new"])), expected);
    let table = home.run(&["profile", "list", "--profile", "work"]).stdout;
    let line = table.lines().find(|line| line.contains("work")).unwrap();
    assert!(line.starts_with('*') && line.contains(&format!("present  process {}", agent.pid())), "{table}");
    agent.stop();
    home.write(".config/flytoken/profiles/work/fly/config.yml", "");
}

#[test]
fn a_prompt_says_which_one_is_in_force_and_asks_nobody() {
    let mut home = Home::new();
    let prompt = |home: &Home, more: &[&str]| {
        let ran = home.run(&[&["profile", "prompt"], more].concat());
        ran.ends_with(0);
        ran.stdout
    };
    assert_eq!(prompt(&home, &[]), "");
    assert_eq!(prompt(&home, &["--profile", "default", "--format", "[%p] "]), "");
    home.set("FLYTOKEN_PROFILE", "work");
    assert_eq!(prompt(&home, &[]), "work\n");
    assert_eq!(prompt(&home, &["--format", "[fly: %p] "]), "[fly: work] ");
    // Whatever is wrong with everything else.
    home.configure("nonsense: [\n");
    home.set("FLYTOKEN_SOCKET", &format!("/{}", "x".repeat(500)));
    assert_eq!(prompt(&home, &[]), "work\n");
}

#[test]
fn the_lines_of_use_put_a_profile_in_force_for_flytoken_and_for_fly() {
    let mut home = Home::new();
    home.set("XDG_CONFIG_HOME", &home.path("my 'own'").display().to_string());
    let fly = home.path("my 'own'/flytoken/profiles/work/fly").display().to_string();
    let line = "eval \"$(flytoken profile use work)\"; flytoken profile prompt; echo \"$FLY_CONFIG_DIR\"; \
                eval \"$(flytoken profile use default)\"; flytoken profile prompt; echo \"${FLY_CONFIG_DIR-unset} ${FLYTOKEN_PROFILE-unset}\"";
    assert_eq!(home.shell(&home.path(""), line), format!("work\n{fly}\nunset unset\n"));
    let fish = home.run(&["profile", "use", "work", "--format", "fish"]).stdout;
    assert_eq!(fish, format!("set -gx FLYTOKEN_PROFILE 'work'\nset -gx FLY_CONFIG_DIR '{}'\n", fly.replace('\'', "\\'")));
    assert!(home.run(&["profile", "use", "../up"]).ends_with(2).contains("profile name"));
}

#[test]
fn a_command_that_is_told_to_be_typed_is_about_the_profile_that_is_in_force() {
    let mut home = Home::new();
    let fly = home.path(".config/flytoken/profiles/work/fly");
    let log_in = format!("FLY_CONFIG_DIR={} fly auth login", fly.display());
    let failed = home.run(&["get", "web", "--profile", "work"]);
    let told = failed.ends_with(6);
    assert!(told.contains(&format!("hint: run `{log_in}`")), "{told}");
    let failed = home.run(&["get", "web", "--profile", "work", "--json"]).json();
    assert_eq!(failed["error"]["hint"], format!("run `{log_in}`"));
    assert_eq!(failed["error"]["steps"][2]["command"], log_in);
    let explained = home.run(&["explain", "web", "--resolve", "--profile", "work", "--json"]).json();
    assert_eq!(explained["resolution"]["steps"][2]["command"], log_in);
    assert!(home.run(&["status", "--profile", "work"]).stdout.contains(&log_in));
    let checks = home.run(&["doctor", "--profile", "work", "--json"]).json()["checks"].take();
    let commands: Vec<&str> = checks.as_array().unwrap().iter().filter_map(|check| check["command"].as_str()).collect();
    assert!(commands.contains(&log_in.as_str()) && commands.contains(&"flytoken --profile work agent"), "{commands:?}");
    // Typed as it is told, it is the login that is looked for.
    home.install_fly();
    home.write(fly.join("config.yml"), format!("access_token: {}\nlast_login: 2026-11-01T10:00:00Z\n", user_token()));
    home.run_with(&["set", "web", "--profile", "work"], &minted(1, DAY)).ends_with(0);
    assert!(home.run(&["status", "--profile", "work"]).stdout.contains("present"));
    fs::remove_file(fly.join("config.yml")).unwrap();

    // Where a shell has both in force, a command is what it always is.
    home.set("FLYTOKEN_PROFILE", "work");
    home.set("FLY_CONFIG_DIR", &fly.display().to_string());
    let ran = home.run(&["get", "api"]);
    assert!(ran.ends_with(6).contains("hint: run `fly auth login`"), "{}", ran.stderr);
}
