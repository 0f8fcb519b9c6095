//! Hostile clients: whatever they do to the socket or to its place.

use std::{
    fs::{self, Permissions},
    io::Read,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use serde_json::json;

use crate::harness::{Agent, Home, NOBODY, Ran, Wire, as_nobody, eventually, frame, get, minted};

const DAY: Duration = Duration::from_hours(24);

/// What an agent serves at a time.
const MOST: usize = 1024;

/// An agent that answers for the app `web` from its cache, on a socket that everybody may connect to.
fn serving_everybody() -> (Home, Agent) {
    let mut home = Home::new();
    let folder = home.outside("open");
    fs::create_dir(&folder).unwrap();
    for folder in [folder.parent().unwrap(), &folder] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let socket = folder.join("agent.sock");
    home.set("FLYTOKEN_SOCKET", &socket.display().to_string());
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let agent = Agent::start_by(&home, home.command(&["agent"]), &socket);
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    (home, agent)
}

fn is_served(client: &mut Wire) -> bool {
    client.ask(&get("web"))["reply"]["reply"] == "token"
}

/// As many descriptors as the tests of a flood need.
fn with_descriptors() -> bool {
    let limit = getrlimit(Resource::Nofile);
    let wanted = MOST as u64 * 4;
    if limit.maximum.is_some_and(|most| most < wanted) {
        return false;
    }
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    }
    true
}

#[test]
fn a_flood_of_connections_is_told_so_and_whoever_was_there_first_is_served_as_before() {
    if !with_descriptors() {
        return println!("not shown: this system lets no process have so many descriptors");
    }
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let agent = home.agent();
    let mut first = Wire::connect(&agent.socket);
    assert!(is_served(&mut first));
    let mut flood: Vec<Wire> = Vec::new();
    let told = loop {
        let mut client = Wire::connect(&agent.socket);
        if flood.len() + 1 < MOST - 1 {
            flood.push(client);
            continue;
        }
        // Whoever came just before may not have been heard yet.
        let answer = client.receive_within(Duration::from_millis(200));
        match answer {
            Some(answer) => break answer,
            None => flood.push(client),
        }
        assert!(flood.len() < MOST + 100, "the agent takes any number of connections");
    };
    assert_eq!((&told["id"], &told["failure"]["code"]), (&json!(0), &json!("try-again")), "{told}");
    assert!(told["failure"]["message"].as_str().unwrap().contains("1024 connections"), "{told}");
    assert!(flood.len() < MOST, "{} were taken", flood.len() + 1);
    for _ in 0..20 {
        assert!(is_served(&mut first));
    }
    // One that is in there asks as well.
    assert!(is_served(flood.last_mut().unwrap()));
    drop(flood);
    eventually("room for others", || {
        let mut client = Wire::connect(&agent.socket);
        let answer = client.try_ask(&get("web"))?;
        (answer["reply"]["reply"] == "token").then_some(())
    });
}

#[test]
fn a_flood_of_another_user_takes_no_place_from_anybody() {
    if !geteuid().is_root() || !with_descriptors() {
        return println!("not shown: only root can become another user");
    }
    let (_home, agent) = serving_everybody();
    let mut first = Wire::connect(&agent.socket);
    let flood = as_nobody(|| (0..2 * MOST).map(|_| UnixStream::connect(&agent.socket).unwrap()).collect::<Vec<_>>());
    assert!(is_served(&mut first) && is_served(&mut Wire::connect(&agent.socket)));
    for mut stream in flood {
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard, b"", "another user was told something");
    }
}

#[test]
fn another_user_with_a_connection_of_the_owners_making_is_the_owner_and_one_of_its_own_is_not() {
    if !geteuid().is_root() {
        return println!("not shown: only root can become another user");
    }
    let (_home, agent) = serving_everybody();
    // Whoever connects lends the connection its name: what it passes on it answers for.
    let mut lent = Wire::connect(&agent.socket);
    assert!(as_nobody(|| is_served(&mut lent)));
    let mut own = as_nobody(|| Wire::connect(&agent.socket));
    assert!(own.try_ask(&get("web")).is_none(), "what another user made is heard once the owner has it");
}

#[test]
fn a_link_in_the_sockets_place_is_neither_followed_nor_removed() {
    let home = Home::new();
    let socket = home.path(".local/state/flytoken/run/agent.sock");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let elsewhere = home.path("elsewhere.sock");
    let listener = UnixListener::bind(&elsewhere).unwrap();
    let dangling = home.path("nothing");
    for target in [&elsewhere, &dangling] {
        symlink(target, &socket).unwrap();
        let ran = home.run(&["agent"]);
        assert!(ran.ends_with(7).contains("is not a socket"), "{}", ran.stderr);
        assert_eq!(fs::read_link(&socket).unwrap(), *target);
        fs::remove_file(&socket).unwrap();
    }
    assert!(!dangling.exists() && elsewhere.exists());
    drop(listener);
}

