//! Tokens set by hand: only what can be a token is taken, and it is there until it is unset.

use std::time::Duration;

use flytoken::{
    system::{Clock, Environment, SystemClock},
    token::{Caveat, Mask},
};

use crate::harness::{ACME, Home, discharged, eventually, minted, organization, user_token};

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
            "the token was not set: item 1: not a Fly token: it starts with none of fm2_, fm1r_, fm1a_ and fo1_",
        ),
        ("a scheme alone", "FlyV1 ".into(), "item 1: not a Fly token"),
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

/// A pair as `fly tokens create` prints it, as long as the one that is known to have been cut to 116 characters on paste.
fn pasted() -> String {
    let printed = |padding| {
        let draft = organization(ACME).caveat(Caveat::FromMachineSource("m".repeat(padding).into()));
        format!("FlyV1 {}", discharged(draft, DAY))
    };
    (1..300).map(printed).find(|token| token.len() == 691).unwrap()
}

#[test]
fn what_inspect_calls_unusable_is_refused_in_the_same_words() {
    let whole = minted(123, DAY);
    let (permission, discharge) = whole.split_once(',').unwrap();
    let ended = organization(ACME).caveat(Caveat::ValidityWindow { not_before: 0, not_after: 1_000 }).sign().macaroon.encode();
    let nothing = organization(ACME).caveat(Caveat::Action(Mask::NONE)).sign().macaroon.encode();
    let pasted = pasted();
    for text in [
        &pasted[..116],
        &pasted[..118],
        &whole[..whole.len() - 7],
        permission,
        &ended,
        &nothing,
        "hunter2",
        &format!("{whole},hunter2,fm2_!"),
    ] {
        let home = Home::new();
        let account = home.run_with(&["inspect", "--json"], text).json();
        let problems: Vec<_> = account["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap().to_owned()).collect();
        let why = account["tokens"].as_array().unwrap().iter().filter_map(|token| token["why"].as_str());
        let words: Vec<String> = if problems.is_empty() { why.map(|why| format!("cannot be used: {why}")).collect() } else { problems };
        assert!(!words.is_empty(), "{account}");
        let ran = home.run_with(&["set", "web"], text);
        let said = ran.ends_with(2);
        assert!(words.iter().all(|words| said.contains(words)), "{words:?}: {said}");
        home.run(&["get", "web"]).ends_with(6);
    }
    let home = Home::new();
    assert!(home.run_with(&["set", "web"], discharge).ends_with(2).contains("cannot be used: it holds no permission token"));
    assert!(home.run_with(&["inspect"], discharge).stdout.contains("cannot be used: it holds no permission token"));
}

#[test]
fn a_token_that_was_cut_on_paste_is_called_cut_off() {
    let home = Home::new();
    let pasted = pasted();
    for (length, expected) in [
        (116, "item 1: bad base64 at column 110: the text ends there, in the middle of a group of four; was it cut off?"),
        (118, "item 1: cut off at byte 81: "),
    ] {
        let ran = home.run_with(&["set", "web"], &pasted[..length]);
        assert!(ran.ends_with(2).contains(&format!("the token was not set: {expected}")), "{}", ran.stderr);
    }
    let ran = home.run_with(&["set", "web"], &pasted[..116]);
    assert!(ran.stderr.contains("hint: copy it again, whole"), "{}", ran.stderr);
}

#[test]
fn with_force_a_token_is_kept_that_cannot_be_used_and_it_goes_out_once_it_can() {
    for with_agent in [true, false] {
        let home = Home::new();
        let _agent = with_agent.then(|| home.agent());
        let begins = SystemClock::new(&Environment::default()).now().after(DAY).seconds();
        let window = Caveat::ValidityWindow { not_before: begins.try_into().unwrap(), not_after: 4_000_000_000 };
        let token = organization(ACME).caveat(window).sign().macaroon.encode().to_string();
        assert!(home.run_with(&["set", "web"], &token).ends_with(2).contains("cannot be used: it is not valid yet"));
        let ran = home.run_with(&["set", "web", "--force"], &token);
        assert!(ran.ends_with(0).contains("warning: ") && ran.stderr.contains("cannot be used: it is not valid yet"), "{}", ran.stderr);
        let refused = home.run(&["get", "web"]);
        assert!(refused.code != Some(0) && refused.stderr.contains("it is not valid yet"), "{}", refused.stderr);
        home.set_clock(25 * 3600);
        let given = eventually("the token", || Some(home.run(&["get", "web"])).filter(|ran| ran.code == Some(0)));
        assert_eq!(given.token(), format!("FlyV1 {token}"), "with an agent: {with_agent}");
    }
}

#[test]
fn with_force_a_text_that_is_no_token_is_kept_and_never_given() {
    let home = Home::new();
    let cut = &minted(123, DAY)[..100];
    home.run_with(&["set", "web", "--force"], cut).ends_with(0);
    let refused = home.run(&["get", "web"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("item 1: cut off at byte 72"), "{}", refused.stderr);
    let whole = minted(123, DAY);
    let ran = home.run_with(&["set", "web", "--force"], &whole);
    assert_eq!(ran.ends_with(0), "", "there is nothing to warn of");
    assert_eq!(home.run(&["get", "web"]).token(), format!("FlyV1 {whole}"));
}
