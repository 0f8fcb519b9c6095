//! What is on record of requests: who asked, what was decided, and that nobody can change it unseen.

use std::{fs, os::unix::net::UnixDatagram, time::Duration};

use serde_json::Value;

use crate::harness::{Corp, Fly, Home, Wire, fixture::fixture, get, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home with an audit; more of its settings may follow the file.
fn audited(more: &str) -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    home.configure(&format!(
        "version: 1\naudit: {{ file: ~/audit.jsonl{more} }}\napps:\n  - match: narrow\n    deliver: {{ actions: r, max-lifetime: 10m }}\n"
    ));
    for app in ["web", "api", "narrow"] {
        fly.mints(app, &[minted(123, DAY), minted(123, DAY)]);
    }
    (home, fly)
}

fn lines(home: &Home) -> Vec<Value> {
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The requests on record, each as its verb, app and decision.
fn requests(home: &Home) -> Vec<String> {
    let requests = lines(home).into_iter().filter(|line| line["event"] == "request");
    requests.map(|line| ["request", "app", "decision"].map(|key| line[key].as_str().unwrap().to_owned()).join(" ")).collect()
}

fn is_whole(home: &Home) {
    let ran = home.run(&["audit", "verify", "--json"]);
    ran.ends_with(0);
    assert_eq!((&ran.json()["whole"], ran.json()["findings"].as_array().unwrap().len()), (&Value::Bool(true), 0));
}

#[test]
fn every_request_is_on_record_with_who_asked_and_what_was_decided() {
    let (home, _fly) = audited("");
    let agent = home.agent();
    let got = home.get(&["web"]);
    home.get(&["web"]);
    home.get(&["narrow"]);
    home.run(&["get", "narrow", "--max-lifetime", "1h"]).ends_with(4);
    home.run(&["get", "unknown"]).ends_with(3);
    home.run(&["refresh", "web"]).ends_with(0);
    home.run_with(&["set", "api"], &minted(1, DAY)).ends_with(0);
    home.run(&["unset", "api"]).ends_with(0);
    home.run(&["invalidate", "web"]).ends_with(0);
    let expected = [
        "get web given",
        "get web given",
        "get narrow given",
        "get narrow denied",
        "get unknown failed",
        "refresh web given",
        "set api given",
        "unset api given",
        "invalidate web given",
    ];
    assert_eq!(requests(&home), expected);
    let lines = lines(&home);
    assert_eq!(lines[0]["event"], "opened");
    let first = &lines[1];
    assert_eq!((&first["fingerprint"], &first["source"], &first["kind"]), (&got["fingerprint"], &got["source"], &got["kind"]));
    assert_eq!(first["client"]["uid"], rustix::process::getuid().as_raw());
    assert_eq!(lines[3]["narrowed"], serde_json::json!({ "actions": "r", "max-lifetime": 600 }));
    is_whole(&home);
    drop(agent);
    is_whole(&home);
}

/// The calls that sources were denied, by what each begins with, and how often.
fn denied(home: &Home) -> Vec<(Value, Value, String, Value)> {
    let denied = lines(home).into_iter().filter(|line| line["event"] == "denied-call");
    let beginning = |line: &Value| line["why"].as_str().unwrap().split(';').next().unwrap().to_owned();
    denied.map(|line| (line["source"].clone(), line["app"].clone(), beginning(&line), line["times"].clone())).collect()
}

#[test]
fn what_a_source_is_denied_is_on_record_before_the_answer_whether_or_not_it_has_one() {
    for agent in [true, false] {
        let corp = Corp::new(fixture());
        let keys = |behaviour: &str| {
            format!("{{ component: ./corp.wasm, dev: true, settings: {{ behaviour: {behaviour}, token: '{}' }} }}", minted(123, DAY))
        };
        corp.configure(&format!(
            "version: 1\naudit: {{ file: ~/audit.jsonl }}\nsources:\n  reveals: {}\n  dials: {}\napps:\n  - {{ match: web, chain: [reveals, dials] }}\n",
            keys("reveal"),
            keys("dial-and-answer"),
        ));
        let home = &corp.home;
        let _agent = agent.then(|| home.agent());
        home.get(&["web"]);
        let of = |source: &str, what: &str, times: u32| (source.into(), "web".into(), what.to_owned(), times.into());
        let expected = [
            of("reveals", "called `reveal`, which needs the grant `reveal`", 1),
            of("dials", "asked for a TCP socket", 2),
            of("dials", "asked for UDP, which no grant allows", 1),
            of("dials", "asked for the addresses of `localhost`", 1),
        ];
        assert_eq!(denied(home), expected);
        assert_eq!(lines(home).last().unwrap()["decision"], "given", "it is the last of what happened");
        assert!(home.run(&["audit", "tail"]).stdout.contains("denied-call"));
        is_whole(home);
    }
}

#[test]
fn the_last_lines_are_shown_and_those_of_one_app_alone() {
    let (home, _fly) = audited("");
    let _agent = home.agent();
    home.get(&["web"]);
    home.get(&["api"]);
    let shown = home.run(&["audit", "tail"]).stdout;
    for word in ["TIME", "FINGERPRINT", "opened", "web", "api", "given", "cli"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
    assert_eq!(home.run(&["audit"]).stdout, shown);
    let ran = home.run(&["audit", "--app", "api", "--json"]);
    assert_eq!(home.run(&["audit", "tail", "--app", "api", "--json"]).stdout, ran.stdout);
    let only: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(only.iter().map(|line| line["app"].as_str()).collect::<Vec<_>>(), [Some("api")]);
    assert_eq!(home.run(&["audit", "tail", "-n", "1", "--json"]).stdout.lines().count(), 1);
}

#[test]
fn a_copy_of_each_line_goes_to_the_machines_own_log_and_one_that_is_not_taken_counts_where_it_is_required() {
    for (required, code) in [("false", 0), ("true", 4)] {
        let home = Home::logged_in(&user_token()).0;
        let log = home.path("log");
        let collector = UnixDatagram::bind(&log).unwrap();
        home.configure(&format!(
            "version: 1\naudit: {{ file: ~/audit.jsonl, required: {required}, forward: syslog, forward-socket: '{}' }}\n",
            log.display(),
        ));
        home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
        let agent = home.agent();
        home.run(&["get", "web"]).ends_with(0);
        let written: Vec<String> = fs::read_to_string(home.path("audit.jsonl")).unwrap().lines().map(str::to_owned).collect();
        let mut buffer = [0; 4096];
        for line in &written {
            let length = collector.recv(&mut buffer).unwrap();
            let copy = std::str::from_utf8(&buffer[..length]).unwrap();
            assert!(copy.starts_with("<86>") && copy.ends_with(&format!("]: {line}")), "{copy} is not {line}");
        }
        assert_eq!(written.len(), 3, "to set, an agent that opens, to get");
        drop(collector);
        fs::remove_file(&log).unwrap();
        let ran = home.run(&["get", "web"]);
        ran.ends_with(code);
        if code != 0 {
            assert!(ran.stderr.contains("syslog took none at"), "{}", ran.stderr);
        }
        let status = home.run(&["status"]).stdout;
        assert!(status.contains("the audit is without a copy: syslog took none at"), "{status}");
        let _collector = UnixDatagram::bind(&log).unwrap();
        home.run(&["get", "web"]).ends_with(0);
        assert!(!home.run(&["status"]).stdout.contains("without a copy"));
        is_whole(&home);
        drop(agent);
    }
}

#[test]
fn what_nobody_takes_a_copy_of_is_in_the_file_once() {
    let corp = Corp::new(fixture());
    corp.configure(&format!(
        "version: 1\naudit: {{ file: ~/audit.jsonl, forward: syslog, forward-socket: /nobody/listens }}\nsources:\n  dials: {{ component: ./corp.wasm, dev: true, settings: {{ behaviour: dial-and-answer, token: '{}' }} }}\napps:\n  - {{ match: web, chain: [dials] }}\n",
        minted(123, DAY),
    ));
    let home = &corp.home;
    let agent = home.agent();
    (0..3).for_each(|_| drop(home.get(&["web"])));
    agent.stop();
    assert_eq!(requests(home), ["get web given"; 3]);
    assert_eq!(denied(home).len(), 3, "the source was asked once");
    is_whole(home);
}

#[test]
fn a_line_that_was_changed_is_named() {
    let (home, _fly) = audited("");
    let agent = home.agent();
    (0..3).for_each(|_| drop(home.get(&["web"])));
    agent.stop();
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    fs::write(home.path("audit.jsonl"), text.replacen("\"given\"", "\"denied\"", 1)).unwrap();
    let ran = home.run(&["audit", "verify"]);
    ran.ends_with(7);
    assert!(ran.stdout.contains("audit.jsonl:2") && ran.stdout.contains("number 2 was changed"), "{}", ran.stdout);
    fs::write(home.path("audit.jsonl"), text.lines().take(2).fold(String::new(), |all, line| all + line + "\n")).unwrap();
    let ran = home.run(&["audit", "verify"]);
    ran.ends_with(7);
    assert!(ran.stdout.contains("lines 3 to 4 are cut off behind it"), "{}", ran.stdout);
}

#[test]
fn after_a_kill_the_chain_goes_on_and_is_whole() {
    let (home, _fly) = audited("");
    for _ in 0..3 {
        let agent = home.agent();
        (0..5).for_each(|_| drop(home.get(&["web"])));
        agent.kill();
    }
    let path = home.path("audit.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let _agent = home.agent();
    let ran = home.run(&["audit", "verify"]);
    assert!(ran.stdout.contains("was cut off while it was written, and closed"), "{}", ran.stdout);
}

#[test]
fn agents_and_commands_without_one_share_one_chain() {
    let (home, _fly) = audited(", required: true");
    home.agent().stop();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| home.get(&["web"]));
        }
    });
    home.agent().stop();
    assert_eq!(requests(&home), ["get web given"; 4]);
    is_whole(&home);
}

