//! `flytoken plugin check`: the laws of sources, which every built-in keeps to, and each of which is broken by somebody.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::OnceLock,
    thread,
    time::Duration,
};

use flytoken::{builtin, config::BUILTINS, trial::laws::LAWS};
use serde_json::{Value, json};

use crate::harness::{
    Home, Ran, canary,
    components::{fixture, greedy, vault},
    fixture::built,
    minted,
};

const DAY: Duration = Duration::from_hours(24);

fn breaker() -> &'static [u8] {
    static BREAKER: OnceLock<Vec<u8>> = OnceLock::new();
    BREAKER.get_or_init(|| fs::read(built("breaker")).unwrap())
}

/// Judges a component; nothing that is printed holds a token.
fn check(home: &Home, component: &[u8], arguments: &[&str]) -> Ran {
    home.write("it.wasm", component);
    let ran = home.run(&[&["plugin", "check", "it.wasm", "--json"], arguments].concat());
    canary::assert_clean("standard output", ran.stdout.as_bytes());
    ran
}

/// The laws that a component is in this state of.
fn laws(told: &Value, state: &str) -> Vec<String> {
    let all = told["laws"].as_array().unwrap_or_else(|| panic!("{told}"));
    all.iter().filter(|law| law["state"] == state).map(|law| law["name"].as_str().unwrap().to_owned()).collect()
}

/// The grants that the built-in source of this name has where no file says otherwise, each as an entry of a command line.
fn default_grants(name: &str) -> Vec<String> {
    let defaults: Value = serde_yaml::from_str(include_str!("../../host/src/config/defaults.yaml")).unwrap();
    let grants = defaults["sources"][name]["grants"].as_object().cloned().unwrap_or_default();
    grants.into_iter().map(|(grant, value)| format!("{grant}: {value}")).collect()
}

/// A vault that holds `token` for whoever asks, as long as this process lives.
fn serve(token: &str) -> SocketAddr {
    let (listener, token) = (TcpListener::bind("127.0.0.1:0").unwrap(), token.to_owned());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut some) = (Vec::new(), [0; 1024]);
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut some) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => request.extend_from_slice(&some[..length]),
                }
            }
            let body = json!({ "data": { "data": { "token": token }, "metadata": {} } }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            // Who asked may have left.
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    address
}

#[test]
fn every_source_of_flytokens_own_keeps_to_every_law() {
    let mut home = Home::new();
    let token = minted(7, DAY);
    home.write(home.outside("secrets/token"), &token);
    home.set("CI_TOKEN", &token);
    let file = format!("files: {{ token: {} }}", home.outside("secrets/token").display());
    let setting = format!("token={token}");
    let vault_address = serve(&token);
    let origin = format!("http: [{{ origin: 'http://{vault_address}', private: true, headers: {{ x-vault-token: {{ file: token }} }} }}]");
    let address = format!("address=http://{vault_address}");
    let list = "commands: [{ program: fly, args: [tokens, list] }]";
    let builtin = |name: &str| builtin::component(name).unwrap();
    let cases: [(&str, &[u8], &[&str]); 10] = [
        ("storage", builtin("storage"), &["--role", "memory"]),
        ("manual", builtin("manual"), &["--role", "manual", "--calls", "100"]),
        ("config", builtin("config"), &["--app", "web", "--calls", "100"]),
        ("cli", builtin("cli"), &["--calls", "100"]),
        ("file", builtin("file"), &["--grant", &file, "--app", "web", "--calls", "100"]),
        ("environment", builtin("environment"), &["--grant", "env: [CI_TOKEN]", "--setting", "variable=CI_TOKEN", "--app", "web"]),
        ("vault-http", builtin("vault-http"), &["--grant", &file, "--grant", &origin, "--setting", &address, "--app", "web"]),
        ("greedy", greedy(), &["--grant", "login", "--grant", "records: cache", "--grant", list, "--calls", "100"]),
        ("vault", vault(), &["--setting", &setting, "--app", "web"]),
        ("fixture", fixture(), &["--setting", "behaviour=answer", "--setting", &setting, "--app", "web"]),
    ];
    for name in BUILTINS {
        assert!(cases.iter().any(|(case, ..)| *case == name), "nobody judges {name}");
    }
    for (name, component, arguments) in cases {
        let grants = default_grants(name);
        let arguments: Vec<&str> = grants.iter().flat_map(|grant| ["--grant", grant]).chain(arguments.iter().copied()).collect();
        let ran = check(&home, component, &arguments);
        let told = ran.json();
        assert_eq!(laws(&told, "fail"), Vec::<String>::new(), "{name}: {told}");
        ran.ends_with(0);
        assert_eq!(told["passes"], true);
        let passed = laws(&told, "pass");
        for law in ["contract", "grants-given", "in-time", "no-crash", "unusual-names", "memory", "thousand-calls", "steady-memory"] {
            assert!(passed.iter().any(|passed| passed == law), "{name}, {law}: {told}");
        }
        let keeps = ["storage", "manual"].contains(&name);
        assert_eq!(passed.iter().filter(|law| law.starts_with("keeper-")).count(), if keeps { 8 } else { 0 }, "{name}: {told}");
        assert_eq!(passed.contains(&"known-app".to_owned()), arguments.contains(&"--app"), "{name}: {told}");
    }
    assert!(!home.path(".local").exists(), "a trial keeps nothing");
}

