//! `flytoken agent install` and `uninstall`: what they write, run and leave alone, with a stand-in `systemctl`.

#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Home, Ran, ServiceManager, minted, write_program};

/// A home with a `systemctl` that writes down what it is told, and does what `line` says.
fn home_with_systemctl(line: &str) -> Home {
    let home = Home::new();
    let calls = home.outside("calls");
    let program = format!("#!/bin/sh\necho \"$*\" >> '{}'\n{line}\n", calls.display());
    write_program(&home.outside("bin/systemctl"), program.as_bytes());
    home
}

fn calls(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.outside("calls")).unwrap_or_default();
    let _ = fs::remove_file(home.outside("calls"));
    text.lines().map(str::to_owned).collect()
}

fn units(home: &Home) -> [PathBuf; 2] {
    ["flytoken.socket", "flytoken.service"].map(|name| home.path(".config/systemd/user").join(name))
}

#[test]
fn a_unit_starts_the_agent_by_the_link_that_people_start_flytoken_by() {
    let home = home_with_systemctl("");
    let folder = home.path("links");
    fs::create_dir(&folder).unwrap();
    let [client, whole] = ["flytoken", "flytokend"].map(|name| folder.join(name));
    symlink(env!("CARGO_BIN_EXE_flytoken"), &client).unwrap();
    let started = || {
        Ran::of(home.command_of(&client, &["agent", "install"]), b"").ends_with(0);
        let service = fs::read_to_string(&units(&home)[1]).unwrap();
        service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap().to_owned()
    };
    assert_eq!(started(), format!("\"{}\" agent", client.display()), "the client becomes the agent");
    symlink(env!("CARGO_BIN_EXE_flytokend"), &whole).unwrap();
    assert_eq!(started(), format!("\"{}\" agent", whole.display()), "the agent itself, where it has a link");
}

#[test]
fn install_writes_two_units_and_tells_systemd_and_uninstall_undoes_both() {
    let home = home_with_systemctl("");
    let ran = home.run(&["agent", "install"]);
    ran.ends_with(0);
    assert!(ran.stdout.contains("The agent starts for the first who asks"), "{}", ran.stdout);
    let began = ["--user daemon-reload", "--user enable --now flytoken.socket", "--user try-restart flytoken.service"];
    assert_eq!(calls(&home), began);
    let [socket, service] = units(&home).map(|unit| fs::read_to_string(unit).unwrap());
    let path = home.path(".local/state/flytoken/run/agent.sock");
    assert!(socket.contains(&format!("\nListenStream={}\nSo", path.display()).replace("\nSo", "\n")), "{socket}");
    assert!(service.contains(&format!("\nExecStart=\"{}\" agent\n", env!("CARGO_BIN_EXE_flytokend"))), "{service}");
    assert!(service.contains(&format!("\nEnvironment=\"FLYTOKEN_SOCKET={}\"\n", path.display())), "{service}");
    assert!(service.contains(&format!("\nEnvironment=\"PATH={}:/usr/bin:/bin\"\n", home.outside("bin").display())), "{service}");
    for line in ["Type=notify", "WatchdogSec=4min", "NoNewPrivileges=yes"] {
        assert!(service.contains(&format!("\n{line}\n")), "{service}");
    }

    let again = home.run(&["agent", "install"]);
    again.ends_with(0);
    assert_eq!(again.stdout.matches("unchanged").count(), 2, "{}", again.stdout);
    calls(&home);

    let ran = home.run(&["agent", "uninstall"]);
    ran.ends_with(0);
    assert_eq!(calls(&home), ["--user disable --now flytoken.socket", "--user stop flytoken.service", "--user daemon-reload"]);
    assert!(units(&home).iter().all(|unit| !unit.exists()));
    assert!(home.run(&["agent", "uninstall"]).stdout.contains("No agent is installed"));
    assert_eq!(calls(&home), <[String; 0]>::default());
}

