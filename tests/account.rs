//! Who is logged in: what a login that ended had obtained is neither served nor kept, and what is no end leaves everything in place.

use std::{fs, thread, time::Duration};

use serde_json::Value;

use crate::harness::{
    Account, Agent, Bundle, Fly, Flyctl, Home, Login, MINT, MONDAY, TUESDAY, Wire, config, eventually, get, minted, timed, user_token,
};

const DAY: Duration = Duration::from_hours(24);

/// How long a login must be gone to be a logout.
const LOGOUT: Duration = Duration::from_secs(2);

/// Somebody logged in who has obtained a token of every sort.
struct Person {
    account: Account,
    /// The login, as it was when the tokens were obtained.
    login: Login,
    /// What `fly` minted, and what it would mint next.
    mints: [String; 2],
    flyctl: Flyctl,
    fly: Fly,
    home: Home,
}

impl Person {
    fn new() -> Self {
        let home = Home::new();
        let (fly, flyctl, account) = (home.install_fly(), Flyctl::at(&home.path(".fly")), Account::new());
        let (login, mints) = (account.discharged(), [minted(123, DAY), minted(123, DAY)]);
        fly.mints("web", &mints);
        flyctl.logs_in(&login.text, MONDAY);
        Self { account, login, mints, flyctl, fly, home }
    }

    /// Obtains a copy of the login, the login itself, and a token that is minted and kept.
    fn obtains(&self) {
        assert!(self.login.gave(&self.home.run(&["get", "web"]).token()));
        assert!(self.login.gave(&self.home.run(&["get", "web", "--kind", "login"]).token()));
        assert!(Bundle::of(&self.home.run(&["get", "web", "--kind", "ssh"]).token()).is_from(&self.mints[0]));
        assert_eq!(self.fly.calls().len(), 1);
    }

    /// Fails unless there is nothing for anybody, neither from an agent nor from what was kept.
    fn has_nothing(&self, what: &str) {
        for kind in ["readonly", "login", "ssh"] {
            let ran = self.home.run(&["get", "web", "--kind", kind]);
            assert!(ran.ends_with(6).contains("fly auth login"), "{what}, {kind}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{what}, {kind}");
        }
    }

    /// Fails unless everything is obtained with the new login, and nothing of the old one is left.
    fn has_only(&self, new: &Login, what: &str) {
        for kind in ["readonly", "login"] {
            let token = self.home.run(&["get", "web", "--kind", kind]).token();
            assert!(new.gave(&token) && !self.login.gave(&token), "{what}, {kind}");
        }
        let minted = Bundle::of(&self.home.run(&["get", "web", "--kind", "ssh"]).token());
        assert!(minted.is_from(&self.mints[1]), "{what}: what the old login minted is served");
        assert_eq!(self.fly.calls().len(), 2, "{what}");
    }
}

fn generation(agent: &Agent) -> Value {
    agent.status()["login"]["generation"].clone()
}

/// Waits until another login is in force, or none.
fn awaits_another(agent: &Agent, before: &Value) {
    eventually("another login", || (generation(agent) != *before).then_some(()));
}

/// Has a person log out.
type LogOut = fn(&Person);

/// Ways in which a login goes; what is in the file is gone with it.
const LOGOUTS: [(&str, LogOut); 6] = [
    ("fly auth logout", |person| person.flyctl.logs_out()),
    ("a null", |person| person.flyctl.writes("access_token: ~\n")),
    ("a file without the key", |person| person.flyctl.writes("wire_guard_state: {}\n")),
    ("an empty file", |person| person.flyctl.writes("")),
    ("no file", |person| fs::remove_file(person.flyctl.file()).unwrap()),
    ("no directory", |person| fs::remove_dir_all(person.home.path(".fly")).unwrap()),
];

