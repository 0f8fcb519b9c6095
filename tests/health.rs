//! A source that fails is not asked again and again, and is asked at once when something changed.

use std::time::Duration;

use crate::harness::{Home, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_source_that_is_unavailable_backs_off_for_this_app_alone_and_status_shows_it() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.fails("failed creating token: upstream is down");
    let _agent = home.agent();
    // Each call is asked until the memory of the failure itself is over; the back-off lasts longer by then.
    for failures in 1..=3 {
        eventually("the next call", || {
            home.run(&["get", "web"]).ends_with(8);
            (fly.calls().len() >= failures).then_some(())
        });
    }
    let status = home.run(&["status", "--json"]).json();
    let resting = &status["resting"][0];
    assert_eq!(
        (&resting["source"], &resting["app"], &resting["outcome"]),
        (&"cli".into(), &"web".into(), &"unavailable".into()),
        "{status}"
    );
    assert!(resting["text"].as_str().unwrap().contains("upstream is down") && resting["until"].is_u64(), "{status}");
    home.run(&["get", "api"]).ends_with(8);
    assert_eq!(fly.calls().len(), 4, "another app is asked at once");
    // A user's own refresh skips it, and what it brings ends it.
    fly.recovers();
    fly.mints("web", &[minted(123, DAY)]);
    home.run(&["refresh", "web"]).ends_with(0);
    let status = home.run(&["status", "--json"]).json();
    assert!(status["resting"].as_array().unwrap().iter().all(|resting| resting["app"] == "api"), "{status}");
}

#[test]
fn a_mistake_is_remembered_until_the_program_or_a_setting_is_another() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.says("echo nothing of use\n");
    let agent = home.agent();
    for _ in 0..3 {
        home.run(&["get", "web"]).ends_with(7);
        home.run(&["get", "web", "--kind", "deploy"]).ends_with(7);
    }
    assert!(fly.calls().len() <= 2, "{:?}", fly.calls());
    // What was rested on is said.
    let asked = fly.calls().len();
    let text = eventually("the memory of the failure to end", || {
        let ran = home.run(&["get", "web", "--json"]);
        ran.stdout.contains("not asked again before").then_some(ran.stdout)
    });
    assert!(text.contains("ended well but printed no token"), "{text}");
    assert_eq!(fly.calls().len(), asked);
    // A new program in its place.
    fly.recovers();
    fly.mints("web", &[minted(123, DAY)]);
    let program = home.outside("bin/fly");
    std::fs::copy(&program, home.outside("bin/fly.new")).unwrap();
    std::fs::rename(home.outside("bin/fly.new"), &program).unwrap();
    eventually("the new program", || (home.run(&["get", "web"]).code == Some(0)).then_some(()));
    agent.stop();
}

#[test]
fn a_new_login_clears_what_is_remembered() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.says("echo nothing of use\n");
    let _agent = home.agent();
    home.run(&["get", "web"]).ends_with(7);
    fly.recovers();
    fly.mints("web", &[minted(123, DAY)]);
    home.write_login(&format!("access_token: {}\nlast_login: 2026-11-02T10:00:00Z\n", user_token()));
    eventually("the new login", || (home.run(&["get", "web"]).code == Some(0)).then_some(()));
}
