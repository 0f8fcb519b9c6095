//! Hostile clients: programs that would be taken for another, and what they get where a policy hands tokens out by program.

#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::geteuid;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::{Agent, Home, Puppet, Ran, eventually, frame, get, minted, user_token, write_program};

const DAY: Duration = Duration::from_hours(24);

/// An agent under a policy that hands tokens out to the program `client` of this home alone, and puts everything on record.
struct Governed {
    agent: Agent,
    home: Home,
    programs: Programs,
}

/// Where programs lie: not in the home, for they are this test binary, and have what its tests say of tokens in them.
struct Programs(tempfile::TempDir);

impl Programs {
    fn new() -> Self {
        let programs = Self(tempfile::tempdir().unwrap());
        Puppet::copy_to(&programs.path("client"));
        programs
    }

    /// As the kernel has it: without links.
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }
}

impl Governed {
    /// The rule says so of the client by these keys.
    fn by(keys: impl FnOnce(&Path) -> String) -> Self {
        Self::under("", keys)
    }

    fn under(mode: &str, keys: impl FnOnce(&Path) -> String) -> Self {
        let (home, programs) = (Home::new(), Programs::new());
        home.run_with(&["set", "web"], &minted(1, DAY)).ends_with(0);
        home.govern(&format!(
            "version: 1\n{mode}audit: {{ file: ~/audit.jsonl }}\nclients:\n  - {{ name: the client, {}, apps: [web] }}\n",
            keys(&programs.path("client"))
        ));
        let agent = home.agent();
        Self { agent, home, programs }
    }

    fn by_path() -> Self {
        Self::by(|client| format!("executable: {}", client.display()))
    }

    fn client(&self) -> PathBuf {
        self.programs.path("client")
    }

    /// A client that lies at this path, connected.
    fn start(&self, program: &Path) -> Puppet {
        let mut puppet = Puppet::start(program);
        puppet.connect(&self.agent.socket);
        puppet
    }

    /// What the client in this puppet gets to hear.
    fn ask(puppet: &mut Puppet) -> Value {
        puppet.send(&frame(1, &get("web")));
        rmp_serde::from_slice(&puppet.receive().unwrap()).unwrap()
    }

    /// A line of shell that asks on its standard output, tells what it hears on its standard error, and does something before.
    fn asks_after(&self, before: &str) -> String {
        let asked = self.home.outside("asked");
        fs::write(&asked, frame(1, &get("web"))).unwrap();
        format!("{before}; cat {}; cat >&2", asked.display())
    }

