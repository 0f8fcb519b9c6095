//! A kind bounds what is handed out: what is wider is narrowed or passed over, whichever source it comes from.

use std::time::Duration;

use flytoken::token::{Caveat, Mask, ResourceSet};

use crate::harness::{ACME, Bundle, Home, discharged, minted, organization, user_token};

const DAY: Duration = Duration::from_hours(24);
const WEB: u64 = 123;

/// A login with one macaroon for each organisation, and the user token that flyctl keeps beside them.
fn login(organizations: &[u64]) -> String {
    let macaroons: Vec<String> = organizations.iter().map(|id| discharged(organization(*id), DAY)).collect();
    format!("{},{}", macaroons.join(","), user_token())
}

/// Limits to one app.
fn only(app: u64) -> Caveat {
    Caveat::Apps(ResourceSet::new([(app, Mask::ALL)]))
}

#[test]
fn a_login_answers_readonly_with_its_one_macaroon_for_reading_and_the_discharge_of_that() {
    let login = login(&[ACME]);
    let (home, _) = Home::logged_in(&login);
    let answer = home.get(&["web"]);
    assert_eq!(answer["source"], "config", "{answer}");
    let token = Bundle::answered(&answer);
    assert!(token.is_from(&login) && token.reads_only() && !token.has_user_token());
    assert_eq!(answer["token"].as_str().unwrap().matches("fm2_").count(), 2);
}

#[test]
fn a_login_that_is_only_a_user_token_leaves_as_the_login_and_as_nothing_else() {
    let login = user_token();
    let home = Home::new();
    home.log_in(&login);
    home.configure("version: 1\napps: [{ match: web, id: 123, organization: acme, organization-id: 4560001 }]\n");
    for kind in ["readonly", "deploy", "ssh", "machine-exec", "org"] {
        let ran = home.run(&["get", "web", "--kind", kind]);
        ran.ends_with(3);
        assert_eq!(ran.stdout, "", "{kind}");
    }
    let answer = home.get(&["web", "--kind", "login"]);
    assert_eq!((answer["token"].as_str(), &answer["source"], &answer["expires_at"]), (Some(&*login), &"config".into(), &().into()));
}

#[test]
fn the_login_kind_is_the_whole_login_and_a_manual_token_never_is() {
    let whole = login(&[ACME, 7]);
    let (home, fly) = Home::logged_in(&whole);
    assert_eq!(home.get(&["web", "--kind", "login"])["token"], format!("FlyV1 {whole}"));
    let nobody = Home::new();
    nobody.run_with(&["set", "web"], &minted(WEB, DAY)).ends_with(0);
    nobody.run(&["get", "web", "--kind", "login"]).ends_with(6);
    assert!(fly.calls().is_empty(), "the login is never minted");
}

#[test]
fn readonly_by_the_fly_command_is_one_apps_token_narrowed() {
    let (home, fly) = Home::logged_in(&user_token());
    let mint = minted(WEB, DAY);
    fly.mints("web", std::slice::from_ref(&mint));
    let token = Bundle::answered(&home.get(&["web"]));
    assert!(token.is_from(&mint) && token.reads_only());
    assert_eq!(token.app(), Some(WEB));
    let calls = fly.calls();
    assert!(calls[0].starts_with("tokens create deploy -a web -j -n flytoken-web-readonly-"), "{calls:?}");
    assert!(calls[0].ends_with(" -x 86400s"), "{calls:?}");
}

#[test]
fn deploy_and_readonly_of_one_app_live_side_by_side() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(WEB, DAY), minted(WEB, DAY)]);
    let agent = home.agent();
    let ask = || ["readonly", "deploy"].map(|kind| home.get(&["web", "--kind", kind]));
    let first = ask();
    assert_eq!([0, 1].map(|kind| Bundle::answered(&first[kind]).reads_only()), [true, false]);
    assert_ne!(first[0]["fingerprint"], first[1]["fingerprint"]);
    assert_eq!(ask(), first, "from the cache");
    agent.stop();
    let _agent = home.agent();
    assert_eq!(ask(), first, "from storage");
    assert_eq!(fly.calls().len(), 2);
}

