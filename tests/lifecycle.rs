//! How an agent comes, keeps its place to itself, and goes.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};

use rustix::process::{Signal, geteuid};

use crate::harness::{Agent, Bundle, Home, NOBODY, Wire, as_nobody, eventually, frame, get, minted, timed, user_token, wrapped};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_signal_to_stop_lets_what_is_in_flight_finish_within_two_seconds() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (home, fly) = Home::logged_in(&user_token());
        let mint = minted(1, DAY);
        fly.mints("web", std::slice::from_ref(&mint));
        fly.says(&format!("touch \"$notes/asked\"; until [ -e \"$notes/go\" ]; do sleep 0.02; done; {}", crate::harness::MINT));
        let agent = home.agent();
        let socket = agent.socket.clone();
        let mut client = Wire::connect(&socket);
        client.send(&frame(1, &get("web")));
        eventually("the question", || fly.note("asked"));
        let go = home.outside("fly/go");
        let (answer, took) = thread::scope(|scope| {
            let stopped = scope.spawn(|| timed(|| agent.stop_by(signal)));
            eventually("a socket that takes no more", || UnixStream::connect(&socket).err());
            fs::write(go, "").unwrap();
            let answer = client.receive().unwrap();
            (answer, stopped.join().unwrap().1)
        });
        assert!(Bundle::of(answer["reply"]["token"].as_str().unwrap()).is_from(&mint), "{signal:?}");
        assert_eq!(client.receive(), None, "{signal:?}: a connection is left");
        assert!(took < Duration::from_secs(2), "{signal:?}: {took:?}");
        assert!(!socket.exists(), "{signal:?}: the socket is left");
        home.agent().stop();
        let kept = home.run(&["explain", "web", "--resolve", "--json", "--agent", "never"]).json();
        assert_eq!(kept["resolution"]["steps"][0]["outcome"], "lease", "{signal:?}: what was obtained last is not kept: {kept}");
    }
}

#[test]
fn a_source_that_never_ends_does_not_keep_the_agent_from_stopping_and_leaves_no_process() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.says("echo $$ > \"$notes/pid\"; sleep 600");
    let agent = home.agent();
    let mut client = Wire::connect(&agent.socket);
    client.send(&frame(1, &get("web")));
    let pid = eventually("the command", || fly.note("pid").filter(|pid| pid.ends_with('\n')));
    let ((), took) = timed(|| agent.stop());
    // As long as requests in flight may take, and what a busy machine takes on top.
    assert!(took < Duration::from_millis(2500), "{took:?}");
    eventually("the end of the command", || (!Path::new("/proc").join(pid.trim()).exists()).then_some(()));
}

#[test]
fn a_second_agent_on_the_same_socket_is_refused_and_names_the_first_ones_process() {
    let home = Home::new();
    let agent = home.agent();
    let second = home.run(&["agent"]);
    let told = second.ends_with(5);
    assert!(told.contains(&format!("process {}", agent.pid())) && told.contains(&format!("kill {}", agent.pid())), "{told}");
    assert_eq!(home.run(&["status", "--json"]).json()["agent"]["pid"], agent.pid(), "the first one goes on");
}

#[test]
fn the_socket_of_a_killed_agent_is_taken_over() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let first = home.agent();
    let socket = first.socket.clone();
    first.kill();
    assert!(socket.exists(), "there is nothing to take over");
    home.run(&["get", "web", "--agent", "require"]).ends_with(5);
    home.run(&["get", "web"]).ends_with(0);
    let second = home.agent();
    home.run(&["get", "web", "--agent", "require"]).ends_with(0);
    second.stop();
}

#[test]
fn what_is_no_socket_is_never_taken_for_a_stale_one() {
    let home = Home::new();
    let socket = home.path(".local/state/flytoken/run/agent.sock");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    fs::write(&socket, "a letter").unwrap();
    assert!(home.run(&["agent"]).ends_with(7).contains("is not a socket"));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a letter");
}

#[test]
fn everything_is_for_the_owner_alone_even_under_umask_000() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    let agent = Agent::start_by(&home, wrapped("umask 000", &home.command(&["agent"])), &home.path(".local/state/flytoken/run/agent.sock"));
    home.run(&["get", "web"]).ends_with(0);
    agent.stop();
    let mut one_shot = wrapped("umask 000", &home.command(&["set", "web"]));
    let mut child = one_shot.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(minted(1, DAY).as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let _agent = home.agent();
    let state = home.path(".local/state/flytoken");
    let mut seen = 0;
    let mut folders = vec![state.join("run"), state];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap).filter(|entry| !entry.path().is_dir()) {
            assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} files: socket, lock, key, place and databases are looked for");
}

