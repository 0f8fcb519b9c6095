//! The agent over HTTP: what tools get, and that policy and audit are the same.

mod clients;
mod loopback;

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
    policy::one_app_for,
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

/// A port that nobody listens on, for now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "prod-web"] {
        fly.mints(app, &[minted(123, DAY)]);
    }
    home.configure("version: 1\nhttp: { socket: true }\n");
    let uid = rustix::process::getuid().as_raw();
    home.govern(&one_app_for(uid));
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