#[test]
fn after_a_logout_no_token_of_the_old_login_is_served_cached_or_kept() {
    let logged_out = |what: &str, log_out: LogOut| {
        let person = Person::new();
        let agent = person.home.agent();
        person.obtains();
        let before = generation(&agent);
        log_out(&person);
        awaits_another(&agent, &before);
        let status = person.home.run(&["status", "--json"]).json();
        assert_eq!((&status["login"]["generation"], &status["login"]["present"]), (&Value::Null, &false.into()), "{what}");
        assert_eq!(status["apps"], Value::Array(Vec::new()), "{what}: cached");
        person.has_nothing(what);
        agent.stop();
        person.has_nothing(&format!("{what}, without an agent"));
        let agent = person.home.agent();
        person.has_nothing(&format!("{what}, after a restart"));
        assert_eq!(person.fly.calls().len(), 1, "{what}: nothing is started without a login");
        // Even if the very same token comes back: what it obtained before is void.
        person.flyctl.writes(&config(&person.login.text, MONDAY));
        eventually("the login", || generation(&agent).is_string().then_some(()));
        assert!(Bundle::of(&person.home.run(&["get", "web", "--kind", "ssh"]).token()).is_from(&person.mints[1]), "{what}");
    };
    // Each of them takes two seconds of waiting.
    thread::scope(|scope| {
        for (what, log_out) in LOGOUTS {
            scope.spawn(move || logged_out(what, log_out));
        }
    });
}

/// Has a person change to the account of this login.
type Switch = fn(&Person, &str);

/// Ways in which another account takes the place of one.
const SWITCHES: [(&str, Switch); 3] = [
    ("fly auth login", |person, token| person.flyctl.logs_in(token, TUESDAY)),
    ("one write", |person, token| person.flyctl.writes(&config(token, TUESDAY))),
    ("another file renamed to it", |person, token| {
        fs::write(person.home.path(".fly/new"), config(token, MONDAY)).unwrap();
        fs::rename(person.home.path(".fly/new"), person.flyctl.file()).unwrap();
    }),
];

#[test]
fn after_an_account_switch_no_token_of_the_old_login_is_served_cached_or_kept() {
    for (what, switch) in SWITCHES {
        let person = Person::new();
        let agent = person.home.agent();
        person.obtains();
        let before = generation(&agent);
        let new = Account::new().discharged();
        switch(&person, &new.text);
        awaits_another(&agent, &before);
        person.has_only(&new, what);
        agent.stop();
        person.has_only(&new, &format!("{what}, without an agent"));
        let _agent = person.home.agent();
        person.has_only(&new, &format!("{what}, after a restart"));
    }
}

#[test]
fn after_an_account_switch_while_no_agent_ran_nothing_kept_counts() {
    for (what, switch) in SWITCHES {
        for agent_first in [true, false] {
            let person = Person::new();
            person.obtains();
            let new = Account::new().discharged();
            switch(&person, &new.text);
            let agent = agent_first.then(|| person.home.agent());
            person.has_only(&new, what);
            drop(agent);
        }
    }
}

#[test]
fn a_new_login_of_the_same_account_begins_anew_and_its_three_writes_are_one_login() {
    let person = Person::new();
    let agent = person.home.agent();
    person.obtains();
    let old = generation(&agent);
    let new = Account::new().discharged();
    let mut seen = Vec::new();
    for text in [config("''", "0001-01-01T00:00:00Z"), config(&new.text, "0001-01-01T00:00:00Z"), config(&new.text, TUESDAY)] {
        person.flyctl.writes(&text);
        // Each of the writes is looked at: the slowest login there can be.
        let cleared = text.contains("access_token: ''");
        let looked = |login: &Value| {
            if cleared { login["problem"].is_string() } else { login["problem"].is_null() && login["generation"] != old }
        };
        let login = eventually("a look", || Some(agent.status()["login"].take()).filter(|login| looked(login)));
        seen.push(login["generation"].clone());
    }
    assert_eq!((&seen[0], &seen[1]), (&old, &seen[2]));
    person.has_only(&new, "three writes");
}

#[test]
fn an_empty_token_that_lasts_for_less_than_two_seconds_is_no_logout() {
    let person = Person::new();
    let agent = person.home.agent();
    person.obtains();
    let before = generation(&agent);
    let (problem, again) = (|| agent.status()["login"]["problem"].as_str().map(str::to_owned), person.account.discharged());
    person.flyctl.writes(&config("\"\"", MONDAY));
    assert!(eventually("a look", problem).contains("logout"));
    let answer = Wire::connect(&agent.socket).ask(&get("another-app"));
    assert!(person.login.gave(answer["reply"]["token"].as_str().unwrap_or_default()), "{}", answer["failure"]);
    person.flyctl.writes(&config(&again.text, MONDAY));
    eventually("the end of it", || problem().is_none().then_some(()));
    assert_eq!(generation(&agent), before);
    assert!(again.gave(&person.home.run(&["get", "web"]).token()));
    assert!(Bundle::of(&person.home.run(&["get", "web", "--kind", "ssh"]).token()).is_from(&person.mints[0]));
    assert_eq!(person.fly.calls().len(), 1);
}

