//! What is in force: the files in their order, where each value comes from, and a profile's own.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Agent, Home, canary, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// What is in force, and where each value comes from, for machines.
fn shown(home: &Home, arguments: &[&str]) -> Value {
    let ran = home.run(&[&["config", "show", "--json"], arguments].concat());
    ran.ends_with(0);
    ran.json()
}

#[test]
fn the_path_is_told_whether_or_not_the_file_exists() {
    let mut home = Home::new();
    let told = |home: &Home, arguments: &[&str]| {
        let ran = home.run(&[&["config", "path"], arguments].concat());
        ran.ends_with(0);
        let json = home.run(&[&["config", "path", "--json"], arguments].concat()).json();
        assert_eq!(json, json!({ "path": ran.stdout.trim_end() }));
        ran.stdout
    };
    assert_eq!(told(&home, &[]), format!("{}\n", home.path(".config/flytoken/config.yaml").display()));
    assert_eq!(told(&home, &["--profile", "work"]), format!("{}\n", home.path(".config/flytoken/profiles/work/config.yaml").display()));
    home.set("XDG_CONFIG_HOME", "/elsewhere");
    assert_eq!(told(&home, &[]), "/elsewhere/flytoken/config.yaml\n");
    home.set("XDG_CONFIG_HOME", "relative");
    assert_eq!(told(&home, &[]), format!("{}\n", home.path(".config/flytoken/config.yaml").display()), "as XDG asks");
    home.set("FLYTOKEN_CONFIG", "/one/file.yaml");
    assert_eq!(told(&home, &["--profile", "work"]), "/one/file.yaml\n");
    assert!(!fs::exists(home.path(".config")).unwrap(), "asking makes nothing");
    home.unset("FLYTOKEN_CONFIG");
    home.unset("HOME");
    assert!(home.run(&["config", "path"]).ends_with(7).contains("HOME is not set"));
}

#[test]
fn without_files_the_defaults_are_in_force_and_say_so() {
    let home = Home::new();
    let checked = home.run(&["config", "check"]);
    assert_eq!((checked.ends_with(0), &*checked.stdout), ("", "ok: there are no files: the built-in defaults are in force\n"));
    assert_eq!(home.run(&["config", "check", "--json"]).json(), json!({ "files": [] }));
    let shown = shown(&home, &[]);
    assert_eq!(shown["config"]["chain"], json!(["storage", "config", "cli", "manual"]));
    let origins = shown["origins"].as_object().unwrap();
    assert!(!origins.is_empty() && origins.values().all(|origin| *origin == json!({ "file": "built-in", "line": null })), "{shown}");
}

#[test]
fn files_lie_over_each_other_and_each_value_names_the_one_it_comes_from() {
    let home = Home::new();
    home.configure(
        "ttl: 1h\nchain:\n  - storage\n  - cli\nsources:\n  cli:\n    timeout: 20s\n    settings: { expiry: 2h, team: infra }\n",
    );
    home.write(".config/flytoken/config.d/20-later.yaml", "sources:\n  cli:\n    settings: { expiry: 1h }\n");
    home.write(".config/flytoken/config.d/10-sooner.yaml", "ttl: 2h\nsources: { cli: { settings: { expiry: 3h } } }\nchain: [manual]\n");
    home.write(".config/flytoken/config.d/ignored.yml", "nonsense\n");
    home.write(".config/flytoken/config.d/.ignored.yaml", "nonsense\n");
    let shown = shown(&home, &[]);
    let (config, cli) = (&shown["config"], &shown["config"]["sources"]["cli"]);
    assert_eq!((&config["ttl"], &config["chain"]), (&json!("2h"), &json!(["manual"])), "a list takes the place of the one below");
    assert_eq!(cli["settings"], json!({ "expiry": "1h", "team": "infra" }), "maps merge");
    assert_eq!((&cli["timeout"], &cli["mints"], &cli["keep"]), (&json!("20s"), &json!(true), &json!(true)));

    let at = |file: &str, line: u64| json!({ "file": format!("~/.config/flytoken/{file}"), "line": line });
    for (key, origin) in [
        ("ttl", at("config.d/10-sooner.yaml", 1)),
        ("chain", at("config.d/10-sooner.yaml", 3)),
        ("sources.cli.settings.expiry", at("config.d/20-later.yaml", 3)),
        ("sources.cli.settings.team", at("config.yaml", 8)),
        ("sources.cli.timeout", at("config.yaml", 7)),
        ("sources.cli.mints", json!({ "file": "built-in", "line": null })),
    ] {
        assert_eq!(shown["origins"][key], origin, "{key}");
    }
    assert_eq!(shown["origins"].get("sources.cli.keep"), None, "it follows from `mints`");

    let text = home.run(&["config", "show"]).stdout;
    for line in [
        "ttl: 2h # ~/.config/flytoken/config.d/10-sooner.yaml:1",
        "    timeout: 20s # ~/.config/flytoken/config.yaml:7",
        "      expiry: 1h # ~/.config/flytoken/config.d/20-later.yaml:3",
        "    mints: true # built-in",
        "    keep: true # default",
    ] {
        assert!(text.lines().any(|shown| shown == line), "no line {line:?} in\n{text}");
    }
    let files = ["config.yaml", "config.d/10-sooner.yaml", "config.d/20-later.yaml"];
    let files = files.map(|file| home.path(".config/flytoken").join(file).display().to_string());
    assert_eq!(home.run(&["config", "check", "--json"]).json(), json!({ "files": files }));
    assert_eq!(home.run(&["config", "check"]).stdout, format!("ok: {}\n", files.join(", ")));
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let mut home = Home::new();
    home.configure("key: file\nsources: { cli: { settings: { odd: \"a: b # c\", number: 007 } } }\napps: [{ match: \"prod-*\", organization: acme }]\n");
    let before = shown(&home, &[]);
    home.write("copy.yaml", &home.run(&["config", "show"]).stdout);
    home.set("FLYTOKEN_CONFIG", "copy.yaml");
    let after = shown(&home, &[]);
    assert_eq!(after["config"], before["config"]);
    assert_eq!(after["origins"]["key"]["file"], "~/copy.yaml");
}

