//! `revoke-on-replace`: what a newer mint has taken the place of is revoked in the background, and nothing else is.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Corp, Fly, Home, components, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Somebody logged in who has replaced mints revoked, and `fly` mints four tokens for `web`, each longer-lived than the one before.
fn replacing() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[1, 2, 3, 4].map(|days| minted(123, days * DAY)));
    home.configure("version: 1\nsources: { cli: { revoke-on-replace: true } }\n");
    (home, fly)
}

/// The mints of the ledger, the newest first.
fn ledger(home: &Home) -> Vec<Value> {
    home.run(&["minted", "--json"]).json()["mints"].as_array().unwrap().clone()
}

fn name(mint: &Value) -> &str {
    mint["name"].as_str().unwrap()
}

/// Waits until something has come of revoking the mint with this number, counted from the newest.
fn settled(home: &Home, number: usize) -> Value {
    eventually("a revocation", || {
        let mint = ledger(home).into_iter().nth(number)?;
        (!mint["revoked_at"].is_null() || !mint["revoke_error"].is_null()).then_some(mint)
    })
}

#[test]
fn a_refresh_revokes_the_token_before_and_no_other() {
    let (home, fly) = replacing();
    let agent = home.agent();
    home.get(&["web"]);
    home.get(&["web", "--kind", "deploy"]);
    home.run(&["refresh", "web", "--kind", "readonly"]).ends_with(0);
    let new = home.get(&["web"]);
    let old = settled(&home, 2);
    assert_eq!((&old["revoke_error"], fly.is_good(name(&old))), (&Value::Null, Some(false)));
    assert!(ledger(&home)[..2].iter().all(|mint| fly.is_good(name(mint)) == Some(true)));
    assert_eq!(home.get(&["web"]), new);
    agent.stop();
    assert_eq!(home.get(&["web"])["token"], new["token"], "from storage");
    assert_eq!(fly.called_to("revoke").len(), 1);
}

#[test]
fn a_renewal_in_the_background_revokes_the_token_before_also_one_of_an_earlier_run() {
    let (home, fly) = replacing();
    home.get(&["web"]);
    let agent = home.agent();
    let old = home.get(&["web"]);
    home.set_clock(24 * 3600 - 600);
    assert_eq!(home.get(&["web"]), old, "who asks meanwhile gets the old one");
    let mint = settled(&home, 1);
    assert_eq!(fly.is_good(name(&mint)), Some(false));
    assert_ne!(home.get(&["web"])["token"], old["token"]);
    agent.stop();
}

#[test]
fn without_an_agent_a_refresh_revokes_before_it_ends_and_a_get_leaves_it() {
    let (home, fly) = replacing();
    home.get(&["web"]);
    home.run(&["refresh", "web"]).ends_with(0);
    let mints = ledger(&home);
    assert_eq!([fly.is_good(name(&mints[0])), fly.is_good(name(&mints[1]))], [Some(true), Some(false)]);
    home.set_clock(2 * 24 * 3600 - 30);
    home.get(&["web"]);
    assert_eq!((ledger(&home).len(), fly.called_to("revoke").len()), (3, 1), "it ends in a moment by itself");
}

#[test]
fn what_cannot_be_revoked_is_logged_and_told_and_costs_no_request_anything() {
    let (home, fly) = replacing();
    let agent = home.agent();
    home.get(&["web"]);
    fly.revokes("echo \"failed to revoke token $3: no\" >&2");
    home.run(&["refresh", "web"]).ends_with(0);
    let new = home.get(&["web"]);
    let old = settled(&home, 1);
    assert!(old["revoke_error"].as_str().unwrap().contains("Fly still lists the token as good"), "{old}");
    assert!(agent.log().contains("a token that was replaced may still be good"), "{}", agent.log());
    assert_eq!(home.get(&["web"]), new);
    // By hand it works later.
    fly.revokes(crate::harness::REVOKE);
    home.run(&["revoke", name(&old)]).ends_with(0);
    agent.stop();
}

#[test]
fn a_slow_revocation_holds_up_nobody() {
    let (home, fly) = replacing();
    let agent = home.agent();
    home.get(&["web"]);
    fly.lists("while [ ! -e $notes/gate ]; do sleep 0.01; done; exit 1");
    for _ in 0..2 {
        home.run(&["refresh", "web"]).ends_with(0);
    }
    eventually("the list", || (!fly.called_to("list").is_empty()).then_some(()));
    home.run(&["refresh", "web"]).ends_with(0);
    home.get(&["web"]);
    assert_eq!((fly.called_to("list").len(), fly.called_to("create").len()), (1, 4), "one revocation at a time");
    fly.lets_go();
    settled(&home, 3);
    agent.stop();
}

#[test]
fn what_is_still_kept_is_not_revoked() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[1, 2, 3].map(|days| minted(123, days * DAY)));
    home.get(&["web"]);
    // From now on no memory is told of a newer one: the old one is what a restart finds.
    home.configure("version: 1\nsources: { cli: { revoke-on-replace: true, keep: false } }\n");
    let agent = home.agent();
    let old = home.get(&["web"]);
    home.run(&["refresh", "web"]).ends_with(0);
    eventually("the look at it", || agent.log().contains("still in use, and is not revoked").then_some(()));
    agent.stop();
    assert_eq!(home.get(&["web"])["token"], old["token"]);
    assert_eq!(fly.called_to("list"), [""; 0]);
}

#[test]
fn without_the_setting_nothing_is_revoked() {
    let (home, fly) = replacing();
    home.configure("version: 1\n");
    let agent = home.agent();
    home.get(&["web"]);
    home.run(&["refresh", "web"]).ends_with(0);
    agent.stop();
    home.run(&["refresh", "web"]).ends_with(0);
    assert_eq!((fly.called_to("list").len(), fly.called_to("create").len()), (0, 3));
}

#[test]
fn a_source_that_cannot_revoke_what_it_mints_does_not_load_with_the_setting() {
    let corp = Corp::new(components::vault());
    corp.configure_corp(&format!("token: '{}'", minted(123, DAY)), "    mints: true\n    revoke-on-replace: true\n");
    let ran = corp.home.run(&["get", "web"]);
    assert!(ran.ends_with(7).contains("does not export `flytoken:source/revoker`, which `revoke-on-replace` needs"), "{}", ran.stderr);
}