#[test]
fn a_directory_that_others_can_change_is_no_place_for_the_socket() {
    let mut home = Home::new();
    for (folder, modes) in [("open", vec![("open", 0o777)]), ("group", vec![("group", 0o770)]), ("up/in", vec![("up", 0o777)])] {
        fs::create_dir_all(home.outside(folder)).unwrap();
        for (folder, mode) in modes {
            // Group write counts unless the group is like root; nobody's is not.
            if geteuid().is_root() {
                std::os::unix::fs::lchown(home.outside(folder), None, Some(NOBODY)).unwrap();
            }
            fs::set_permissions(home.outside(folder), Permissions::from_mode(mode)).unwrap();
        }
        home.set("FLYTOKEN_SOCKET", &home.outside(&format!("{folder}/agent.sock")).display().to_string());
        let ran = home.run(&["agent"]);
        let told = ran.ends_with(7);
        assert!(told.contains("the socket cannot be in") && told.contains("FLYTOKEN_SOCKET"), "{folder}: {told}");
        assert_eq!(fs::read_dir(home.outside(folder)).unwrap().count(), 0, "{folder}: something was made in it");
    }
}

#[test]
fn another_users_directory_is_no_place_for_the_socket() {
    if !geteuid().is_root() {
        return println!("not shown: only root can give a directory away");
    }
    let mut home = Home::new();
    let folder = home.outside("theirs");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(NOBODY), None).unwrap();
    home.set("FLYTOKEN_SOCKET", &folder.join("agent.sock").display().to_string());
    let ran = home.run(&["agent"]);
    assert!(ran.ends_with(7).contains(&format!("belongs to user {NOBODY}")), "{}", ran.stderr);
}

#[test]
fn a_path_too_long_for_a_socket_names_the_variable() {
    let mut home = Home::new();
    let long = home.outside(&"x".repeat(120)).display().to_string();
    for variable in ["FLYTOKEN_SOCKET", "XDG_RUNTIME_DIR"] {
        home.set(variable, &long);
        for arguments in [["agent", "-v"], ["status", "-v"]] {
            let ran = home.run(&arguments);
            assert!(ran.ends_with(7).contains(variable), "{variable} {arguments:?}: {}", ran.stderr);
        }
        home.unset(variable);
    }
}

#[test]
fn a_process_of_another_user_is_not_heard() {
    if !geteuid().is_root() {
        return println!("not shown: only root can become another user");
    }
    let (mut home, socket) = with_a_socket_that_everybody_reaches();
    home.set("FLYTOKEN_SOCKET", &socket.display().to_string());
    let agent = Agent::start_by(&home, home.command(&["agent"]), &socket);
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    assert!(Wire::connect(&socket).ask(&get("web"))["failure"].is_object(), "the own user is heard");
    as_nobody(|| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may be hung up before it has said anything.
        let _ = stream.write_all(&frame(1, &get("web")));
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert!(heard.is_empty(), "{} bytes of an answer", heard.len());
    });
    eventually("the log", || agent.log().contains(&format!("uid={NOBODY}")).then_some(()));
}

#[test]
fn a_socket_that_another_user_listens_on_is_told_nothing() {
    if !geteuid().is_root() {
        return println!("not shown: only root can become another user");
    }
    let (mut home, socket) = with_a_socket_that_everybody_reaches();
    home.set("FLYTOKEN_SOCKET", &socket.display().to_string());
    fs::set_permissions(socket.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
    let listener = as_nobody(|| UnixListener::bind(&socket).unwrap());
    let heard = thread::spawn(move || {
        let mut heard = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut heard).unwrap();
        heard
    });
    let ran = home.run_with(&["set", "web"], &minted(1, DAY));
    assert!(ran.ends_with(5).contains(&format!("belongs to user {NOBODY}")), "{}", ran.stderr);
    assert_eq!(heard.join().unwrap(), b"");
}

/// A home from which another user can reach a socket.
fn with_a_socket_that_everybody_reaches() -> (Home, std::path::PathBuf) {
    let home = Home::new();
    let folder = home.outside("open");
    fs::create_dir(&folder).unwrap();
    for folder in [folder.parent().unwrap(), &folder] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    (home, folder.join("agent.sock"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}