#[test]
fn each_other_kind_is_minted_by_its_own_subcommand_and_the_login_is_not_used_for_it() {
    // The kind, what of the configuration it takes, and the command without its name and lifetime.
    for (kind, command) in
        [("ssh", "tokens create ssh -a web"), ("machine-exec", "tokens create machine-exec -a web"), ("org", "tokens create org -o acme")]
    {
        let (home, fly) = Home::logged_in(&login(&[ACME]));
        home.configure("version: 1\napps: [{ match: web, organization: acme }]\n");
        let mint = if kind == "org" { discharged(organization(ACME), DAY) } else { minted(WEB, DAY) };
        fly.mints(command.rsplit(' ').next().unwrap(), std::slice::from_ref(&mint));
        let answer = home.get(&["web", "--kind", kind]);
        assert_eq!(answer["source"], "cli", "{kind}: {answer}");
        assert!(Bundle::answered(&answer).is_from(&mint), "{kind}");
        let calls = fly.calls();
        assert!(calls.len() == 1 && calls[0].starts_with(&format!("{command} -j -n flytoken-web-{kind}-")), "{calls:?}");
    }
}

#[test]
fn what_was_minted_for_another_organisation_or_app_is_passed_over() {
    for (kind, of, mint, reason) in [
        ("org", "acme", discharged(organization(7), DAY), "it is for organisation 7, not 4560001"),
        ("deploy", "web", minted(9, DAY), "it is limited to other apps"),
        ("deploy", "web", discharged(organization(7).caveat(only(WEB)), DAY), "it is for organisation 7, not 4560001"),
    ] {
        let (home, fly) = Home::logged_in(&user_token());
        home.configure("version: 1\napps: [{ match: web, id: 123, organization: acme, organization-id: 4560001 }]\n");
        fly.mints(of, &[mint]);
        let ran = home.run(&["get", "web", "--kind", kind, "--json"]);
        ran.ends_with(3);
        let answer = ran.json();
        assert_eq!(answer["error"]["steps"][2]["text"], reason, "{answer}");
    }
}

#[test]
fn of_a_login_with_several_organisations_the_configured_one_answers_and_without_one_the_setting_is_named() {
    let (home, _) = Home::logged_in(&login(&[7, ACME, 8]));
    let undecided = home.run(&["get", "web", "--json"]);
    undecided.ends_with(3);
    let said = undecided.json()["error"]["steps"][1]["text"].as_str().unwrap().to_owned();
    assert!(said.contains("set `organization-id` for `web` under `apps`"), "{said}");
    home.configure("version: 1\napps: [{ match: web, organization-id: 4560001 }]\n");
    let answer = home.get(&["web"]);
    assert_eq!(answer["source"], "config", "{answer}");
    assert_eq!(Bundle::answered(&answer).organizations(), [ACME]);
}

#[test]
fn the_login_is_narrowed_to_the_app_where_its_id_is_configured() {
    let (home, fly) = Home::logged_in(&login(&[ACME]));
    fly.mints("web", &[minted(WEB, DAY)]);
    let wide = home.get(&["web"]);
    assert_eq!((wide["source"].as_str(), Bundle::answered(&wide).app()), (Some("config"), None), "{wide}");
    // A deploy token has to be limited to the app; the login is not, while nobody knows its number.
    assert_eq!(home.get(&["web", "--kind", "deploy"])["source"], "cli");
    home.configure("version: 1\nchain: [config]\napps: [{ match: web, id: 123 }]\n");
    for (kind, reads_only) in [("readonly", true), ("deploy", false)] {
        let answer = home.get(&["web", "--kind", kind]);
        let token = Bundle::answered(&answer);
        assert_eq!((token.app(), token.reads_only()), (Some(WEB), reads_only), "{kind}: {answer}");
    }
}

#[test]
fn a_manual_token_answers_every_kind_as_it_is() {
    let home = Home::new();
    let manual = minted(WEB, DAY);
    home.run_with(&["set", "web"], &manual).ends_with(0);
    for kind in ["readonly", "deploy", "ssh", "machine-exec", "org"] {
        assert_eq!(home.get(&["web", "--kind", kind, "--bare"])["token"], manual, "{kind}");
    }
}
