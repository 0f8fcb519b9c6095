//! Sources, their settings and their grants change while the agent runs: what is configured counts at once, and what was obtained under
//! the old configuration no longer does.

use std::{fs, thread, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    Bundle, Corp, Home, Wire,
    components::{fixture, release, vault},
    eventually, frame, get, minted, user_token,
};

const DAY: Duration = Duration::from_hours(24);

/// Waits until `web` is answered with this token, or what it was narrowed to, and returns that answer.
fn answers_with(home: &Home, token: &str) -> Value {
    eventually("the new answer", || Some(home.get(&["web"])).filter(|answer| Bundle::answered(answer).is_from(token)))
}

/// What came of each step of the last run for `web`.
fn steps(home: &Home) -> Vec<(String, String)> {
    let explained = home.explained("web");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    explained["steps"].as_array().unwrap().iter().map(|step| (text(&step["source"]), text(&step["outcome"]))).collect()
}

fn step(source: &str, outcome: &str) -> (String, String) {
    (source.into(), outcome.into())
}

#[test]
fn changed_settings_count_at_once_and_void_what_was_kept_under_the_old_ones() {
    let corp = Corp::new(vault());
    let settings = |token: &str| format!("token: \"{token}\"");
    let [first, second, third] = [minted(7, DAY), minted(7, DAY), minted(7, DAY)];
    let keep = "    keep: true\n";
    corp.configure_corp(&settings(&first), keep);
    let agent = corp.home.agent();
    answers_with(&corp.home, &first);
    agent.stop();
    let agent = corp.home.agent();
    answers_with(&corp.home, &first);
    assert_eq!(steps(&corp.home), [step("storage", "lease")], "it is kept");

    corp.configure_corp(&settings(&second), keep);
    answers_with(&corp.home, &second);
    assert_eq!(steps(&corp.home), [step("storage", "absent"), step("corp", "lease")]);
    agent.stop();
    let agent = corp.home.agent();
    answers_with(&corp.home, &second);
    assert_eq!(steps(&corp.home), [step("storage", "lease")], "the new one is kept");
    agent.stop();

    // While nobody looks.
    corp.configure_corp(&settings(&third), keep);
    answers_with(&corp.home, &third);
    corp.install(&release(vault(), "release-2"));
    let explained = corp.home.run(&["explain", "web", "--resolve", "--json"]).json();
    assert_eq!(explained["resolution"]["source"], "corp", "what was kept is of another component: {explained}");
}

#[test]
fn what_changes_no_answer_leaves_what_was_obtained_in_place() {
    let corp = Corp::new(vault());
    let settings = format!("token: \"{}\"", minted(7, DAY));
    corp.configure_corp(&settings, "");
    let agent = corp.home.agent();
    corp.home.get(&["web"]);
    let calls = || corp.status()["calls"].clone();
    assert_eq!(calls(), 1);
    // The same bytes in another file: nobody is asked again.
    corp.install(vault());
    // A longer time-out gives no other lease, but each has to pass the check again; then that one is asked once more.
    corp.configure_corp(&settings, "    timeout: 7s\n");
    eventually("the log", || agent.log().contains("what is configured is in force").then_some(()));
    corp.home.get(&["web"]);
    assert_eq!(calls(), 2);
    corp.home.get(&["web"]);
    assert_eq!(calls(), 2);
}

