//! Configuration that does not hold: exit code 7, and for each mistake the file, the line, the column, and what to do.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use crate::harness::{Home, Ran, canary, user_token};

/// Where the user's own file is, as people call it.
const MAIN: &str = "~/.config/flytoken/config.yaml";

/// What was told about `config check`, line by line; fails unless it ended with exit code 7, and said the same to machines.
fn mistakes(home: &Home) -> Vec<String> {
    let ran = home.run(&["config", "check"]);
    let told = told(&ran);
    assert_eq!(ran.stdout, "");
    let json = home.run(&["config", "check", "--json"]);
    canary::assert_clean("the JSON", json.stdout.as_bytes());
    assert_eq!(json.ends_with(7), "");
    let error = &json.json()["error"];
    assert_eq!(error["code"], "misconfigured");
    let message: Vec<&str> = error["message"].as_str().unwrap().lines().skip(1).collect();
    assert_eq!(message, told, "machines are told something else");
    told
}

/// What a command told about the configuration.
fn told(ran: &Ran) -> Vec<String> {
    let text = ran.ends_with(7);
    assert!(text.contains("\nhint: ") && text.contains("flytoken config check"), "{text}");
    let lines = text.lines().skip_while(|line| !line.starts_with("error: ")).skip(1);
    lines.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_was_meant() {
    let cases = [
        // An unknown key, and what it probably is.
        ("chian: strict\n", "1:1: unknown key `chian`; did you mean `chain`?"),
        ("version: 1\nsources:\n  cli:\n    timout: 5s\n", "4:5: sources.cli: unknown key `timout`; did you mean `timeout`?"),
        ("apps:\n  - match: web\n    organisation: acme\n", "3:5: apps[0]: unknown key `organisation`; did you mean `organization`?"),
        ("chain:\n  - { use: cli, on-fail: stop }\n", "2:17: chain[0]: unknown key `on-fail`; did you mean `on-failure`?"),
        // A wrong type, or a text without the form that it needs.
        ("sources: [cli]\n", "1:10: sources: expected a map, found a list"),
        ("chain: 5\n", "1:8: chain: expected a list of sources, or the word `strict`, found a number"),
        ("sources:\n  cli:\n    mints: yes\n", "3:12: sources.cli.mints: expected true or false, found text"),
        (
            "just text\n",
            "1:1: expected a map of the keys version, chain, ttl, key, budget, audit, http, docker, metrics, sources and apps, found text",
        ),
        ("version: 2\n", "1:10: version: this flytoken reads version 1 of the configuration only"),
        ("ttl: soon\n", "1:6: ttl: a duration is a whole number and a unit: 500ms, 30s, 15m, 24h or 7d"),
        ("ttl: 1s\n", "1:6: ttl: must be from 1m to 30d"),
        (
            "sources:\n  cli:\n    timeout: 15\n",
            "3:14: sources.cli.timeout: a duration is a whole number and a unit: 500ms, 30s, 15m, 24h or 7d",
        ),
        ("sources:\n  Cli: {}\n", "2:3: sources: a source name holds only a-z, 0-9 and '-': look at its character 1"),
        ("apps: [{ match: \"Prod-*\" }]\n", "1:17: apps[0].match: a pattern holds only a-z, 0-9, '-' and '*': look at its character 1"),
        // A word or a name that is not known.
        ("key: keyrin\n", "1:6: key: unknown word `keyrin`; did you mean `keyring`?"),
        ("chain:\n  - storage\n  - clii\n", "3:5: chain[1]: there is no source `clii`; did you mean `cli`?"),
        (
            "apps:\n  - match: web\n    chain: [vault]\n",
            "3:13: apps[0].chain[0]: there is no source `vault`; known are `cli`, `config`, `manual` and `storage`",
        ),
        (
            "sources: { x: { component: \"builtin:cil\" } }\n",
            "1:28: sources.x.component: unknown word `builtin:cil`; did you mean `builtin:cli`?",
        ),
        (
            "sources: { x: { component: corp-vault } }\n",
            "1:28: sources.x.component: a component is builtin:NAME or the path of a file: for a file beside this one write ./corp-vault",
        ),
        // A key that stands there twice.
        ("ttl: 1h\nchain: strict\nttl: 2h\n", "3:1: this key stands here for the second time"),
        ("sources:\n  cli:\n    mints: true\n    mints: false\n", "4:5: sources.cli: this key stands here for the second time"),
        // Rules over several values.
        ("chain: []\n", "1:8: chain: a chain names at least one source"),
        (
            "sources: { config: { keep: true } }\n",
            "1:22: sources.config.keep: the login is never copied to disk: a source that hands it out cannot have `keep`",
        ),
        (
            "sources:\n  cli:\n    grants:\n      reveal: true\n",
            "4:7: sources.cli.grants.reveal: a source that can read secrets, by `reveal`, cannot have `commands` too: it could pass on what it reads; if it may, add `may-leak: true` here",
        ),
        (
            "sources:\n  cli:\n    grants:\n      files: { Token: /a }\n",
            "4:14: sources.cli.grants.files: a file's name is 1 to 32 of a-z, 0-9 and -, the first a letter",
        ),
        (
            "sources:\n  cli:\n    grants:\n      env: [9A]\n",
            "4:12: sources.cli.grants.env: a variable's name is letters, digits and _, the first no digit",
        ),
        // What is no configuration at all.
        ("ttl: 1h\n---\nttl: 2h\n", " holds more than one YAML document"),
        ("ttl: !secret 1h\n", "1:6: ttl: YAML tags are not understood here"),
    ];
    let home = Home::new();
    for (yaml, expected) in cases {
        home.configure(yaml);
        assert_eq!(mistakes(&home), [format!("{MAIN}:{expected}")], "{yaml}");
    }
}

#[test]
fn a_key_of_what_is_not_built_yet_is_unknown_like_any_other() {
    let home = Home::new();
    for (yaml, place) in [
        ("telemetry: { app: web }\n", "1:1: unknown key `telemetry`"),
        ("audit: { file: a.jsonl, journald: true }\n", "1:25: audit: unknown key `journald`"),
    ] {
        home.configure(yaml);
        let told = mistakes(&home);
        assert!(told.len() == 1 && told[0].starts_with(&format!("{MAIN}:{place}; known are `")), "{yaml}: {told:?}");
    }
}

#[test]
fn text_that_is_no_yaml_is_told_with_the_place_at_which_it_ends_to_be_some() {
    let home = Home::new();
    for (yaml, place) in [
        ("chain: [storage\nttl: 1h\n", "2:"),
        ("ttl: 1h\na: b: c\n", "2:5: is not YAML"),
        ("\tttl: 1h\n", "1:1: is not YAML"),
        ("ttl: *nowhere\n", "1:6: is not YAML"),
    ] {
        home.configure(yaml);
        let told = mistakes(&home);
        assert!(told.len() == 1 && told[0].starts_with(&format!("{MAIN}:{place}")), "{yaml}: {told:?}");
    }
    home.write(".config/flytoken/config.yaml", b"ttl: 1h\nkey: \xc3\n");
    assert_eq!(mistakes(&home), [format!("{MAIN}:2:6: is not UTF-8 text")]);
}

#[test]
fn what_only_an_attacker_or_an_accident_writes_is_refused_at_once() {
    let home = Home::new();
    let aliases = (1..12).map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", ")));
    let bomb = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}", aliases.collect::<String>());
    let level = |depth: usize| format!("{}a:\n", " ".repeat(depth));
    for (what, yaml, expected) in [
        ("a huge file", "#".repeat((1 << 20) + 1), "is larger than 1024 KiB"),
        ("deep nesting", (0..200).map(level).collect(), "nested deeper than 16 levels"),
        ("a million brackets", format!("chain: {}", "[".repeat(1_000_000)), "1:1: nested deeper than 16 levels"),
        ("aliases of aliases", bomb, ""),
    ] {
        home.configure(&yaml);
        let (told, took) = crate::harness::timed(|| mistakes(&home));
        assert!(told.len() == 1 && told[0].starts_with(MAIN) && told[0].contains(expected), "{what}: {told:?}");
        assert!(told[0].len() < 500, "{what}: {told:?}");
        // Two runs of a debug build, on a machine that has more to do.
        assert!(took < std::time::Duration::from_secs(10), "{what}: {took:?}");
    }
}

