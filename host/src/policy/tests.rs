//! Policies as administrators write them, and what each key of theirs does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::*;
use crate::{
    app::AppName,
    attestation::Executable,
    audience::Audience,
    config::{self, Config, Problem, UserFiles},
};

struct Names;

impl Accounts for Names {
    fn user(&self, name: &str) -> Result<Option<u32>, String> {
        Ok((name == "ci").then_some(1001))
    }

    fn group(&self, name: &str) -> Result<Option<u32>, String> {
        Ok((name == "deployers").then_some(2001))
    }
}

fn machine(platform: Platform) -> Machine {
    Machine {
        platform,
        tells_programs: true,
        tells_others_programs: false,
        audience: Audience::Owner,
        tells_cgroups: true,
        accounts: Box::new(Names),
    }
}

fn read_on(text: &str, machine: &Machine) -> Result<Policy, ConfigErrors> {
    let document = Document { name: "policy.yaml".into(), folder: Some("/etc/flytoken".into()), text: text.into() };
    Policy::parse(document, Path::new("/etc/flytoken/policy.yaml"), machine, Some(Path::new("/home/ada")))
}

fn read(text: &str) -> Policy {
    read_on(text, &machine(Platform::Linux)).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn wrong(text: &str) -> String {
    read_on(text, &machine(Platform::Linux)).expect_err(text).to_string()
}

fn client() -> Facts {
    Facts {
        pid: Some(7),
        uid: 1001,
        gid: 100,
        groups: vec![100, 2001],
        executable: Some(Executable { path: Some("/usr/bin/deploy".into()), elsewhere: None, root_owned: true, sha256: Some([0xab; 32]) }),
        unit: Some("deploy.service".into()),
        cgroup: Some("/system.slice/deploy.service".into()),
        via_flytoken: false,
        by_bearer: false,
    }
}

/// What a policy makes of one request of [`client`] for a deploy token of `prod-web`, as a word.
fn judged(policy: &Policy, client: &Facts) -> String {
    let app = AppName::parse("prod-web").unwrap();
    match policy.judge(client, Asked { verb: Verb::Get, app: Some(&app), kind: Some(Kind::Deploy) }) {
        Verdict::Allowed { rule, most } => format!("{rule:?} {most:?}"),
        Verdict::Denied { rule } => format!("denied by {rule:?}"),
    }
}

/// A configuration in which a source has everything that can be granted.
fn configured() -> Config {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "version: 1
chain: [all]
budget: {{ per-app: 10, total: 60 }}
http: {{ socket: true, loopback: '127.0.0.1:4280' }}
metrics: {{ otlp: {{ endpoint: 'https://otel.acme.internal' }} }}
sources:
  all:
    component: /opt/all.wasm
    sha256: {}
    timeout: 30s
    grants:
      reveal: true
      login: true
      records: cache
      commands: [{{ program: fly }}]
      files: {{ a: /run/secrets/a }}
      http: [{{ origin: 'https://vault.acme.internal', private: true }}]
      sockets: ['db.acme.internal:5432']
      env: [CORP_TOKEN]
      may-leak: true
      memory: 512MiB
",
        "ab".repeat(32)
    );
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, text).unwrap();
    let uid = rustix::process::getuid().as_raw();
    let layers = Layers { system: "/nowhere".into(), user: Some(UserFiles::Named(file)), home: None, uid };
    Config::clone(&config::load(&layers).unwrap_or_else(|errors| panic!("{errors}")).config)
}

/// All that a policy decides, so that a key without effect is found out.
fn effects(policy: &Policy) -> String {
    let (limited, _) = policy.limit(&configured());
    let source = &limited.sources[&config::SourceName::parse("all").unwrap()];
    let ruling = InForce::Policy(policy.clone().into());
    let app = AppName::parse("prod-web").unwrap();
    let ruling = ruling.rule(&client(), Asked { verb: Verb::Get, app: Some(&app), kind: Some(Kind::Deploy) });
    let (verdict, required) = (judged(policy, &client()), policy.requires_agent());
    format!(
        "{verdict}\n{ruling:?}\n{required}\n{:?}\n{:?}\n{source:?}\n{:?}\n{:?}",
        limited.budget, limited.audit, limited.http, limited.collector
    )
}

