//! The two programs: `flytoken`, which asks the agent by itself, and `flytokend`, which it becomes for everything else.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::harness::{Fly, Home, Ran, minted, user_token, write_program};

const CLIENT: &str = env!("CARGO_BIN_EXE_flytoken");

const WHOLE: &str = env!("CARGO_BIN_EXE_flytokend");

/// A home with an app, and `flytoken` in a folder of its own, without the other program.
fn alone() -> (Home, Fly, PathBuf) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, Duration::from_hours(24))]);
    // Programs hold what the search for leaked tokens takes for one.
    let folder = home.outside("secrets");
    fs::create_dir(&folder).unwrap();
    fs::copy(CLIENT, folder.join("flytoken")).unwrap();
    symlink("flytoken", folder.join("docker-credential-flytoken")).unwrap();
    (home, fly, folder)
}

fn run(home: &Home, program: &Path, arguments: &[&str], input: &str) -> Ran {
    Ran::of(home.command_of(program, arguments), input.as_bytes())
}

#[test]
fn what_an_agent_answers_takes_the_client_alone() {
    let (mut home, _fly, folder) = alone();
    home.set("FLY_APP", "web");
    let agent = home.agent();
    run(&home, &folder.join("flytoken"), &["get", "web"], "").ends_with(0);
    run(&home, &folder.join("docker-credential-flytoken"), &["get"], "registry.fly.io").ends_with(0);
    agent.stop();
}

#[test]
fn without_the_other_one_it_says_what_is_missing_and_where() {
    let (mut home, _fly, folder) = alone();
    home.set("FLY_APP", "web");
    let missing = folder.join("flytokend").display().to_string();
    for (arguments, code) in [
        (&["get", "web"][..], 7),
        // Not for an agent to answer.
        (&["status"], 7),
        (&["get", "--valid-for", "30m"], 7),
        // What else it ends with is its command's.
        (&["exec", "web", "--", "true"], 125),
    ] {
        let ran = run(&home, &folder.join("flytoken"), arguments, "");
        let said = ran.ends_with(code);
        assert!(said.contains(&missing) && said.contains("No such file"), "{arguments:?}: {said}");
    }
    let json = run(&home, &folder.join("flytoken"), &["get", "web", "--json"], "");
    assert_eq!(json.code, Some(7));
    assert_eq!(json.json()["error"]["code"], "misconfigured");
    // To whoever asks as Docker does, in the one line that is passed on.
    let docker = run(&home, &folder.join("docker-credential-flytoken"), &["get"], "registry.fly.io");
    docker.ends_with(1);
    assert!(docker.stdout.contains(&missing), "{}", docker.stdout);
}

#[test]
fn what_is_no_program_is_not_run_by_a_shell_in_its_place() {
    let (home, _fly, folder) = alone();
    let other = folder.join("flytokend");
    let ran = folder.join("ran");
    let script = format!("touch {}\n", ran.display());
    // As a full disk leaves it, as somebody's mistake, and without leave to run it.
    for (bytes, mode) in [("", 0o755), (script.as_str(), 0o755), ("\x7fELF", 0o755), ("", 0o644)] {
        write_program(&other, bytes.as_bytes());
        fs::set_permissions(&other, fs::Permissions::from_mode(mode)).unwrap();
        for (arguments, code) in [(&["get", "web"][..], 7), (&["status"], 7), (&["--agent", "never", "exec", "web", "--", "true"], 125)] {
            let outcome = run(&home, &folder.join("flytoken"), arguments, "");
            assert!(outcome.ends_with(code).contains("cannot be started") && outcome.stdout.is_empty(), "{bytes:?}");
        }
    }
    assert!(!ran.exists());
}

#[test]
fn what_somebody_else_put_beside_it_is_not_run() {
    let (home, _fly, folder) = alone();
    let programs = ["flytoken", "flytokend"].map(|name| folder.join(name));
    fs::copy(WHOLE, &programs[1]).unwrap();
    let status = || run(&home, &programs[0], &["status", "--json"], "");
    status().ends_with(0);
    if chown(&programs[1], Some(4242), None).is_err() {
        return println!("not shown: only root gives files away");
    }
    let refused = status();
    refused.ends_with(7);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("it belongs to user 4242"), "{}", refused.stdout);
    chown(&programs[0], Some(4242), None).unwrap();
    status().ends_with(0);
}

#[test]
fn whatever_tells_to_install_one_tells_to_install_both() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let units = fs::read_dir(root.join("dist/systemd")).unwrap().map(|entry| entry.unwrap().path());
    let mut told = 0;
    for file in units.chain(["README.md", "docs/ci.md"].map(|file| root.join(file))) {
        for line in fs::read_to_string(&file)
            .unwrap()
            .lines()
            .filter(|line| ["install -m ", "install -D ", "COPY "].iter().any(|word| line.contains(word)))
        {
            if line.split([' ', '/']).any(|word| word == "flytoken") {
                assert!(line.split([' ', '/']).any(|word| word == "flytokend"), "{}: {line}", file.display());
                told += 1;
            }
        }
    }
    assert_eq!(told, 4);
}

#[test]
fn the_other_one_does_everything_by_itself() {
    let (home, _fly, folder) = alone();
    let whole = folder.join("flytokend");
    fs::copy(WHOLE, &whole).unwrap();
    fs::remove_file(folder.join("flytoken")).unwrap();
    let token = run(&home, &whole, &["get", "web", "--bare"], "");
    token.ends_with(0);
    assert!(token.stdout.starts_with("fm2_"));
    // Though tools that ask often are better off with both.
    let doctor = run(&home, &whole, &["doctor", "--json"], "").json();
    let check = &doctor["checks"][0];
    assert_eq!((&check["name"], &check["state"]), (&"flytoken".into(), &"warn".into()));
    assert!(check["text"].as_str().unwrap().ends_with(&folder.join("flytoken").display().to_string()), "{check}");
    let help = run(&home, &whole, &["get", "--help"], "");
    assert!(help.stdout.contains("Usage: flytoken get "), "{}", help.stdout);
}

#[test]
fn what_the_client_was_asked_is_what_the_other_one_answers() {
    let (home, _fly, folder) = alone();
    fs::copy(WHOLE, folder.join("flytokend")).unwrap();
    // No agent, so that what was read from stdin has to be read again.
    let mut command = home.command_of(folder.join("docker-credential-flytoken"), &["get"]);
    command.env("FLY_APP", "web");
    let answer = Ran::of(command, b"https://registry.fly.io/v2/\n");
    answer.ends_with(0);
    assert_eq!(answer.json()["ServerURL"], "https://registry.fly.io/v2/");
    let usage = run(&home, &folder.join("flytoken"), &["get", "web", "--bare", "--header"], "");
    assert!(usage.ends_with(2).contains("cannot be used with"), "{}", usage.stderr);
}

#[test]
fn the_client_has_no_component_in_it() {
    // How each begins: a component's magic bytes and version.
    let begins = b"\0asm\x0d\0\x01\0";
    let holds = |program: &str| fs::read(program).unwrap().windows(begins.len()).any(|bytes| bytes == begins);
    assert!(holds(WHOLE));
    assert!(!holds(CLIENT));
}