#[test]
fn where_it_is_required_nothing_leaves_that_is_not_on_record() {
    let (home, _fly) = audited(", required: true");
    fs::create_dir(home.path("audit.jsonl")).unwrap();
    let denied = home.run(&["get", "web"]);
    assert!(denied.ends_with(4).contains("no token is handed out that is not on record"), "{}", denied.stderr);
    assert_eq!(denied.stdout, "");
    let agent = home.agent();
    home.run(&["get", "web"]).ends_with(4);
    home.run(&["get", "web"]).ends_with(4);
    let problem = home.run(&["status", "--json"]).json()["config"]["problem"].take();
    assert!(problem.as_str().is_some_and(|problem| problem.contains("requests are not on record")), "{problem}");
    // Mended while the agent runs.
    fs::remove_dir(home.path("audit.jsonl")).unwrap();
    home.get(&["web"]);
    assert_eq!(agent.log().matches("requests are not on record").count(), 1);
    drop(agent);
    is_whole(&home);
}

#[test]
fn while_its_settings_change_nothing_leaves_that_is_not_on_record() {
    let (home, _fly) = audited(", required: true");
    let _agent = home.agent();
    home.get(&["web"]);
    let asked = std::sync::atomic::AtomicUsize::new(1);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut wire = Wire::connect(&home.path(".local/state/flytoken/run/agent.sock"));
            while !home.path("enough").exists() {
                let answer = wire.ask(&get("web"));
                asked.fetch_add(usize::from(!answer["reply"]["token"].is_null()), std::sync::atomic::Ordering::Relaxed);
            }
        });
        for round in 0..12 {
            home.configure(&format!("version: 1\naudit: {{ file: ~/audit.jsonl, required: true, rotate-at: {}MiB }}\n", 32 + round));
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        home.write("enough", "");
        asking.join().unwrap();
    });
    assert_eq!(requests(&home).iter().filter(|line| *line == "get web given").count(), asked.into_inner());
    is_whole(&home);
}

#[test]
fn where_it_is_not_required_a_request_is_answered_all_the_same() {
    let (home, _fly) = audited("");
    fs::create_dir(home.path("audit.jsonl")).unwrap();
    let _agent = home.agent();
    home.get(&["web"]);
    home.get(&["web"]);
}

#[test]
fn without_an_audit_there_is_nothing_to_go_through() {
    let home = Home::new();
    for verb in ["verify", "tail"] {
        let ran = home.run(&["audit", verb]);
        assert!(ran.ends_with(7).contains("nothing is put on record here"), "{}", ran.stderr);
    }
}
