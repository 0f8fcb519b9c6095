//! An agent that a service manager starts: with a socket that is there already, for whoever asks first, and anew after an upgrade.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::harness::{Home, MINT, Ran, ServiceManager, Wire, eventually, frame, get, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn whoever_asked_before_it_was_started_is_answered_and_the_socket_outlives_it() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let manager = ServiceManager::listen(&home);
    let before = fs::metadata(&manager.socket).unwrap().ino();
    for _ in 0..2 {
        let mut client = Wire::connect(&manager.socket);
        client.send(&frame(1, &get("web")));
        let agent = manager.start(&home);
        assert!(client.receive().unwrap()["reply"]["token"].is_string());
        home.run(&["get", "web", "--agent", "require"]).ends_with(0);
        agent.stop();
        assert_eq!(fs::metadata(&manager.socket).unwrap().ino(), before, "the manager's socket is gone");
    }
}

#[test]
fn it_says_when_it_is_ready_that_it_is_well_and_when_it_stops() {
    let home = Home::new();
    let manager = ServiceManager::listen(&home);
    let agent = manager.start(&home);
    assert_eq!(manager.hears(), "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    agent.stop();
    eventually("the end of what it says", || (manager.hears() == "STOPPING=1").then_some(()));
}

#[test]
fn no_process_that_it_starts_has_the_socket_or_hears_of_the_manager() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    fly.says(&format!("touch \"$notes/asked\"; until [ -e \"$notes/go\" ]; do sleep 0.02; done; {MINT}"));
    let manager = ServiceManager::listen(&home);
    let agent = manager.start(&home);
    let mut client = Wire::connect(&manager.socket);
    client.send(&frame(1, &get("web")));
    eventually("the question", || fly.note("asked"));
    let processes = agent.descendants();
    assert!(processes.len() >= 2, "{processes:?}");
    for pid in processes {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ);
        for word in ["LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"] {
            assert!(!environ.contains(word), "process {pid}: {environ}");
        }
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let open: Vec<String> = open.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.display().to_string())).collect();
        assert!(!open.contains(&manager.socket_name()), "process {pid}: {open:?}");
    }
    fs::write(home.outside("fly/go"), "").unwrap();
    assert!(client.receive().unwrap()["reply"]["token"].is_string());
    agent.stop();
}

#[test]
fn a_socket_that_others_could_use_or_clients_do_not_look_for_is_not_listened_on() {
    let home = Home::new();
    let manager = ServiceManager::listen(&home);
    let run = |command: Command| {
        let ran = of(command);
        ran.ends_with(7);
        ran.stderr
    };
    let activated = || manager.command(&home.command(&["agent"]));

    fs::set_permissions(&manager.socket, Permissions::from_mode(0o666)).unwrap();
    let told = run(activated());
    assert!(told.contains("has mode 0666") && told.contains("SocketMode=0600") && told.contains("flytoken agent install"), "{told}");
    fs::set_permissions(&manager.socket, Permissions::from_mode(0o600)).unwrap();

    let folder = manager.socket.parent().unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    assert!(run(activated()).contains("can be changed by everybody"));
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();

    let mut elsewhere = activated();
    let other = home.outside("other.sock");
    let _other = UnixListener::bind(&other).unwrap();
    elsewhere.env("FLYTOKEN_SOCKET", &other);
    assert!(run(elsewhere).contains("and clients look for"));

    let mut two = manager.command(&crate::harness::wrapped("export LISTEN_FDS=2", &home.command(&["agent"])));
    two.env("LISTEN_FDS", "2");
    assert!(run(two).contains("`2` sockets"));

    // As it was, it is taken.
    let agent = manager.start(&home);
    assert_eq!(agent.status()["pid"], agent.pid());
    agent.stop();
}

