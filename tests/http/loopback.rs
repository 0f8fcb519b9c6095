//! Over loopback TCP: who has the bearer asks, and is nobody whom a rule could name.

use super::*;

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