#[test]
fn a_source_is_added_renamed_and_removed() {
    let corp = Corp::new(vault());
    let [manual, of_corp] = [minted(7, DAY), minted(7, DAY)];
    corp.configure("chain: [storage, manual]\n");
    corp.home.run_with(&["set", "web"], &manual).ends_with(0);
    let agent = corp.home.agent();
    answers_with(&corp.home, &manual);
    let source = |name: &str| {
        format!(
            "sources:\n  {name}:\n    component: ./corp.wasm\n    dev: true\n    keep: true\n    settings: {{ token: \"{of_corp}\" }}\nchain: [storage, {name}, manual]\n"
        )
    };
    corp.configure(&source("corp"));
    assert_eq!(answers_with(&corp.home, &of_corp)["source"], "corp");

    corp.configure(&source("vault"));
    let renamed = eventually("the new name", || Some(corp.home.get(&["web"])).filter(|answer| answer["source"] == "vault"));
    assert!(Bundle::answered(&renamed).is_from(&of_corp));
    assert_eq!(steps(&corp.home), [step("storage", "absent"), step("vault", "lease")], "what `corp` obtained is not that of `vault`");
    assert!(corp.status().is_null(), "there is no `corp` any more");

    corp.configure("chain: [storage, manual]\n");
    answers_with(&corp.home, &manual);
    assert_eq!(steps(&corp.home), [step("storage", "absent"), step("manual", "lease")]);
    agent.stop();
    let _agent = corp.home.agent();
    answers_with(&corp.home, &manual);
}

#[test]
fn a_revoked_grant_is_gone_at_once_though_the_source_cannot_be_loaded_without_it() {
    for (what, grants, told) in [
        ("the login", "{ login: false }", "imports `flytoken:source/login@0.1.1`, which needs the grant `login`"),
        ("the commands", "{ commands: [] }", "imports `flytoken:source/command@0.1.1`, which needs the grant `commands`"),
    ] {
        let (home, fly) = Home::logged_in(&user_token());
        fly.mints("web", &[minted(7, DAY)]);
        fly.mints("api", &[minted(8, DAY)]);
        home.configure("chain: [cli]\n");
        let _agent = home.agent();
        home.get(&["web"]);
        home.configure(&format!("chain: [cli]\nsources: {{ cli: {{ grants: {grants} }} }}\n"));
        let status = eventually("the problem", || {
            let status = home.run(&["status", "--json"]).json();
            status["sources"].as_array().unwrap().iter().find(|source| !source["problem"].is_null()).cloned()
        });
        assert_eq!((&status["name"], &status["sha256"]), (&json!("cli"), &Value::Null), "{what}");
        // Neither what was obtained with it, nor anything new.
        for app in ["web", "api"] {
            assert!(home.run(&["get", app]).ends_with(7).contains(told), "{what}");
        }
        assert_eq!(fly.calls().len(), 1, "{what}");
        home.configure("chain: [cli]\n");
        eventually("the grant", || (home.run(&["get", "api"]).code == Some(0)).then_some(()));
    }
}

#[test]
fn who_asks_after_a_change_does_not_wait_for_what_began_before_it() {
    // What the chain becomes while `cli` is at work, and whether who waits for that gets what it finds: it must still be in the chain.
    for (chain, still_counts) in [("[storage, manual, cli]", true), ("[storage, manual]", false)] {
        let (home, fly) = Home::logged_in(&user_token());
        let [mint, manual] = [minted(7, DAY), minted(7, DAY)];
        fly.mints("web", std::slice::from_ref(&mint));
        fly.holds();
        home.run_with(&["set", "web"], &manual).ends_with(0);
        home.configure("chain: [storage, cli]\n");
        let agent = home.agent();
        let is_from = |token: &str| Bundle::answered(&home.get(&["web"])).is_from(token);
        thread::scope(|scope| {
            let early = scope.spawn(|| home.get(&["web"]));
            fly.called(1);
            home.configure(&format!("chain: {chain}\n"));
            eventually("the chain", || (home.run(&["status", "--json"]).json()["chain"]["sources"][1] == "manual").then_some(()));
            assert!(is_from(&manual), "{chain}");
            fly.lets_go();
            let early = early.join().unwrap();
            assert!(Bundle::answered(&early).is_from(if still_counts { &mint } else { &manual }), "{chain}: {}", early["source"]);
        });
        assert!(is_from(&manual), "{chain}: what was found under the old chain took the place of the new answer");
        // A mint that counts is not lost.
        agent.stop();
        home.configure("chain: [storage, cli]\n");
        assert!(is_from(&mint), "{chain}");
        assert_eq!(fly.calls().len(), if still_counts { 1 } else { 2 }, "{chain}");
    }
}