#[test]
fn one_that_cannot_start_says_why_to_whoever_asked_and_leaves_nobody_waiting() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let manager = ServiceManager::listen(&home);
    home.configure("nope: 1\n");
    thread::scope(|scope| {
        let mut client = Wire::connect(&manager.socket);
        let asked = scope.spawn(|| home.run(&["get", "web", "--agent", "require"]));
        eventually("the command's connection", || (waiting(&manager.socket) == 2).then_some(()));
        assert!(of(manager.command(&home.command(&["agent"]))).ends_with(7).contains("nope"));
        let told = asked.join().unwrap();
        assert!(told.stderr.contains("unknown key `nope`") && told.code != Some(0), "{}", told.stderr);
        assert_eq!(client.receive().unwrap()["failure"]["code"], "misconfigured");
    });
    home.configure("version: 1\n");
    let agent = manager.start(&home);
    home.run(&["get", "web", "--agent", "require"]).ends_with(0);
    agent.stop();
}

/// How many connections to this socket nobody accepted yet.
fn waiting(socket: &Path) -> usize {
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    // By path, in state 2 until somebody accepts them.
    all.lines().filter(|line| line.ends_with(&socket.display().to_string()) && line.split(' ').nth(5) == Some("02")).count()
}

#[test]
fn an_agent_that_is_started_by_hand_leaves_the_managers_socket_alone() {
    let home = Home::new();
    let manager = ServiceManager::listen(&home);
    let before = fs::metadata(&manager.socket).unwrap().ino();
    let ran = home.run(&["agent"]);
    let told = ran.ends_with(5);
    assert!(told.contains("somebody listens") && told.contains("flytoken agent uninstall"), "{told}");
    assert_eq!(fs::metadata(&manager.socket).unwrap().ino(), before);
    let agent = manager.start(&home);
    assert_eq!(agent.status()["pid"], agent.pid());
    assert!(home.run(&["agent"]).ends_with(5).contains(&format!("process {}", agent.pid())));
    agent.stop();
}

#[test]
fn after_an_upgrade_it_ends_once_nobody_waits_and_the_newer_program_answers() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    fly.says(&format!("touch \"$notes/asked\"; until [ -e \"$notes/go\" ]; do sleep 0.02; done; {MINT}"));
    // Programs hold what the search for leaked tokens takes for one.
    let secrets = home.outside("secrets");
    fs::create_dir(&secrets).unwrap();
    let program = secrets.join("flytoken");
    fs::copy(env!("CARGO_BIN_EXE_flytoken"), &program).unwrap();
    for name in ["flytokend", "newer"] {
        fs::copy(env!("CARGO_BIN_EXE_flytokend"), secrets.join(name)).unwrap();
    }
    // What is installed right now is not what answers.
    home.set_clock(60);
    let manager = ServiceManager::listen(&home);
    let first = manager.start_by(&home, &installed(&home, &program));
    let mut client = Wire::connect(&manager.socket);
    client.send(&frame(1, &get("web")));
    eventually("the question", || fly.note("asked"));
    fs::rename(secrets.join("newer"), secrets.join("flytokend")).unwrap();
    // It hears of that when somebody connects, and is still there for whoever waits.
    assert_eq!(home.run(&["status", "--json"]).json()["agent"]["pid"], first.pid());
    eventually("the log", || first.log().contains("a newer program is in place").then_some(()));
    fs::write(home.outside("fly/go"), "").unwrap();
    assert!(client.receive().unwrap()["reply"]["token"].is_string());
    first.ends();
    // Whoever asks meanwhile waits for the next one.
    thread::scope(|scope| {
        let asked = scope.spawn(|| home.run(&["get", "web", "--agent", "require"]));
        let second = manager.start_by(&home, &installed(&home, &program));
        asked.join().unwrap().ends_with(0);
        second.stop();
    });
}

fn installed(home: &Home, program: &Path) -> Command {
    let like = home.command(&["agent", "-v"]);
    let mut command = Command::new(program);
    command.args(like.get_args()).env_clear().current_dir(like.get_current_dir().unwrap());
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Runs an agent that is not to start. Its standard input is the socket.
fn of(mut command: Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = catch_unwind(AssertUnwindSafe(|| eventually("the end of an agent that is not to start", || child.try_wait().unwrap())));
    if ended.is_err() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(ended.is_ok(), "it did not end: {}", ran.stderr);
    ran
}
