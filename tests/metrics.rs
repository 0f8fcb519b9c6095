//! Numbers that the agent pushes to a collector: the same as it shows, and whatever becomes of the collector, nothing becomes of the agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Collector, Home, Http, Manner, Pushed, eventually, minted, timed, user_token};

const DAY: Duration = Duration::from_hours(24);

const SOCKET: &str = ".local/state/flytoken/run/http.sock";

/// A configuration that has numbers pushed to this collector each second.
fn pushing(collector: &Collector, more: &str) -> String {
    format!("version: 1\nmetrics: {{ otlp: {{ endpoint: 'http://127.0.0.1:{}', every: 1s{more} }} }}\n", collector.port)
}

/// Each number by its name and labels, in the form of Prometheus.
fn shown(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The same of what was pushed.
fn pushed(pushed: &Pushed) -> BTreeMap<String, String> {
    let mut numbers = BTreeMap::new();
    for metric in pushed.body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap() {
        let name = metric["name"].as_str().unwrap();
        let data = ["sum", "gauge", "histogram"].into_iter().find_map(|kind| metric.get(kind)).unwrap();
        for point in data["dataPoints"].as_array().unwrap() {
            let labels = point["attributes"].as_array().unwrap().iter();
            let labels: Vec<(&str, &str)> =
                labels.map(|label| (label["key"].as_str().unwrap(), label["value"]["stringValue"].as_str().unwrap())).collect();
            let mut add = |name: &str, more: &[(&str, &str)], value: String| {
                let labels: Vec<String> = labels.iter().chain(more).map(|(key, value)| format!("{key}=\"{value}\"")).collect();
                let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                numbers.insert(format!("{name}{labels}"), value);
            };
            let Some(counts) = point["bucketCounts"].as_array() else {
                add(name, &[], point["asInt"].as_str().unwrap().to_owned());
                continue;
            };
            let bounds = point["explicitBounds"].as_array().unwrap().iter().map(|bound| bound.as_f64().unwrap().to_string());
            let mut so_far = 0;
            for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
                so_far += count.as_str().unwrap().parse::<u64>().unwrap();
                add(&format!("{name}_bucket"), &[("le", &bound)], so_far.to_string());
            }
            add(&format!("{name}_sum"), &[], point["sum"].as_f64().unwrap().to_string());
            add(&format!("{name}_count"), &[], point["count"].as_str().unwrap().to_owned());
        }
    }
    numbers
}

/// Lines of the agent's log that speak of what is pushed, as it is without `-v`.
fn told(log: &str) -> Vec<&str> {
    log.lines().filter(|line| !line.contains("DEBUG") && line.contains("numbers")).collect()
}

