//! Invalidating: that token never comes back, whatever remembers it, and nothing else is lost.

use std::{fs, thread, time::Duration};

use serde_json::Value;

use crate::harness::{Fly, Home, discharged, eventually, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Somebody logged in, and `fly` mints three tokens for `web`, each longer-lived than the one before.
fn minting() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY), minted(123, 2 * DAY), minted(123, 3 * DAY)]);
    (home, fly)
}

fn fingerprint(answer: &Value) -> &str {
    answer["fingerprint"].as_str().unwrap()
}

#[test]
fn an_invalidated_token_comes_back_neither_from_the_cache_nor_from_storage() {
    let (home, fly) = minting();
    let agent = home.agent();
    let old = home.get(&["web"]);
    let ran = home.run(&["invalidate", "web", "--json"]);
    ran.ends_with(0);
    assert_eq!(ran.json()["fingerprints"], serde_json::json!([fingerprint(&old)]));
    let new = home.get(&["web"]);
    assert_ne!(new["token"], old["token"]);
    agent.stop();
    let _agent = home.agent();
    assert_eq!(home.get(&["web"])["token"], new["token"], "after a restart");
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn an_invalidated_token_stays_away_after_a_restart() {
    for with_agent in [true, false] {
        let (home, _) = minting();
        let old = home.get(&["web"]);
        let agent = with_agent.then(|| home.agent());
        home.run(&["invalidate", "web"]).ends_with(0);
        if let Some(agent) = agent {
            agent.stop();
        }
        assert_ne!(home.get(&["web"])["token"], old["token"], "with an agent: {with_agent}");
    }
}

#[test]
fn an_invalidated_token_stays_away_when_the_agent_is_killed_before_storage_forgot_it() {
    let (home, fly) = minting();
    let old = home.get(&["web"]);
    let cache = home.path(".local/state/flytoken/cache.redb");
    let remembered = fs::read(&cache).unwrap();
    let agent = home.agent();
    home.run(&["invalidate", "web"]).ends_with(0);
    agent.kill();
    // As if it had been killed between the tombstone and the forgetting.
    fs::write(&cache, remembered).unwrap();
    let _agent = home.agent();
    assert_ne!(home.get(&["web"])["token"], old["token"]);
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn a_resolution_that_is_running_cannot_bring_a_token_back_that_was_rejected_meanwhile() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY)]);
    let _agent = home.agent();
    home.get(&["web"]);
    fly.holds();
    thread::scope(|scope| {
        let refresh = scope.spawn(|| home.run(&["refresh", "web"]));
        eventually("the run", || (fly.calls().len() == 2).then_some(()));
        home.run(&["invalidate", "web"]).ends_with(0);
        // It prints the same token again.
        fly.lets_go();
        refresh.join().unwrap().ends_with(3);
    });
    home.run(&["get", "web"]).ends_with(3);
}

#[test]
fn an_invalidation_by_fingerprint_or_by_the_token_itself_leaves_a_newer_lease() {
    for by_token in [false, true] {
        let (home, fly) = minting();
        let agent = home.agent();
        let old = home.get(&["web"]);
        home.run(&["refresh", "web"]).ends_with(0);
        let new = home.get(&["web"]);
        if by_token {
            home.run_with(&["invalidate", "web", "--token-stdin"], old["token"].as_str().unwrap()).ends_with(0);
        } else {
            home.run(&["invalidate", "web", "--fingerprint", fingerprint(&old)]).ends_with(0);
        }
        assert_eq!(home.get(&["web"])["token"], new["token"]);
        agent.stop();
        assert_eq!(home.get(&["web"])["token"], new["token"], "from storage");
        assert_eq!(fly.calls().len(), 2);
    }
}

#[test]
fn an_invalidation_by_fingerprint_or_by_the_token_itself_takes_that_token_away() {
    for by_token in [false, true] {
        for with_agent in [true, false] {
            let (home, _) = minting();
            let old = home.get(&["web"]);
            let _agent = with_agent.then(|| home.agent());
            if by_token {
                home.run_with(&["invalidate", "web", "--token-stdin"], old["token"].as_str().unwrap()).ends_with(0);
            } else {
                home.run(&["invalidate", "web", "--fingerprint", fingerprint(&old)]).ends_with(0);
            }
            assert_ne!(home.get(&["web"])["token"], old["token"], "by token: {by_token}, with an agent: {with_agent}");
        }
    }
}

#[test]
fn an_invalidation_of_one_kind_leaves_the_others() {
    let (home, fly) = minting();
    let _agent = home.agent();
    let [readonly, deploy] = ["readonly", "deploy"].map(|kind| home.get(&["web", "--kind", kind]));
    home.run(&["invalidate", "web", "--kind", "deploy"]).ends_with(0);
    assert_eq!(home.get(&["web"]), readonly);
    assert_ne!(home.get(&["web", "--kind", "deploy"])["token"], deploy["token"]);
    assert_eq!(fly.calls().len(), 3);
}

#[test]
fn an_invalidation_of_a_second_kind_does_not_undo_that_of_the_first() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(123, DAY)).ends_with(0);
    let manual = home.get(&["web"]);
    for kind in ["readonly", "deploy"] {
        home.run(&["invalidate", "web", "--kind", kind, "--fingerprint", fingerprint(&manual)]).ends_with(0);
    }
    for (kind, exit) in [("readonly", 6), ("deploy", 6), ("ssh", 0)] {
        home.run(&["get", "web", "--kind", kind]).ends_with(exit);
    }
}

#[test]
fn a_rejected_manual_token_stays_rejected_until_the_next_set() {
    let home = Home::new();
    let manual = minted(123, DAY);
    home.run_with(&["set", "web"], &manual).ends_with(0);
    let agent = home.agent();
    home.get(&["web"]);
    home.run(&["invalidate", "web"]).ends_with(0);
    home.run(&["get", "web"]).ends_with(6);
    home.set_clock(3600);
    agent.stop();
    let _agent = home.agent();
    let ran = home.run(&["get", "web", "--json"]);
    ran.ends_with(6);
    home.run_with(&["set", "web"], &manual).ends_with(0);
    assert_eq!(home.get(&["web", "--bare"])["token"], manual);
}

#[test]
fn a_live_source_that_repeats_a_rejected_token_is_passed_over_for_a_minute() {
    let home = Home::new();
    home.log_in(&format!("{},{}", discharged(organization(1), DAY), user_token()));
    home.configure("version: 1\nchain: [config]\n");
    let old = home.get(&["web"]);
    home.run(&["invalidate", "web", "--fingerprint", fingerprint(&old)]).ends_with(0);
    for clock in [0, 55] {
        home.set_clock(clock);
        let ran = home.run(&["get", "web", "--json"]);
        ran.ends_with(3);
        let answer = ran.json();
        assert_eq!(answer["error"]["steps"][0]["text"], "it only has a token that was invalidated", "{answer}");
    }
    home.set_clock(61);
    assert_eq!(home.get(&["web"])["token"], old["token"]);
}

#[test]
fn the_step_after_a_source_that_repeats_a_rejected_token_answers() {
    let (home, fly) = Home::logged_in(&format!("{},{}", discharged(organization(1), DAY), user_token()));
    fly.mints("web", &[minted(123, DAY)]);
    let _agent = home.agent();
    assert_eq!(home.get(&["web"])["source"], "config");
    home.run(&["invalidate", "web"]).ends_with(0);
    assert_eq!(home.get(&["web"])["source"], "cli");
}