/// Which law is broken, how, and with which other arguments.
const BROKEN: [(&str, &str, &[&str]); 28] = [
    ("known-app", "", &["--setting", "token="]),
    ("in-time", "in-time", &["--timeout", "300ms"]),
    ("no-crash", "no-crash", &[]),
    ("asks-for-granted", "asks-for-granted", &[]),
    ("leases", "leases", &[]),
    ("unusual-names", "unusual-names", &[]),
    ("renewal", "renewal", &[]),
    ("denied", "denied", &[]),
    ("failing", "failing", &[]),
    ("logged-out", "logged-out", &[]),
    ("slow-host", "slow-host", &[]),
    ("memory", "memory", &[]),
    ("thousand-calls", "thousand-calls", &[]),
    ("keeper-nothing", "keeper-nothing", &[]),
    ("keeper-keep", "keeper-keep", &[]),
    ("keeper-newer", "keeper-newer", &[]),
    ("keeper-older", "keeper-older", &[]),
    ("keeper-forget", "keeper-forget", &[]),
    ("keeper-forget-nothing", "keeper-forget-nothing", &[]),
    ("keeper-apps", "keeper-apps", &[]),
    ("keeper-kinds", "keeper-kinds", &[]),
    ("revoke-unknown", "revoke-unknown", &[]),
    ("texts", "texts", &[]),
    ("texts", "text-line", &[]),
    ("texts", "text-long", &[]),
    ("texts", "text-token", &[]),
    ("texts", "id", &[]),
    ("log", "log", &[]),
];