#[test]
fn the_folder_of_configuration_is_where_the_variable_says() {
    let mut home = Home::new();
    home.configure("ttl: 1h\n");
    home.write("elsewhere/flytoken/config.yaml", "ttl: 2h\n");
    home.write("elsewhere/flytoken/config.d/10-more.yaml", "chain: strict\n");
    home.set("XDG_CONFIG_HOME", &home.path("elsewhere").display().to_string());
    let shown = shown(&home, &[]);
    assert_eq!((&shown["config"]["ttl"], &shown["config"]["chain"]), (&json!("2h"), &json!("strict")));
    assert_eq!(shown["origins"]["ttl"], json!({ "file": "~/elsewhere/flytoken/config.yaml", "line": 1 }));
}

#[test]
fn a_file_named_by_a_variable_takes_the_place_of_the_users_own() {
    let mut home = Home::new();
    home.configure("nonsense: 1\n");
    home.write(".config/flytoken/config.d/10-more.yaml", "nonsense: 1\n");
    home.write("other.yaml", "ttl: 3h\n");
    home.set("FLYTOKEN_CONFIG", "other.yaml");
    assert_eq!(shown(&home, &[])["config"]["ttl"], "3h");
    home.set("FLYTOKEN_CONFIG", "");
    home.run(&["config", "check"]).ends_with(7);
}

#[test]
fn the_first_rule_that_fits_an_app_is_the_one_that_counts() {
    let home = Home::new();
    for app in ["prod-web", "prod-db", "web"] {
        home.run_with(&["set", app], &minted(7, DAY)).ends_with(0);
    }
    // As a whole: the second rule's chain is not that of an app which the first one fits.
    home.configure(
        "chain: [cli]\napps:\n  - { match: prod-web, organization: acme }\n  - { match: \"prod-*\", chain: [manual] }\n  - { match: \"*\", chain: [config] }\n",
    );
    for (app, source) in [("prod-web", "cli"), ("prod-db", "manual"), ("web", "config")] {
        let explained = home.run(&["explain", app, "--resolve", "--json"]).json();
        let steps: Vec<&Value> = explained["resolution"]["steps"].as_array().unwrap().iter().map(|step| &step["source"]).collect();
        assert_eq!(steps, [source], "{app}");
    }
}

#[test]
fn a_profile_has_configuration_state_login_and_socket_of_its_own() {
    let mut home = Home::new();
    home.configure("ttl: 1h\n");
    home.write(".config/flytoken/profiles/work/config.yaml", "ttl: 2h\n");
    home.log_in(&user_token());
    home.run_with(&["set", "web"], &minted(7, DAY)).ends_with(0);
    let agent = home.agent();
    let work = ["--profile", "work"];
    assert_eq!(shown(&home, &work)["config"]["ttl"], "2h");
    assert_eq!(shown(&home, &["--profile", "default"])["config"]["ttl"], "1h");

    // Neither the token, nor the login, nor the agent is that of the other one.
    home.run(&["get", "web", "--agent", "require"]).ends_with(0);
    home.run(&[&["get", "web", "--agent", "require"], &work[..]].concat()).ends_with(5);
    home.run(&[&["get", "web"], &work[..]].concat()).ends_with(6);
    home.run_with(&[&["set", "api"], &work[..]].concat(), &minted(8, DAY)).ends_with(0);
    home.run(&["get", "api"]).ends_with(3);
    assert!(fs::exists(home.path(".local/state/flytoken/profiles/work/key")).unwrap());

    home.set("FLYTOKEN_PROFILE", "work");
    let socket = home.path(".local/state/flytoken/profiles/work/run/agent.sock");
    let other = Agent::start_by(&home, home.command(&["agent"]), &socket);
    let status = home.run(&["status", "--json"]).json();
    assert_eq!(status["agent"]["pid"], other.pid());
    assert_eq!((&status["login"]["present"], &status["login"]["origin"]), (&json!(false), &json!(work_login(&home))));
    assert_eq!(home.get(&["api"])["source"], "manual");
    assert_eq!(home.run(&["status", "--json", "--profile", "default"]).json()["agent"]["pid"], agent.pid(), "the option goes first");
}

/// Where the login of the profile `work` is looked for.
fn work_login(home: &Home) -> String {
    home.path(".config/flytoken/profiles/work/fly/config.yml").display().to_string()
}

#[test]
fn what_is_no_profiles_name_is_refused() {
    let mut home = Home::new();
    for name in ["../up", "Work", "a/b", ""] {
        assert!(home.run(&["config", "path", "--profile", name]).ends_with(2).contains("profile name"), "{name:?}");
    }
    let token = user_token();
    let ran = home.run(&["status", "--profile", &token]);
    assert!(ran.ends_with(2).contains("profile name"));
    canary::assert_clean("what is printed", ran.stdout.as_bytes());
    home.set("FLYTOKEN_PROFILE", "Work");
    home.run(&["get", "web"]).ends_with(2);
}
