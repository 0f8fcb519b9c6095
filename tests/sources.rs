//! Each source answers on its own and in order, and `explain` names it.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Bundle, Home, discharged, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);

/// The login of somebody in one organisation, as flyctl keeps it.
fn bundle() -> String {
    format!("{},{}", discharged(organization(1), DAY), user_token())
}

/// One fact of each step, in order.
fn each(steps: &Value, fact: &str) -> Vec<String> {
    steps.as_array().unwrap().iter().map(|step| step[fact].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_fly_command_mints_for_one_app_and_storage_answers_after_a_restart() {
    let (home, fly) = Home::logged_in(&user_token());
    let mint = minted(123, DAY);
    fly.mints("web", std::slice::from_ref(&mint));
    let agent = home.agent();
    let first = home.get(&["web"]);
    assert_eq!(first["source"], "cli", "{first}");
    let token = Bundle::answered(&first);
    assert!(token.is_from(&mint) && token.reads_only());
    agent.stop();
    let _agent = home.agent();
    let second = home.get(&["web"]);
    assert_eq!(second["token"], first["token"]);
    assert_eq!(home.explained("web")["source"], "storage");
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn the_login_answers_with_a_read_only_copy() {
    let (home, fly) = Home::logged_in(&bundle());
    let answer = home.get(&["web"]);
    assert_eq!(answer["source"], "config", "{answer}");
    let token = Bundle::answered(&answer);
    assert!(token.reads_only() && !token.has_user_token());
    assert!(fly.calls().is_empty());
}

#[test]
fn a_manual_token_is_the_last_resort() {
    let home = Home::new();
    let manual = minted(9, DAY);
    home.run_with(&["set", "web"], &manual).ends_with(0);
    let answer = home.get(&["web"]);
    assert_eq!(answer["source"], "manual", "{answer}");
    assert!(Bundle::answered(&answer).is_from(&manual));
}

#[test]
fn each_source_answers_when_those_before_it_have_nothing_and_explain_names_it() {
    // Whether the login has a macaroon, whether `fly` knows the app, what answers, and what each step came to.
    let cases: [(bool, bool, &str, &[&str]); 3] = [
        (true, true, "config", &["absent", "lease"]),
        (false, true, "cli", &["absent", "absent", "lease"]),
        (false, false, "manual", &["absent", "absent", "absent", "lease"]),
    ];
    for (macaroon, known, source, outcomes) in cases {
        let (home, fly) = Home::logged_in(&if macaroon { bundle() } else { user_token() });
        if known {
            fly.mints("web", &[minted(123, DAY)]);
        }
        home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
        let _agent = home.agent();
        home.get(&["web"]);
        let explained = home.explained("web");
        assert_eq!(explained["source"], source, "{explained}");
        assert_eq!(each(&explained["steps"], "outcome"), outcomes, "{explained}");
    }
}

#[test]
fn a_chain_of_one_source_asks_that_one_alone() {
    let (home, fly) = Home::logged_in(&bundle());
    fly.mints("web", &[minted(123, DAY)]);
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    for source in ["config", "cli", "manual"] {
        home.configure(&format!("version: 1\nchain: [{source}]\n"));
        let explained = home.run(&["explain", "web", "--resolve", "--json"]).json();
        assert_eq!(each(&explained["resolution"]["steps"], "source"), [source], "{explained}");
        assert_eq!(explained["resolution"]["source"], source, "{explained}");
    }
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn explain_shows_every_step_to_a_person() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    let shown = home.run(&["explain", "web", "--resolve"]);
    shown.ends_with(0);
    let steps: Vec<&str> = shown.stdout.lines().skip_while(|line| !line.starts_with("STEP")).skip(1).take(3).collect();
    assert!(shown.stdout.starts_with("web readonly: resolved by cli"), "{}", shown.stdout);
    for (line, start) in steps.iter().zip(["storage  absent", "config   absent", "cli      lease"]) {
        assert!(line.starts_with(start), "{}", shown.stdout);
    }
}

#[test]
fn an_app_that_nobody_knows_ends_with_every_steps_reason_and_a_hint() {
    let (home, _) = Home::logged_in(&user_token());
    let ran = home.run(&["get", "nobody", "--json"]);
    ran.ends_with(3);
    let error = &ran.json()["error"];
    assert_eq!(each(&error["steps"], "source"), ["storage", "config", "cli", "manual"], "{error}");
    let reasons = each(&error["steps"], "text");
    let expected = ["nothing kept for `nobody`", "only a user token", "Could not find App \"nobody\"", "no token set for `nobody`"];
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    }
    assert!(error["hint"].as_str().unwrap().contains("flytoken set nobody"), "{error}");
    // The same for people, on standard error.
    let shown = home.run(&["get", "nobody"]);
    let text = shown.ends_with(3);
    assert!(reasons.iter().all(|reason| text.contains(reason.as_str())) && text.contains("hint: "), "{text}");
    assert_eq!(shown.stdout, "");
}

#[test]
fn while_nobody_is_logged_in_a_person_is_asked_to_log_in() {
    let home = Home::new();
    let fly = home.install_fly();
    fly.mints("web", &[minted(123, DAY)]);
    let ran = home.run(&["get", "web", "--json"]);
    ran.ends_with(6);
    let error = &ran.json()["error"];
    assert_eq!(each(&error["steps"], "outcome"), ["absent", "absent", "needs-human", "absent"], "{error}");
    assert!(error["hint"].as_str().unwrap().contains("fly auth login"), "{error}");
    assert!(fly.calls().is_empty(), "nothing is started without a login");
}

#[test]
fn a_strict_chain_uses_the_login_for_minting_only() {
    let (home, fly) = Home::logged_in(&bundle());
    home.configure("version: 1\nchain: strict\n");
    let mint = minted(123, DAY);
    fly.mints("web", std::slice::from_ref(&mint));
    let answer = home.get(&["web"]);
    assert_eq!(answer["source"], "cli", "{answer}");
    assert!(Bundle::answered(&answer).is_from(&mint));
    assert_eq!(
        home.run(&["status", "--json"]).json()["chain"],
        serde_json::json!({ "sources": ["storage", "cli", "manual"], "strict": true })
    );
}

#[test]
fn a_failure_goes_on_to_the_next_step_unless_the_step_says_stop() {
    let down = "failed creating token: upstream is down";
    let unknown = "failed retrieving app web: Could not find App \"web\"";
    for (on_failure, error, exit) in [("continue", down, 0), ("stop", down, 8), ("stop", unknown, 0)] {
        let (home, fly) = Home::logged_in(&user_token());
        home.configure(&format!("version: 1\nchain: [storage, {{ use: cli, on-failure: {on_failure} }}, manual]\n"));
        home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
        fly.fails(error);
        let ran = home.run(&["get", "web", "--json"]);
        ran.ends_with(exit);
        let answer = ran.json();
        if exit == 0 {
            assert_eq!(answer["source"], "manual", "{on_failure} after {error:?}: {answer}");
        } else {
            assert_eq!(each(&answer["error"]["steps"], "source"), ["storage", "cli"], "{answer}");
            assert!(answer["error"]["steps"][1]["text"].as_str().unwrap().contains("on-failure: stop"), "{answer}");
        }
    }
}
