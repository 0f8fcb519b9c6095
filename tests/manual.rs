//! Tokens set by hand: only what can be a token is taken, and it is there until it is unset.

use std::time::Duration;

use crate::harness::{Home, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn what_cannot_be_a_token_is_refused_with_what_is_wrong() {
    let whole = minted(123, DAY);
    let (permission, discharge) = whole.split_once(',').unwrap();
    let half = permission.len() / 8 * 4;
    let cases: [(&str, String, &str); 9] = [
        ("nothing", String::new(), "no token was given"),
        ("white space", " \n".into(), "no token was given"),
        (
            "a text that is no token",
            "hunter2".into(),
            "the token was not set: it is no token: item 1: not a Fly token: it starts with none of fm2_, fm1r_, fm1a_ and fo1_",
        ),
        ("a scheme alone", "FlyV1 ".into(), "no token"),
        ("a token cut off in a group of four", permission[..half + 2].into(), "was it cut off?"),
        ("a token cut off between groups", permission[..half].into(), "cut off at byte"),
        ("a token whose discharge is missing", permission.into(), "discharge"),
        ("a token whose discharge is cut off", whole[..whole.len() - 30].into(), "item 2: "),
        ("a discharge without its token", discharge.into(), "it holds no permission token"),
    ];
    for (what, text, expected) in cases {
        let home = Home::new();
        let ran = home.run_with(&["set", "web"], &text);
        assert!(ran.ends_with(2).contains(expected), "{what}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: ") && ran.stdout.is_empty(), "{what}: {}", ran.stderr);
        home.run(&["get", "web"]).ends_with(6);
    }
}

#[test]
fn a_token_that_has_ended_is_refused() {
    let home = Home::new();
    let manual = minted(123, DAY);
    home.set_clock(25 * 3600);
    assert!(home.run_with(&["set", "web"], &manual).ends_with(2).contains("expired"));
}

#[test]
fn a_token_given_as_an_argument_is_refused_and_not_repeated() {
    let home = Home::new();
    let ran = home.run(&["set", "web", &minted(123, DAY)]);
    assert!(ran.ends_with(2).contains("not taken from an argument"), "{}", ran.stderr);
    home.run(&["get", "web"]).ends_with(6);
}

#[test]
fn a_token_is_taken_in_every_form_in_which_it_is_printed() {
    let token = minted(123, DAY);
    for text in [token.clone(), format!("FlyV1 {token}\n"), format!("  Bearer {token}\r\n")] {
        let home = Home::new();
        home.run_with(&["set", "web"], &text).ends_with(0);
        assert_eq!(home.run(&["get", "web"]).token(), format!("FlyV1 {token}"), "{text:?}");
    }
}

#[test]
fn set_says_which_sources_are_asked_before_it() {
    let home = Home::new();
    let ran = home.run_with(&["set", "web", "--json"], &minted(123, DAY));
    ran.ends_with(0);
    let answer = ran.json();
    assert_eq!(answer["asked_before"], serde_json::json!(["storage", "config", "cli"]), "{answer}");
    assert!(answer["expires_at"].is_u64(), "{answer}");
}

#[test]
fn a_token_set_after_a_failure_answers_at_once() {
    let home = Home::new();
    let _agent = home.agent();
    home.run(&["get", "web"]).ends_with(6);
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    assert_eq!(home.get(&["web"])["source"], "manual");
}

#[test]
fn a_token_set_again_takes_the_place_of_the_one_before() {
    let home = Home::new();
    let _agent = home.agent();
    let tokens = [minted(123, 2 * DAY), minted(123, DAY), user_token()];
    for token in &tokens {
        home.run_with(&["set", "web"], token).ends_with(0);
        assert_eq!(home.get(&["web", "--bare"])["token"], **token);
    }
}

#[test]
fn an_unset_token_is_gone_from_the_cache_and_from_the_disk() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    let agent = home.agent();
    home.get(&["web"]);
    home.run(&["unset", "web"]).ends_with(0);
    home.run(&["get", "web"]).ends_with(6);
    agent.stop();
    home.run(&["get", "web"]).ends_with(6);
}

#[test]
fn unset_says_whether_there_was_a_token() {
    for with_agent in [true, false] {
        let home = Home::new();
        let _agent = with_agent.then(|| home.agent());
        let unset = || home.run(&["unset", "web", "--json"]).json()["existed"].take();
        assert_eq!(unset(), false, "before");
        home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
        assert_eq!(unset(), true);
        assert_eq!(unset(), false, "after");
    }
}

#[test]
fn a_token_is_of_one_app_alone() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    for app in ["web2", "we"] {
        home.run(&["get", app]).ends_with(6);
    }
}
