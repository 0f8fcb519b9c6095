//! Revoking a mint by its name: it is handed out no longer, it is dead at Fly, and nothing is said to be so that Fly still lists.

use std::{thread, time::Duration};

use serde_json::Value;

use crate::harness::{Corp, Fly, Home, LIST, MINT, REVOKE, components, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Somebody logged in, and `fly` mints four tokens for each of two apps, each longer-lived than the one before.
fn minting() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "api"] {
        fly.mints(app, &[1, 2, 3, 4].map(|days| minted(123, days * DAY)));
    }
    (home, fly)
}

/// What the ledger says of the mints, the newest first.
fn ledger(home: &Home) -> Vec<Value> {
    let listed = home.run(&["minted", "--json"]).json();
    listed["mints"].as_array().unwrap().clone()
}

/// The name of the newest mint.
fn newest(home: &Home) -> String {
    ledger(home)[0]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_revoked_token_is_dead_at_fly_and_never_handed_out_again() {
    for with_agent in [true, false] {
        let (home, fly) = minting();
        let agent = with_agent.then(|| home.agent());
        let old = home.get(&["web"]);
        let name = newest(&home);
        let ran = home.run(&["revoke", &name]);
        ran.ends_with(0);
        assert_eq!(ran.stdout, format!("web: revoked {name}: Fly lists it as good no longer\n"));
        assert_eq!(fly.is_good(&name), Some(false));
        let mint = &ledger(&home)[0];
        assert_eq!((&mint["cached"], mint["revoked_at"].is_u64(), &mint["revoke_error"]), (&false.into(), true, &Value::Null), "{mint}");
        assert!(home.run(&["minted"]).stdout.lines().nth(1).unwrap().ends_with("ago)"));
        assert_ne!(home.get(&["web"])["token"], old["token"], "with an agent: {with_agent}");
        if let Some(agent) = agent {
            agent.stop();
        }
        assert_ne!(home.get(&["web"])["token"], old["token"], "after a restart, with an agent: {with_agent}");
        assert_eq!(fly.called_to("create").len(), 2, "what was minted in its place is kept");
    }
}

#[test]
fn what_was_revoked_before_or_ended_long_ago_is_a_success_that_says_so() {
    let (home, fly) = minting();
    home.get(&["web"]);
    let name = newest(&home);
    let outcome = |name: &str| {
        let ran = home.run(&["revoke", name, "--json"]);
        ran.ends_with(0);
        ran.json()
    };
    let first = outcome(&name);
    assert_eq!((&first["outcome"], &first["app"], &first["kind"]), (&"revoked".into(), &"web".into(), &"readonly".into()), "{first}");
    let again = outcome(&name);
    assert_eq!((&again["outcome"], &again["revoked_at"]), (&"already-revoked".into(), &first["revoked_at"]), "{again}");
    assert_eq!(fly.called_to("revoke").len(), 1);

    // By somebody else, at Fly.
    home.get(&["api"]);
    let name = newest(&home);
    fly.lists(&LIST.replace("\"\"\n  for", "\"2026-11-26 10:00:00 +0000 UTC\"\n  for"));
    let found = outcome(&name);
    assert_eq!((&found["outcome"], &found["revoked_at"]), (&"already-revoked".into(), &Value::Null), "{found}");
    assert!(ledger(&home)[0]["revoked_at"].is_u64());
    assert_eq!(fly.called_to("revoke").len(), 1);

    fly.lists("exit 1");
    home.get(&["web", "--kind", "deploy"]);
    let name = newest(&home);
    home.set_clock(2 * 24 * 3600);
    let ended = outcome(&name);
    assert_eq!((&ended["outcome"], ended["ended_at"].is_u64()), (&"ended".into(), true), "{ended}");
    assert!(home.run(&["revoke", &name]).stdout.contains("ended by itself"));
}

#[test]
fn a_name_that_was_not_minted_here_is_refused_and_not_repeated() {
    let (home, fly) = minting();
    home.get(&["web"]);
    let agent = home.agent();
    for name in ["nope", "flytoken-web-readonly-000000000000", &user_token(), "", "../../etc", &"x".repeat(3_000)] {
        let ran = home.run(&["revoke", name]);
        assert!(ran.ends_with(2).contains("flytoken minted"), "{}", ran.stderr);
        assert!(name.is_empty() || !ran.stderr.contains(name), "{}", ran.stderr);
    }
    agent.stop();
    home.run(&["revoke", "nope", "--agent", "require"]).ends_with(5);
    home.run(&["revoke"]).ends_with(2);
    assert_eq!(fly.calls().len(), 1);
}

/// How `fly` lies: what it lists, what it does when it revokes, the exit code that this leads to, and what is said.
const LIES: [(&str, &str, &str, i32, &str); 12] = [
    ("exit code 0, and nothing done", LIST, "echo '1 tokens revoked'", 8, "ended with exit code 0, and Fly still lists the token as good"),
    ("exit code 0, and an error", LIST, "echo \"failed to revoke token $3: no\" >&2; echo '0 tokens revoked'", 8, ": no"),
    ("exit code 0, and not authorised", LIST, "echo \"failed to revoke token $3: Not authorized\" >&2", 6, "Not authorized"),
    ("an exit code, and nothing done", LIST, "exit 1", 8, "ended with exit code 1, and Fly still lists"),
    ("no row", "touch $notes/none; printf 'ID\\tNAME\\tREVOKED AT \\n'", REVOKE, 3, "shows no token of this name"),
    ("garbage", "head -c 4096 /dev/urandom", REVOKE, 8, "printed no table of tokens"),
    ("nothing", "exit 0", REVOKE, 8, "printed no table of tokens"),
    ("a failure", "echo 'Error: upstream is down' >&2; exit 1", REVOKE, 8, "failed with exit code 1: upstream is down"),
    ("a list that fails afterwards", "[ $call = 1 ] || exit 1\n. $notes/list.true", REVOKE, 8, "what came of it cannot be seen"),
    ("a list that is garbage afterwards", "[ $call = 1 ] || { echo oops; exit 0; }\n. $notes/list.true", REVOKE, 8, "cannot be seen"),
    ("no login at all", "echo 'Error: no access token available. Please login' >&2; exit 1", REVOKE, 6, "no access token available"),
    (
        "a time that is none",
        "[ $call = 1 ] && . $notes/list.true || . $notes/list.true | sed 's/\\t *\\t$/\\t<nil>\\t/'",
        "exit 0",
        8,
        "still lists",
    ),
];

#[test]
fn nothing_is_said_to_be_revoked_that_fly_still_lists() {
    for (what, list, revoke, code, said) in LIES {
        let (home, fly) = minting();
        std::fs::write(home.outside("fly/list.true"), LIST).unwrap();
        let old = home.get(&["web"]);
        let name = newest(&home);
        fly.lists(list);
        fly.revokes(revoke);
        let ran = home.run(&["revoke", &name, "--json"]);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.stdout);
        let error = ran.json()["error"].clone();
        let (message, hint) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
        assert!(message.contains(said), "{what}: {message}");
        assert!(
            message.starts_with(&format!("`{name}` is no longer handed out here, but may still be good at Fly: ")),
            "{what}: {message}"
        );
        assert!(hint.contains("`fly tokens list -a web`") && hint.contains("`fly tokens revoke ID`"), "{what}: {hint}");
        let mint = &ledger(&home)[0];
        assert_eq!(mint["revoked_at"], Value::Null, "{what}: {mint}");
        assert!(mint["revoke_error"].as_str().unwrap().contains(said), "{what}: {mint}");
        assert!(home.run(&["minted"]).stdout.contains("failed: "), "{what}");
        assert_ne!(home.get(&["web"])["token"], old["token"], "{what}: it is handed out no longer all the same");

        // The next attempt finds an honest `fly`.
        fly.lists(LIST);
        fly.revokes(REVOKE);
        home.run(&["revoke", &name]).ends_with(0);
        assert_eq!(fly.is_good(&name), Some(false), "{what}");
        assert_eq!(ledger(&home)[1]["revoke_error"], Value::Null, "{what}");
    }
}

