//! Minting never runs away: a budget that survives restarts, and a ledger that names every token.

use std::time::Duration;

use crate::harness::{Fly, Home, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

fn minting(budget: &str) -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    home.configure(&format!("version: 1\nbudget: {budget}\n"));
    for app in ["web", "api", "job"] {
        fly.mints(app, &[minted(123, DAY), minted(123, DAY), minted(123, DAY), minted(123, DAY)]);
    }
    (home, fly)
}

#[test]
fn the_budget_of_an_app_is_hard_and_shared_by_agents_and_commands_of_one_home() {
    let (home, fly) = minting("{ per-app: 3 }");
    home.get(&["web"]);
    home.run(&["refresh", "web"]).ends_with(0);
    let agent = home.agent();
    home.run(&["refresh", "web"]).ends_with(0);
    // The user's own wish is no exception.
    let denied = home.run(&["refresh", "web", "--json"]);
    denied.ends_with(8);
    let text = "the budget of 3 mints an hour for `web` is used up; the next is allowed in 60 min";
    assert!(denied.stdout.contains(text), "{}", denied.stdout);
    assert_eq!(fly.calls().len(), 3);
    assert_eq!(home.get(&["web"])["source"], "cli", "what is there stays");
    home.get(&["api"]);
    agent.stop();
    let _agent = home.agent();
    home.run(&["refresh", "web"]).ends_with(8);
    home.set_clock(3_660);
    home.run(&["refresh", "web"]).ends_with(0);
    assert_eq!(fly.calls().len(), 5);
}

#[test]
fn the_budget_in_all_counts_every_app_and_what_timed_out() {
    let (home, fly) = minting("{ total: 2 }");
    fly.says("exit 1\n");
    home.run(&["get", "api"]).ends_with(8);
    fly.recovers();
    home.get(&["web"]);
    let denied = home.run(&["get", "job", "--json"]);
    denied.ends_with(8);
    assert!(denied.stdout.contains("the budget of 2 mints an hour in all is used up"), "{}", denied.stdout);
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn what_cannot_start_costs_no_mint() {
    let (home, fly) = minting("{ total: 1 }");
    std::fs::rename(home.outside("bin/fly"), home.outside("bin/other")).unwrap();
    home.run(&["get", "web"]).ends_with(3);
    std::fs::rename(home.outside("bin/other"), home.outside("bin/fly")).unwrap();
    home.get(&["web"]);
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn every_mint_is_in_the_ledger_before_it_begins_and_after_a_kill() {
    let (home, fly) = minting("{ total: 9 }");
    fly.hold("web");
    let agent = home.agent();
    let mut asker = home.command(&["get", "web"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    fly.called(1);
    agent.kill();
    asker.wait().unwrap();
    fly.let_go("web");
    let name = fly.calls()[0].split(' ').find(|word| word.starts_with("flytoken-web-")).unwrap().to_owned();
    let listed = home.run(&["minted", "--json"]).json();
    assert!(listed["mints"].as_array().unwrap().iter().any(|mint| mint["name"] == name.as_str() && mint["app"] == "web"), "{listed}");
    let agent = home.agent();
    home.get(&["api", "--kind", "deploy"]);
    let listed = home.run(&["minted", "--json"]).json();
    assert_eq!(listed["mints"][0]["cached"], true, "{listed}");
    assert_eq!(listed["mints"][0]["kind"], "deploy");
    assert!(home.run(&["minted"]).stdout.contains("flytoken-api-deploy-"));
    agent.stop();
}

#[test]
fn a_mint_that_lives_for_minutes_is_a_mistake_and_not_repeated() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, Duration::from_mins(10))]);
    let ran = home.run(&["get", "web", "--json"]);
    ran.ends_with(7);
    assert!(ran.stdout.contains("lives under 15 min"), "{}", ran.stdout);
}