#[test]
fn an_agent_that_is_started_as_the_units_say_is_the_one_that_clients_ask() {
    let mut home = home_with_systemctl("");
    home.set("XDG_STATE_HOME", &home.path("state \"of\" mine, 100%").display().to_string());
    home.run_with(&["set", "web"], &minted(1, Duration::from_hours(24))).ends_with(0);
    home.run(&["agent", "install"]).ends_with(0);
    let [socket, service] = units(&home).map(|unit| fs::read_to_string(unit).unwrap());
    // As systemd would read them.
    let value = |text: &str, key: &str| -> Vec<String> {
        let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let unquoted = |value: &str| value.replace("\\\"", "\u{0}").replace('"', "").replace('\u{0}', "\"");
        values.map(|value| if value.starts_with('"') { unquoted(value) } else { value.to_owned() }.replace("%%", "%")).collect()
    };
    let manager = ServiceManager::listen_on(&home, Path::new(&value(&socket, "ListenStream")[0]));
    let like = home.command(&[]);
    let program = value(&service, "ExecStart").remove(0);
    let mut command = Command::new(program.strip_suffix(" agent").unwrap());
    command.arg("agent").env_clear().current_dir("/").env("HOME", home.path("").as_os_str());
    // No more of this home's variables than the units have, but for those of tests.
    command.envs(
        like.get_envs().filter_map(|(name, value)| Some((name, value?))).filter(|(name, _)| name.to_string_lossy().contains("_TEST_")),
    );
    for variable in value(&service, "Environment") {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    let agent = manager.start_by(&home, &command);
    assert_eq!(home.run(&["status", "--json"]).json()["agent"]["pid"], agent.pid());
    home.run(&["get", "web", "--agent", "require"]).ends_with(0);
    agent.stop();
}

#[test]
fn a_dry_run_shows_everything_and_does_nothing() {
    let home = home_with_systemctl("");
    let ran = home.run(&["agent", "install", "--dry-run"]);
    ran.ends_with(0);
    for part in ["would write", "would run", "ListenStream=", "ExecStart=", "systemctl --user enable --now flytoken.socket"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(units(&home).iter().all(|unit| !unit.exists()) && calls(&home).is_empty());
    let json = home.run(&["agent", "install", "--dry-run", "--json"]).json();
    assert_eq!(json["files"][0]["state"], "would-write");
    assert!(json["files"][1]["text"].as_str().unwrap().contains("ExecStart="));
    assert_eq!(json["commands"][0], serde_json::json!({ "command": "systemctl --user daemon-reload", "state": "would-run" }));

    home.run(&["agent", "install"]).ends_with(0);
    calls(&home);
    let json = home.run(&["agent", "uninstall", "--dry-run", "--json"]).json();
    assert_eq!((&json["files"][0]["state"], &json["files"][0]["text"]), (&"would-remove".into(), &Value::Null));
    assert!(units(&home).iter().all(|unit| unit.exists()) && calls(&home).is_empty());
}

#[test]
fn without_a_systemd_that_answers_the_units_are_written_and_what_to_type_is_told() {
    let no_bus = home_with_systemctl("echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let missing = Home::new();
    let mut nowhere = missing;
    nowhere.set("PATH", &nowhere.outside("bin").display().to_string());
    for (home, why) in [(&no_bus, "Failed to connect to bus"), (&nowhere, "there is no `systemctl` here")] {
        let ran = home.run(&["agent", "install"]);
        let told = ran.ends_with(6);
        let hint = "type `systemctl --user daemon-reload && systemctl --user enable --now flytoken.socket";
        assert!(told.contains(why) && told.contains(hint) && told.contains("flytoken.service"), "{told}");
        assert!(units(home).iter().all(|unit| unit.exists()));
        let json = home.run(&["agent", "install", "--json"]);
        json.ends_with(6);
        assert_eq!(json.json()["error"]["code"], "needs-human");

        let ran = home.run(&["agent", "uninstall"]);
        let told = ran.ends_with(6);
        assert!(told.contains(why) && told.contains("systemctl --user stop flytoken.service"), "{told}");
        assert!(units(home).iter().all(|unit| !unit.exists()));
    }
}

#[test]
fn what_somebody_else_wrote_is_neither_overwritten_nor_removed() {
    let home = home_with_systemctl("");
    let [socket, service] = units(&home);
    home.write(&service, "[Service]\nExecStart=/my/own\n");
    let ran = home.run(&["agent", "install"]);
    assert!(ran.ends_with(7).contains("was not written by flytoken"), "{}", ran.stderr);
    assert!(calls(&home).is_empty() && !socket.exists());
    home.run(&["agent", "uninstall"]).ends_with(0);
    assert_eq!(fs::read_to_string(&service).unwrap(), "[Service]\nExecStart=/my/own\n");

    // One of ours from before is.
    fs::remove_file(&service).unwrap();
    home.run(&["agent", "install"]).ends_with(0);
    let text = fs::read_to_string(&service).unwrap();
    home.write(&service, text.replace("ExecStart=\"", "ExecStart=\"/older"));
    home.run(&["agent", "install"]).ends_with(0);
    assert_eq!(fs::read_to_string(&service).unwrap(), text);
}

#[test]
fn an_agent_that_somebody_started_by_hand_is_named_and_stays() {
    let home = home_with_systemctl("");
    let agent = home.agent();
    let ran = home.run(&["agent", "install"]);
    assert!(ran.ends_with(5).contains(&format!("kill {}", agent.pid())), "{}", ran.stderr);
    assert!(calls(&home).is_empty());
    agent.stop();
    home.run(&["agent", "install"]).ends_with(0);
}

#[test]
fn where_things_lie_here_they_lie_for_the_agent_and_no_token_goes_along() {
    let mut home = home_with_systemctl("test -z \"$FLY_API_TOKEN\" || exit 9");
    let elsewhere = home.outside("elsewhere");
    home.set("XDG_CONFIG_HOME", &elsewhere.display().to_string());
    home.set("FLYTOKEN_CONFIG", "own.yaml");
    home.set("FLY_API_TOKEN", &crate::harness::user_token());
    home.run(&["--profile", "work", "agent", "install"]).ends_with(0);
    assert_eq!(calls(&home)[1], "--user enable --now flytoken-work.socket");
    let service = fs::read_to_string(elsewhere.join("systemd/user/flytoken-work.service")).unwrap();
    for (name, value) in [
        ("FLYTOKEN_PROFILE", "work".into()),
        ("FLYTOKEN_CONFIG", home.path("own.yaml").display().to_string()),
        ("XDG_CONFIG_HOME", elsewhere.display().to_string()),
        ("FLYTOKEN_SOCKET", home.path(".local/state/flytoken/profiles/work/run/agent.sock").display().to_string()),
    ] {
        assert!(service.contains(&format!("\nEnvironment=\"{name}={value}\"\n")), "{name}: {service}");
    }
}

#[test]
fn doctor_says_what_is_installed_and_what_that_runs_and_nobody_is_told_to_start_another() {
    let home = home_with_systemctl("");
    let service = || {
        let checks = home.run(&["doctor", "--json"]).json()["checks"].take();
        let of = |name: &str| checks.as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone();
        (of("service"), of("agent"))
    };
    let is = |check: &Value, state: &str, text: &str, command: Option<&str>| {
        assert!(check["state"] == state && check["text"].as_str().unwrap().contains(text), "{check}");
        assert_eq!(check["command"].as_str(), command, "{check}");
    };
    let (not, agent) = service();
    is(&not, "ok", "not installed", None);
    is(&agent, "warn", "none runs", Some("flytoken agent"));

    home.run(&["agent", "install"]).ends_with(0);
    let [socket, unit] = units(&home);
    let text = fs::read_to_string(&unit).unwrap();
    let shown = unit.display().to_string();
    let (installed, agent) = service();
    is(&installed, "ok", &shown, None);
    is(&agent, "warn", "none runs", Some("flytoken agent install"));
    assert!(home.run(&["status"]).stdout.contains("not running; start one: `flytoken agent install`"));
    let ran = home.run(&["get", "web", "--agent", "require"]);
    assert!(ran.ends_with(5).contains("hint: start one: `flytoken agent install`"), "{}", ran.stderr);
    // The folders of another shell are no other service.
    fs::write(&unit, text.replace("Environment=\"PATH=", "Environment=\"PATH=/elsewhere:")).unwrap();
    is(&service().0, "ok", &shown, None);

    let own = env!("CARGO_BIN_EXE_flytokend");
    let install = Some("flytoken agent install");
    for (program, state, what) in
        [("/nowhere/flytoken", "fail", "which is gone"), ("/bin/sh", "warn", "runs another program than this one: /bin/sh")]
    {
        fs::write(&unit, text.replace(own, program)).unwrap();
        is(&service().0, state, what, install);
    }
    // What becomes this program is no other one.
    for (old, new) in [("WatchdogSec=", "WatchdogSec=7"), (own, env!("CARGO_BIN_EXE_flytoken"))] {
        fs::write(&unit, text.replace(old, new)).unwrap();
        is(&service().0, "warn", "of another version", install);
    }
    fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
    is(&service().0, "ok", "which somebody else wrote", None);
    fs::write(&unit, &text).unwrap();
    fs::remove_file(&socket).unwrap();
    is(&service().0, "fail", "half installed", install);
    home.run(&["agent", "install"]).ends_with(0);
    is(&service().0, "ok", &shown, None);
}