#[test]
fn only_the_one_token_that_has_exactly_this_name_is_revoked() {
    type Others = fn(&Fly, &str);
    let cases: [(&str, bool, Others); 9] = [
        ("longer and shorter names, and very wide ones", true, |fly, name| {
            for (id, other) in
                [("a", format!("{name}-b")), ("b", format!("x{name}")), ("c", name[1..].to_owned()), ("d", "y".repeat(3_000))]
            {
                fly.knows(id, &other, "web");
            }
        }),
        ("the same name at another app", true, |fly, name| fly.knows("a", name, "api")),
        ("the same name in words", true, |fly, name| fly.knows("a", &format!("not {name}"), "web")),
        ("the same name again", false, |fly, name| fly.knows("a", name, "web")),
        ("the same name again, with an id that is an option", false, |fly, name| fly.knows("--all", name, "web")),
        ("the same name again, with an id of two words", false, |fly, name| fly.knows("a b", name, "web")),
        ("the same name again, without an id", false, |fly, name| fly.knows("", name, "web")),
        ("a name with an escape sequence", false, |fly, name| fly.knows("a", &format!("\u{1b}[2K{name}"), "web")),
        ("a name with a carriage return", false, |fly, name| fly.knows("a", &format!("x\r{name}"), "web")),
    ];
    for (what, is_revoked, others) in cases {
        let (home, fly) = minting();
        home.get(&["web"]);
        let name = newest(&home);
        others(&fly, &name);
        home.run(&["revoke", &name]).ends_with(if is_revoked { 0 } else { 8 });
        assert_eq!(fly.called_to("revoke").len(), usize::from(is_revoked), "{what}");
        assert_eq!(fly.note("revoked").unwrap_or_default().lines().count(), usize::from(is_revoked), "{what}");
        assert_eq!(fly.is_good(&name), Some(!is_revoked), "{what}");
    }
}