/// By the place of a key, a policy with it: on the line that ends in `# this`, which the other policy lacks.
const KEYS: &[(&str, &str)] = &[
    ("mode", "mode: report # this\nkinds: [ssh]"),
    ("agent", "agent: required # this"),
    ("kinds", "kinds: [ssh] # this"),
    ("deliver", "deliver: { actions: r } # this"),
    ("deliver.actions", "deliver:\n  max-lifetime: 5m\n  actions: r # this"),
    ("deliver.max-lifetime", "deliver:\n  actions: r\n  max-lifetime: 5m # this"),
    ("budget", "budget: { total: 5 } # this"),
    ("budget.per-app", "budget:\n  total: 50\n  per-app: 2 # this"),
    ("budget.total", "budget:\n  per-app: 5\n  total: 2 # this"),
    ("audit", "audit: { file: /var/log/flytoken.jsonl } # this"),
    ("audit.file", "audit: { file: /var/log/flytoken.jsonl } # this"),
    ("audit.required", "audit:\n  file: /a\n  required: true # this"),
    ("audit.forward", "audit:\n  file: /a\n  forward: syslog # this"),
    ("audit.forward-socket", "audit:\n  file: /a\n  forward: syslog\n  forward-socket: /run/log # this"),
    ("audit.rotate-at", "audit:\n  file: /a\n  rotate-at: 1MiB # this"),
    ("http", "http: [] # this"),
    ("metrics", "metrics: ['https://otel.acme.example'] # this"),
    ("sources", "sources: [] # this"),
    ("sources.name", "sources:\n  - component: '*'\n    name: other # this"),
    ("sources.component", "sources:\n  - name: '*'\n    component: 'builtin:*' # this"),
    ("sources.sha256", "sources:\n  - name: '*'\n    sha256: 0000000000000000000000000000000000000000000000000000000000000000 # this"),
    ("sources.on", "sources:\n  - name: '*'\n    on: macos # this"),
    ("sources.grants", "sources:\n  - name: '*'\n    grants: {} # this"),
    ("sources.grants.reveal", "sources:\n  - name: '*'\n    grants:\n      login: true\n      reveal: true # this"),
    ("sources.grants.login", "sources:\n  - name: '*'\n    grants:\n      reveal: true\n      login: true # this"),
    ("sources.grants.records", "sources:\n  - name: '*'\n    grants:\n      reveal: true\n      records: cache # this"),
    ("sources.grants.commands", "sources:\n  - name: '*'\n    grants:\n      login: true\n      commands: [fly] # this"),
    ("sources.grants.files", "sources:\n  - name: '*'\n    grants:\n      login: true\n      files: [/run/secrets/*] # this"),
    ("sources.grants.http", "sources:\n  - name: '*'\n    grants:\n      login: true\n      http: ['https://*.acme.internal'] # this"),
    ("sources.grants.sockets", "sources:\n  - name: '*'\n    grants:\n      login: true\n      sockets: ['*:5432'] # this"),
    ("sources.grants.env", "sources:\n  - name: '*'\n    grants:\n      login: true\n      env: [CORP_*] # this"),
    (
        "sources.grants.may-leak",
        "sources:\n  - name: '*'\n    grants:\n      reveal: true\n      commands: ['*']\n      may-leak: true # this",
    ),
    ("sources.limits", "sources:\n  - name: '*'\n    limits: { memory: 64MiB } # this"),
    ("sources.limits.memory", "sources:\n  - name: '*'\n    limits:\n      timeout: 20s\n      memory: 64MiB # this"),
    ("sources.limits.timeout", "sources:\n  - name: '*'\n    limits:\n      memory: 64MiB\n      timeout: 5s # this"),
    ("clients", "clients: [] # this"),
    ("clients.name", "clients:\n  - user: ci\n    name: this is what a denial tells # this\n"),
    ("clients.on", "clients:\n  - name: a\n    on: macos # this"),
    ("clients.deny", "clients:\n  - name: a\n    deny: true # this"),
    ("clients.user", "clients:\n  - name: a\n    user: 7 # this"),
    ("clients.group", "clients:\n  - name: a\n    group: 7 # this"),
    ("clients.executable", "clients:\n  - name: a\n    executable: /usr/bin/other # this"),
    ("clients.root-owned", "clients:\n  - name: a\n    root-owned: true # this"),
    ("clients.sha256", "clients:\n  - name: a\n    sha256: 0000000000000000000000000000000000000000000000000000000000000000 # this"),
    ("clients.unit", "clients:\n  - name: a\n    unit: other.service # this"),
    ("clients.cgroup", "clients:\n  - name: a\n    cgroup: /other.slice/* # this"),
    ("clients.apps", "clients:\n  - name: a\n    apps: [staging-*] # this"),
    ("clients.kinds", "clients:\n  - name: a\n    kinds: [readonly] # this"),
    ("clients.requests", "clients:\n  - name: a\n    requests: [status] # this"),
    ("clients.deliver", "clients:\n  - name: a\n    deliver: { max-lifetime: 5m } # this"),
    ("clients.deliver.actions", "clients:\n  - name: a\n    deliver:\n      max-lifetime: 5m\n      actions: r # this"),
    ("clients.deliver.max-lifetime", "clients:\n  - name: a\n    deliver:\n      actions: r\n      max-lifetime: 5m # this"),
];

