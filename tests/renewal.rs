//! Renewal: a newer token when it is asked for or due, the old one as long as it lasts, and never one that has ended.

use std::{thread, time::Duration};

use crate::harness::{Bundle, Fly, Home, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// Seconds into the day that the first token lives: in its last hour it is renewed in the background, in its last minute callers wait.
const SOFT: i64 = 24 * 3600 - 1800;
const HARD: i64 = 24 * 3600 - 40;
const OVER: i64 = 24 * 3600 + 1;

/// Somebody logged in, and `fly` mints a token for `web` that lives a day, then one that lives for a week.
fn minting() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY), minted(123, WEEK)]);
    (home, fly)
}

#[test]
fn a_refresh_brings_a_new_token_from_the_fly_command_and_says_nothing_on_stdout() {
    let (home, fly) = minting();
    let agent = home.agent();
    let old = home.get(&["web"]);
    let ran = home.run(&["refresh", "web"]);
    assert_eq!((ran.ends_with(0), &*ran.stdout), ("", ""));
    let new = home.get(&["web"]);
    assert_ne!(new["token"], old["token"], "storage has the old one");
    let explained = home.explained("web");
    assert_eq!((&explained["renewal"], &explained["source"]), (&true.into(), &"cli".into()), "{explained}");
    assert_eq!(explained["steps"][0]["outcome"], "skipped", "{explained}");
    agent.stop();
    let _agent = home.agent();
    assert_eq!(home.get(&["web"])["token"], new["token"], "after a restart");
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn a_refresh_after_a_restart_brings_a_new_token_although_storage_has_one() {
    for with_agent in [true, false] {
        let (home, _) = minting();
        let old = home.get(&["web"]);
        let _agent = with_agent.then(|| home.agent());
        home.run(&["refresh", "web"]).ends_with(0);
        assert_ne!(home.get(&["web"])["token"], old["token"], "with an agent: {with_agent}");
    }
}

#[test]
fn a_refresh_that_is_killed_half_way_loses_nothing_and_the_next_one_brings_a_new_token() {
    let (home, fly) = minting();
    let old = home.get(&["web"]);
    fly.holds();
    let agent = home.agent();
    thread::scope(|scope| {
        let refresh = scope.spawn(|| home.run(&["refresh", "web"]));
        eventually("the mint", || (fly.calls().len() == 2).then_some(()));
        agent.kill();
        refresh.join().unwrap().ends_with(5);
    });
    fly.lets_go();
    let _agent = home.agent();
    assert_eq!(home.get(&["web"])["token"], old["token"]);
    home.run(&["refresh", "web"]).ends_with(0);
    assert_ne!(home.get(&["web"])["token"], old["token"]);
}

#[test]
fn a_refresh_that_fails_is_told_and_leaves_the_old_token_in_place() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let old = home.get(&["web"]);
    fly.fails("failed creating token: upstream is down");
    home.run(&["refresh", "web"]).ends_with(8);
    assert_eq!(home.get(&["web"])["token"], old["token"]);
}

#[test]
fn a_refresh_without_a_kind_renews_every_kind_in_use() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[1, 2, 3, 4].map(|_| minted(123, DAY)));
    let _agent = home.agent();
    for kind in ["readonly", "deploy"] {
        home.get(&["web", "--kind", kind]);
    }
    let refreshed = home.run(&["refresh", "web", "--json"]).json();
    let kinds: Vec<&str> = refreshed["leases"].as_array().unwrap().iter().map(|lease| lease["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["readonly", "deploy"], "{refreshed}");
    assert_eq!(fly.calls().len(), 4);
}

#[test]
fn an_unchanged_manual_token_is_success() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    let _agent = home.agent();
    let before = home.get(&["web"]);
    let refreshed = home.run(&["refresh", "web", "--json"]);
    refreshed.ends_with(0);
    assert_eq!(refreshed.json()["leases"][0]["fingerprint"], before["fingerprint"]);
}

#[test]
fn before_its_last_hour_a_token_is_answered_from_the_cache() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let first = home.get(&["web"]);
    home.set_clock(22 * 3600);
    assert_eq!(home.get(&["web"]), first);
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn in_its_last_hour_a_token_is_renewed_in_the_background_while_callers_get_the_old_one() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let old = home.get(&["web"]);
    fly.holds();
    home.set_clock(SOFT);
    for _ in 0..5 {
        assert_eq!(home.get(&["web"])["token"], old["token"]);
    }
    eventually("the mint", || (fly.calls().len() == 2).then_some(()));
    assert_eq!(home.get(&["web"])["token"], old["token"], "the mint is still running");
    fly.lets_go();
    let new = eventually("the new token", || Some(home.get(&["web"])).filter(|new| new["token"] != old["token"]));
    assert!(new["expires_at"].as_u64() > old["expires_at"].as_u64(), "{new}");
    assert_eq!(fly.calls().len(), 2, "one mint for all callers");
}