#[test]
fn a_file_that_others_can_write_is_told_with_the_command_that_mends_it() {
    let home = Home::new();
    home.configure("ttl: 1h\n");
    home.write(".config/flytoken/config.d/10-more.yaml", "ttl: 2h\n");
    let (folder, file) = (home.path(".config/flytoken"), home.path(".config/flytoken/config.yaml"));
    let drop_ins = folder.join("config.d");
    for (path, named) in
        [(&file, vec![MAIN]), (&drop_ins, vec!["~/.config/flytoken/config.d/10-more.yaml"]), (&folder, vec![MAIN, "10-more.yaml"])]
    {
        let mode = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(mode.mode() | 0o002)).unwrap();
        let told = mistakes(&home);
        assert_eq!(told.len(), named.len(), "{told:?}");
        for (told, named) in told.iter().zip(named) {
            assert!(told.contains(named) && told.contains(&format!("type `chmod go-w {}`", path.display())), "{told}");
        }
        fs::set_permissions(path, mode).unwrap();
    }
    home.run(&["config", "check"]).ends_with(0);
}

#[test]
fn what_is_there_and_is_no_file_of_text_is_named() {
    let mut home = Home::new();
    let file = home.path(".config/flytoken/config.yaml");
    fs::create_dir_all(&file).unwrap();
    assert_eq!(mistakes(&home), [format!("{MAIN}: cannot be read: it is not a file")]);
    fs::remove_dir(&file).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert_eq!(mistakes(&home), [format!("{MAIN}: cannot be read: it is not a file")], "a pipe would be waited for");
    fs::remove_file(&file).unwrap();
    symlink("gone.yaml", &file).unwrap();
    let told = mistakes(&home);
    assert!(told[0].starts_with(&format!("{MAIN}: cannot be read: ")), "{told:?}");
    fs::write(file.with_file_name("gone.yaml"), "ttl: 1h\n").unwrap();
    home.run(&["config", "check"]).ends_with(0);
    home.set("FLYTOKEN_CONFIG", "nowhere.yaml");
    assert_eq!(mistakes(&home), ["~/nowhere.yaml: there is no such file"]);
}

