//! A defect of flytoken costs the request that it strikes, and nothing else: neither cached leases nor other apps.

use std::time::Duration;

use crate::harness::{Bundle, Fly, Home, Wire, frame, get, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Somebody logged in, and `fly` knows two apps.
fn two_apps() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY), minted(1, 2 * DAY), minted(1, 3 * DAY)]);
    fly.mints("api", &[minted(2, DAY), minted(2, 2 * DAY)]);
    (home, fly)
}

#[test]
fn a_run_that_panics_loses_neither_the_cached_lease_nor_the_other_apps() {
    let (home, fly) = two_apps();
    let agent = home.agent();
    let before = ["web", "api"].map(|app| home.get(&[app]));
    home.break_at("web", "run");
    let ran = home.run(&["refresh", "web"]);
    let told = ran.ends_with(1);
    assert!(told.contains("flytoken failed while it resolved a token for app `web`") && told.contains("hint: "), "{told}");
    assert!(!home.panic_is_pending());
    assert_eq!(["web", "api"].map(|app| home.get(&[app])), before, "from the cache");
    home.run(&["refresh", "api"]).ends_with(0);
    assert_eq!(fly.calls().len(), 3, "the run that panicked asked nobody");
    home.run(&["refresh", "web"]).ends_with(0);
    assert_ne!(home.get(&["web"])["token"], before[0]["token"]);
    assert!(agent.log().contains("panicked at") && agent.log().contains("ordered: fo1_…"), "{}", agent.log());
    agent.stop();
}

#[test]
fn the_next_request_after_a_panic_is_answered() {
    for with_agent in [true, false] {
        let (home, _) = two_apps();
        let agent = with_agent.then(|| home.agent());
        home.break_at("web", "run");
        let ran = home.run(&["get", "web", "--json"]);
        ran.ends_with(1);
        assert_eq!(ran.json()["error"]["code"], "internal");
        assert_eq!(home.get(&["web"])["source"], "cli", "with an agent: {with_agent}");
        drop(agent);
    }
}

#[test]
fn an_owner_that_panics_itself_is_replaced_for_everybody_who_waits() {
    let (home, fly) = two_apps();
    fly.hold("web");
    let agent = home.agent();
    let api = home.get(&["api"]);
    let mut waiting = Wire::connect(&agent.socket);
    for id in 1..=20 {
        waiting.send(&frame(id, &get("web")));
    }
    fly.called(2);
    home.break_at("web", "owner");
    fly.let_go("web");
    for _ in 1..=20 {
        let answer = waiting.receive().unwrap();
        assert_eq!(Bundle::of(answer["reply"]["token"].as_str().unwrap()).app(), Some(1));
    }
    assert!(!home.panic_is_pending());
    assert_eq!(home.get(&["api"]), api);
    assert!(agent.log().contains("ordered: fo1_…"), "{}", agent.log());
    agent.stop();
}