#[test]
fn a_swap_does_not_wait_for_a_call_that_runs_and_what_that_brings_is_not_handed_out() {
    let corp = Corp::new(fixture());
    let token = minted(7, DAY);
    corp.configure_corp(&format!("behaviour: sleep, milliseconds: 3000, token: \"{token}\", expiry: \"+3600\""), "");
    let agent = corp.home.agent();
    let mut early = Wire::connect(&agent.socket);
    early.send(&frame(1, &get("web")));
    early.send(&frame(2, &json!({ "op": "status" })));
    assert_eq!(early.receive().unwrap()["id"], 2, "the call has begun and is not over");
    let mut late = Wire::connect(&agent.socket);
    corp.install(vault());
    corp.runs(vault());
    let is_of_the_old = |answer: &Value| {
        let lease = &answer["reply"]["lease"];
        lease["expiry"]["at"].as_u64().unwrap() - lease["obtained"].as_u64().unwrap() <= 3_600_000
    };
    assert!(!is_of_the_old(&late.ask(&get("web"))));
    assert_eq!(corp.status()["calls"], 1, "the old component was not at work any more");
    assert!(!is_of_the_old(&early.receive().unwrap()));
    assert_eq!(
        corp.status()["calls"],
        2,
        "the call that ran went to its end, and who waited for it was given what the new one had brought"
    );
}

#[test]
fn calls_that_break_after_their_source_was_replaced_are_not_held_against_the_new_one() {
    let corp = Corp::new(fixture());
    let token = minted(7, DAY);
    corp.configure_corp(&format!("behaviour: sleep, milliseconds: 60000, token: \"{token}\""), "    timeout: 3s\n");
    let agent = corp.home.agent();
    let mut clients = ["one", "two", "three"].map(|app| {
        let mut client = Wire::connect(&agent.socket);
        client.send(&frame(1, &get(app)));
        client.send(&frame(2, &json!({ "op": "status" })));
        assert_eq!(client.receive().unwrap()["id"], 2, "the call has begun");
        client
    });
    corp.install(vault());
    corp.runs(vault());
    eventually("the end of the calls", || (corp.status()["failures"] == 3).then_some(()));
    for client in &mut clients {
        assert_eq!(client.receive().unwrap()["reply"]["reply"], "token");
    }
    corp.home.get(&["four"]);
}

#[test]
fn a_component_is_swapped_although_the_configuration_does_not_hold() {
    let corp = Corp::new(vault());
    let token = minted(7, DAY);
    corp.configure_corp(&format!("behaviour: answer, token: \"{token}\", expiry: \"+3600\""), "");
    let _agent = corp.home.agent();
    corp.home.get(&["web"]);
    corp.configure("nonsense: 1\n");
    eventually("the problem", || corp.home.run(&["status", "--json"]).json()["config"]["problem"].as_str().map(drop));
    corp.install(fixture());
    corp.runs(fixture());
    let answer = corp.home.get(&["web"]);
    let lives = answer["expires_at"].as_u64().unwrap() - answer["obtained_at"].as_u64().unwrap();
    assert!(lives <= 3600, "{lives}");
}

#[test]
fn a_source_that_did_not_load_at_the_start_is_taken_once_it_is_there() {
    let corp = Corp::new(vault());
    let token = minted(7, DAY);
    fs::remove_file(corp.component()).unwrap();
    corp.configure_corp(&format!("token: \"{token}\""), "");
    let _agent = corp.home.agent();
    let ran = corp.home.run(&["get", "web"]);
    assert!(ran.ends_with(7).contains("corp: not loaded: ") && ran.stderr.contains("corp.wasm"), "{}", ran.stderr);
    let status = corp.home.run(&["status"]).stdout;
    assert!(status.lines().any(|line| line.starts_with("corp ") && line.contains("not loaded: ")), "{status}");
    corp.install(vault());
    corp.runs(vault());
    // No failure is remembered any more.
    assert!(Bundle::answered(&corp.home.get(&["web"])).is_from(&token));
}
