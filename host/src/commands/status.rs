//! `flytoken status`: how the agent, the login, the sources and the tokens are. Never a token.

use std::fmt::Write;

use super::{Context, unexpected};
use crate::{
    cli,
    output::{Moments, Paint, Table, json},
    plain,
    protocol::{Failure, Reply, Request, Resources, Status, Trouble, TroubleKind},
};

pub(super) fn run(status: &cli::Status, context: &Context) -> Result<(), Failure> {
    let Reply::Status(answer) = context.ask(Request::Status)? else { return Err(unexpected()) };
    if status.json {
        return context.output.print_json(&json::Status::from(&*answer));
    }
    context.output.print(&context.typed().text(&text(&answer, context.output.paint(), &context.moments())))
}

fn text(status: &Status, paint: Paint, moments: &Moments) -> String {
    let mut text = facts(status, paint, moments).lines();
    let mut add = |table: Table| {
        text.push('\n');
        text.push_str(&table.lines());
    };
    if !status.sources.is_empty() {
        add(sources(status, paint));
    }
    if !status.apps.is_empty() || !status.unserved.is_empty() {
        add(apps(status, paint, moments));
    }
    if !status.resting.is_empty() {
        add(resting(status, paint, moments));
    }
    for (what, left_out) in [("tokens", status.apps_left_out), ("sources that are not asked for a while", status.resting_left_out)] {
        if left_out > 0 {
            let _ = writeln!(text, "\n… and {left_out} more {what}");
        }
    }
    if status.agent && status.apps.is_empty() {
        text.push_str("\nNo token is cached. Ask for one: `flytoken get APP`\n");
    }
    text
}

fn facts(status: &Status, paint: Paint, moments: &Moments) -> Table {
    let mut facts = Table::new(paint, []);
    let Status { version, pid, agent, system, started, storage, login, config, chain, strict, .. } = status;
    facts.fact(
        "agent",
        if *agent {
            let whose = if *system { " for the whole system" } else { "" };
            format!("{}{whose}, process {pid}, version {}, since {}", paint.good("running"), plain::line(version), moments.both(*started))
        } else {
            format!("{}; start one: `flytoken agent`", paint.fair("not running"))
        },
    );
    let generation = login.generation.as_ref().map(|generation| format!(", generation {}", plain::line(generation)));
    facts.fact(
        "login",
        if login.present {
            format!("{} from {}{}", paint.good("present"), plain::whole_line(&login.origin), generation.unwrap_or_default())
        } else {
            let what_to_do = if *system { "load the systemd credential `fly-login`" } else { "run `fly auth login`" };
            format!("{}: nothing in {}; {what_to_do}", paint.fair("none"), plain::whole_line(&login.origin))
        },
    );
    problem(&mut facts, paint, login.problem.as_deref());
    facts.fact(
        "storage",
        match (&storage.directory, &storage.key) {
            (Some(directory), Some(key)) if storage.durable => {
                format!("{} in {}, key: {}", paint.good("durable"), plain::whole_line(directory), plain::line(key))
            }
            (Some(directory), None) if storage.durable => format!("{} in {}", paint.good("durable"), plain::whole_line(directory)),
            _ => format!("{}: nothing survives a restart", paint.fair("in memory only")),
        },
    );
    problem(&mut facts, paint, storage.problem.as_deref());
    let files: Vec<String> = config.files.iter().map(|file| plain::whole_line(file)).collect();
    facts.fact("config", if files.is_empty() { "built-in defaults".into() } else { files.join(", ") });
    problem(&mut facts, paint, config.problem.as_deref());
    if let Some(policy) = &status.policy {
        let file = policy.file.as_deref().map(plain::whole_line);
        facts.fact(
            "policy",
            match file {
                Some(file) if policy.reports_only => format!("{file}, {}", paint.fair("which only reports")),
                Some(file) => format!("{file}, {}", paint.good("enforced")),
                None => paint.bad("broken: nothing is answered"),
            },
        );
        problem(&mut facts, paint, policy.problem.as_deref());
    }
    for (index, place) in status.http.iter().enumerate() {
        facts.fact(if index == 0 { "http" } else { "" }, plain::whole_line(&place.at));
        problem(&mut facts, paint, place.problem.as_deref());
    }
    let order = chain.iter().map(|name| plain::line(name)).collect::<Vec<_>>().join(", ");
    if *agent {
        facts.fact("holds", holds(status.resources));
    }
    facts.fact("chain", if *strict { format!("{order} (strict: the login only mints)") } else { order });
    facts
}