#[test]
fn what_is_pushed_is_what_is_shown_and_names_neither_an_app_nor_a_token() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    let collector = Collector::new();
    home.configure(&format!("{}http: {{ socket: true }}\naudit: {{ file: audit.jsonl }}\n", pushing(&collector, "")));
    let _agent = home.agent();
    eventually("the second socket", || UnixStream::connect(home.path(SOCKET)).ok());
    for _ in 0..3 {
        home.get(&["web"]);
    }
    fly.says("echo 'Could not find App' >&2; exit 1");
    home.run(&["get", "nowhere"]).ends_with(3);
    home.run(&["invalidate", "web"]).ends_with(0);
    // Between the two looks a number may change.
    let push = eventually("the same numbers", || {
        let push = collector.next_from_now();
        let text = Http::connect(&home.path(SOCKET)).ask("GET", "/metrics", &["Host: localhost"]).body;
        (pushed(&push) == shown(&text)).then_some(push)
    });
    let numbers = pushed(&push);
    assert_eq!(numbers["flytoken_requests_total{request=\"get\",outcome=\"done\"}"], "3");
    assert_eq!(numbers["flytoken_source_call_duration_seconds_count{source=\"cli\"}"], "2");
    assert!(push.head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{}", push.head);
    for header in ["content-type: application/json", "user-agent: flytoken/"] {
        assert!(push.head.contains(header), "{}", push.head);
    }
    let text = push.body.to_string();
    assert!(!text.contains("\"web\"") && !text.contains("nowhere"), "{text}");
    let resource = push.body["resourceMetrics"][0]["resource"]["attributes"].as_array().unwrap();
    let keys: BTreeSet<&str> = resource.iter().map(|attribute| attribute["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["service.name", "service.version", "service.instance.id"].into());
    // No two pushes at the same time, and counted from the same start.
    let moments = |push: &Pushed| {
        let metrics = push.body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
        let sum = metrics.iter().find_map(|metric| metric.get("sum")).unwrap();
        let moment = |key: &str| sum["dataPoints"][0][key].as_str().unwrap().parse::<u64>().unwrap();
        (moment("startTimeUnixNano"), moment("timeUnixNano"))
    };
    let ((start, first), (again, second)) = (moments(&push), moments(&collector.next()));
    assert!(start == again && start < first && first < second, "{start} {first} {again} {second}");
}

#[test]
fn a_collector_that_takes_nothing_is_told_of_once_and_harms_nobody() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    let (collector, elsewhere) = (Collector::new(), Collector::new());
    home.configure(&pushing(&collector, ""));
    let agent = home.agent();
    collector.next();
    let redirect = format!("Location: http://127.0.0.1:{}/v1/metrics\r\n", elsewhere.port);
    let takes = Manner::answers("200 OK", "", "{}");
    for (manner, why) in [
        (Manner::answers("503 Service Unavailable", "Retry-After: 0\r\n", ""), "the collector answered 503"),
        (Manner::answers("307 Temporary Redirect", &redirect, ""), "the collector answered 307, which leads elsewhere"),
        (Manner::answers("401 Unauthorized", "", ""), "name the file of a header"),
        (Manner::answers("200 OK", "", r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"\u001b[2J"}}"#), "left out 3 of the"),
        (Manner::Says("220 smtp.example ESMTP\r\n".into()), "the server does not keep to HTTP"),
        (Manner::Says(String::new()), "the answer broke off"),
        (Manner::Endless, "the body of the answer is too long"),
    ] {
        let before = told(&agent.log()).len();
        collector.behaves(manner);
        let warned = eventually(why, || told(&agent.log()).get(before).map(|line| (*line).to_owned()));
        assert!(warned.contains(why) && warned.contains("WARN"), "{warned}");
        // Each time it is asked once, and told of no more.
        collector.next_from_now();
        collector.next();
        assert_eq!(told(&agent.log()).len(), before + 1, "{}", agent.log());
        collector.behaves(takes.clone());
        let again = eventually("that all is well", || told(&agent.log()).get(before + 1).map(|line| (*line).to_owned()));
        assert!(again.contains("takes numbers again"), "{again}");
    }
    assert!(!elsewhere.has_more(), "a redirect was followed");
    // While nothing comes back, everybody is served, and the agent ends when it is told to.
    collector.behaves(Manner::Silent);
    collector.next_from_now();
    collector.next();
    let (_, took) = timed(|| home.get(&["web"]));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let ((), took) = timed(|| agent.stop());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_collector_that_does_not_come_to_an_end_is_given_up_and_another_one_is_pushed_to_at_once() {
    let home = Home::new();
    let (slow, other) = (Collector::new(), Collector::new());
    slow.behaves(Manner::Slow);
    home.configure(&pushing(&slow, ""));
    let agent = home.agent();
    eventually("that it is given up", || agent.log().contains("the collector took longer than 10 s").then_some(()));
    slow.next_from_now();
    // In the middle of a push.
    home.configure(&pushing(&other, ""));
    let (_, took) = timed(|| other.next());
    assert!(took < Duration::from_secs(8), "{took:?}");
    // Nobody listens, from the next push on.
    let port = other.port;
    drop(other);
    eventually("that nobody listens", || agent.log().contains("the connection was refused").then_some(()));
    assert!(agent.log().contains(&format!("http://127.0.0.1:{port}")), "{}", agent.log());
    home.configure("version: 1\n");
    let third = Collector::new();
    home.configure(&pushing(&third, ""));
    third.next();
}

#[test]
fn a_header_is_read_from_its_file_each_time_and_its_value_is_told_to_nobody_else() {
    let home = Home::new();
    let collector = Collector::new();
    home.write(".config/flytoken/otlp-auth", "Bearer canary-one\n");
    home.configure(&pushing(&collector, ", headers: { Authorization: { file: otlp-auth } }"));
    let agent = home.agent();
    assert!(collector.next().head.contains("authorization: Bearer canary-one\r\n"));
    home.write(".config/flytoken/otlp-auth", "Bearer canary-two\n");
    eventually("the newer value", || collector.next().head.contains("authorization: Bearer canary-two\r\n").then_some(()));
    home.write(".config/flytoken/otlp-auth", "two\nlines of canary\n");
    eventually("that it is no header", || agent.log().contains("is not one line of text").then_some(()));
    std::fs::remove_file(home.path(".config/flytoken/otlp-auth")).unwrap();
    collector.behaves(Manner::answers("401 Unauthorized", "", "canary"));
    home.run(&["config", "show"]).ends_with(0);
    assert!(!agent.log().contains("canary"), "{}", agent.log());
}

#[test]
fn an_administrator_may_say_where_numbers_go() {
    let home = Home::new();
    let collector = Collector::new();
    home.configure(&pushing(&collector, ""));
    let agent = home.agent();
    collector.next();
    home.govern("version: 1\nmetrics: ['https://otel.acme.example']\n");
    eventually("that it is cut away", || agent.log().contains("`metrics.otlp`").then_some(()));
    let cuts = home.run(&["policy", "show", "--json"]).json();
    assert!(cuts["cuts"].as_array().unwrap().iter().any(|cut: &Value| cut["rule"] == "metrics"), "{cuts}");
    home.govern(&format!("version: 1\nmetrics: ['http://127.0.0.1:{}']\n", collector.port));
    collector.next_from_now();
}

#[test]
fn where_numbers_go_is_checked_with_the_rest_of_the_configuration() {
    let home = Home::new();
    for (otlp, expected) in [
        ("{ endpoint: 'http://collector:4318' }", ":2:30: metrics.otlp.endpoint: `http://` is for an address of this machine's own"),
        ("{ endpont: 'https://a' }", ":2:20: metrics.otlp: unknown key `endpont`; did you mean `endpoint`?"),
        ("{ every: 1m }", ":2:18: metrics.otlp: the key `endpoint` is missing"),
        ("{ endpoint: 'https://a', every: 10ms }", ":2:50: metrics.otlp.every: must be from 1s to 1h"),
        ("{ endpoint: 'https://a', headers: { X-Key: secret } }", ":2:61: metrics.otlp.headers.X-Key: expected `{ file: PATH }`"),
        ("{ endpoint: 'https://a', headers: { Content-Type: { file: a } } }", "flytoken sets this header by itself"),
        ("{ endpoint: 'https://a', headers: { Host: { file: a } } }", "this header is about the connection"),
        ("{ endpoint: 'http://127.0.0.1:4318', ca: ca.pem }", ":2:59: metrics.otlp.ca: certificates vouch for `https://` alone"),
    ] {
        home.configure(&format!("version: 1\nmetrics: {{ otlp: {otlp} }}\n"));
        let ran = home.run(&["config", "check"]);
        assert!(ran.ends_with(7).contains(expected), "{otlp}: {}", ran.stderr);
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    }
}