#[test]
fn each_law_is_broken_by_who_breaks_it_and_no_other_is() {
    let home = Home::new();
    let token = minted(7, DAY);
    home.write(home.outside("secrets/token"), &token);
    let file = format!("files: {{ token: {} }}", home.outside("secrets/token").display());
    let setting = format!("token={token}");
    let grants = ["--grant", "login", "--grant", "records: cache", "--grant", &file, "--setting", &setting];
    let sound = check(&home, breaker(), &[&grants[..], &["--app", "web"]].concat());
    assert_eq!(laws(&sound.json(), "fail"), Vec::<String>::new(), "{}", sound.stdout);
    assert_eq!(
        laws(&sound.json(), "not-applicable"),
        Vec::<String>::new(),
        "it is there to have something to do with each: {}",
        sound.stdout
    );
    sound.ends_with(0);
    let mut wrong = Vec::new();
    for (law, breaks, more) in BROKEN {
        let calls = if breaks == "thousand-calls" { "100" } else { "10" };
        let breaks = format!("breaks={breaks}");
        // Whoever gives no lease at all is no good for an app that it should know.
        let app: &[&str] = if law == "known-app" { &["--app", "web"] } else { &[] };
        let ran = check(&home, breaker(), &[&grants[..], &["--setting", &breaks, "--calls", calls], app, more].concat());
        let told = ran.json();
        let failing = laws(&told, "fail");
        if failing != [law] {
            wrong.push(format!("{breaks}: {failing:?} rather than {law}: {told}"));
            continue;
        }
        ran.ends_with(7);
        let line = told["laws"].as_array().unwrap().iter().find(|told| told["name"] == law).unwrap();
        assert!(!line["text"].as_str().unwrap().is_empty() && line["remedy"].is_string() && line["demands"].is_string(), "{line}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Judged before it runs, and broken below; that the host lets go of what it held is broken by no source, and has a test of its own.
    let elsewhere = ["contract", "grants-given", "grants-needed", "steady-memory"];
    for law in LAWS {
        assert!(elsewhere.contains(&law.name) || BROKEN.iter().any(|(broken, ..)| *broken == law.name), "nobody breaks {}", law.name);
    }
}

#[test]
fn what_does_not_load_or_is_granted_too_much_breaks_the_law_about_that() {
    let home = Home::new();
    let other = wat::parse_str("(component (instance $i) (export \"flytoken:source/source@0.2.0\" (instance $i)))").unwrap();
    let cases: [(&str, &[u8], &[&str], &str); 5] = [
        ("contract", &other, &[], "was built against another version"),
        ("contract", b"hello", &[], "is not a WebAssembly component"),
        ("grants-given", greedy(), &["--grant", "login"], "needs the grant"),
        ("grants-needed", vault(), &["--grant", "records: cache", "--grant", "login"], "`login` (and 1 more)"),
        ("grants-needed", vault(), &["--may-leak"], "`may-leak`"),
    ];
    for (law, component, arguments, told) in cases {
        let ran = check(&home, component, arguments);
        assert_eq!(laws(&ran.json(), "fail"), [law], "{}", ran.stdout);
        ran.ends_with(7);
        let line = ran.json()["laws"].as_array().unwrap().iter().find(|line| line["state"] == "fail").unwrap().clone();
        assert!(line["text"].as_str().unwrap().contains(told), "{line}");
    }
    let all = check(&home, vault(), &[]).json();
    let names: Vec<&str> = all["laws"].as_array().unwrap().iter().map(|law| law["name"].as_str().unwrap()).collect();
    assert_eq!(names, LAWS.iter().map(|law| law.name).collect::<Vec<_>>());
    assert_eq!(all["passes"], json!(true));
    check(&home, vault(), &["--grant", "lgoin"]).ends_with(2);
}

#[test]
fn a_person_reads_each_law_on_a_line_and_what_to_do_about_those_that_are_broken() {
    let home = Home::new();
    home.write("vault.wasm", vault());
    let ran = home.run(&["plugin", "check", "vault.wasm", "--grant", "login"]);
    ran.ends_with(7);
    for part in ["pass", "fail  grants-needed", "-     keeper-keep", "leave the grant out", "1 failed", "p99"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    // What is the same for all kinds is told once.
    let ran = home.run(&["plugin", "check", "vault.wasm", "--app", "web"]);
    assert!(
        ran.stdout.contains(": readonly, deploy, ssh, machine-exec, org, login: the vault holds nothing for `web`\n"),
        "{}",
        ran.stdout
    );
    // What cannot even be loaded is told in a few lines.
    home.write("greedy.wasm", greedy());
    let ran = home.run(&["plugin", "check", "greedy.wasm"]);
    ran.ends_with(7);
    let others = format!("-     {} others", LAWS.len() - 2);
    for part in ["pass  contract", "fail  grants-given", "; add --grant '", &others, "1 failed"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("keeper-keep"), "{}", ran.stdout);
}