#[test]
fn every_file_that_does_not_hold_is_told_at_once_and_every_mistake_of_what_they_say_together() {
    let home = Home::new();
    home.configure("nonsense: 1\n");
    home.write(".config/flytoken/config.d/10-more.yaml", "ttl: 1h\nttl: 2h\n");
    assert_eq!(
        mistakes(&home),
        [
            format!(
                "{MAIN}:1:1: unknown key `nonsense`; known are `version`, `chain`, `ttl`, `key`, `budget`, `audit`, `http`, `docker`, `metrics`, `sources` and `apps`"
            ),
            "~/.config/flytoken/config.d/10-more.yaml:2:1: this key stands here for the second time".into(),
        ]
    );
    home.configure("ttl: 1s\nchain: [cli, corp]\n");
    home.write(".config/flytoken/config.d/10-more.yaml", "\nsources: { corp: { timeout: 1h } }\n");
    let told = mistakes(&home);
    for place in [
        format!("{MAIN}:1:6: ttl: "),
        "10-more.yaml:2:12: sources.corp: a source needs a `component`".into(),
        "10-more.yaml:2:29: sources.corp.timeout: ".into(),
    ] {
        assert!(told.iter().any(|line| line.contains(&place)), "no {place} in {told:?}");
    }
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn no_command_goes_on_under_a_configuration_that_does_not_hold() {
    let home = Home::new();
    home.configure("chian: strict\n");
    for arguments in [&["get", "web"][..], &["env", "web"], &["explain", "web", "--resolve"], &["status"], &["agent"], &["config", "show"]]
    {
        let ran = home.run(arguments);
        assert!(
            ran.ends_with(7).contains(&format!("{MAIN}:1:1: unknown key `chian`; did you mean `chain`?")),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_eq!(ran.stderr.matches("did you mean").count(), 1, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
    home.run(&["exec", "web", "--", "true"]).ends_with(125);
    // Where it lies can be told all the same.
    home.run(&["config", "path"]).ends_with(0);
}

#[test]
fn a_token_in_the_wrong_place_is_not_repeated() {
    let home = Home::new();
    for place in [
        "chain: TOKEN\n",
        "TOKEN: 1\n",
        "TOKEN\n",
        "sources: { cli: { grants: [TOKEN] } }\n",
        "sources: { TOKEN: {} }\n",
        "key: TOKEN\n",
        "apps: [{ match: web, organization: TOKEN }]\n",
        "sources: { x: { component: TOKEN } }\n",
        "chain: [TOKEN]\n",
        "ttl: \"TOKEN\n",
    ] {
        home.configure(&place.replace("TOKEN", &user_token()));
        // Both forms of what is told are searched for tokens.
        assert_eq!(mistakes(&home).len(), 1, "{place}");
    }
    fs::remove_file(home.path(".config/flytoken/config.yaml")).unwrap();
}