fn holds(resources: Resources) -> String {
    let Resources { leases, owners, tombstones, tasks, connections, supervisors } = resources;
    let counted = |count: u64, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    [
        counted(leases, "token", "tokens"),
        counted(owners, "owner", "owners"),
        counted(tombstones, "tombstone", "tombstones"),
        counted(tasks, "task", "tasks"),
        counted(connections, "connection", "connections"),
        counted(supervisors, "supervisor", "supervisors"),
    ]
    .join(", ")
}

fn problem(facts: &mut Table, paint: Paint, problem: Option<&str>) {
    for problem in problem.into_iter().flat_map(str::lines) {
        facts.fact("", format!("{} {}", paint.bad("problem:"), plain::line(problem)));
    }
}

fn sources(status: &Status, paint: Paint) -> Table {
    let mut table = Table::new(paint, ["SOURCE", "COMPONENT", "CALLS", "FAILURES", "STATE"]);
    for source in &status.sources {
        let state = match (&source.problem, &source.sha256) {
            (Some(problem), Some(_)) => paint.bad(format!("the one before serves: {}", plain::line(problem))),
            (Some(problem), None) => paint.bad(format!("not loaded: {}", plain::line(problem))),
            (None, Some(_)) if source.open_until.is_some() => paint.bad("broke, and rests".to_owned()),
            (None, Some(_)) if source.unpinned => paint.fair("loaded, not pinned (dev)"),
            (None, Some(_)) => paint.good("loaded"),
            (None, None) if source.disabled => paint.faint("disabled"),
            (None, None) => paint.fair("not loaded"),
        };
        table.row([
            plain::line(&source.name),
            plain::whole_line(&source.component),
            source.calls.to_string(),
            source.failures.to_string(),
            state,
        ]);
    }
    table
}

fn apps(status: &Status, paint: Paint, moments: &Moments) -> Table {
    let mut table = Table::new(paint, ["APP", "KIND", "SOURCE", "STATE", "VALID", "FINGERPRINT", "LAST ERROR"]);
    for app in &status.apps {
        let lease = &app.lease;
        table.row([
            lease.app.to_string(),
            lease.kind.to_string(),
            plain::line(&lease.source),
            state(paint.state(app.state), app.trouble.as_ref(), paint, moments),
            moments.until(lease.expiry),
            lease.fingerprint.to_string(),
            app.last_error.as_deref().map(plain::line).unwrap_or_default(),
        ]);
    }
    for without in &status.unserved {
        let nothing = || paint.faint("-");
        table.row([
            without.app.to_string(),
            without.kind.to_string(),
            nothing(),
            state(paint.bad("no token"), without.trouble.as_ref(), paint, moments),
            format!("failed {}", moments.distance(without.failed)),
            nothing(),
            plain::line(&without.last_error),
        ]);
    }
    table
}

/// Where a lease is in its life, or that there is none, and what keeps a source from being asked for a newer one.
fn state(state: String, trouble: Option<&Trouble>, paint: Paint, moments: &Moments) -> String {
    let Some(Trouble { what, source, until }) = trouble else { return state };
    let until = until.map_or_else(|| "until it changes".into(), |until| format!("until {}", moments.both(until)));
    let source = plain::line(source);
    let words = match what {
        TroubleKind::BackedOff => format!("{source} backed off {until}"),
        TroubleKind::NeedsHuman => format!("{source} needs a person"),
        TroubleKind::Misconfigured => format!("{source} misconfigured, not asked {until}"),
        TroubleKind::BreakerOpen => format!("{source} breaker open {until}"),
    };
    format!("{state}, {}", paint.fair(words))
}

