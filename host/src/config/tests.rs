//! Whole files: what they give, and every way in which they do not hold.

mod network;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use super::*;

/// A home directory and a system's folder of their own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        // Whatever umask the tests run under, nobody else may write here.
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("our own folder");
        Self(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.0.path()).collect::<Vec<_>>().into_iter().rev() {
            if !folder.exists() {
                fs::create_dir(folder).expect("a folder");
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("our own folder");
            }
        }
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
        path
    }

    fn layers(&self) -> Layers {
        Layers {
            system: self.path("etc"),
            user: Some(UserFiles::Folder(self.path("user"))),
            home: Some(self.0.path().to_owned()),
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    fn load(&self) -> Result<Loaded, String> {
        load(&self.layers()).map_err(|errors| errors.to_string())
    }
}

fn app(name: &str) -> AppName {
    AppName::parse(name).expect("an app")
}

fn names(chain: &Chain) -> Vec<&str> {
    chain.steps.iter().map(|step| step.source.as_str()).collect()
}

/// Loads one user file and returns what is wrong, without the file's name.
fn problems(text: &str) -> Vec<String> {
    let home = Home::new();
    home.write("user/config.yaml", text);
    let told = home.load().map(|loaded| loaded.show()).expect_err(text);
    told.lines().map(|line| line.strip_prefix("~/user/config.yaml:").unwrap_or(line).to_owned()).collect()
}

#[test]
fn the_defaults_hold_and_say_what_the_four_sources_may_do() {
    let config = Home::new().load().expect("the defaults hold").config;
    assert_eq!(names(&config.chain), ["storage", "config", "cli", "manual"]);
    assert_eq!((config.ttl, config.chain.strict, config.key), (Duration::from_hours(24), false, None));
    let source = |name| &config.sources[&SourceName::parse(name).expect("a name")];
    let (storage, login, cli, manual) = (source("storage"), source("config"), source("cli"), source("manual"));
    assert_eq!((storage.role, login.role, cli.role, manual.role), (Role::Memory, Role::Live, Role::Live, Role::Manual));
    assert_eq!([storage, login, cli, manual].map(|source| source.timeout.as_secs()), [5, 5, 15, 5]);
    assert_eq!(
        [storage, login, cli, manual].map(|source| (source.mints, source.keep)),
        [(false, false), (false, false), (true, true), (false, false)]
    );
    assert_eq!([storage, login, cli, manual].map(|source| source.grants.login), [false, true, true, false]);
    assert_eq!([storage.grants.records, manual.grants.records], [Some(Records::Cache), Some(Records::Kept)]);
    assert_eq!([storage, login, cli, manual].map(|source| source.grants.commands.len()), [0, 0, 7, 0]);
    assert!(config.sources.values().all(|source| !source.grants.reveal && source.grants.memory == Some(64 << 20)));
    assert_eq!(cli.settings, BTreeMap::from([("expiry".into(), "24h".into())]));
    assert_eq!(config.manual_for(&app("web")), Some(manual));
}

#[test]
fn maps_merge_lists_replace_and_the_last_file_wins() {
    let home = Home::new();
    home.write("etc/config.yaml", "ttl: 1h\nsources: { cli: { timeout: 20s, settings: { expiry: 1h, retries: 3 } } }\nchain: [cli]\n");
    home.write("etc/config.d/20-b.yaml", "sources: { cli: { timeout: 22s } }\n");
    home.write("etc/config.d/10-a.yaml", "sources: { cli: { timeout: 21s, grants: { commands: [] } } }\n");
    home.write("etc/config.d/ignored.yml", "nonsense: 1\n");
    home.write("etc/config.d/.hidden.yaml", "nonsense: 1\n");
    home.write(
        "user/config.yaml",
        "# a comment\nchain: strict\nsources:\n  cli: { settings: { expiry: 1.50, flag: yes } }\n  manual:\nkey: file\n",
    );
    let loaded = home.load().expect("all hold");
    let config = &loaded.config;
    let cli = &config.sources[&SourceName::parse("cli").expect("a name")];
    assert_eq!((names(&config.chain), config.chain.strict), (vec!["storage", "cli", "manual"], true));
    assert_eq!((config.ttl, cli.timeout, config.key), (Duration::from_hours(1), Duration::from_secs(22), Some(KeyPlace::File)));
    assert!(cli.grants.login && cli.grants.commands.is_empty(), "grants merge, their lists replace");
    let settings = [("expiry", "1.50"), ("flag", "yes"), ("retries", "3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(cli.settings, BTreeMap::from(settings), "a setting is the text that stands in the file");
    let files: Vec<_> = loaded.files.iter().map(|file| file.strip_prefix(home.0.path()).expect("below").to_str().expect("text")).collect();
    assert_eq!(files, ["etc/config.yaml", "etc/config.d/10-a.yaml", "etc/config.d/20-b.yaml", "user/config.yaml"]);
}

#[test]
fn the_first_rule_that_fits_an_app_counts_as_a_whole() {
    let home = Home::new();
    home.write(
        "user/config.yaml",
        "apps:\n  - match: prod-web\n    id: 7\n  - match: prod-*\n    organization: acme\n    organization-id: 9\n    chain: [{ use: cli, on-failure: stop }]\n",
    );
    let config = home.load().expect("it holds").config;
    let rule = config.rule_for(&app("prod-web"));
    assert_eq!((rule.id, rule.organization, rule.organization_id, rule.chain), (Some(7), None, None, &config.chain));
    let rule = config.rule_for(&app("prod-db"));
    assert_eq!((rule.id, rule.organization, rule.organization_id), (None, Some("acme"), Some(9)));
    assert_eq!((names(rule.chain), rule.chain.steps[0].on_failure), (vec!["cli"], OnFailure::Stop));
    assert_eq!(config.manual_for(&app("prod-db")), None);
    assert_eq!(config.rule_for(&app("web")).organization, None);
}

#[test]
fn a_component_is_built_in_or_a_file_from_where_it_is_named() {
    let home = Home::new();
    home.write("user/config.yaml", "sources:\n  a: { component: ./a.wasm }\n  b: { component: /opt/b }\n  c: { component: ~/c.wasm }\n  d: { component: builtin:cli }\n");
    home.write("user/config.d/e.yaml", "sources:\n  e: { component: e.wasm }\n");
    let config = home.load().expect("it holds").config;
    let component = |name| config.sources[&SourceName::parse(name).expect("a name")].component.clone();
    assert_eq!(component("a"), ComponentRef::File(home.path("user/./a.wasm")));
    assert_eq!(component("b"), ComponentRef::File("/opt/b".into()));
    assert_eq!(component("c"), ComponentRef::File(home.path("c.wasm")));
    assert_eq!(component("d").to_string(), "builtin:cli");
    assert_eq!(component("e"), ComponentRef::File(home.path("user/config.d/e.wasm")));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases, one a line")]
fn one_file_that_does_not_hold_says_where_what_and_what_was_meant() {
    let many_steps = format!("chain: [{}]\n", (0..17).map(|step| format!("s{step}")).collect::<Vec<_>>().join(", "));
    let cases: &[(&str, &str)] = &[
        // Keys and words.
        ("chian: strict\n", "1:1: unknown key `chian`; did you mean `chain`?"),
        ("sources:\n  cli:\n    timout: 5s\n", "3:5: sources.cli: unknown key `timout`; did you mean `timeout`?"),
        (
            "sources: { cli: { grants: { network: true } } }\n",
            "1:29: sources.cli.grants: unknown key `network`; known are `reveal`, `login`, `records`, `commands`, `files`, `http`, `sockets`, `env`, `memory` and `may-leak`",
        ),
        ("bugdet: { per-app: 10 }\n", "1:1: unknown key `bugdet`; did you mean `budget`?"),
        (
            "policy: {}\n",
            "1:1: unknown key `policy`; known are `version`, `chain`, `ttl`, `key`, `budget`, `audit`, `http`, `docker`, `metrics`, `sources` and `apps`",
        ),
        ("budget: { per-app: 1001 }\n", "1:20: budget.per-app: must be from 0 to 1000"),
        ("audit: { required: true }\n", "1:8: audit: the key `file` is missing"),
        ("audit: { file: a, forward: nobody }\n", "1:28: audit.forward: unknown word `nobody`; known are `journald` and `syslog`"),
        ("audit: { file: a, forward-socket: /dev/log }\n", "1:35: audit.forward-socket: needs `forward: journald` or `forward: syslog`"),
        (
            "audit: { file: a, forward: syslog, forward-socket: log }\n",
            "1:52: audit.forward-socket: the socket is named by its absolute path",
        ),
        ("audit: { file: a, rotate-at: 1KiB }\n", "1:30: audit.rotate-at: must be from 64KiB to 1GiB"),
        (
            "apps:\n  - match: a\n    deliver: { actions: r, kind: deploy }\n",
            "3:28: apps[0].deliver: unknown key `kind`; known are `actions` and `max-lifetime`",
        ),
        (
            "apps:\n  - match: a\n    deliver: { actions: read }\n",
            "3:25: apps[0].deliver.actions: actions are letters: r to read, w to write, c to create, d to delete, C to control, or * for all",
        ),
        ("apps:\n  - match: a\n    deliver: { max-lifetime: 1s }\n", "3:30: apps[0].deliver.max-lifetime: must be from 10s to 365d"),
        (
            "sources:\n  x: { component: builtin:cli, grants: { htpt: [] } }\n",
            "2:42: sources.x.grants: unknown key `htpt`; did you mean `http`?",
        ),
        ("chain: [{ use: cli, on-fail: stop }]\n", "1:21: chain[0]: unknown key `on-fail`; did you mean `on-failure`?"),
        ("chain:\n  - use: cli\n    on-failure: halt\n", "3:17: chain[0].on-failure: unknown word `halt`; known are `continue` and `stop`"),
        ("key: keyrin\n", "1:6: key: unknown word `keyrin`; did you mean `keyring`?"),
        (
            "sources: { x: { component: \"builtin:cil\" } }\n",
            "1:28: sources.x.component: unknown word `builtin:cil`; did you mean `builtin:cli`?",
        ),
        ("sources:\n  cli:\n    mints: true\n    mints: false\n", "4:5: sources.cli: this key stands here for the second time"),
        ("chain: [{ on-failure: stop }]\n", "1:9: chain[0]: the key `use` is missing"),
        ("apps:\n  - id: 1\n", "2:5: apps[0]: the key `match` is missing"),
        // Types and texts.
        ("version: 2\n", "1:10: version: this flytoken reads version 1 of the configuration only"),
        ("version: one\n", "1:10: version: expected the number 1, found text"),
        (
            "[a, b]\n",
            "1:1: expected a map of the keys version, chain, ttl, key, budget, audit, http, docker, metrics, sources and apps, found a list",
        ),
        (
            "sources:\n  cli:\n    timeout: 15\n",
            "3:14: sources.cli.timeout: a duration is a whole number and a unit: 500ms, 30s, 15m, 24h or 7d",
        ),
        ("sources:\n  cli:\n    timeout: [15s]\n", "3:14: sources.cli.timeout: expected a duration such as 15s, found a list"),
        ("sources:\n  cli:\n    mints: yes\n", "3:12: sources.cli.mints: expected true or false, found text"),
        (
            "sources:\n  cli:\n    settings: { a: [1] }\n",
            "3:20: sources.cli.settings.a: expected text, a number, true or false, found a list",
        ),
        ("sources:\n  Cli: {}\n", "2:3: sources: a source name holds only a-z, 0-9 and '-': look at its character 1"),
        ("sources: [cli]\n", "1:10: sources: expected a map, found a list"),
        ("sources:\n  x:\n    component: x.wasm\n    sha256: 12\n", "4:13: sources.x.sha256: a SHA-256 digest is written as 64 hex digits"),
        (
            "sources: { x: { component: corp-vault } }\n",
            "1:28: sources.x.component: a component is builtin:NAME or the path of a file: for a file beside this one write ./corp-vault",
        ),
        ("chain: lax\n", "1:8: chain: a chain is a list of sources, or the word `strict`"),
        ("chain: [5]\n", "1:9: chain[0]: expected the name of a source, or a map such as { use: cli, on-failure: stop }, found a number"),
        ("apps: [{ match: \"Prod-*\" }]\n", "1:17: apps[0].match: a pattern holds only a-z, 0-9, '-' and '*': look at its character 1"),
        (
            "apps: [{ match: a, organization: -x }]\n",
            "1:34: apps[0].organization: an organisation's slug is 1 to 63 of a-z, 0-9 and '-', and does not start with '-'",
        ),
        ("apps: [{ match: a, id: -1 }]\n", "1:24: apps[0].id: expected a whole number, not below zero, found a number"),
        (
            "sources: { cli: { grants: { memory: 64 } } }\n",
            "1:37: sources.cli.grants.memory: a size is a whole number and a unit: 512KiB, 64MiB or 1GiB",
        ),
        ("key: !tag file\n", "1:6: key: YAML tags are not understood here"),
        // Rules over several values.
        ("chain:\n  - storage\n  - use: clii\n", "3:5: chain[1]: there is no source `clii`; did you mean `cli`?"),
        ("chain: [cli, storage, cli]\n", "1:23: chain[2]: source `cli` stands in this chain twice"),
        ("chain: []\n", "1:8: chain: a chain names at least one source"),
        (
            "apps:\n  - match: a\n    chain: [vault]\n",
            "3:13: apps[0].chain[0]: there is no source `vault`; known are `cli`, `config`, `manual` and `storage`",
        ),
        ("apps: [{ match: \"a*\", id: 4 }]\n", "1:23: apps[0].id: an `id` belongs to one app, and this `match` stands for many"),
        ("apps: [{ match: a, organization-id: 0 }]\n", "1:37: apps[0].organization-id: Fly's numbers start at 1"),
        ("ttl: 30s\n", "1:6: ttl: must be from 1m to 30d"),
        ("ttl: 31d\n", "1:6: ttl: must be from 1m to 30d"),
        ("sources: { cli: { timeout: 3m } }\n", "1:28: sources.cli.timeout: must be from 1ms to 2m"),
        ("sources: { cli: { grants: { memory: 2GiB } } }\n", "1:37: sources.cli.grants.memory: must be from 1MiB to 1GiB"),
        ("sources:\n  corp:\n    timeout: 5s\n", "2:3: sources.corp: a source needs a `component`: builtin:NAME or the path of a file"),
        ("sources: { corp: }\n", "1:12: sources.corp: a source needs a `component`: builtin:NAME or the path of a file"),
        (
            "sources: { cli: { enabled: false } }\nchain: [cli]\n",
            "2:8: chain: every source of this chain is disabled; enable one, such as with `flytoken plugin enable NAME`",
        ),
        (
            "sources: { config: { keep: true } }\n",
            "1:22: sources.config.keep: the login is never copied to disk: a source that hands it out cannot have `keep`",
        ),
        (
            "sources: { config: { mints: true } }\n",
            "1:22: sources.config.mints: the login is never copied to disk: a source that hands it out cannot have `mints`",
        ),
        (
            "sources:\n  corp:\n    component: x.wasm\n    revoke-on-replace: true\n",
            "4:5: sources.corp.revoke-on-replace: only what was minted can be revoked: `revoke-on-replace` needs `mints: true`",
        ),
        (
            "sources: { cli: { mints: false, revoke-on-replace: true } }\n",
            "1:33: sources.cli.revoke-on-replace: only what was minted can be revoked: `revoke-on-replace` needs `mints: true`",
        ),
        ("sources: { cli: { revoke-on-replace: 1 } }\n", "1:38: sources.cli.revoke-on-replace: expected true or false, found a number"),
        (
            "sources: { x: { component: x.wasm, keep: true, grants: { login: true } } }\n",
            "1:36: sources.x.keep: the login is never copied to disk: a source that hands it out cannot have `keep`",
        ),
        (
            "sources: { storage: { keep: true } }\n",
            "1:23: sources.storage.keep: a source with the role memory remembers by itself and cannot have `keep`",
        ),
        (
            "sources: { x: { component: x.wasm, role: manual } }\n",
            "1:42: sources.x.role: the role manual needs the grant `records`; add `grants: { records: kept }`",
        ),
        (
            "sources: { cli: { grants: { reveal: true } } }\n",
            "1:29: sources.cli.grants.reveal: a source that can read secrets, by `reveal`, cannot have `commands` too: it could pass on what it reads; if it may, add `may-leak: true` here",
        ),
        (
            "sources: { cli: { sha256: 0000000000000000000000000000000000000000000000000000000000000000 } }\n",
            "1:19: sources.cli.sha256: a built-in component is part of flytoken and has no `sha256` of its own",
        ),
        (
            "sources:\n  mine: { component: m.wasm, role: manual, grants: { records: kept } }\nchain: [mine, manual]\n",
            "3:15: chain[1]: `manual` and `mine` both have the role manual in this chain: `set` could not tell which to write to",
        ),
        (&many_steps, "1:1: chain: at most 16 steps in a chain, this is 17"),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let told = problems(text);
        if told.first().map(String::as_str) != Some(*expected) {
            wrong.push(format!("{text}  expected {expected}\n  told     {}", told.join("\n           ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn yaml_that_is_none_says_so_with_its_place() {
    for (text, place) in [
        ("chain: [storage\nttl: 1h\n", "2:"),
        ("a: b: c\n", "1:5"),
        ("ttl: \"1h\n", ""),
        ("chain: *nowhere\n", "1:8"),
        ("\tttl: 1h\n", "1:1"),
    ] {
        let told = problems(text);
        assert!(told[0].starts_with(place), "{text:?}: {told:?}");
    }
    assert_eq!(problems("ttl: 1h\n---\nttl: 2h\n"), [" holds more than one YAML document"]);
}

#[test]
fn every_problem_is_told_at_once() {
    let told = problems("ttl: 1s\nchain: [cli, cli, other]\nsources: { x: {} }\n");
    assert_eq!(told.len(), 4, "{told:?}");
    let home = Home::new();
    home.write("etc/config.yaml", "x: 1\n");
    home.write("user/config.yaml", "y: 1\n");
    let told = home.load().expect_err("neither holds");
    assert!(
        told.starts_with("~/etc/config.yaml:1:1: unknown key `x`") && told.contains("\n~/user/config.yaml:1:1: unknown key `y`"),
        "{told}"
    );
}

#[test]
fn a_problem_is_placed_in_the_file_whose_value_is_in_force() {
    let home = Home::new();
    home.write("etc/config.yaml", "\n\nchain: [corp]\n");
    home.write("user/config.yaml", "sources: { cli: { timeout: 1s } }\n");
    assert!(home.load().expect_err("no corp").starts_with("~/etc/config.yaml:3:9: chain[0]: there is no source `corp`"));
    home.write("user/config.yaml", "chain: [cli]\n");
    assert!(home.load().is_ok(), "a value that is not in force harms nobody");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let home = Home::new();
    let file = home.write("user/config.yaml", "ttl: 1h\nkey: \u{e9}".as_bytes().split_last().expect("bytes").1);
    assert_eq!(home.load().expect_err("half a character"), "~/user/config.yaml:2:6: is not UTF-8 text");
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).expect("a file");
    assert_eq!(home.load().expect_err("too large"), "~/user/config.yaml: is larger than 1024 KiB");
    fs::write(&file, "ttl: 1h\n").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("our own file");
    assert!(home.load().expect_err("writable by all").starts_with("~/user/config.yaml: is not safe to use: "));
    fs::remove_file(&file).expect("our own file");
    fs::create_dir(&file).expect("a folder");
    assert_eq!(home.load().expect_err("a folder"), "~/user/config.yaml: cannot be read: it is not a file");
    fs::remove_dir(&file).expect("our own folder");
    std::os::unix::fs::symlink(home.path("gone"), &file).expect("a link");
    assert!(home.load().expect_err("a link to nothing").starts_with("~/user/config.yaml: cannot be read: "));
    home.write("gone", "\u{feff}ttl: 2h\r\nchain: strict\r\n");
    assert_eq!(home.load().expect("a link to a file").config.ttl, Duration::from_hours(2));
}

#[test]
fn a_file_that_somebody_named_must_be_there() {
    let home = Home::new();
    let named = home.path("other.yaml");
    let layers = Layers { user: Some(UserFiles::Named(named.clone())), ..home.layers() };
    assert_eq!(load(&layers).expect_err("it is not").to_string(), "~/other.yaml: there is no such file");
    home.write("other.yaml", "ttl: 3h\n");
    home.write("user/config.yaml", "ttl: 4h\n");
    assert_eq!(load(&layers).expect("it is").config.ttl, Duration::from_hours(3));
    assert_eq!(layers.folders(), [home.path("etc"), home.path("etc/config.d"), home.0.path().to_owned()]);
    assert!(load(&Layers { user: None, ..home.layers() }).is_ok());
}

#[test]
fn what_is_shown_names_every_origin_and_reads_back_as_the_same() {
    let home = Home::new();
    home.write(
        "user/config.yaml",
        "ttl: 1h\nsources:\n  corp:\n    component: /opt/corp.wasm\n    settings:\n      odd: \"a: b # c, [d]\\n\"\n      number: 007\napps:\n  - match: 'prod-*'\n    organization: acme\n    chain: [{ use: corp, on-failure: stop }, cli]\n",
    );
    let loaded = home.load().expect("it holds");
    let shown = loaded.show();
    for line in [
        "version: 1 # built-in",
        "chain: [storage, config, cli, manual] # built-in",
        "ttl: 1h # ~/user/config.yaml:1",
        "    component: /opt/corp.wasm # ~/user/config.yaml:4",
        "      odd: \"a: b # c, [d]\\n\" # ~/user/config.yaml:6",
        "    timeout: 5s # default",
        "    timeout: 15s # built-in",
        "    keep: true # default",
        "      commands: # built-in",
        "apps: # ~/user/config.yaml:8",
        "  - match: \"prod-*\"",
        "    chain: [{ use: corp, on-failure: stop }, cli]",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no line {line:?} in\n{shown}");
    }
    let again = Home::new();
    again.write("user/config.yaml", &shown);
    assert_eq!(again.load().expect("it reads back").config, loaded.config);

    let json = loaded.show_json();
    assert_eq!(json["config"]["sources"]["corp"]["settings"]["number"], "007");
    assert_eq!(json["origins"]["ttl"], serde_json::json!({ "file": "~/user/config.yaml", "line": 1 }));
    assert_eq!(json["origins"]["version"], serde_json::json!({ "file": "built-in", "line": null }));
    assert_eq!(json["origins"].get("sources.corp.timeout"), None);
}

#[test]
fn a_value_in_the_wrong_place_is_never_repeated() {
    const CANARY: &str = "fm2_canary";
    for text in [
        "chain: CANARY\n",
        "sources: CANARY\n",
        "ttl: CANARY\n",
        "chain: [CANARY]\n",
        "sources: { cli: { mints: CANARY, grants: [CANARY] } }\n",
        "CANARY\n",
        "CANARY: 1\n",
        "sources: { CANARY: 1 }\n",
        "sources: { cli: { settings: { CANARY: [] } } }\n",
        "key: CANARY\n",
    ] {
        let told = problems(&text.replace("CANARY", CANARY)).join("\n");
        assert!(!told.contains("canary"), "{told}");
    }
}
