//! Commands without an agent: they share what lies on disk, ask an agent that runs, and never go on without one that is there.

use std::{
    os::unix::net::UnixListener,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Bundle, Home, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Runs so many commands at once, and returns what each printed.
fn at_once(count: usize, command: impl Fn() -> Command) -> Vec<String> {
    let children: Vec<_> =
        (0..count).map(|_| command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
    outputs
        .map(|output| {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        })
        .collect()
}

#[test]
fn twenty_one_shots_at_once_mint_once() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY), minted(1, DAY)]);
    let mut tokens = at_once(20, || home.command(&["get", "web"]));
    tokens.dedup();
    assert_eq!((tokens.len(), fly.calls().len()), (1, 1));
}

#[test]
fn one_shots_for_other_kinds_and_apps_do_not_wait_for_a_slow_one() {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["slow", "web"] {
        fly.mints(app, &[minted(1, DAY)]);
    }
    fly.hold("slow");
    let mut slow = home.command(&["get", "slow"]);
    let slow = slow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    fly.called(1);
    home.run(&["get", "web"]).ends_with(0);
    home.run_with(&["set", "slow"], &minted(1, DAY)).ends_with(0);
    home.run(&["get", "slow", "--kind", "org"]).ends_with(0);
    fly.let_go("slow");
    assert!(slow.wait_with_output().unwrap().status.success());
}

#[test]
fn locks_leave_no_file_behind() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    for arguments in [&["get", "web"][..], &["refresh", "web"], &["get", "nobody"], &["exec", "web", "--", "true"]] {
        home.run(arguments);
    }
    assert_eq!(home.path(".local/state/flytoken/locks").read_dir().unwrap().count(), 0);
}

#[test]
fn beside_an_agent_one_shots_ask_it() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY), minted(1, DAY)]);
    let agent = home.agent();
    let mut tokens = at_once(20, || home.command(&["get", "web"]));
    tokens.dedup();
    assert_eq!((tokens.len(), fly.calls().len()), (1, 1));
    let explained = home.run(&["explain", "web", "--json"]).json();
    assert_eq!(explained["resolution"]["steps"].as_array().map(Vec::len), Some(3), "the agent resolved it: {explained}");
    assert_eq!(home.run(&["status", "--json"]).json()["agent"]["pid"], agent.pid());
}

#[test]
fn who_waited_for_another_command_finds_the_agent_that_came_up_meanwhile() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY), minted(1, DAY)]);
    fly.hold("web");
    let spawn = || {
        let mut command = home.command(&["get", "web"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = spawn();
    fly.called(1);
    let second = spawn();
    let agent = home.agent();
    // The first one may have to do without: what it obtained cannot be kept beside an agent. The second one asks the agent.
    kill_process(Pid::from_child(&first), Signal::KILL).unwrap();
    first.wait_with_output().unwrap();
    fly.let_go("web");
    assert!(second.wait_with_output().unwrap().status.success());
    let apps = home.run(&["status", "--json"]).json()["apps"].clone();
    assert_eq!(apps.as_array().map(Vec::len), Some(1), "{apps}");
    drop(agent);
}

#[test]
fn one_shots_renew_only_when_a_lease_is_about_to_end() {
    let (home, fly) = Home::logged_in(&user_token());
    let (old, new) = (minted(1, DAY), minted(1, DAY * 2));
    fly.mints("web", &[old.clone(), new.clone()]);
    // An agent would renew in the last hour of a day; a command that cannot do so in the background waits until callers have to.
    for (before_the_end, expected, calls) in [(DAY, &old, 1), (Duration::from_mins(10), &old, 1), (Duration::from_secs(30), &new, 2)] {
        home.set_clock(DAY.saturating_sub(before_the_end).as_secs().try_into().unwrap());
        assert!(Bundle::of(&home.run(&["get", "web"]).token()).is_from(expected), "{before_the_end:?} before the end");
        assert_eq!(fly.calls().len(), calls, "{before_the_end:?} before the end");
    }
}

#[test]
fn an_agent_that_is_required_and_missing_is_exit_5() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    for arguments in [&["get", "web"][..], &["refresh", "web"], &["status"], &["invalidate", "web"]] {
        let ran = home.run(&[arguments, &["--agent", "require"]].concat());
        assert!(ran.ends_with(5).contains("flytoken agent"), "{}", ran.stderr);
    }
    // Whatever `exec` ends with is its command's, but for its own three.
    home.run(&["exec", "web", "--agent", "require", "--", "true"]).ends_with(125);
    assert!(fly.calls().is_empty());
}

#[test]
fn going_without_an_agent_that_holds_the_databases_is_exit_5() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    let _agent = home.agent();
    let ran = home.run(&["get", "web", "--agent", "never"]);
    assert!(ran.ends_with(5).contains("use the agent that is running, or stop it first"), "{}", ran.stderr);
    assert!(fly.calls().is_empty());
}

#[test]
fn an_agent_that_was_killed_keeps_nobody_from_going_without() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    home.agent().kill();
    at_once(8, || home.command(&["get", "web", "--agent", "never"]));
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn a_held_lock_without_a_socket_is_exit_5_and_never_a_fallback() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    let agent = home.agent();
    std::fs::remove_file(&agent.socket).unwrap();
    let ran = home.run(&["get", "web"]);
    assert!(ran.ends_with(5).contains(&format!("kill {}", agent.pid())), "{}", ran.stderr);
    assert!(fly.calls().is_empty());
    // Something else that listens there and talks nonsense is no reason either.
    let listener = UnixListener::bind(&agent.socket).unwrap();
    let talker = std::thread::spawn(move || std::io::Write::write_all(&mut listener.accept().unwrap().0, &[0xff; 64]));
    home.run(&["get", "web"]).ends_with(5);
    talker.join().unwrap().unwrap();
    assert!(fly.calls().is_empty());
}

#[test]
fn a_socket_that_nobody_holds_the_lock_of_is_no_agent() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    let agent = home.agent();
    let socket = agent.socket.clone();
    agent.kill();
    assert!(socket.exists());
    home.run(&["get", "web"]).ends_with(0);
}

#[test]
fn the_command_of_exec_inherits_neither_process_nor_descriptor() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    let look = |mut command: Command| {
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // `read` is the shell's own: it has no child of its own at that moment.
    let script = "read children < /proc/$$/task/$$/children; echo \"children: $children\"; ls /proc/$$/fd";
    let mut plain = Command::new("sh");
    plain.args(["-c", script]);
    assert_eq!(look(home.command(&["exec", "web", "--", "sh", "-c", script])), look(plain));
    assert_eq!(fly.calls().len(), 1);
}
