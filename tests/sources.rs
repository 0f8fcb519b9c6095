//! Each source answers on its own and in order, and `explain` names it.

use std::time::Duration;

use crate::harness::{Bundle, Home, discharged, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn the_fly_command_mints_for_one_app_and_storage_answers_after_a_restart() {
    let (home, fly) = Home::logged_in(&user_token());
    let mint = minted(123, DAY);
    fly.mints("web", &[mint.clone()]);
    let agent = home.agent();
    let first = home.run(&["get", "web", "--json"]).json();
    assert_eq!(first["source"], "cli", "{first}");
    let token = first["token"].as_str().unwrap().to_owned();
    assert!(Bundle::of(&token).is_from(&mint) && Bundle::of(&token).reads_only());
    agent.stop();
    let _agent = home.agent();
    let second = home.run(&["get", "web", "--json"]).json();
    assert_eq!(second["token"], first["token"]);
    let explained = home.run(&["explain", "web", "--json"]).json();
    assert_eq!(explained["resolution"]["steps"][0]["source"], "storage", "{explained}");
    assert_eq!(explained["resolution"]["steps"][0]["outcome"], "lease", "{explained}");
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn the_login_answers_with_a_read_only_copy() {
    let login = format!("{},{}", discharged(organization(1), DAY), user_token());
    let (home, fly) = Home::logged_in(&login);
    let answer = home.run(&["get", "web", "--json"]).json();
    assert_eq!(answer["source"], "config", "{answer}");
    let token = Bundle::of(answer["token"].as_str().unwrap());
    assert!(token.reads_only() && !token.has_user_token());
    assert!(fly.calls().is_empty());
}

#[test]
fn a_manual_token_is_the_last_resort() {
    let home = Home::new();
    let manual = minted(9, DAY);
    home.run_with(&["set", "web"], &manual).ends_with(0);
    let answer = home.run(&["get", "web", "--json"]).json();
    assert_eq!(answer["source"], "manual", "{answer}");
    assert!(Bundle::of(answer["token"].as_str().unwrap()).is_from(&manual));
}

#[test]
fn an_app_that_nobody_knows_ends_with_every_steps_reason_and_a_hint() {
    let (home, _) = Home::logged_in(&user_token());
    let ran = home.run(&["get", "nobody", "--json"]);
    ran.ends_with(3);
    let error = &ran.json()["error"];
    let steps: Vec<_> = error["steps"].as_array().unwrap().iter().map(|step| step["source"].as_str().unwrap()).collect();
    assert_eq!(steps, ["storage", "config", "cli", "manual"], "{error}");
    assert!(error["hint"].as_str().unwrap().contains("flytoken set nobody"), "{error}");
}

#[test]
fn while_nobody_is_logged_in_a_person_is_asked_to_log_in() {
    let home = Home::new();
    home.install_fly();
    let ran = home.run(&["get", "web"]);
    assert!(ran.ends_with(6).contains("fly auth login"), "{}", ran.stderr);
}
