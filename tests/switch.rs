//! A source is disabled and enabled again.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::harness::{Bundle, Home, components::vault, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home with the source `corp`, kept on disk, before `fly`; what each of them hands out.
fn home() -> (Home, [String; 2]) {
    let (home, fly) = Home::logged_in(&user_token());
    let tokens = [minted(7, DAY), minted(7, DAY)];
    fly.mints("web", std::slice::from_ref(&tokens[1]));
    home.write(home.outside("secrets/corp.wasm"), vault());
    // The token stands in a file where it may: the configuration is searched for leaks.
    home.write(home.outside("secrets/token"), &tokens[0]);
    home.configure(&format!(
        "chain: [storage, corp, cli]\nsources:\n  corp:\n    component: builtin:file\n    keep: true\n    grants: {{ files: {{ token: {} }} }}\n",
        home.outside("secrets/token").display()
    ));
    (home, tokens)
}

fn source(home: &Home, name: &str) -> Value {
    let list = home.run(&["plugin", "list", "--json"]).json();
    list["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == name).unwrap().clone()
}

fn written(home: &Home) -> Option<String> {
    fs::read_to_string(home.path(".config/flytoken/config.d/zz_disabled.yaml")).ok()
}

#[test]
fn what_a_disabled_source_handed_out_is_given_no_more_and_the_next_step_answers_until_it_is_enabled() {
    for with_agent in [true, false] {
        let (home, [of_corp, of_fly]) = home();
        let answers = |token: &str| Bundle::answered(&home.get(&["web"])).is_from(token);
        let agent = with_agent.then(|| home.agent());
        assert!(answers(&of_corp));
        // Nothing is waited for in between: it counts when the command has ended.
        assert_eq!(home.run(&["plugin", "disable", "corp"]).stdout, "corp: disabled\n");
        assert!(answers(&of_fly), "agent: {with_agent}");
        let corp = source(&home, "corp");
        assert!(corp["disabled"] == true && corp["problem"].is_null() && corp["sha256"].is_null() && corp["step"].is_null(), "{corp}");
        let status = home.run(&["status"]).stdout;
        assert!(status.lines().any(|line| line.starts_with("corp ") && line.ends_with("disabled")), "{status}");
        assert_eq!(home.run(&["plugin", "disable", "corp"]).stdout, "corp: disabled already\n");

        assert_eq!(home.run(&["plugin", "enable", "corp"]).stdout, "corp: enabled\n");
        assert_eq!((&source(&home, "corp")["disabled"], written(&home)), (&Value::Bool(false), None));
        home.run(&["invalidate", "web"]).ends_with(0);
        let newer = minted(7, DAY);
        home.write(home.outside("secrets/token"), &newer);
        assert!(answers(&newer), "agent: {with_agent}");
        drop(agent);
    }
}

#[test]
fn the_built_in_ones_are_disabled_likewise_but_not_the_last_of_a_chain() {
    let (home, _) = home();
    for name in ["storage", "corp"] {
        home.run(&["plugin", "disable", name]).ends_with(0);
    }
    let before = written(&home);
    assert_eq!(before.as_deref().unwrap().lines().filter(|line| line.contains("enabled: false")).count(), 2);
    let ran = home.run(&["plugin", "disable", "cli"]);
    assert!(ran.ends_with(7).contains("every source of this chain is disabled"), "{}", ran.stderr);
    assert_eq!(written(&home), before, "nothing of it stays");
    home.run(&["config", "check"]).ends_with(0);
    home.run(&["plugin", "enable", "storage"]).ends_with(0);
    home.run(&["plugin", "disable", "cli"]).ends_with(0);
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let (mut home, _) = home();
    let refused = |home: &Home, arguments: &[&str], told: &str| {
        let ran = home.run(arguments);
        assert!(ran.ends_with(7).contains(told), "{}", ran.stderr);
    };
    refused(&home, &["plugin", "disable", "nobody"], "there is no source `nobody`");
    home.write(home.path(".config/flytoken/config.d/zzz.yaml"), "sources: { corp: { enabled: true } }\n");
    refused(&home, &["plugin", "disable", "corp"], "`sources.corp.enabled` is true in ~/.config/flytoken/config.d/zzz.yaml:1, and counts");
    assert_eq!(written(&home), None);
    fs::remove_file(home.path(".config/flytoken/config.d/zzz.yaml")).unwrap();
    home.write(home.path(".config/flytoken/config.d/zz_disabled.yaml"), "sources: { cli: { enabled: false, timeout: 7s } }\n");
    refused(&home, &["plugin", "disable", "corp"], "is not as it was written, and is left as it is");
    fs::remove_file(home.path(".config/flytoken/config.d/zz_disabled.yaml")).unwrap();
    home.configure("nonsense: 1\n");
    refused(&home, &["plugin", "disable", "cli"], "the configuration does not hold");
    home.configure("");
    home.set("FLYTOKEN_CONFIG", &home.path(".config/flytoken/config.yaml").display().to_string());
    refused(&home, &["plugin", "disable", "cli"], "sources: { cli: { enabled: false } }");
}

#[test]
fn a_running_agent_goes_by_it_when_the_command_has_ended() {
    let (home, _) = home();
    let agent = home.agent();
    home.write(home.path(".config/flytoken/config.yaml"), "chain: [storage, cli]\n");
    eventually("the chain", || (agent.status()["chain"].as_array().unwrap().len() == 2).then_some(()));
    home.run(&["plugin", "disable", "storage"]).ends_with(0);
    let disabled = |agent: &crate::harness::Agent| {
        let status = agent.status();
        status["sources"].as_array().unwrap().iter().any(|source| source["name"] == "storage" && source["disabled"] == true)
    };
    assert!(disabled(&agent), "it counts when the command has ended");
}