fn resting(status: &Status, paint: Paint, moments: &Moments) -> Table {
    let mut table = Table::new(paint, ["NOT ASKED", "APP", "KIND", "UNTIL", "WHAT IT SAID"]);
    for rest in &status.resting {
        table.row([
            plain::line(&rest.source),
            rest.app.to_string(),
            rest.kind.to_string(),
            rest.until.map_or_else(|| "it changes".into(), |until| moments.both(until)),
            format!("{}: {}", paint.outcome(rest.outcome), plain::line(&rest.text)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::{
        app::AppName,
        kind::Kind,
        lease::Expiry,
        protocol::{
            AppStatus, ConfigStatus, Event, FailureCode, HttpStatus, LeaseFacts, LeaseState, LoginStatus, MintsStatus, RestStatus,
            SourceStatus, StepOutcome, StorageStatus, UnservedStatus,
        },
        time::Timestamp,
    };

    fn status() -> Status {
        let now = Timestamp::from_seconds(1_700_000_000);
        Status {
            version: "0.1.0".into(),
            pid: 7,
            agent: true,
            system: false,
            started: now.before(Duration::from_hours(3)),
            storage: StorageStatus { durable: true, directory: Some("/s".into()), key: Some("file".into()), problem: None },
            login: LoginStatus { present: true, origin: "/h/.fly/config.yml".into(), generation: Some("00c0ffee".into()), problem: None },
            config: ConfigStatus { files: vec!["/c.yaml".into()], problem: Some("/c.yaml:3:1: unknown key".into()) },
            policy: None,
            chain: vec!["storage".into(), "cli".into()],
            strict: false,
            sources: vec![
                SourceStatus {
                    name: "cli".into(),
                    component: "builtin:cli".into(),
                    sha256: Some("ab".into()),
                    unpinned: false,
                    disabled: false,
                    calls: 3,
                    failures: 0,
                    p50_us: Some(812_000),
                    p99_us: None,
                    memory: None,
                    problem: None,
                    open_until: None,
                },
                SourceStatus {
                    name: "mine".into(),
                    component: "/m.wasm".into(),
                    sha256: Some("cd".into()),
                    unpinned: true,
                    disabled: false,
                    calls: 0,
                    failures: 0,
                    p50_us: None,
                    p99_us: None,
                    memory: None,
                    problem: None,
                    open_until: None,
                },
            ],
            apps: vec![AppStatus {
                lease: LeaseFacts {
                    app: AppName::parse("web").unwrap(),
                    kind: Kind::Deploy,
                    source: "cli".into(),
                    expiry: Expiry::At(now.after(Duration::from_mins(50))),
                    obtained: now,
                    fingerprint: "0123456789abcdef".parse().unwrap(),
                },
                state: LeaseState::Fresh,
                last_error: None,
                trouble: Some(Trouble {
                    what: TroubleKind::BackedOff,
                    source: "cli".into(),
                    until: Some(now.after(Duration::from_secs(9))),
                }),
            }],
            unserved: vec![UnservedStatus {
                app: AppName::parse("api").unwrap(),
                kind: Kind::Readonly,
                trouble: Some(Trouble { what: TroubleKind::Misconfigured, source: "cli".into(), until: None }),
                last_error: "cli: no".into(),
                failed: now.before(Duration::from_secs(5)),
            }],
            http: vec![
                HttpStatus { at: "/run/http.sock".into(), problem: None },
                HttpStatus { at: "127.0.0.1:4280".into(), problem: Some("it is in use".into()) },
            ],
            apps_left_out: 0,
            resting: vec![RestStatus {
                source: "cli".into(),
                app: AppName::parse("api").unwrap(),
                kind: Kind::Readonly,
                outcome: StepOutcome::Unavailable,
                text: "`fly` failed".into(),
                until: Some(now.after(Duration::from_secs(30))),
            }],
            resting_left_out: 2,
            resources: Resources { leases: 1, owners: 2, tombstones: 0, tasks: 9, connections: 1, supervisors: 0 },
            mints: Some(MintsStatus { charged: Some(3), budget: 60 }),
            events: vec![Event {
                at: now.before(Duration::from_secs(5)),
                what: "resolve".into(),
                app: Some(AppName::parse("api").unwrap()),
                kind: Some(Kind::Readonly),
                source: Some("cli".into()),
                failure: Some(FailureCode::Misconfigured),
                micros: Some(812_000),
                times: 2,
            }],
        }
    }

    #[test]
    fn everything_has_its_line() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let expected = "\
agent    running, process 7, version 0.1.0, since 19:13 (3 h ago)
login    present from /h/.fly/config.yml, generation 00c0ffee
storage  durable in /s, key: file
config   /c.yaml
         problem: /c.yaml:3:1: unknown key
http     /run/http.sock
         127.0.0.1:4280
         problem: it is in use
holds    1 token, 2 owners, 0 tombstones, 9 tasks, 1 connection, 0 supervisors
chain    storage, cli

SOURCE  COMPONENT    CALLS  FAILURES  STATE
cli     builtin:cli  3      0         loaded
mine    /m.wasm      0      0         loaded, not pinned (dev)

APP  KIND      SOURCE  STATE                                                    VALID                    FINGERPRINT       LAST ERROR
web  deploy    cli     fresh, cli backed off until 22:13 (in 9 s)               until 23:03 (in 50 min)  0123456789abcdef
api  readonly  -       no token, cli misconfigured, not asked until it changes  failed 5 s ago           -                 cli: no

NOT ASKED  APP  KIND      UNTIL            WHAT IT SAID
cli        api  readonly  22:13 (in 30 s)  unavailable: `fly` failed

… and 2 more sources that are not asked for a while
";
        assert_eq!(text(&status(), Paint::new(false), &Moments::at(now, TimeZone::UTC)), expected);
    }

    #[test]
    fn an_agent_that_tells_less_is_understood() {
        let mut older = serde_json::to_value(status()).unwrap();
        for key in ["mints", "events"] {
            assert!(older.as_object_mut().unwrap().remove(key).is_some());
        }
        let told: Status = serde_json::from_value(older).unwrap();
        assert_eq!((told.mints, told.events.len()), (None, 0));
    }

    #[test]
    fn the_keys_for_machines_are_a_contract() {
        let status = status();
        let value = serde_json::to_value(json::Status::from(&status)).unwrap();
        let expected = serde_json::json!({
            "version": "0.1.0",
            "agent": { "pid": 7, "started_at": 1_699_989_200, "system": false },
            "storage": { "durable": true, "directory": "/s", "key": "file", "problem": null },
            "login": { "present": true, "origin": "/h/.fly/config.yml", "generation": "00c0ffee", "problem": null },
            "config": { "files": ["/c.yaml"], "problem": "/c.yaml:3:1: unknown key" },
            "policy": null,
            "http": [{ "at": "/run/http.sock", "problem": null }, { "at": "127.0.0.1:4280", "problem": "it is in use" }],
            "chain": { "sources": ["storage", "cli"], "strict": false },
            "sources": [
                { "name": "cli", "component": "builtin:cli", "sha256": "ab", "unpinned": false, "disabled": false, "calls": 3, "failures": 0, "p50_us": 812_000, "p99_us": null, "problem": null, "open_until": null },
                { "name": "mine", "component": "/m.wasm", "sha256": "cd", "unpinned": true, "disabled": false, "calls": 0, "failures": 0, "p50_us": null, "p99_us": null, "problem": null, "open_until": null },
            ],
            "apps": [{
                "app": "web", "kind": "deploy", "source": "cli", "expires_at": 1_700_003_000, "obtained_at": 1_700_000_000,
                "fingerprint": "0123456789abcdef", "state": "fresh", "last_error": null,
                "trouble": { "what": "backed-off", "source": "cli", "until": 1_700_000_009 },
            }],
            "unserved": [{
                "app": "api", "kind": "readonly", "trouble": { "what": "misconfigured", "source": "cli", "until": null },
                "last_error": "cli: no", "failed_at": 1_699_999_995,
            }],
            "apps_left_out": 0,
            "resting": [{
                "source": "cli", "app": "api", "kind": "readonly", "outcome": "unavailable", "text": "`fly` failed", "until": 1_700_000_030,
            }],
            "resting_left_out": 2,
            "resources": { "leases": 1, "owners": 2, "tombstones": 0, "tasks": 9, "connections": 1, "supervisors": 0 },
            "mints": { "charged": 3, "budget": 60 },
            "events": [{
                "at": 1_699_999_995, "what": "resolve", "app": "api", "kind": "readonly", "source": "cli", "failure": "misconfigured",
                "took_us": 812_000, "times": 2,
            }],
        });
        assert_eq!(value, expected);
    }
}