    /// What is on record, each as its decision, the rule, and the path of the client's executable.
    fn on_record(&self) -> Vec<(String, String, String)> {
        let text = fs::read_to_string(self.home.path("audit.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let requests = lines.filter(|line| line["event"] == "request");
        requests.map(|line| (word(&line["decision"]), word(&line["rule"]), word(&line["client"]["executable"]["path"]))).collect()
    }
}

fn is_token(answer: &Value) -> bool {
    answer["reply"]["reply"] == "token"
}

fn is_denied(answer: &Value, why: &str) -> bool {
    answer["failure"]["code"] == "denied" && answer["failure"]["message"].as_str().is_some_and(|message| message.contains(why))
}

/// What a program was sent that had a connection for its standard input.
fn heard(bytes: &[u8]) -> Value {
    let answer = rmp_serde::from_slice(&bytes[4..]).unwrap();
    assert_eq!(bytes.len() - 4, u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize, "more than one answer");
    answer
}

const NO_RULE: &str = "none of its rules under `clients` admits this client";
const ANOTHER: &str = "has ended, or runs another program by now";

#[test]
fn a_program_is_told_by_where_it_lies_and_another_gets_nothing() {
    let governed = Governed::by_path();
    let mut client = governed.start(&governed.client());
    assert!(is_token(&Governed::ask(&mut client)));
    let other = governed.programs.path("other");
    fs::hard_link(governed.client(), &other).unwrap();
    assert!(is_denied(&Governed::ask(&mut governed.start(&other)), NO_RULE));
    let text = fs::read_to_string(governed.home.path("audit.jsonl")).unwrap();
    assert!(text.contains(&format!("\"pid\":{},", client.pid())), "{text}");
    let shown = |path: &Path| path.display().to_string();
    assert_eq!(
        governed.on_record(),
        [("given".into(), "the client".into(), shown(&governed.client())), ("denied".into(), "-".into(), shown(&other)),]
    );
    // The command itself is asked on behalf of whatever called it, which is this program.
    assert!(governed.home.run(&["get", "web"]).ends_with(4).contains(NO_RULE));
}

#[test]
fn a_command_asks_on_behalf_of_the_program_that_called_it() {
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let governed = Governed::by(|_| format!("executable: {}", shell.display()));
    let called = |line: &str| governed.home.shell(&governed.home.path(""), line);
    // The second is more than the small program reads by itself.
    for line in ["flytoken get web >/dev/null && echo got", "flytoken get web --valid-for 1s >/dev/null && echo got"] {
        let said = called(line);
        assert!(said.ends_with("got\n"), "{said}");
    }
    governed.home.run(&["get", "web"]).ends_with(4);
    let text = fs::read_to_string(governed.home.path("audit.jsonl")).unwrap();
    let vias = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["client"]["via-flytoken"].clone());
    assert!(vias.filter(|via| *via == true).count() >= 3, "{text}");
}

#[test]
fn a_program_is_told_by_its_bytes_wherever_it_lies() {
    let shell = fs::read("/bin/sh").unwrap();
    let digest: String = Sha256::digest(&shell).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let governed = Governed::by(|_| format!("sha256: {digest}"));
    let small = governed.home.outside("bin/small");
    let mut changed = shell.clone();
    changed.push(0);
    for (bytes, fits) in [(&shell, true), (&changed, false)] {
        let _ = fs::remove_file(&small);
        write_program(&small, bytes);
        // It calls the command, which is asked on its behalf.
        let mut command = Command::new(&small);
        let asks = governed.home.command(&["get", "web", "--json"]);
        command.args(["-c", "\"$0\" \"$@\"; exit $?"]).arg(asks.get_program()).args(asks.get_args());
        command.env_clear().envs(asks.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = Ran::of(command, b"");
        assert_eq!(ran.code, Some(if fits { 0 } else { 4 }), "{}", ran.stderr);
    }
}

#[test]
fn a_client_that_becomes_another_program_before_it_asks_gets_nothing_and_that_is_on_record() {
    let governed = Governed::by_path();
    let mut client = governed.start(&governed.client());
    assert!(is_token(&Governed::ask(&mut client)), "as itself it has one");
    client.become_shell(&governed.asks_after("true"));
    let answer = heard(&client.rest());
    assert!(is_denied(&answer, ANOTHER), "{answer}");
    assert_eq!(governed.on_record().into_iter().map(|(decision, _, _)| decision).collect::<Vec<_>>(), ["given", "denied"]);
    assert!(governed.agent.log().contains("hung up on a client"), "{}", governed.agent.log());
}

#[test]
fn over_http_too_a_client_that_becomes_another_program_gets_nothing_and_that_is_on_record() {
    let (home, fly) = Home::logged_in(&user_token());
    let programs = Programs::new();
    let client = programs.path("client");
    fly.mints("web", &[minted(1, DAY)]);
    fly.hold("web");
    home.configure("version: 1\nhttp: { socket: true }\n");
    home.govern(&format!("version: 1\naudit: {{ file: ~/audit.jsonl }}\nclients:\n  - {{ name: it, executable: {} }}\n", client.display()));
    let agent = home.agent();
    let socket = agent.socket.with_file_name("http.sock");
    eventually("the second socket", || UnixStream::connect(&socket).ok());
    let mut puppet = Puppet::start(&client);
    puppet.connect(&socket);
    puppet.send(b"GET /v1/apps/web/token HTTP/1.1\r\nHost: localhost\r\n\r\n");
    fly.called(1);
    puppet.become_shell("echo here >&2; cat >&2");
    assert_eq!(puppet.line(), "here");
    fly.let_go("web");
    // It is hung up on, or `cat` would not end.
    let heard = String::from_utf8(puppet.rest()).unwrap();
    assert!(heard.starts_with("HTTP/1.1 403 ") && heard.contains(ANOTHER), "{heard}");
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    assert!(text.contains("\"decision\":\"denied\"") && !text.contains("\"decision\":\"given\""), "{text}");
}

#[test]
fn a_client_that_becomes_another_program_while_a_source_is_asked_gets_nothing_and_that_is_on_record() {
    let (home, fly) = Home::logged_in(&user_token());
    let programs = Programs::new();
    let client = programs.path("client");
    fly.mints("web", &[minted(1, DAY)]);
    fly.hold("web");
    home.govern(&format!("version: 1\naudit: {{ file: ~/audit.jsonl }}\nclients:\n  - {{ name: it, executable: {} }}\n", client.display()));
    let agent = home.agent();
    let mut puppet = Puppet::start(&client);
    puppet.connect(&agent.socket);
    puppet.send(&frame(1, &get("web")));
    fly.called(1);
    puppet.become_shell("echo here >&2; cat >&2");
    assert_eq!(puppet.line(), "here");
    fly.let_go("web");
    let answer = heard(&puppet.rest());
    assert!(is_denied(&answer, ANOTHER), "{answer}");
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    assert!(text.lines().any(|line| line.contains("\"denied\"")) && !text.contains("\"given\""), "{text}");
    drop(agent);
}

#[test]
fn whoever_is_left_with_the_connection_of_a_client_that_ended_gets_nothing() {
    let governed = Governed::by_path();
    let mut client = governed.start(&governed.client());
    assert!(is_token(&Governed::ask(&mut client)));
    let go = governed.home.outside("go");
    client.start_shell(&governed.asks_after(&format!("until [ -e {} ]; do sleep 0.01; done", go.display())));
    client.end();
    fs::write(go, "").unwrap();
    let answer = heard(&client.rest());
    assert!(is_denied(&answer, ANOTHER), "{answer}");
}

#[test]
fn a_program_that_was_replaced_on_disk_is_no_longer_the_one_that_the_rule_names() {
    let governed = Governed::by_path();
    let mut client = governed.start(&governed.client());
    assert!(is_token(&Governed::ask(&mut client)));
    let kept = governed.programs.path("kept");
    fs::rename(governed.client(), &kept).unwrap();
    fs::remove_file(&kept).unwrap();
    Puppet::copy_to(&governed.client());
    // It was the one that lay there when it connected, and is the same process in the same file.
    assert!(is_token(&Governed::ask(&mut client)));
    client.connect(&governed.agent.socket);
    assert!(is_denied(&Governed::ask(&mut client), NO_RULE));
    assert!(is_token(&Governed::ask(&mut governed.start(&governed.client()))), "what lies there now is");
    assert!(
        fs::read_to_string(governed.home.path("audit.jsonl")).unwrap().contains("kept (deleted)"),
        "the administrator sees what it was"
    );
}

#[test]
fn another_file_at_the_path_in_mounts_of_its_own_is_not_the_one_that_the_rule_names() {
    let works = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !works {
        return println!("not shown: only root can have mounts of its own");
    }
    let governed = Governed::by_path();
    let evil = governed.programs.path("evil");
    Puppet::copy_to(&evil);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "mount --bind \"$0\" \"$1\" && exec \"$@\""]).arg(&evil).arg(governed.client());
    let mut client = Puppet::start_by(command);
    client.connect(&governed.agent.socket);
    assert!(is_denied(&Governed::ask(&mut client), NO_RULE));
    assert!(is_token(&Governed::ask(&mut governed.start(&governed.client()))));
}

