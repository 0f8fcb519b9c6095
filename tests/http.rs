//! The agent over HTTP: what tools get, that policy and audit are the same, and what hostile clients and web pages do not get.

use std::{
    collections::BTreeSet,
    fs,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    harness::{Agent, Fly, Home, Http, Response, as_nobody, eventually, minted, timed, user_token},
    readme,
};

const DAY: Duration = Duration::from_hours(24);

const SOCKET: &str = ".local/state/flytoken/run/http.sock";

/// A home in which `fly` mints for some apps, and whose agent answers over HTTP on its second socket.
fn answering() -> (Home, Fly, Agent) {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "api", "prod-web"] {
        fly.mints(app, &[minted(123, DAY), minted(123, DAY)]);
    }
    home.configure("version: 1\nhttp: { socket: true }\n");
    let agent = home.agent();
    eventually("the second socket", || UnixStream::connect(socket(&home)).ok());
    (home, fly, agent)
}

fn socket(home: &Home) -> PathBuf {
    home.path(SOCKET)
}

fn ask(home: &Home, method: &str, path: &str) -> Response {
    Http::connect(&socket(home)).ask(method, path, &["Host: localhost"])
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_tool_gets_refreshes_and_invalidates_a_token_and_reads_the_state() {
    let (home, fly, agent) = answering();
    let mut http = Http::connect(&socket(&home));
    let mut ask = |method: &str, path: &str| {
        let response = http.ask(method, path, &["Host: localhost", "Accept: */*"]);
        assert_eq!(response.status, 200, "{path}: {}", response.head);
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        response.json()
    };
    let token = ask("GET", "/v1/apps/web/token?kind=deploy");
    assert!(token["token"].as_str().unwrap().starts_with("FlyV1 fm2_"));
    // The same as over the other socket, and from the same memory.
    assert_eq!(token, home.get(&["web", "--kind", "deploy"]));
    assert_eq!(fly.calls().len(), 1);
    let narrow = ask("GET", "/v1/apps/web/token?kind=deploy&actions=r&max-lifetime=10m");
    assert_ne!(narrow["token"], token["token"]);
    assert!(narrow["expires_at"].as_u64() < token["expires_at"].as_u64());

    let refreshed = ask("POST", "/v1/apps/web/refresh?kind=deploy");
    let newer = refreshed["leases"][0]["fingerprint"].as_str().unwrap().to_owned();
    assert_ne!(token["fingerprint"], newer.as_str());
    let invalidated = ask("POST", &format!("/v1/apps/web/invalidate?fingerprint={newer}"));
    assert_eq!(invalidated, json!({ "app": "web", "fingerprints": [newer] }));

    let status = ask("GET", "/v1/status");
    assert_eq!(keys(&status), keys(&home.run(&["status", "--json"]).json()));
    assert_eq!(status["agent"]["pid"], agent.pid());
    agent.stop();
    assert!(!socket(&home).exists(), "it is taken away with the agent");
}

#[test]
fn what_the_description_promises_is_so() {
    let (home, fly, _agent) = answering();
    let description = ask(&home, "GET", "/openapi.json").json();
    let schemas = &description["components"]["schemas"];
    let promised = |schema: &Value| -> BTreeSet<String> {
        schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    let has = |value: &Value, schema: &Value| {
        let found: BTreeSet<String> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(found, promised(schema));
        assert_eq!(found, schema["properties"].as_object().unwrap().keys().cloned().collect());
    };
    has(&ask(&home, "GET", "/v1/apps/web/token").json(), &schemas["Token"]);
    let refreshed = ask(&home, "POST", "/v1/apps/web/refresh").json();
    has(&refreshed, &schemas["Refreshed"]);
    has(&refreshed["leases"][0], &schemas["Lease"]);
    has(&ask(&home, "POST", "/v1/apps/web/invalidate").json(), &schemas["Invalidated"]);
    fly.says("echo 'try later' >&2; exit 1");
    let failed = ask(&home, "GET", "/v1/apps/other/token").json();
    has(&failed, &schemas["Failure"]);
    has(&failed["error"], &schemas["Failure"]["properties"]["error"]);
    let step = &schemas["Failure"]["properties"]["error"]["properties"]["steps"]["items"];
    assert!(!failed["error"]["steps"].as_array().unwrap().is_empty());
    has(&failed["error"]["steps"][0], step);
    // Every path that is described is there, for its method and no other.
    for (path, methods) in description["paths"].as_object().unwrap() {
        let path = path.replace("{app}", "web");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
            if method == "HEAD" {
                continue;
            }
            let status = ask(&home, method, &path).status;
            if methods[method.to_lowercase()].is_object() {
                assert!(status != 404 && status != 405, "{method} {path}: {status}");
            } else {
                assert_eq!(status, 405, "{method} {path}");
            }
        }
    }
}

#[test]
fn the_examples_of_the_page_print_what_it_says() {
    // Where there is no curl nobody can try them.
    if !Path::new("/usr/bin/curl").exists() {
        return;
    }
    let (home, fly, _agent) = answering();
    // One for each time that one is asked for anew.
    fly.mints("web", &[(); 8].map(|()| minted(123, DAY)));
    let port = free_port();
    home.configure(&format!("version: 1\nhttp: {{ socket: true, loopback: '127.0.0.1:{port}' }}\n"));
    eventually("the port", || TcpStream::connect(("127.0.0.1", port)).ok());
    let examples = readme::examples(&readme::document("docs/http.md"));
    assert!(examples.len() > 5, "{examples:?}");
    let run = socket(&home).parent().unwrap().display().to_string();
    for (command, promised) in examples {
        let command = command.replace("4280", &port.to_string());
        let shown = home.shell(&home.path(""), &format!("RUN={run}; {command}"));
        assert!(readme::is_what_was_promised(&promised, &shown), "$ {command}\n{shown}\nis not\n{promised}");
    }
}

#[test]
fn a_failure_is_what_it_is_on_the_command_line_under_a_status_that_fits() {
    let (home, fly, _agent) = answering();
    fly.says("echo 'Could not find App' >&2; exit 1");
    let failed = ask(&home, "GET", "/v1/apps/other/token");
    assert_eq!((failed.status, failed.code().as_str()), (404, "no-token"));
    let told = home.run(&["get", "other", "--json"]).json();
    assert_eq!(keys(&failed.json()["error"]), keys(&told["error"]));
    assert_eq!(failed.json()["error"]["message"], told["error"]["message"]);
    for (method, path, status, code) in [
        ("GET", "/", 404, "usage"),
        ("GET", "/v1/apps/web", 404, "usage"),
        ("DELETE", "/v1/apps/web/token", 405, "usage"),
        ("GET", "/v1/apps/WEB/token", 400, "usage"),
        ("GET", "/v1/apps/web/token?kind=root", 400, "usage"),
        ("GET", "/v1/apps/web/token?actions=w", 400, "usage"),
        ("GET", "/v1/apps/web/token?nope=1", 400, "usage"),
    ] {
        let response = ask(&home, method, path);
        assert_eq!((response.status, response.code().as_str()), (status, code), "{method} {path}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(ask(&home, "DELETE", "/v1/apps/web/token").header("allow"), Some("GET"));
    // A login that has expired is for a person to mend.
    fly.says("echo 'Error: your token has expired; please login again with `fly auth login`' >&2; exit 1");
    home.write_login("");
    let response = eventually("the logout", || Some(ask(&home, "GET", "/v1/apps/third/token")).filter(|it| it.status != 404));
    assert_eq!((response.status, response.code().as_str()), (409, "needs-human"));
}

#[test]
fn numbers_tell_what_happened_and_name_no_app() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    home.configure("version: 1\nhttp: { socket: true }\naudit: { file: audit.jsonl }\nbudget: { total: 7 }\n");
    let _agent = home.agent();
    eventually("the second socket", || UnixStream::connect(socket(&home)).ok());
    for _ in 0..3 {
        assert_eq!(ask(&home, "GET", "/v1/apps/web/token").status, 200);
    }
    fly.says("echo 'Could not find App' >&2; exit 1");
    assert_eq!(ask(&home, "GET", "/v1/apps/nowhere/token").status, 404);
    assert_eq!(ask(&home, "POST", "/v1/apps/web/invalidate").status, 200);
    let scraped = ask(&home, "GET", "/metrics");
    assert_eq!(scraped.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(!scraped.body.contains("\"web\"") && !scraped.body.contains("nowhere"), "{}", scraped.body);
    for line in [
        "flytoken_requests_total{request=\"get\",outcome=\"done\"} 3",
        "flytoken_requests_total{request=\"get\",outcome=\"no-token\"} 1",
        "flytoken_requests_total{request=\"invalidate\",outcome=\"done\"} 1",
        "flytoken_acquired_total{acquirer=\"cache\"} 2",
        "flytoken_acquired_total{acquirer=\"coalesced\"} 0",
        "flytoken_acquired_total{acquirer=\"owner\"} 2",
        "flytoken_source_outcomes_total{source=\"cli\",outcome=\"lease\"} 1",
        "flytoken_source_outcomes_total{source=\"cli\",outcome=\"absent\"} 1",
        "flytoken_source_call_duration_seconds_bucket{source=\"cli\",le=\"30\"} 2",
        "flytoken_source_call_duration_seconds_count{source=\"cli\"} 2",
        "flytoken_source_breaker_open{source=\"cli\"} 0",
        "flytoken_leases{state=\"fresh\"} 0",
        "flytoken_mints_charged 2",
        "flytoken_mints_budget 7",
        "flytoken_login_present 1",
        "flytoken_audit_problem 0",
    ] {
        assert!(scraped.body.lines().any(|other| other == line), "{line} is not in\n{}", scraped.body);
    }
    // Each line belongs to what was announced before it, and each thing is announced once.
    let mut announced = BTreeSet::new();
    for line in scraped.body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind) && announced.insert(name), "{line}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|base| announced.contains(base));
            assert!(announced.contains(base.unwrap_or(name)), "{line}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
    eventually("the end of the chain on disk", || {
        ask(&home, "GET", "/metrics").body.contains("flytoken_audit_lag_lines 0\n").then_some(())
    });
}

#[test]
fn policy_and_audit_are_the_same_as_on_the_other_socket() {
    let (home, _fly) = {
        let (home, fly) = Home::logged_in(&user_token());
        for app in ["web", "prod-web"] {
            fly.mints(app, &[minted(123, DAY)]);
        }
        (home, fly)
    };
    home.configure("version: 1\nhttp: { socket: true }\n");
    let uid = rustix::process::getuid().as_raw();
    home.govern(&format!(
        "version: 1
audit: {{ file: ~/audit.jsonl }}
clients:
  - {{ name: hands off prod, deny: true, apps: [prod-*] }}
  - {{ name: mine, user: {uid}, apps: [web], kinds: [readonly], deliver: {{ max-lifetime: 10m }} }}
"
    ));
    let _agent = home.agent();
    eventually("the second socket", || UnixStream::connect(socket(&home)).ok());
    let token = ask(&home, "GET", "/v1/apps/web/token").json();
    let left = token["expires_at"].as_u64().unwrap() - token["obtained_at"].as_u64().unwrap();
    assert!(left <= 601, "it lives for {left} s");
    for (method, path, why) in [
        ("GET", "/v1/apps/prod-web/token", "its rule `hands off prod` says so"),
        ("GET", "/v1/apps/web/token?kind=deploy", "none of its rules"),
        ("POST", "/v1/apps/prod-web/refresh", "its rule `hands off prod` says so"),
        ("POST", "/v1/apps/prod-web/invalidate", "its rule `hands off prod` says so"),
        ("GET", "/v1/status", "its rule `hands off prod` says so"),
        ("GET", "/metrics", "its rule `hands off prod` says so"),
    ] {
        let response = ask(&home, method, path);
        assert_eq!((response.status, response.code().as_str()), (403, "denied"), "{path}");
        assert!(response.body.contains(why), "{path}: {}", response.body);
    }
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests = lines.iter().filter(|line| line["event"] == "request");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let on_record: Vec<String> =
        requests.clone().map(|line| ["request", "app", "decision", "rule"].map(|key| word(&line[key])).join(" ")).collect();
    let expected = [
        "get web given mine",
        "get prod-web denied hands off prod",
        "get web denied -",
        "refresh prod-web denied hands off prod",
        "invalidate prod-web denied hands off prod",
    ];
    assert_eq!(on_record, expected);
    for line in requests {
        assert_eq!((&line["client"]["uid"], &line["client"]["pid"]), (&json!(uid), &json!(std::process::id())));
    }
}

/// A port that nobody listens on, for now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A home whose agent answers over TCP, its port, and the header with the bearer.
fn over_tcp(policy: Option<&str>) -> (Home, Agent, u16, String) {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "prod-web"] {
        fly.mints(app, &[minted(123, DAY)]);
    }
    if let Some(policy) = policy {
        home.govern(policy);
    }
    let port = free_port();
    home.configure(&format!("version: 1\nhttp: {{ loopback: '127.0.0.1:{port}' }}\n"));
    let agent = home.agent();
    eventually("the port", || TcpStream::connect(("127.0.0.1", port)).ok());
    let bearer = home.path(".local/state/flytoken/run/http.bearer");
    assert_eq!(fs::metadata(&bearer).unwrap().permissions().mode() & 0o777, 0o600);
    let header = format!("Authorization: Bearer {}", fs::read_to_string(bearer).unwrap());
    (home, agent, port, header)
}

#[test]
fn over_tcp_the_bearer_has_to_be_shown_and_everything_else_is_as_on_the_socket() {
    let (home, agent, port, bearer) = over_tcp(None);
    assert!(!socket(&home).exists(), "nobody asked for that");
    let host = format!("Host: 127.0.0.1:{port}");
    let ask = |path: &str, headers: &[&str]| Http::connect_to(port).ask("GET", path, headers);
    let token = ask("/v1/apps/web/token", &[&host, &bearer]);
    assert_eq!(token.status, 200);
    assert_eq!(token.json(), home.get(&["web"]));
    assert_eq!(ask("/v1/apps/web/token", &[&format!("Host: localhost:{port}"), &bearer]).status, 200);
    for path in ["/v1/apps/web/token", "/v1/status", "/metrics", "/openapi.json", "/nowhere"] {
        for headers in
            [&[host.as_str()][..], &[&host, &bearer[..bearer.len() - 1]], &[&host, &bearer, &bearer], &[&host, "Authorization: Bearer "]]
        {
            let refused = ask(path, headers);
            assert_eq!((refused.status, refused.code().as_str(), refused.header("www-authenticate")), (401, "denied", Some("Bearer")));
        }
    }
    // A page whose name was made to lead here, and one that knows the address, get nothing even with the bearer.
    for (headers, status) in [
        (&["Host: localhost", &bearer][..], 421),
        (&["Host: evil.example", &bearer], 421),
        (&[&format!("Host: evil.example:{port}"), &bearer], 421),
        (&[&host, &bearer, "Origin: http://evil.example"], 403),
        (&[&host, &bearer, "Sec-Fetch-Site: cross-site"], 403),
    ] {
        assert_eq!(ask("/v1/apps/web/token", headers).status, status, "{headers:?}");
    }
    // Who takes every connection there is over TCP takes none of the others.
    let flood: Vec<_> = (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    home.get(&["web"]);
    drop(flood);
    let secret = bearer.rsplit(' ').next().unwrap();
    assert!(!agent.log().contains(secret));
}

#[test]
fn over_tcp_no_rule_fits_that_names_a_fact_of_a_client() {
    let uid = rustix::process::getuid().as_raw();
    let policy = format!(
        "version: 1
audit: {{ file: ~/audit.jsonl }}
clients:
  - {{ name: not this one, deny: true, executable: /nowhere/deploy, apps: [prod-*] }}
  - {{ name: mine, user: {uid}, apps: [web] }}
  - {{ name: everybody, apps: [prod-*, web], kinds: [deploy] }}
"
    );
    let (home, _agent, port, bearer) = over_tcp(Some(&policy));
    let host = format!("Host: 127.0.0.1:{port}");
    let ask = |path: &str| Http::connect_to(port).ask("GET", path, &[&host, &bearer]);
    assert_eq!(ask("/v1/apps/web/token").status, 403, "a rule for the agent's own user");
    assert_eq!(ask("/v1/status").status, 403);
    assert_eq!(ask("/metrics").status, 403);
    assert_eq!(ask("/v1/apps/prod-web/token?kind=deploy").status, 403, "one that denies decides in doubt");
    assert_eq!(ask("/v1/apps/web/token?kind=deploy").status, 200, "what is everybody's");
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let requests: Vec<Value> = lines.filter(|line| line["event"] == "request").collect();
    assert_eq!(requests.len(), 3);
    for line in requests {
        assert_eq!((&line["client"]["by-bearer"], &line["client"]["pid"]), (&json!(true), &Value::Null), "{line}");
    }
}

#[test]
fn a_port_that_is_taken_or_a_bearer_that_others_may_read_is_told_and_tried_again() {
    let (home, _fly) = Home::logged_in(&user_token());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    home.configure(&format!("version: 1\nhttp: {{ loopback: '127.0.0.1:{port}' }}\n"));
    let agent = home.agent();
    eventually("what is in the way", || agent.log().contains("not listening for HTTP").then_some(()));
    assert!(agent.log().contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", agent.log());
    let bearer = home.path(".local/state/flytoken/run/http.bearer");
    fs::set_permissions(&bearer, fs::Permissions::from_mode(0o644)).unwrap();
    drop(taken);
    eventually("what is in the way", || agent.log().contains("others may read").then_some(()));
    fs::set_permissions(&bearer, fs::Permissions::from_mode(0o600)).unwrap();
    eventually("the port", || TcpStream::connect(("127.0.0.1", port)).ok());
}

#[test]
fn an_administrator_may_say_that_there_is_none() {
    let (home, _fly, agent) = answering();
    home.govern("version: 1\nhttp: []\n");
    eventually("the second socket's end", || (!socket(&home).exists()).then_some(()));
    assert!(agent.log().contains("`http.socket`"), "{}", agent.log());
    let shown = home.run(&["policy", "show", "--json"]).json();
    assert!(shown["cuts"].as_array().unwrap().iter().any(|cut| cut["rule"] == "http"), "{shown}");
    home.govern("version: 1\nhttp: [socket]\n");
    eventually("the second socket", || UnixStream::connect(socket(&home)).ok());
}

#[test]
fn it_is_off_unless_it_is_wanted_and_follows_the_configuration() {
    let (home, _fly) = Home::logged_in(&user_token());
    let _agent = home.agent();
    assert!(!socket(&home).exists());
    home.configure("version: 1\nhttp: { socket: true }\n");
    eventually("the second socket", || UnixStream::connect(socket(&home)).ok());
    let mode = fs::metadata(socket(&home)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    home.configure("version: 1\n");
    eventually("the second socket's end", || (!socket(&home).exists()).then_some(()));
}

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