#[test]
fn a_socket_that_somebody_else_listens_on_already_makes_way_and_hears_nothing() {
    if !geteuid().is_root() {
        return println!("not shown: only root can give a socket to somebody else");
    }
    let home = Home::new();
    let socket = home.path(".local/state/flytoken/run/agent.sock");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    fs::set_permissions(socket.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    let theirs = UnixListener::bind(&socket).unwrap();
    theirs.set_nonblocking(true).unwrap();
    std::os::unix::fs::chown(&socket, Some(NOBODY), None).unwrap();
    home.run_with(&["set", "web", "--agent", "never"], &minted(1, DAY)).ends_with(0);
    let before = fs::metadata(&socket).unwrap().ino();
    let mut child = home.command(&["agent"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("another socket", || fs::metadata(&socket).ok().filter(|now| now.ino() != before && now.uid() == geteuid().as_raw()));
    // It may not listen quite yet.
    let mut client = eventually("the agent", || Wire::try_connect(&socket));
    let served = is_served(&mut client);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(served);
    let heard = theirs.accept();
    assert!(heard.is_err(), "somebody was led to the socket that lay there");
}

#[test]
fn who_is_first_in_a_folder_of_everybodys_keeps_the_agent_away_and_never_gets_it() {
    if !geteuid().is_root() {
        return println!("not shown: only root can become another user");
    }
    let mut home = Home::new();
    let (sticky, trap) = (home.outside("sticky"), home.outside("trap"));
    for (folder, mode) in [(home.outside("."), 0o755), (sticky.clone(), 0o1777), (trap.clone(), 0o777)] {
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    }
    for round in 0..6 {
        let folder = sticky.join(format!("run-{round}"));
        home.set("FLYTOKEN_SOCKET", &folder.join("agent.sock").display().to_string());
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (over, folder, trap) = (&over, &folder, &trap);
            // Sometimes before the agent, sometimes after it.
            scope.spawn(move || as_nobody(|| set_traps(folder, trap, round % 2 == 0, over)));
            if round % 3 == 0 {
                eventually("the trap", || folder.symlink_metadata().ok());
            }
            let outcome = start_or_end(&home, folder);
            over.store(true, Ordering::Relaxed);
            match outcome {
                None => {
                    let found = folder.symlink_metadata().unwrap();
                    assert!(found.is_dir() && found.uid() == 0 && found.mode() & 0o777 == 0o700, "the agent listens in a folder of others");
                }
                // Either what lay there was looked at and is not the agent's, or it was gone again before it could be looked at.
                Some(ran) => assert!(
                    ran.stderr.contains("the socket cannot be in") && ran.code == Some(7)
                        || ran.stderr.contains("cannot make the directory"),
                    "{}",
                    ran.stderr
                ),
            }
        });
        assert_eq!(fs::read_dir(&trap).unwrap().count(), 0, "something of the agent's is in the trap");
    }
}

/// Tries over and over to put something else in the place of a folder.
fn set_traps(folder: &Path, trap: &Path, by_link: bool, over: &AtomicBool) {
    let aside = folder.with_extension("aside");
    while !over.load(Ordering::Relaxed) {
        let _ = fs::rename(folder, &aside);
        let _ = fs::remove_file(folder.join("agent.sock"));
        let _ = if by_link { symlink(trap, folder) } else { fs::create_dir(folder) };
    }
}

/// Starts an agent; how it ended, unless it listens. It is gone afterwards.
fn start_or_end(home: &Home, folder: &Path) -> Option<Ran> {
    let mut child = home.command(&["agent"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = eventually("an agent, or its end", || match child.try_wait().unwrap() {
        Some(status) => Some(Some(status)),
        None => Wire::try_connect(&folder.join("agent.sock")).map(|_| None),
    });
    let Some(status) = ended else {
        child.kill().unwrap();
        child.wait().unwrap();
        return None;
    };
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Some(Ran { code: status.code(), stdout: String::new(), stderr })
}

#[test]
fn a_client_that_sends_its_request_in_drops_holds_up_nobody() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let agent = home.agent();
    let whole = frame(1, &get("web"));
    let mut slow: Vec<Wire> = (0..50).map(|_| Wire::connect(&agent.socket)).collect();
    for byte in &whole[..whole.len() - 1] {
        for client in &mut slow {
            client.send(&[*byte]);
        }
        assert!(is_served(&mut Wire::connect(&agent.socket)));
    }
    for client in &mut slow {
        client.send(&whole[whole.len() - 1..]);
        assert_eq!(client.receive().unwrap()["reply"]["reply"], "token");
    }
}