#[test]
fn a_rule_that_comes_into_force_is_one_for_clients_that_are_connected_already() {
    let governed = Governed::by(|_| "user: 0".into());
    if !geteuid().is_root() {
        return println!("not shown: the rule is for root");
    }
    let other = governed.programs.path("other");
    fs::hard_link(governed.client(), &other).unwrap();
    let [mut client, mut stranger] = [governed.client(), other].map(|program| governed.start(&program));
    assert!(is_token(&Governed::ask(&mut client)) && is_token(&Governed::ask(&mut stranger)));
    let rule = format!("  - {{ name: it, executable: {}, apps: [web] }}\n", governed.client().display());
    governed.home.govern(&format!("version: 1\nclients:\n{rule}"));
    eventually("the stranger is denied", || is_denied(&Governed::ask(&mut stranger), NO_RULE).then_some(()));
    assert!(is_token(&Governed::ask(&mut client)));
}

#[test]
fn a_policy_that_only_reports_hangs_up_on_nobody() {
    let governed = Governed::under("mode: report\n", |client| format!("executable: {}", client.display()));
    let mut client = governed.start(&governed.client());
    assert!(is_token(&Governed::ask(&mut client)));
    client.become_shell(&governed.asks_after("true").replace("; cat >&2", "; head -c 4 >&2"));
    assert_eq!(client.rest().len(), 4, "it is answered");
    let decisions: Vec<_> = governed.on_record().into_iter().map(|(decision, _, _)| decision).collect();
    assert_eq!(decisions, ["given", "would-deny"]);
}
