//! Whatever one client does to the socket, the others are served at once, and nothing of it stays.

use std::{collections::BTreeSet, thread, time::Duration};

use serde_json::json;

use crate::harness::{Agent, Home, Wire, eventually, frame, framed, get, minted};

const DAY: Duration = Duration::from_hours(24);

/// An agent that answers for the app `web` from its cache.
fn serving() -> (Home, Agent) {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
    let agent = home.agent();
    assert_served(&agent);
    (home, agent)
}

/// Fails unless a client that comes now is served; the connection itself gives up after a few seconds.
fn assert_served(agent: &Agent) {
    let answer = Wire::connect(&agent.socket).ask(&get("web"));
    assert_eq!(answer["reply"]["reply"], "token", "{}", answer["failure"]);
}

#[test]
fn two_clients_pipeline_ten_thousand_requests_each_and_get_every_answer_once() {
    let (_home, agent) = serving();
    let ids = 1..=10_000_u64;
    let client = || {
        let mut writer = Wire::connect(&agent.socket);
        let mut reader = writer.other_handle();
        let sent = ids.clone();
        thread::scope(|scope| {
            scope.spawn(move || sent.for_each(|id| writer.send(&frame(id, &get("web")))));
            let answers = ids.clone().map(|_| reader.receive().unwrap());
            answers.filter(|answer| answer["reply"]["reply"] == "token").map(|answer| answer["id"].as_u64().unwrap()).collect()
        })
    };
    let answered: [BTreeSet<u64>; 2] = thread::scope(|scope| [(); 2].map(|()| scope.spawn(client)).map(|client| client.join().unwrap()));
    for answered in answered {
        assert!(answered.iter().copied().eq(ids.clone()), "{} of the answers came", answered.len());
    }
}

#[test]
fn bytes_that_no_client_of_this_protocol_sends_are_answered_with_the_reason_and_a_hang_up() {
    let (_home, agent) = serving();
    let version_2 = rmp_serde::to_vec(&json!({ "v": 2, "id": 1, "request": { "op": "status" } })).unwrap();
    for (what, code, bytes, reason) in [
        ("4 GiB announced", "usage", vec![0xff; 4], "a frame of 4294967295 bytes or more, where at most 65536 are allowed"),
        ("one byte too many announced", "usage", 65_537_u32.to_be_bytes().to_vec(), "at most 65536"),
        ("another protocol", "usage", b"GET /v1/apps HTTP/1.1\r\nHost: fly\r\n\r\n".to_vec(), "at most 65536"),
        ("TLS", "usage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "at most 65536"),
        ("HTTP/2", "usage", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "at most 65536"),
        ("SSH", "usage", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "at most 65536"),
        ("D-Bus", "usage", b"\0AUTH EXTERNAL 30\r\n".to_vec(), "at most 65536"),
        ("JSON in a frame", "usage", framed(br#"{"v":1,"id":1,"request":{"op":"status"}}"#), "no request of the flytoken protocol"),
        ("garbage in a frame", "usage", framed(&[0xc1; 40]), "no request of the flytoken protocol"),
        ("an empty frame", "usage", framed(b""), "no request of the flytoken protocol"),
        ("maps in maps in maps", "usage", framed(&vec![0x81; 60_000]), "no request of the flytoken protocol"),
        ("version 2", "agent", framed(&version_2), "version"),
        ("id 0", "usage", frame(0, &get("web")), "id starts at 1"),
    ] {
        let mut client = Wire::connect(&agent.socket);
        client.send(&bytes);
        let answer = client.receive().unwrap_or_else(|| panic!("{what}: hung up without a word"));
        let failure = &answer["failure"];
        assert!(failure["message"].as_str().is_some_and(|message| message.contains(reason)), "{what}: {answer}");
        assert_eq!((&answer["id"], &failure["code"]), (&json!(0), &json!(code)), "{what}");
        assert_eq!(client.receive(), None, "{what}: the connection stays open");
        assert_served(&agent);
    }
}

#[test]
fn a_request_that_cannot_be_understood_fails_alone() {
    let (_home, agent) = serving();
    let mut client = Wire::connect(&agent.socket);
    for (what, request) in [
        ("an unknown operation", json!({ "op": "burn", "app": "web" })),
        ("no operation", json!({ "app": "web" })),
        ("an unknown key", json!({ "op": "get", "app": "web", "kind": "readonly", "actions": "r" })),
        ("an unknown kind", json!({ "op": "get", "app": "web", "kind": "root" })),
        ("an app that is none", json!({ "op": "get", "app": "../web", "kind": "readonly" })),
        ("a number for an app", json!({ "op": "get", "app": 7, "kind": "readonly" })),
    ] {
        let answer = client.ask(&request);
        assert_eq!(answer["failure"]["code"], "usage", "{what}: {answer}");
        assert_eq!(client.ask(&get("web"))["reply"]["reply"], "token", "{what}: the connection is of no use any more");
    }
}

/// What a client does that means harm or has died; the connections it leaves open.
type Misdeed = fn(&Agent) -> Vec<Wire>;

#[test]
fn others_are_served_at_once_while_a_client_misbehaves_and_afterwards_memory_and_descriptors_are_as_before() {
    let (_home, agent) = serving();
    let misdeeds: [(&str, Misdeed); 5] = [
        ("half a length", |agent| connections(agent, 20, &[0, 0])),
        ("half a frame", |agent| connections(agent, 20, &frame(1, &get("web"))[..30])),
        ("a long frame but for its last byte", |agent| connections(agent, 20, &[&[0, 1, 0, 0][..], &vec![0x90; 65_535]].concat())),
        ("never reads", |agent| (0..4).map(|_| deaf(agent)).collect()),
        ("300 idle connections", |agent| connections(agent, 300, b"")),
    ];
    // Once for what stays by right: buffers of the allocator, the other thread's stack.
    for (_, misdeed) in &misdeeds {
        drop(misdeed(&agent));
    }
    for (what, misdeed) in misdeeds {
        let descriptors = agent.settled_descriptors();
        let memory = agent.memory();
        let open = misdeed(&agent);
        (0..20).for_each(|_| assert_served(&agent));
        let meanwhile = agent.memory();
        assert!(meanwhile < memory + MEANWHILE * open.len() as u64, "{what}: {memory} KiB became {meanwhile} KiB");
        drop(open);
        // Some of those before may have taken their time to go.
        eventually(what, || (agent.descriptors() <= descriptors).then_some(()));
        let after = agent.memory();
        assert!(after < memory + AFTERWARDS, "{what}: {memory} KiB became {after} KiB");
    }
}

/// So many connections, on each of which these bytes were sent.
fn connections(agent: &Agent, count: usize, bytes: &[u8]) -> Vec<Wire> {
    (0..count)
        .map(|_| {
            let mut client = Wire::connect(&agent.socket);
            client.send(bytes);
            client
        })
        .collect()
}

/// A client that asks without end and takes no answer: after what the two sockets hold, it is not listened to any more.
fn deaf(agent: &Agent) -> Wire {
    let mut client = Wire::connect(&agent.socket);
    let requests = frame(1, &get("web")).repeat(20_000);
    let taken = client.send_what_is_taken(&requests);
    assert!(taken < requests.len(), "the agent took {taken} bytes of requests and sent no answer");
    client
}

/// What a connection may cost while it is open, in KiB: its buffers at their largest.
const MEANWHILE: u64 = 400;

/// What may stay of a misdeed, in KiB: the allocator gives pages back when it sees fit.
const AFTERWARDS: u64 = 4096;