#[test]
fn every_key_that_is_accepted_has_an_effect() {
    for (place, text) in KEYS {
        let without: Vec<_> = text.lines().filter(|line| !line.ends_with("# this")).collect();
        let with = effects_or_error(&format!("version: 1\n{text}"));
        let without = effects_or_error(&format!("version: 1\n{}", without.join("\n")));
        assert!(with.is_ok(), "{place}: {with:?}");
        // A client that is not root's in every respect is what this one key is about.
        if *place == "clients.root-owned" {
            let foreign = Executable { root_owned: false, ..client().executable.unwrap() };
            let foreign = Facts { executable: Some(foreign), ..client() };
            assert_eq!(judged(&read(&format!("version: 1\n{text}")), &foreign), "denied by None");
            continue;
        }
        assert_ne!(with, without, "{place} does nothing");
    }
}

fn effects_or_error(text: &str) -> Result<String, String> {
    read_on(text, &machine(Platform::Linux)).map(|policy| effects(&policy)).map_err(|errors| errors.to_string())
}

#[test]
fn no_key_is_accepted_that_is_not_among_those() {
    // Which keys there are the parser says by itself, when it meets one that it does not know.
    let known_below = |prefix: &str, text: &str| -> BTreeSet<String> {
        let errors = read_on(text, &machine(Platform::Linux)).expect_err(text);
        let problem = errors.iter().next().map(|error| (*error.problem).clone());
        let Some(Problem::UnknownKey { known, .. }) = problem else { panic!("{problem:?}") };
        known.into_iter().map(|key| format!("{prefix}{key}")).collect()
    };
    let mut known = known_below("", "version: 1\nnope: 1");
    known.remove("version");
    for (prefix, text) in [
        ("deliver.", "version: 1\ndeliver: { nope: 1 }"),
        ("budget.", "version: 1\nbudget: { nope: 1 }"),
        ("audit.", "version: 1\naudit: { nope: 1 }"),
        ("sources.", "version: 1\nsources: [{ nope: 1 }]"),
        ("sources.grants.", "version: 1\nsources: [{ grants: { nope: 1 } }]"),
        ("sources.limits.", "version: 1\nsources: [{ limits: { nope: 1 } }]"),
        ("clients.", "version: 1\nclients: [{ nope: 1 }]"),
        ("clients.deliver.", "version: 1\nclients: [{ deliver: { nope: 1 } }]"),
    ] {
        known.extend(known_below(prefix, text));
    }
    let tried: BTreeSet<_> = KEYS.iter().map(|(place, _)| (*place).to_owned()).collect();
    assert_eq!(known, tried);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        ("", "policy.yaml:1:1: the key `version` is missing"),
        ("version: 2\n", "policy.yaml:1:10: version: this flytoken reads version 1 of the policy only"),
        ("version: 1\nmod: report\n", "policy.yaml:2:1: unknown key `mod`; did you mean `mode`?"),
        ("version: 1\nclients:\n  - { name: a, exe: /x }\n", "policy.yaml:3:16: clients[0]: unknown key `exe`"),
        (
            "version: 1\nclients:\n  - name: a\n    user: nobody-here\n",
            "policy.yaml:4:11: clients[0].user: this machine knows no user of this name",
        ),
        ("version: 1\nclients:\n  - name: a\n  - name: a\n", "policy.yaml:4:11: clients[1].name: another rule has this name"),
        ("version: 1\nclients:\n  - name: a\n    root-owned: false\n", "policy.yaml:4:17: clients[0].root-owned: can only be true"),
        (
            "version: 1\nclients:\n  - name: a\n    executable: deploy\n",
            "policy.yaml:4:17: clients[0].executable: an executable is named by its absolute path",
        ),
        ("version: 1\nsources:\n  - grants: {}\n", "policy.yaml:3:5: sources[0]: a rule names the sources that it is for"),
        ("version: 1\naudit: { required: true }\n", "policy.yaml:2:1: audit: the key `file` is missing"),
        ("version: 1\naudit: { file: a.jsonl }\n", "policy.yaml:2:16: audit.file: the file is named by its absolute path"),
        ("version: 1\ndeliver: { max-lifetime: 1s }\n", "policy.yaml:2:26: deliver.max-lifetime: must be from 10s to 365d"),
        ("version: 1\nkinds: [root]\n", "policy.yaml:2:9: kinds[0]: unknown word `root`"),
    ] {
        let errors = wrong(text);
        assert!(errors.starts_with(told), "{errors}\n{told}");
    }
}

