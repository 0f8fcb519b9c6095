//! Hostile clients and web pages over HTTP, and what they do not get.

use super::*;

#[test]
fn a_process_of_another_user_is_not_heard() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let (home, _fly, agent) = answering();
    let (folder, socket) = (home.path(".local/state/flytoken/run"), socket(&home));
    // Were the modes as loose as can be, it would still look at who connects.
    for path in [folder.ancestors().collect::<Vec<_>>(), vec![&*socket]].concat() {
        if path.starts_with(std::env::temp_dir()) && path != std::env::temp_dir() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }
    let heard = as_nobody(|| {
        let mut http = Http::connect(&socket);
        http.send(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
        http.receive().is_some()
    });
    assert!(!heard);
    assert!(agent.log().contains("hung up on a process of another user"));
}

#[test]
fn no_request_of_a_web_page_and_none_for_another_host_is_answered() {
    let (home, fly, _agent) = answering();
    let path = "/v1/apps/web/token";
    for (headers, status) in [
        (&["Host: evil.example"][..], 421),
        (&[], 421),
        (&["Host: localhost", "Host: evil.example"], 421),
        (&["Host: localhost.evil.example"], 421),
        (&["Host: localhost", "Origin: http://evil.example"], 403),
        (&["Host: localhost", "Origin: null"], 403),
        (&["Host: localhost", "Sec-Fetch-Site: cross-site"], 403),
        (&["Host: localhost", "Sec-Fetch-Site: same-site"], 403),
    ] {
        let response = Http::connect(&socket(&home)).ask("GET", path, headers);
        assert_eq!((response.status, response.code().as_str()), (status, "denied"), "{headers:?}");
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    let absolute = Http::connect(&socket(&home)).ask("GET", "http://evil.example/v1/apps/web/token", &["Host: localhost"]);
    assert_eq!((absolute.status, absolute.code().as_str()), (400, "usage"));
    let preflight = Http::connect(&socket(&home)).ask("OPTIONS", path, &["Host: localhost", "Origin: http://evil.example"]);
    assert_eq!(preflight.status, 403);
    assert_eq!(fly.calls().len(), 0, "nothing was asked for any of them");
    let own = Http::connect(&socket(&home)).ask("GET", path, &["Host: localhost", "Origin: http://localhost", "Sec-Fetch-Site: none"]);
    assert_eq!(own.status, 200);
}

#[test]
fn what_is_too_long_too_slow_or_no_http_is_hung_up_on_and_others_are_served_meanwhile() {
    let (home, _fly, agent) = answering();
    ask(&home, "GET", "/v1/apps/web/token");
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(64 << 10));
    let headers = "X: a\r\n".repeat(100);
    let many = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let deep = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(64 << 10));
    for (what, bytes, statuses) in [
        ("a long path", long.into_bytes(), &[414, 431][..]),
        ("many headers", many.into_bytes(), &[431]),
        ("a long header", deep.into_bytes(), &[431]),
        ("frames", crate::harness::frame(1, &crate::harness::get("web")), &[400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400]),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400]),
        (
            "smuggling",
            b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            &[400, 413],
        ),
        ("two lengths", b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n".to_vec(), &[400]),
        ("a body", b"POST /v1/apps/web/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n".to_vec(), &[413]),
        (
            "a body in pieces",
            b"POST /v1/apps/web/refresh HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            &[413],
        ),
    ] {
        let mut http = Http::connect(&socket(&home));
        http.send(&bytes);
        let response = http.receive();
        assert!(response.as_ref().is_none_or(|response| statuses.contains(&response.status)), "{what}: {response:?}");
        assert!(http.receive().is_none(), "{what}: the connection stays open");
        assert_eq!(ask(&home, "GET", "/v1/apps/web/token").status, 200, "{what}");
    }
    // Whoever sends a byte now and then, and whoever sends nothing, has ten seconds in all.
    let (mut slow, mut idle) = (Http::connect(&socket(&home)), Http::connect(&socket(&home)));
    let ((), took) = timed(|| {
        for byte in b"GET /v1/st" {
            slow.send(&[*byte]);
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(slow.receive().is_none_or(|response| response.status == 408));
        assert!(idle.receive().is_none());
    });
    assert!(took < Duration::from_secs(25), "{took:?}");
    drop(agent);
}

#[test]
fn a_flood_is_turned_away_and_whoever_was_there_first_is_served() {
    let (home, _fly, agent) = answering();
    ask(&home, "GET", "/v1/apps/web/token");
    let (descriptors, memory) = (agent.settled_descriptors(), agent.memory());
    let mut first = Http::connect(&socket(&home));
    assert_eq!(first.ask("GET", "/v1/apps/web/token", &["Host: localhost"]).status, 200);
    let mut flood: Vec<_> = (0..200).map(|_| Http::connect(&socket(&home))).collect();
    let turned_away = flood.last_mut().unwrap().receive().unwrap();
    assert_eq!((turned_away.status, turned_away.code().as_str()), (503, "try-again"));
    assert_eq!(first.ask("GET", "/v1/apps/web/token", &["Host: localhost"]).status, 200);
    // Requests one behind the other are answered one behind the other.
    first.send("GET /v1/apps/web/token HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100).as_bytes());
    for _ in 0..100 {
        assert_eq!(first.receive().unwrap().status, 200);
    }
    // The agent's own socket is none of theirs.
    home.get(&["web"]);
    drop((first, flood));
    eventually("the end of the flood", || (agent.descriptors() <= descriptors).then_some(()));
    assert!(agent.memory() < memory + 8192, "{memory} KiB became {} KiB", agent.memory());
}

#[test]
fn a_client_that_never_reads_costs_little_and_a_stop_waits_for_nobody() {
    let (home, fly, agent) = answering();
    ask(&home, "GET", "/v1/apps/web/token");
    let memory = agent.memory();
    let mut deaf = UnixStream::connect(socket(&home)).unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let requests = "GET /v1/apps/web/token HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20_000);
    let taken = std::io::Write::write_all(&mut deaf, requests.as_bytes());
    assert!(taken.is_err(), "it took everything and sent no answer");
    assert!(agent.memory() < memory + 4096);
    // Whoever waits for a slow source is told that the agent stops.
    fly.says("sleep 60");
    let mut waiting = Http::connect(&socket(&home));
    waiting.send(b"GET /v1/apps/api/token?kind=deploy HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("the slow source", || (fly.calls().len() > 1).then_some(()));
    let ((), took) = timed(|| agent.stop());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let told = waiting.receive().unwrap();
    assert_eq!((told.status, told.code().as_str()), (503, "agent"));
}