#[test]
fn an_empty_token_is_a_logout_after_two_seconds_and_not_before() {
    let person = Person::new();
    let agent = person.home.agent();
    person.obtains();
    let before = generation(&agent);
    let ((), took) = timed(|| {
        person.flyctl.logs_out();
        awaits_another(&agent, &before);
    });
    assert!(took >= LOGOUT, "{took:?}");
}

#[test]
fn without_an_agent_an_empty_token_is_a_logout_if_the_file_is_older_than_two_seconds() {
    let person = Person::new();
    person.obtains();
    person.flyctl.logs_out();
    // As if it had been a second later, so that a slow machine has time.
    let file = fs::File::open(person.flyctl.file()).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() + Duration::from_secs(1)).unwrap();
    assert!(Bundle::of(&person.home.run(&["get", "web", "--kind", "ssh"]).token()).is_from(&person.mints[0]));
    person.home.set_clock(4);
    person.has_nothing("three seconds later");
    person.home.set_clock(0);
    person.has_nothing("for good");
}

#[test]
fn what_a_source_brings_for_a_login_that_changed_meanwhile_is_not_served() {
    for with_agent in [true, false] {
        let person = Person::new();
        person
            .fly
            .says(&format!("echo \"$FLY_API_TOKEN\" >> \"$notes/logins\"\nwhile [ ! -e \"$notes/gate\" ]; do sleep 0.01; done\n{MINT}"));
        let _agent = with_agent.then(|| person.home.agent());
        let new = Account::new().discharged();
        let token = thread::scope(|scope| {
            let asking = scope.spawn(|| person.home.run(&["get", "web", "--kind", "ssh"]));
            eventually("the mint", || (person.fly.calls().len() == 1).then_some(()));
            person.flyctl.logs_in(&new.text, TUESDAY);
            // At once: no file event may have arrived yet.
            person.fly.lets_go();
            asking.join().unwrap().token()
        });
        assert!(Bundle::of(&token).is_from(&person.mints[1]), "with an agent: {with_agent}");
        assert_eq!(person.fly.note("logins").unwrap().lines().collect::<Vec<_>>(), [&*person.login.text, &*new.text]);
        assert_eq!(person.home.run(&["get", "web", "--kind", "ssh"]).token(), token, "with an agent: {with_agent}");
    }
}

#[test]
fn the_generation_in_status_names_the_login_across_rewrites_and_restarts_until_somebody_logs_in_again() {
    let person = Person::new();
    let agent = person.home.agent();
    let generation = |home: &Home| home.run(&["status", "--json"]).json()["login"]["generation"].clone();
    let first = generation(&person.home);
    assert!(first.as_str().is_some_and(|text| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())), "{first}");
    agent.stop();
    person.flyctl.writes(&config(&person.account.discharged().text, MONDAY));
    assert_eq!(generation(&person.home), first, "without an agent");
    let _agent = person.home.agent();
    assert_eq!(generation(&person.home), first, "after a restart");
    assert_eq!(person.home.run(&["explain", "web", "--resolve", "--json"]).json()["resolution"]["generation"], first);
    // Whoever logs in again is another login, be it with the same token.
    person.flyctl.writes(&config(&person.login.text, TUESDAY));
    eventually("another generation", || (generation(&person.home) != first).then_some(()));
}

#[test]
fn the_login_is_not_kept_although_a_program_prints_it() {
    let (home, fly) = Home::logged_in(&format!("{},{}", minted(123, DAY), user_token()));
    home.configure("version: 1\nchain: strict\n");
    fly.says("echo \"{\\\"token\\\": \\\"$FLY_API_TOKEN\\\"}\"\n");
    for calls in 1..=2 {
        home.run(&["get", "web"]).ends_with(0);
        assert_eq!(fly.calls().len(), calls, "it was asked, not remembered");
    }
}