#[test]
fn a_rule_that_this_machine_cannot_enforce_is_an_error_unless_it_is_for_another() {
    let rule = "version: 1\nclients:\n  - name: a\n    unit: deploy.service\n";
    let errors = read_on(rule, &machine(Platform::Macos)).unwrap_err().to_string();
    assert!(errors.starts_with("policy.yaml:4:5: clients[0].unit: this cannot be enforced on this machine"), "{errors}");
    let elsewhere = format!("{rule}    on: linux\n");
    let policy = read_on(&elsewhere, &machine(Platform::Macos)).unwrap();
    assert_eq!(judged(&policy, &client()), "denied by None", "a rule that is for others admits nobody here");
    let bare = Machine { tells_cgroups: false, ..machine(Platform::Linux) };
    assert!(read_on(rule, &bare).unwrap_err().to_string().contains("this kernel has no control groups"));
}

#[test]
fn the_first_rule_that_fits_decides_and_no_rule_is_a_denial() {
    let policy = read(
        "version: 1
clients:
  - { name: never ssh, deny: true, kinds: [ssh] }
  - { name: deployers, user: ci, executable: /usr/bin/deploy, apps: [prod-*], kinds: [deploy], deliver: { max-lifetime: 15m } }
  - { name: readers, group: deployers, kinds: [readonly] }
",
    );
    let app = |name: &str| AppName::parse(name).unwrap();
    let (prod, staging) = (app("prod-web"), app("staging-web"));
    let ask = |client: &Facts, verb, app, kind| match policy.judge(client, Asked { verb, app, kind }) {
        Verdict::Allowed { rule, .. } => Ok(rule.unwrap().to_owned()),
        Verdict::Denied { rule } => Err(rule.map(str::to_owned)),
    };
    let stranger = Facts { uid: 5, gid: 5, groups: vec![5], ..client() };
    let other_program =
        Facts { executable: Some(Executable { path: Some("/tmp/deploy".into()), ..client().executable.unwrap() }), ..client() };
    for (who, verb, app, kind, expected) in [
        (&client(), Verb::Get, Some(&prod), Some(Kind::Deploy), Ok("deployers")),
        (&client(), Verb::Get, Some(&staging), Some(Kind::Deploy), Err(None)),
        (&client(), Verb::Get, Some(&staging), Some(Kind::Readonly), Ok("readers")),
        (&client(), Verb::Get, Some(&prod), Some(Kind::Ssh), Err(Some("never ssh"))),
        // All kinds together hold the one that is denied.
        (&client(), Verb::Refresh, Some(&prod), None, Err(Some("never ssh"))),
        (&other_program, Verb::Get, Some(&prod), Some(Kind::Deploy), Err(None)),
        (&stranger, Verb::Get, Some(&prod), Some(Kind::Readonly), Err(None)),
    ] {
        let expected = expected.map(str::to_owned).map_err(|rule: Option<&str>| rule.map(str::to_owned));
        assert_eq!(ask(who, verb, app, kind), expected, "{who} {verb} {app:?} {kind:?}");
    }
}

