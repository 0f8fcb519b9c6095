//! Restarts without pain: who asks an agent that stops, starts or is of another version has an answer, or the command that brings one.

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use flytoken::agent::AgentLock;
use serde_json::{Value, json};

use crate::harness::{Home, MINT, Wire, eventually, frame, framed, get, minted, timed, user_token};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn who_waits_for_a_slow_source_is_told_within_two_seconds_that_the_agent_stops() {
    let (home, fly) = Home::logged_in(&user_token());
    let apps = ["web", "api", "job"];
    for app in apps {
        fly.mints(app, &[minted(1, DAY)]);
        fly.hold(app);
    }
    let agent = home.agent();
    let mut client = Wire::connect(&agent.socket);
    for (id, app) in (1..).zip(apps) {
        client.send(&frame(id, &get(app)));
    }
    fly.called(3);
    let (mut answered, took) = timed(|| {
        let stopped = thread::spawn(move || agent.stop());
        let answered: Vec<Value> = std::iter::from_fn(|| client.receive()).collect();
        stopped.join().unwrap();
        answered
    });
    answered.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answered.iter().map(|answer| answer["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3], "each is answered once");
    for answer in answered {
        assert_eq!(answer["failure"]["code"], "agent", "{answer}");
        assert!(answer["failure"]["message"].as_str().unwrap().contains("was told to stop"), "{answer}");
    }
    // What a busy machine takes on top.
    assert!(took < Duration::from_millis(2500), "{took:?}");
}

#[test]
fn a_command_whose_agent_stops_under_it_is_answered_by_the_next_one_and_nothing_is_renewed_twice() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY), minted(1, 2 * DAY)]);
    fly.mints("api", &[minted(1, DAY), minted(1, 2 * DAY)]);
    fly.says(&format!("until [ -e \"$notes/go\" ]; do sleep 0.02; done; {MINT}"));
    let agent = home.agent();
    thread::scope(|scope| {
        let got = scope.spawn(|| home.run(&["get", "web", "--agent", "require"]));
        let refreshed = scope.spawn(|| home.run(&["refresh", "api", "--agent", "require"]));
        fly.called(2);
        agent.stop();
        fs::write(home.outside("fly/go"), "").unwrap();
        let _next = home.agent();
        got.join().unwrap().ends_with(0);
        let told = refreshed.join().unwrap();
        assert!(told.ends_with(5).contains("the agent was told to stop"), "{}", told.stderr);
    });
    assert_eq!(fly.calls().iter().filter(|call| call.contains("-a api")).count(), 1, "{:?}", fly.calls());
}

#[test]
fn while_an_agent_is_stopped_and_started_again_and_again_every_command_has_its_token() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    home.get(&["web"]);
    let left = AtomicUsize::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // Also if it fails, so that the other end does not go on for ever.
                let _done = Done(&left);
                for _ in 0..6 {
                    home.run(&["get", "web"]).ends_with(0);
                }
            });
        }
        while left.load(Ordering::SeqCst) > 0 {
            let agent = home.agent();
            home.run(&["get", "web", "--agent", "require"]).ends_with(0);
            agent.stop();
        }
    });
    assert_eq!(fly.calls().len(), 1, "the token was there all the time");
}

/// Counts a client down however it ends.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn an_agent_tells_a_client_of_another_version_the_command_that_mends_it() {
    let home = Home::new();
    let agent = home.agent();
    let restart = format!("`kill {}; flytoken agent`", agent.pid());
    let of_version =
        |version: u64, op: &str| framed(&rmp_serde::to_vec(&json!({ "v": version, "id": 1, "request": { "op": op } })).unwrap());
    for (what, bytes, id, mends) in [
        ("a newer client", of_version(2, "status"), 0, restart.as_str()),
        ("an older client", of_version(0, "status"), 0, concat!("`", env!("CARGO_BIN_EXE_flytoken"), "`")),
        ("a client that can do more", of_version(1, "levitate"), 1, restart.as_str()),
    ] {
        let mut client = Wire::connect(&agent.socket);
        client.send(&bytes);
        let answer = client.receive().unwrap();
        assert_eq!(answer["id"], id, "{what}: {answer}");
        assert!(answer["failure"]["hint"].as_str().is_some_and(|hint| hint.contains(mends)), "{what}: {answer}");
    }
    agent.stop();
}

#[test]
fn a_command_tells_what_mends_it_when_its_agent_is_of_another_version() {
    let (own, pid) = ("version 1 of the protocol", std::process::id());
    let restart = format!("`kill {pid}; flytoken agent`");
    let refusal = json!({ "code": "agent", "message": format!("{own}, where version 2 is spoken here"), "hint": "use `/opt/new/flytoken`", "steps": [] });
    for (what, answer, told) in [
        (
            "an older agent",
            json!({ "v": 0, "id": 1, "answer": "who knows" }),
            vec!["speaks version 0", "start the agent anew, in this version", &restart],
        ),
        (
            "a newer agent",
            json!({ "v": 2, "id": 1, "answer": "who knows" }),
            vec!["speaks version 2", "this command is older than the agent", &restart],
        ),
        // What is said about the version is understood in every version.
        ("a newer agent that says it itself", json!({ "v": 2, "id": 0, "failure": refusal }), vec![own, "hint: use `/opt/new/flytoken`"]),
    ] {
        let mut home = Home::new();
        let socket = home.path("run/agent.sock");
        fs::create_dir(home.path("run")).unwrap();
        fs::set_permissions(home.path("run"), Permissions::from_mode(0o700)).unwrap();
        home.set("FLYTOKEN_SOCKET", &socket.display().to_string());
        let _lock = AgentLock::take(&socket).unwrap().unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let answering = thread::spawn(move || answer_once(&listener, &answer));
        let ran = home.run(&["get", "web"]);
        let said = ran.ends_with(5);
        for words in told {
            assert!(said.contains(words), "{what}: {words:?} is not in {said}");
        }
        answering.join().unwrap();
    }
}

/// Answers the first request of the first client with these bytes.
fn answer_once(listener: &UnixListener, answer: &Value) {
    let (mut client, _) = eventually("a client", || listener.accept().ok());
    let mut length = [0; 4];
    client.read_exact(&mut length).unwrap();
    let mut request = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    client.read_exact(&mut request).unwrap();
    client.write_all(&framed(&rmp_serde::to_vec(answer).unwrap())).unwrap();
}
