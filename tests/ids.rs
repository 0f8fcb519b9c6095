//! The numbers of apps and organisations, configured or learnt from mints: without them a token cannot be narrowed to an app.

use std::time::Duration;

use crate::harness::{ACME, Bundle, Home, discharged, eventually, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A login with a macaroon for each of these organisations, and the user's own token.
fn login(organizations: &[u64]) -> String {
    let mut items: Vec<String> = organizations.iter().map(|id| discharged(organization(*id), DAY)).collect();
    items.push(user_token());
    items.join(",")
}

#[test]
fn a_mint_teaches_the_numbers_and_they_are_kept() {
    let (home, fly) = Home::logged_in(&login(&[ACME, 1]));
    fly.mints("web", &[minted(123, DAY)]);
    // Two organisations and no number: the login cannot say which, the command mints.
    assert_eq!(home.get(&["web", "--kind", "deploy"])["source"], "cli");
    // From here on the login's macaroon of the app's own organisation does, narrowed to the app.
    for _ in 0..2 {
        let agent = home.agent();
        let answer = home.get(&["web"]);
        assert_eq!(answer["source"], "config", "{answer}");
        let token = Bundle::answered(&answer);
        assert_eq!((token.app(), token.organizations()), (Some(123), vec![ACME]));
        agent.stop();
    }
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn what_is_not_narrowed_for_lack_of_a_number_is_said() {
    let (home, _) = Home::logged_in(&login(&[ACME]));
    let explained = home.run(&["explain", "web", "--resolve", "--json"]).json();
    let step = &explained["resolution"]["steps"][1];
    assert_eq!(step["outcome"], "lease", "{explained}");
    assert!(step["text"].as_str().unwrap().contains("not narrowed to the app, whose `id` is not known yet"), "{explained}");
    let shown = home.run(&["get", "web", "--kind", "deploy", "--json"]);
    shown.ends_with(3);
    assert!(shown.stdout.contains("the app's number is unknown"), "{}", shown.stdout);
}

#[test]
fn a_newer_mint_replaces_what_was_learnt_and_warns() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY), minted(124, DAY)]);
    let agent = home.agent();
    assert_eq!(Bundle::answered(&home.get(&["web"])).app(), Some(123));
    // Made anew at Fly: the old number is of no use any more.
    eventually("the number", || home.run(&["refresh", "web"]).code.filter(|code| *code == 0));
    assert_eq!(Bundle::answered(&home.get(&["web"])).app(), Some(124));
    eventually("the warning", || agent.log().contains("by other numbers than before").then_some(()));
    agent.stop();
    assert_eq!(Bundle::answered(&home.get(&["web"])).app(), Some(124), "what was kept under the old number does not count");
}

#[test]
fn a_configured_number_is_never_overruled() {
    let (home, fly) = Home::logged_in(&user_token());
    home.configure(&format!("version: 1\napps:\n  - match: web\n    id: 123\n    organization-id: {ACME}\n"));
    fly.mints("web", &[minted(124, DAY)]);
    let ran = home.run(&["get", "web", "--json"]);
    ran.ends_with(3);
    assert!(ran.stdout.contains("limited to other apps"), "{}", ran.stdout);
}

#[test]
fn a_token_set_by_hand_or_of_an_organisation_teaches_nothing() {
    let (home, fly) = Home::logged_in(&login(&[ACME, 1]));
    home.configure("version: 1\nchain: [storage, config, manual]\n");
    home.run_with(&["set", "web"], &minted(5, DAY)).ends_with(0);
    home.get(&["web"]);
    let explained = home.run(&["explain", "web", "--resolve", "--json"]).json();
    assert_eq!(explained["resolution"]["source"], "manual", "{explained}");
    assert!(explained["resolution"]["steps"][1]["text"].as_str().unwrap().contains("several organisations"), "{explained}");
    assert!(fly.calls().is_empty());
}