#[test]
fn what_is_not_known_of_a_client_admits_nobody_and_denies_anybody() {
    let unknown = Facts { executable: None, unit: None, cgroup: None, ..client() };
    for key in ["executable: /usr/bin/deploy", "root-owned: true", "unit: deploy.service", "cgroup: '*'"] {
        let admits = read(&format!("version: 1\nclients:\n  - {{ name: a, {key} }}\n"));
        assert_eq!(judged(&admits, &unknown), "denied by None", "{key}");
        let denies = read(&format!("version: 1\nclients:\n  - {{ name: a, deny: true, {key} }}\n  - {{ name: b }}\n"));
        assert_eq!(judged(&denies, &unknown), "denied by Some(\"a\")", "{key}");
    }
}

#[test]
fn only_what_rules_ask_for_is_looked_up() {
    let wanted = |keys: &str| read(&format!("version: 1\nclients:\n  - {{ name: a{keys} }}\n")).wanted();
    assert_eq!(wanted(", user: ci"), Wanted::default());
    assert_eq!(wanted(", group: deployers"), Wanted { groups: true, ..Wanted::default() });
    assert_eq!(wanted(", executable: /x"), Wanted { executable: true, ..Wanted::default() });
    assert_eq!(wanted(&format!(", sha256: {}", "ab".repeat(32))), Wanted { executable: true, sha256: true, ..Wanted::default() });
    assert_eq!(wanted(", unit: a.service"), Wanted { cgroup: true, ..Wanted::default() });
}

#[test]
fn what_a_ceiling_takes_away_is_named_with_its_rule() {
    let policy = read(
        "version: 1
sources:
  - { component: 'builtin:*' }
  - name: all
    grants: { reveal: true, login: true, commands: ['*'] }
    limits: { memory: 64MiB, timeout: 10s }
",
    );
    let (_, cuts) = policy.limit(&configured());
    let cuts: BTreeMap<_, _> = cuts.iter().map(|cut| (cut.what.as_str(), cut.rule.as_str())).collect();
    let expected = [
        "`may-leak`",
        "`records`",
        "`files`: a",
        "`http`: https://vault.acme.internal",
        "`sockets`: db.acme.internal:5432",
        "`env`: CORP_TOKEN",
        "`commands`, since it can read secrets by `reveal`",
        "memory beyond 64MiB",
        "time beyond 10s",
    ];
    assert_eq!(cuts, expected.into_iter().map(|what| (what, "sources[1]")).collect());
}

#[test]
fn a_policy_that_is_gone_while_it_is_in_force_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let place =
        Place { file: folder.path().join("policy.yaml"), owner: rustix::process::getuid().as_raw(), home: None, audience: Audience::Owner };
    assert!(matches!(InForce::Nothing.reload(&place), InForce::Nothing));
    std::fs::write(&place.file, "version: 1\n").unwrap();
    let in_force = InForce::load(&place).unwrap();
    std::fs::remove_file(&place.file).unwrap();
    let gone = in_force.reload(&place);
    let app = AppName::parse("web").unwrap();
    let ruling = gone.rule(&client(), Asked { verb: Verb::Get, app: Some(&app), kind: Some(Kind::Readonly) });
    assert!(matches!(&ruling, Ruling::Deny { why, .. } if why.contains("is gone")), "{ruling:?}");
    std::fs::write(&place.file, "version: 1\n").unwrap();
    assert!(gone.reload(&place).policy().is_some());
}