#[test]
fn an_id_that_is_none_reaches_no_argument() {
    for id in ["-all", "a b", "", "$(id)", &"a".repeat(65)] {
        let (home, fly) = minting();
        fly.says(&MINT.replace("printf 'Kv%s-%s_x\\t%s\\t%s\\n' $$ \"$number\"", &format!("printf '%s\\t%s\\t%s\\n' '{id}'")));
        home.get(&["web"]);
        let ran = home.run(&["revoke", &newest(&home)]);
        assert!(ran.ends_with(8).contains("shows with this name is none"), "{id}: {}", ran.stderr);
        assert_eq!(fly.called_to("revoke"), [""; 0], "{id}");
    }
}

#[test]
fn a_newer_token_of_the_same_app_and_other_kinds_stay() {
    for with_agent in [true, false] {
        let (home, fly) = minting();
        let agent = with_agent.then(|| home.agent());
        home.get(&["web"]);
        let old = newest(&home);
        let deploy = home.get(&["web", "--kind", "deploy"]);
        home.run(&["refresh", "web", "--kind", "readonly"]).ends_with(0);
        let new = home.get(&["web"]);
        home.run(&["revoke", &old]).ends_with(0);
        assert_eq!((fly.is_good(&old), home.get(&["web"])), (Some(false), new.clone()), "with an agent: {with_agent}");
        if let Some(agent) = agent {
            agent.stop();
        }
        assert_eq!(home.get(&["web"])["token"], new["token"], "from storage");
        assert_eq!(home.get(&["web", "--kind", "deploy"])["token"], deploy["token"]);
        assert_eq!(fly.called_to("create").len(), 3);
    }
}

#[test]
fn a_token_of_an_organisation_is_looked_for_there() {
    let (home, fly) = minting();
    home.configure("version: 1\napps: [{ match: web, organization: acme, organization-id: 4560001 }]\n");
    fly.mints("acme", &[minted(123, DAY)]);
    home.get(&["web", "--kind", "org"]);
    let name = newest(&home);
    home.run(&["revoke", &name]).ends_with(0);
    assert_eq!(fly.called_to("list"), ["tokens list -s org -o acme"; 2]);
    assert_eq!(fly.is_good(&name), Some(false));
}