#[test]
fn a_background_renewal_that_fails_leaves_the_old_token_in_place() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let old = home.get(&["web"]);
    fly.fails("failed creating token: upstream is down");
    home.set_clock(SOFT);
    home.get(&["web"]);
    eventually("the failure", || home.explained("web")["renewal"].as_bool().filter(|renewal| *renewal));
    assert_eq!(home.get(&["web"])["token"], old["token"]);
}

#[test]
fn a_renewal_that_would_end_earlier_does_not_replace_the_token() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY), minted(123, DAY / 2)]);
    let _agent = home.agent();
    let longer = home.get(&["web"]);
    home.run(&["refresh", "web"]).ends_with(0);
    assert_eq!((fly.calls().len(), &home.get(&["web"])["token"]), (2, &longer["token"]));
}

#[test]
fn in_its_last_minute_callers_wait_for_one_renewal() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let old = home.get(&["web"]);
    fly.holds();
    home.set_clock(HARD);
    let answers = thread::scope(|scope| {
        let callers: Vec<_> = (0..5).map(|_| scope.spawn(|| home.get(&["web"]))).collect();
        eventually("the mint", || (fly.calls().len() == 2).then_some(()));
        thread::sleep(Duration::from_millis(100));
        assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller did not wait");
        fly.lets_go();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(answers.iter().all(|answer| answer["token"] == answers[0]["token"] && answer["token"] != old["token"]));
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn in_its_last_minute_the_old_token_is_the_answer_if_its_renewal_fails() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let old = home.get(&["web"]);
    fly.fails("failed creating token: upstream is down");
    home.set_clock(HARD);
    assert_eq!(home.get(&["web"])["token"], old["token"]);
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn a_token_that_has_ended_is_never_the_answer() {
    let (home, fly) = minting();
    let agent = home.agent();
    let old = home.get(&["web"]);
    fly.fails("failed creating token: upstream is down");
    home.set_clock(OVER);
    let failed = |place: &str| {
        let ran = home.run(&["get", "web"]);
        assert!(ran.ends_with(8).contains("upstream is down"), "{place}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{place}");
    };
    failed("the cache");
    agent.stop();
    failed("storage, without an agent");
    let _agent = home.agent();
    failed("storage, with an agent");
    fly.recovers();
    let new = eventually("the renewal", || Some(home.run(&["get", "web", "--json"])).filter(|ran| ran.code == Some(0))).json();
    assert!(new["token"] != old["token"] && Bundle::answered(&new).reads_only(), "{new}");
}

#[test]
fn without_an_agent_a_token_is_renewed_from_its_last_minute_on_only() {
    for (clock, mints) in [(SOFT, 1), (HARD, 2)] {
        let (home, fly) = minting();
        home.get(&["web"]);
        home.set_clock(clock);
        home.get(&["web"]);
        assert_eq!(fly.calls().len(), mints, "{clock} s into its life");
    }
}

#[test]
fn valid_for_renews_a_token_that_has_less_left_and_leaves_one_that_has_enough() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let old = home.get(&["web"]);
    home.set_clock(2 * 3600);
    assert_eq!(home.get(&["web", "--valid-for", "21h"])["token"], old["token"]);
    assert_ne!(home.get(&["web", "--valid-for", "23h"])["token"], old["token"]);
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn what_no_source_can_promise_for_so_long_is_an_error_that_says_so() {
    let (home, _) = minting();
    let ran = home.run(&["get", "web", "--valid-for", "48h"]);
    assert!(ran.ends_with(8).contains("not valid for another 172800 s"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_login_whose_end_nobody_knows_is_trusted_for_the_configured_time_only() {
    let home = Home::new();
    home.log_in(&user_token());
    for (valid_for, exit) in [("23h", 0), ("25h", 8)] {
        home.run(&["get", "web", "--kind", "login", "--valid-for", valid_for]).ends_with(exit);
    }
}

#[test]
fn a_manual_token_hides_a_better_source_for_five_minutes_at_most() {
    let (home, fly) = Home::logged_in(&user_token());
    let mint = minted(123, DAY);
    home.run_with(&["set", "web"], &minted(123, WEEK)).ends_with(0);
    let _agent = home.agent();
    assert_eq!(home.get(&["web"])["source"], "manual");
    fly.mints("web", &[mint]);
    home.set_clock(4 * 60);
    assert_eq!(home.get(&["web"])["source"], "manual");
    home.set_clock(5 * 60 + 1);
    assert_eq!(home.get(&["web"])["source"], "cli");
}
