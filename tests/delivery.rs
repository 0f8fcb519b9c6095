//! What leaves is as narrow as the client wishes and the app's `deliver` rule wants, and the wide parent stays in the agent.

use std::time::Duration;

use flytoken::system::{Clock, Environment, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Bundle, Fly, Home, Ran, Wire, eventually, frame, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home in which `fly` mints one deploy token for the app `web`.
fn minting() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY), minted(123, DAY)]);
    (home, fly)
}

/// The seconds that an answer says it lives from now on, rounded up.
fn lives_for(answer: &Value) -> u64 {
    answer["expires_at"].as_u64().unwrap().saturating_sub(SystemClock::new(&Environment::default()).now().seconds())
}

fn rule(deliver: &str) -> String {
    format!("version: 1\napps:\n  - match: web\n    deliver: {deliver}\n")
}

fn error(ran: &Ran, code: i32) -> String {
    ran.ends_with(code);
    ran.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_wish_narrows_this_one_answer_and_the_wide_parent_stays() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let narrow = home.get(&["web", "--kind", "deploy", "--actions", "r", "--max-lifetime", "10m"]);
    assert!(Bundle::answered(&narrow).reads_only());
    assert!((590..=600).contains(&lives_for(&narrow)), "{}", lives_for(&narrow));
    let wide = home.get(&["web", "--kind", "deploy"]);
    assert!(!Bundle::answered(&wide).reads_only());
    assert!(lives_for(&wide) > 86_000);
    assert_eq!(wide["fingerprint"], narrow["fingerprint"], "both are one lease");
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn two_clients_with_different_wishes_get_two_tokens_from_one_parent() {
    let (home, fly) = minting();
    let agent = home.agent();
    let wishes = [json!({ "actions": "r" }), json!({ "actions": "rwC", "max-lifetime": 60 }), json!({ "valid-for": 60 })];
    let mut wires: Vec<Wire> = wishes.iter().map(|_| Wire::connect(&agent.socket)).collect();
    for (wire, wish) in wires.iter_mut().zip(&wishes) {
        wire.send(&frame(1, &json!({ "op": "get", "app": "web", "kind": "deploy", "wish": wish })));
    }
    let tokens: Vec<String> = wires.iter_mut().map(|wire| wire.receive().unwrap()["reply"]["token"].as_str().unwrap().to_owned()).collect();
    let bundles: Vec<Bundle> = tokens.iter().map(|token| Bundle::of(token)).collect();
    assert!(bundles.iter().all(|bundle| bundle.is_from(&tokens[2])) && bundles[0].reads_only() && !bundles[1].reads_only());
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn a_rule_narrows_every_answer_and_a_client_may_ask_for_less_but_never_for_more() {
    let (home, fly) = minting();
    home.configure(&rule("{ actions: rw, max-lifetime: 15m }"));
    let _agent = home.agent();
    for more in [&["--actions", "rwc"][..], &["--actions", "*"], &["--max-lifetime", "16m"], &["--valid-for", "30m"]] {
        let ran = home.run(&[&["get", "web", "--kind", "deploy", "--json"], more].concat());
        assert!(error(&ran, 4).contains("`deliver` rule"), "{more:?}: {}", ran.stdout);
    }
    assert!(fly.calls().is_empty(), "what is denied asks nobody");
    let plain = home.get(&["web", "--kind", "deploy"]);
    assert!((890..=900).contains(&lives_for(&plain)), "{plain}");
    let less = home.get(&["web", "--kind", "deploy", "--actions", "r", "--max-lifetime", "5m", "--valid-for", "4m"]);
    assert!(Bundle::answered(&less).reads_only() && (290..=300).contains(&lives_for(&less)));
    // Narrower than the rule by its kind already: nothing to deny.
    assert!(Bundle::answered(&home.get(&["web"])).reads_only());
}

#[test]
fn a_lease_that_cannot_be_narrowed_is_passed_over_where_a_rule_demands_it() {
    let (home, fly) = minting();
    let chain = "version: 1\nchain: [manual, cli]\n";
    home.configure(chain);
    home.run_with(&["set", "web"], &user_token()).ends_with(0);
    let agent = home.agent();
    assert_eq!(home.get(&["web", "--kind", "deploy"])["source"], "manual");
    let ran = home.run(&["get", "web", "--kind", "deploy", "--actions", "r", "--json"]);
    assert!(error(&ran, 3).contains("from manual cannot be as narrow as that: it holds only a user token"), "{}", ran.stdout);
    home.configure(&format!("{chain}apps:\n  - match: web\n    deliver: {{ actions: r }}\n"));
    let answer = eventually("the rule", || Some(home.get(&["web", "--kind", "deploy"])).filter(|answer| answer["source"] == "cli"));
    assert!(Bundle::answered(&answer).reads_only());
    let steps = home.run(&["explain", "web", "--kind", "deploy", "--json"]).json()["resolution"]["steps"].take();
    assert_eq!(steps[0]["outcome"], "absent", "{steps}");
    assert!(steps[0]["text"].as_str().unwrap().contains("`deliver` rule"), "{steps}");
    assert_eq!(fly.calls().len(), 1);
    agent.stop();
}

#[test]
fn a_new_rule_counts_for_what_is_cached_already() {
    let (home, _) = minting();
    let _agent = home.agent();
    assert!(!Bundle::answered(&home.get(&["web", "--kind", "deploy"])).reads_only());
    home.configure(&rule("{ actions: r }"));
    eventually("the rule", || Bundle::answered(&home.get(&["web", "--kind", "deploy"])).reads_only().then_some(()));
    home.configure("version: 1\n");
    eventually("no rule", || (!Bundle::answered(&home.get(&["web", "--kind", "deploy"])).reads_only()).then_some(()));
}

#[test]
fn a_manual_token_and_the_login_are_narrowed_only_on_demand_and_without_the_user_token() {
    let manual = minted(9, DAY);
    let home = Home::new();
    home.run_with(&["set", "web"], &format!("{manual},{}", user_token())).ends_with(0);
    assert!(Bundle::answered(&home.get(&["web"])).has_user_token());
    let narrow = Bundle::answered(&home.get(&["web", "--actions", "r"]));
    assert!(narrow.reads_only() && narrow.is_from(&manual) && !narrow.has_user_token());
    home.log_in(&format!("{},{}", minted(9, DAY), user_token()));
    let narrow = Bundle::answered(&home.get(&["web", "--kind", "login", "--max-lifetime", "5m"]));
    assert!(!narrow.reads_only() && !narrow.has_user_token());
}

#[test]
fn less_than_was_asked_for_is_never_given_in_silence() {
    let home = Home::new();
    home.configure(&rule("{ actions: r }"));
    home.run_with(&["set", "api"], &minted(9, DAY)).ends_with(0);
    let narrow = home.run(&["get", "api", "--actions", "r", "--bare"]).token();
    home.run_with(&["set", "api"], &narrow).ends_with(0);
    let ran = home.run(&["get", "api", "--kind", "deploy", "--actions", "rw", "--json"]);
    assert!(error(&ran, 3).contains("allows the actions r at most, and rw were asked for"), "{}", ran.stdout);
    for contradiction in [
        &["api", "--actions", "rw"][..],
        &["api", "--max-lifetime", "1m", "--valid-for", "2m"],
        &["api", "--max-lifetime", "0s"],
        &["api", "--actions", ""],
        &["api", "--actions", "read"],
    ] {
        home.run(&[&["get"], contradiction].concat()).ends_with(2);
    }
}

#[test]
fn a_narrowed_copy_that_is_rejected_takes_its_parent_along() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let narrow = home.run(&["get", "web", "--kind", "deploy", "--actions", "r"]).token();
    home.run_with(&["invalidate", "web", "--token-stdin"], &narrow).ends_with(0);
    let next = home.get(&["web", "--kind", "deploy"]);
    assert!(!Bundle::answered(&next).is_from(&narrow), "{next}");
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn exec_and_env_take_the_same_wishes() {
    let (home, _) = minting();
    let exec = home.run(&["exec", "web", "--kind", "deploy", "--actions", "r", "--", "sh", "-c", "echo \"$FLY_API_TOKEN\""]);
    assert!(Bundle::of(&exec.token()).reads_only());
    let env = home.run(&["env", "web", "--kind", "deploy", "--max-lifetime", "5m", "--actions", "r", "--format", "json"]);
    env.ends_with(0);
    assert!(Bundle::of(env.json()["FLY_API_TOKEN"].as_str().unwrap()).reads_only());
}
