//! An administrator's policy: what it takes away from users, whom it lets do what, and that nothing goes on without it.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio, time::Duration};

use serde_json::Value;

use crate::harness::{Fly, Home, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

fn home() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "api", "prod-web"] {
        fly.mints(app, &[minted(123, DAY), minted(123, DAY)]);
    }
    (home, fly)
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The requests on record, each as its app, decision and rule.
fn on_record(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.path("audit.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let requests = lines.filter(|line| line["event"] == "request");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    requests.map(|line| ["app", "decision", "rule"].map(|key| word(&line[key])).join(" ")).collect()
}

/// A policy under which this user gets reading tokens for `web`, which live for ten minutes, and nothing else.
pub(crate) fn one_app_for(uid: u32) -> String {
    format!(
        "version: 1
audit: {{ file: ~/audit.jsonl }}
clients:
  - {{ name: hands off prod, deny: true, apps: [prod-*] }}
  - {{ name: mine, user: {uid}, apps: [web], kinds: [readonly], deliver: {{ max-lifetime: 10m }} }}
"
    )
}

#[test]
fn a_client_gets_what_a_rule_admits_it_to_and_a_denial_names_the_rule() {
    let (home, _fly) = home();
    let uid = own_uid();
    home.govern(&one_app_for(uid));
    let agent = home.agent();
    let got = home.get(&["web"]);
    let left = got["expires_at"].as_u64().unwrap() - got["obtained_at"].as_u64().unwrap();
    assert!(left <= 601, "it lives for {left} s");
    for (arguments, rule) in [
        (&["get", "prod-web"][..], "its rule `hands off prod` says so"),
        (&["get", "api"], "none of its rules under `clients` admits this client to that"),
        (&["get", "web", "--kind", "deploy"], "none of its rules"),
        (&["get", "web", "--max-lifetime", "1h"], "600 s of life at most"),
        (&["refresh", "prod-web"], "its rule `hands off prod` says so"),
        (&["minted"], "its rule `hands off prod` says so"),
    ] {
        let ran = home.run(arguments);
        ran.ends_with(4);
        assert!(ran.stderr.contains(rule), "{arguments:?}: {}", ran.stderr);
    }
    let log = agent.log();
    assert!(log.contains("denied by the policy") && log.contains(&format!("\"uid\":{uid}")), "{log}");
    let expected = [
        "web given mine",
        "prod-web denied hands off prod",
        "api denied -",
        "web denied -",
        "web denied mine",
        "prod-web denied hands off prod",
    ];
    assert_eq!(on_record(&home), expected);
}

#[test]
fn a_policy_that_only_reports_lets_everything_through_and_puts_it_on_record() {
    let (home, _fly) = home();
    home.govern("version: 1\nmode: report\nagent: required\nkinds: [deploy]\nsources: []\naudit: { file: ~/audit.jsonl }\n");
    home.get(&["web"]);
    let agent = home.agent();
    home.get(&["web"]);
    home.get(&["web", "--kind", "deploy"]);
    assert_eq!(on_record(&home), ["web would-deny kinds", "web would-deny kinds", "web given -"]);
    let status = home.run(&["status", "--json"]).json();
    assert_eq!((&status["policy"]["reports_only"], &status["policy"]["problem"]), (&Value::Bool(true), &Value::Null));
    assert!(agent.log().contains("the policy would take away: the whole source"));
}

#[test]
fn what_a_source_has_beyond_its_ceiling_is_taken_away_and_shown() {
    let (home, fly) = home();
    home.govern(
        "version: 1
sources:
  - { component: builtin:storage }
  - component: builtin:cli
    grants: { login: true }
",
    );
    let ran = home.run(&["get", "web"]);
    ran.ends_with(4);
    assert!(ran.stderr.contains("the administrator's policy has no rule under `sources` that lets it run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("takes away") && ran.stderr.contains("`commands`: fly"), "{}", ran.stderr);
    assert_eq!(fly.calls().len(), 0);
    let shown = home.run(&["policy", "show"]).stdout;
    for words in ["sources[1]", "cli", "`commands`: fly", "manual", "the whole source: no rule is for it"] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    let cuts = home.run(&["policy", "show", "--json"]).json()["cuts"].clone();
    assert!(cuts.as_array().unwrap().iter().any(|cut| cut["rule"] == "sources[1]" && cut["source"] == "cli"), "{cuts}");
    // With the missing line it runs.
    home.govern("version: 1\nsources:\n  - component: builtin:cli\n    grants: { login: true, commands: [fly] }\n");
    home.run(&["get", "web"]).ends_with(0);
}

#[test]
fn what_an_administrator_writes_holds_from_then_on_without_a_restart() {
    let (home, _fly) = home();
    home.govern("version: 1\n");
    let _agent = home.agent();
    home.get(&["web"]);
    home.govern("version: 1\nkinds: [deploy]\n");
    eventually("a token that is cached is denied", || (home.run(&["get", "web"]).code == Some(4)).then_some(()));
    home.govern("version: 1\nkinds: [readonly]\n");
    eventually("it is given again", || (home.run(&["get", "web"]).code == Some(0)).then_some(()));
}

#[test]
fn while_a_policy_does_not_hold_or_is_gone_nothing_is_answered_but_why() {
    let (home, _fly) = home();
    home.govern("version: 1\n");
    let _agent = home.agent();
    home.get(&["web"]);
    for broken in ["version: 1\nkinds: [nope]\n", ""] {
        if broken.is_empty() {
            fs::remove_file(home.outside("system/policy.yaml")).unwrap();
        } else {
            home.govern(broken);
        }
        eventually("nothing is answered", || {
            let ran = home.run(&["get", "web"]);
            (ran.code == Some(4) && ran.stderr.contains("nothing is answered while the policy does not hold")).then_some(())
        });
        let status = home.run(&["status"]);
        status.ends_with(0);
        assert!(status.stdout.contains("broken: nothing is answered"), "{}", status.stdout);
        home.govern("version: 1\n");
        eventually("it is mended", || (home.run(&["get", "web"]).code == Some(0)).then_some(()));
    }
}

#[test]
fn nothing_starts_under_a_policy_that_does_not_hold_or_that_others_may_write() {
    let (home, fly) = home();
    let starts_not = |why: &str| {
        for arguments in [&["get", "web"][..], &["agent"], &["set", "web"]] {
            let ran = home.run_with(arguments, &minted(1, DAY));
            ran.ends_with(4);
            assert!(ran.stderr.contains(why), "{arguments:?}: {}", ran.stderr);
        }
    };
    home.govern("version: 1\nclients:\n  - { name: a, exe: /usr/bin/x }\n");
    starts_not("policy.yaml:3:16: clients[0]: unknown key `exe`");
    home.govern("version: 1\nclients:\n  - { name: a, user: nobody-of-this-name }\n");
    starts_not("this machine knows no user of this name, so the rule cannot be enforced");
    home.govern("version: 1\n");
    let file = home.outside("system/policy.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    starts_not("is not safe to use");
    assert_eq!(fly.calls().len(), 0);
}

#[test]
fn no_command_does_without_an_agent_where_one_is_required() {
    let (home, fly) = home();
    home.govern("version: 1\nagent: required\n");
    for arguments in [&["get", "web"][..], &["get", "web", "--agent", "never"], &["set", "web"], &["status"]] {
        let ran = home.run_with(arguments, &minted(1, DAY));
        ran.ends_with(5);
        assert!(ran.stderr.contains("requires an agent") && ran.stderr.contains("flytoken agent"), "{}", ran.stderr);
    }
    assert_eq!(fly.calls().len(), 0);
    let _agent = home.agent();
    home.get(&["web"]);
}

#[test]
fn an_audit_that_a_policy_requires_is_kept_although_the_user_wants_none() {
    let (home, _fly) = home();
    home.configure("version: 1\naudit: { file: ~/mine.jsonl }\n");
    home.govern("version: 1\naudit: { file: ~/audit.jsonl, required: true }\n");
    let _agent = home.agent();
    home.get(&["web"]);
    assert_eq!(on_record(&home), ["web given -"]);
    assert!(!home.path("mine.jsonl").exists());
    assert!(home.run(&["audit", "tail"]).stdout.contains("web"));
}

#[test]
fn no_variable_moves_the_policy_out_of_the_way() {
    let (mut home, _fly) = home();
    home.govern("version: 1\nkinds: [deploy]\n");
    for (name, value) in [
        ("XDG_CONFIG_HOME", home.outside("else").display().to_string()),
        ("XDG_CONFIG_DIRS", home.outside("else").display().to_string()),
        ("FLYTOKEN_CONFIG", home.outside("else.yaml").display().to_string()),
        ("FLYTOKEN_POLICY", home.outside("else.yaml").display().to_string()),
        ("FLYTOKEN_PROFILE", "other".to_owned()),
    ] {
        home.write(home.outside("else.yaml"), "version: 1\n");
        home.set(name, &value);
        home.run(&["get", "web"]).ends_with(4);
        home.unset(name);
    }
}

#[test]
fn a_policy_is_checked_and_tried_without_anybody_being_asked() {
    let (home, fly) = home();
    let uid = own_uid();
    home.write("p.yaml", "version: 1\nclient:\n  - name: a\n");
    let ran = home.run(&["policy", "check", "p.yaml"]);
    ran.ends_with(7);
    assert!(ran.stderr.contains("p.yaml:2:1: unknown key `client`; did you mean `clients`?"), "{}", ran.stderr);
    let ran = home.run(&["policy", "check", "p.yaml", "--json"]);
    ran.ends_with(7);
    assert_eq!(ran.json()["errors"].as_array().unwrap().len(), 1);
    home.write(
        "p.yaml",
        format!(
            "version: 1
clients:
  - {{ name: ci, user: {uid}, executable: /bin/*, apps: [web], kinds: [deploy], deliver: {{ actions: rw, max-lifetime: 15m }} }}
  - {{ name: usr too, user: {uid}, executable: /usr/bin/*, apps: [web], kinds: [deploy] }}
"
        ),
    );
    let ran = home.run(&["policy", "check", "p.yaml"]);
    ran.ends_with(0);
    assert!(ran.stdout.starts_with("ok: "), "{}", ran.stdout);
    let try_it = |more: &[&str]| {
        let arguments = ["policy", "test", "--file", "p.yaml", "--json"];
        home.run(&[&arguments[..], more].concat())
    };
    let client = "executable=/usr/bin/env,unit=x.service";
    let ran = try_it(&["web", "--kind", "deploy", "--client", client]);
    ran.ends_with(0);
    assert_eq!((&ran.json()["decision"], &ran.json()["client"]["unit"]), (&"allowed".into(), &"x.service".into()));
    let ran = try_it(&["web", "--client", client]);
    ran.ends_with(4);
    assert_eq!((&ran.json()["decision"], &ran.json()["rule"]), (&"denied".into(), &Value::Null));
    try_it(&["web", "--kind", "deploy", "--client", &format!("{client},user=4242")]).ends_with(4);
    try_it(&["web", "--client", "shoe-size=44"]).ends_with(2);
    assert!(home.run(&["policy", "show"]).stderr.contains("there is no policy"));
    assert_eq!(fly.calls().len(), 0);
}

#[test]
fn a_token_that_is_obtained_while_a_policy_comes_into_force_is_judged_by_that_one() {
    let (home, fly) = home();
    home.govern("version: 1\n");
    let _agent = home.agent();
    for (policy, code, told) in [
        ("version: 1\nkinds: [deploy]\n", 4, "its rule `kinds` says so"),
        ("version: 1\nkinds: [readonly]\ndeliver: { actions: r, max-lifetime: 10m }\n", 8, "another policy came into force"),
    ] {
        home.govern("version: 1\n");
        eventually("the policy that lets it", || (home.run(&["get", "api"]).code == Some(0)).then_some(()));
        home.run(&["invalidate", "web"]).ends_with(0);
        fly.mints("web", &[minted(123, DAY)]);
        fly.hold("web");
        let before = fly.calls().len();
        let child = home.command(&["get", "web"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        fly.called(before + 1);
        home.govern(policy);
        let denied = policy.contains("deploy");
        eventually("the other policy", || {
            let ran = home.run(&["get", "api", "--json"]);
            let short = ran.code == Some(0) && {
                let left = ran.json()["expires_at"].as_u64().unwrap() - ran.json()["obtained_at"].as_u64().unwrap();
                left < 3600
            };
            (if denied { ran.code == Some(4) } else { short }).then_some(())
        });
        fly.let_go("web");
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(code), &b""[..]), "{stderr}");
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn under_a_policy_no_component_runs_that_nothing_pins() {
    let (home, _fly) = home();
    let component = home.path("mine.wasm");
    home.write(&component, b"(component)");
    home.configure("version: 1\nchain: [mine, cli]\nsources: { mine: { component: ~/mine.wasm, dev: true } }\n");
    home.govern("version: 1\n");
    let ran = home.run(&["status", "--json"]);
    let sources = ran.json()["sources"].clone();
    let problem = sources.as_array().unwrap().iter().find(|source| source["name"] == "mine").unwrap()["problem"].clone();
    let problem = problem.as_str().unwrap();
    assert!(problem.contains("is not pinned") && problem.contains("`dev: true` is not allowed here"), "{problem}");
}

#[test]
fn the_policy_of_the_readme_holds() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let section = readme.split("## An administrator's policy").nth(1).unwrap();
    let policy = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let home = Home::new();
    home.write("policy.yaml", policy);
    home.run(&["policy", "check", "policy.yaml"]).ends_with(0);
    let try_it = |more: &[&str]| home.run(&[&["policy", "test", "--file", "policy.yaml", "--json"][..], more].concat()).json();
    let by_hand = try_it(&["prod-web", "--kind", "deploy", "--client", "executable=/usr/bin/env,unit=deploy.service"]);
    assert_eq!((&by_hand["decision"], &by_hand["rule"]), (&"denied".into(), &"nobody deploys prod by hand".into()));
}