#[test]
fn a_revocation_costs_no_mint_and_is_none() {
    let (home, fly) = minting();
    home.configure("version: 1\nbudget: { total: 2 }\n");
    home.get(&["web"]);
    home.run(&["revoke", &newest(&home)]).ends_with(0);
    let listed = home.run(&["minted", "--json"]).json();
    assert_eq!((&listed["charged"], listed["mints"].as_array().map(Vec::len)), (&1.into(), Some(1)), "{listed}");
    home.get(&["web"]);
    home.run(&["revoke", &newest(&home)]).ends_with(0);
    home.run(&["get", "web"]).ends_with(8);
    assert_eq!(fly.called_to("create").len(), 2);
}

#[test]
fn a_token_that_is_revoked_while_it_is_being_minted_is_not_handed_out() {
    let (home, fly) = minting();
    let _agent = home.agent();
    // It is known to Fly by now, and printed later.
    fly.says(&MINT.replace("cat \"$notes/$app/$number\"", "while [ ! -e $notes/gate ]; do sleep 0.01; done\ncat \"$notes/$app/$number\""));
    thread::scope(|scope| {
        let get = scope.spawn(|| home.run(&["get", "web"]));
        eventually("the mint", || fly.note("tokens"));
        let name = newest(&home);
        home.run(&["revoke", &name]).ends_with(0);
        fly.lets_go();
        get.join().unwrap().ends_with(3);
        assert_eq!(fly.is_good(&name), Some(false));
    });
    home.run(&["refresh", "web"]).ends_with(0);
    home.get(&["web"]);
    assert_eq!(fly.called_to("create").len(), 2);
}

#[test]
fn lists_are_read_anew_while_others_revoke() {
    let (home, fly) = minting();
    let _agent = home.agent();
    for app in ["web", "api"] {
        home.get(&[app]);
        home.get(&[app, "--kind", "deploy"]);
    }
    let names: Vec<String> = ledger(&home).iter().map(|mint| mint["name"].as_str().unwrap().to_owned()).collect();
    thread::scope(|scope| {
        let revoking: Vec<_> = names.iter().chain(&names).map(|name| scope.spawn(|| home.run(&["revoke", name]))).collect();
        for revoked in revoking {
            revoked.join().unwrap().ends_with(0);
        }
    });
    assert!(names.iter().all(|name| fly.is_good(name) == Some(false)));
}

#[test]
fn a_source_that_cannot_revoke_is_named() {
    let corp = Corp::new(components::vault());
    corp.configure_corp(&format!("token: '{}'", minted(123, DAY)), "    mints: true\n");
    corp.home.get(&["web"]);
    let ran = corp.home.run(&["revoke", &newest(&corp.home)]);
    let said = ran.ends_with(7);
    assert!(said.contains("the source `corp`, which minted it, does not export `flytoken:source/revoker`"), "{said}");
}

#[test]
fn what_is_not_granted_is_named_with_the_line_to_add() {
    let (home, fly) = minting();
    let mint = "{ program: fly, args: [tokens, create, deploy, -a, '{app}', -j, -n, '{unique}', -x, '{expiry}'], \
                env: { FLY_API_TOKEN: { secret: login }, FLY_CONFIG_DIR: '{dir}' } }";
    home.configure(&format!("sources: {{ cli: {{ grants: {{ commands: [{mint}] }} }} }}\n"));
    home.get(&["web"]);
    let ran = home.run(&["revoke", &newest(&home)]);
    assert!(ran.ends_with(7).contains("- { program: fly, args: [tokens, list, \"-a\", \"{app}\"] }"), "{}", ran.stderr);
    assert_eq!(fly.calls().len(), 1);
}

#[test]
fn whoever_is_logged_out_is_told_to_log_in() {
    let (home, fly) = minting();
    home.get(&["web"]);
    let name = newest(&home);
    std::fs::remove_file(home.path(".fly/config.yml")).unwrap();
    let ran = home.run(&["revoke", &name]);
    assert!(ran.ends_with(6).contains("run `fly auth login` and try again"), "{}", ran.stderr);
    assert_eq!(fly.calls().len(), 1);
}
