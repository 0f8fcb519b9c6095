//! The login is found wherever `flyctl` would keep it, in whatever shape, and followed however its file is replaced.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;

use crate::harness::{Account, Flyctl, Followed, Home, Login, MONDAY, config, eventually};

/// A login in every shape that YAML has.
const SHAPES: [(&str, &str); 12] = [
    ("as flyctl writes it", "access_token: TOKEN\nlast_login: TIME\n"),
    ("in quotes", "access_token: \"TOKEN\"\nlast_login: \"TIME\"\n"),
    ("in single quotes", "'access_token': 'TOKEN'\nlast_login: 'TIME'\n"),
    ("among comments", "# mine\naccess_token: TOKEN # from the browser\nlast_login: TIME # today\n"),
    ("beside nulls", "metrics_token: ~\naccess_token: TOKEN\nlast_login: TIME\nx:\n"),
    ("a block", "access_token: |\n  TOKEN\nlast_login: TIME\n"),
    ("a folded block", "access_token: >-\n  TOKEN\nlast_login: TIME\n"),
    ("in flow style", "{access_token: \"TOKEN\", wire_guard_state: {a: [1, 2]}, last_login: TIME}"),
    ("JSON", "{\"access_token\":\"TOKEN\",\"last_login\":\"TIME\"}\n"),
    ("behind a byte order mark", "\u{feff}access_token: TOKEN\nlast_login: TIME\n"),
    ("with CR and LF", "access_token: TOKEN\r\nlast_login: TIME\r\n"),
    ("with a scheme", "access_token: FlyV1 TOKEN\nlast_login: TIME\n"),
];

fn shaped(shape: &str, token: &str) -> String {
    shape.replace("TOKEN", token).replace("TIME", MONDAY)
}

#[test]
fn every_shape_that_yaml_has_is_the_same_login() {
    let followed = Followed::new();
    let alone = Home::new();
    for (what, shape) in SHAPES {
        let login = followed.account.discharged();
        followed.flyctl.writes(&shaped(shape, &login.text));
        followed.awaits(&login, "web");
        followed.is_as_before(what, 0);
        alone.write_login(&shaped(shape, &login.text));
        let ran = alone.run(&["get", "web", "--kind", "login", "--bare"]);
        assert_eq!(ran.stdout.trim_end(), login.text, "{what}, without an agent: {}", ran.stderr);
    }
}

#[test]
fn a_file_without_a_token_is_one_where_nobody_is_logged_in() {
    let home = Home::new();
    for text in ["", "{}\n", "access_token: ~\n", "access_token:\n", "access_token: ''\n", "access_token: \" , \"\n", "last_login: TIME\n"]
    {
        home.write_login(&text.replace("TIME", MONDAY));
        let ran = home.run(&["get", "web"]);
        assert!(ran.ends_with(6).contains("fly auth login"), "{text:?}: {}", ran.stderr);
    }
}

/// Brings a new login about in some way.
type Replace = fn(&Home, &str);

/// One after the other: each begins with what the one before it left.
const REPLACEMENTS: [(&str, Replace); 8] = [
    ("truncated and written", |home, text| home.write_login(text)),
    ("removed, and there again", |home, text| {
        fs::remove_file(home.path(".fly/config.yml")).unwrap();
        home.write_login(text);
    }),
    ("another file renamed to it", |home, text| {
        fs::write(home.path(".fly/new"), text).unwrap();
        fs::rename(home.path(".fly/new"), home.path(".fly/config.yml")).unwrap();
    }),
    ("a link to a file elsewhere", |home, text| {
        fs::create_dir_all(home.outside("secrets/dotfiles")).unwrap();
        fs::write(home.outside("secrets/dotfiles/fly.yml"), text).unwrap();
        symlink(home.outside("secrets/dotfiles/fly.yml"), home.path(".fly/new")).unwrap();
        fs::rename(home.path(".fly/new"), home.path(".fly/config.yml")).unwrap();
    }),
    ("written where the link leads", |home, text| fs::write(home.outside("secrets/dotfiles/fly.yml"), text).unwrap()),
    ("another directory renamed to its own", |home, text| {
        fs::create_dir(home.outside("secrets/new")).unwrap();
        fs::write(home.outside("secrets/new/config.yml"), text).unwrap();
        fs::remove_dir_all(home.path(".fly")).unwrap();
        fs::rename(home.outside("secrets/new"), home.path(".fly")).unwrap();
    }),
    ("a link in the place of its directory", |home, text| {
        fs::create_dir(home.outside("secrets/fly")).unwrap();
        fs::write(home.outside("secrets/fly/config.yml"), text).unwrap();
        fs::remove_dir_all(home.path(".fly")).unwrap();
        symlink(home.outside("secrets/fly"), home.path(".fly")).unwrap();
    }),
    ("written behind that link", |home, text| home.write_login(text)),
];

#[test]
fn however_the_file_is_replaced_the_new_content_is_served_and_it_is_the_same_login() {
    let followed = Followed::new();
    for (what, replace) in REPLACEMENTS {
        let login = followed.account.discharged();
        replace(&followed.home, &config(&login.text, MONDAY));
        followed.awaits(&login, "web");
        followed.is_as_before(what, 0);
    }
}

#[test]
fn a_directory_that_appears_later_is_found() {
    for named in [None, Some("secrets/accounts/work/fly")] {
        let mut home = Home::new();
        let directory = named.map_or_else(|| home.path(".fly"), |named| home.outside(named));
        if named.is_some() {
            home.set("FLY_CONFIG_DIR", directory.to_str().unwrap());
        }
        let agent = home.agent();
        home.run(&["get", "web"]).ends_with(6);
        let before = agent.status()["login"].take();
        assert_eq!((&before["present"], &before["problem"]), (&false.into(), &Value::Null), "{before}");
        let login = Account::new().discharged();
        Flyctl::at(&directory).logs_in(&login.text, MONDAY);
        eventually("the login", || {
            let ran = home.run(&["get", "web"]);
            (ran.code == Some(0) && login.gave(&ran.stdout)).then_some(())
        });
    }
}

/// Two logins: the one in the home directory and another one.
fn two_places(home: &Home, other: &Path) -> (Login, Login, Flyctl) {
    let [in_home, elsewhere] = [Account::new().discharged(), Account::new().discharged()];
    Flyctl::at(&home.path(".fly")).logs_in(&in_home.text, MONDAY);
    let other = Flyctl::at(other);
    other.logs_in(&elsewhere.text, MONDAY);
    (in_home, elsewhere, other)
}

#[test]
fn fly_config_dir_says_where_the_login_is_unless_it_is_empty() {
    let mut home = Home::new();
    let (in_home, elsewhere, other) = two_places(&home, &home.outside("secrets/work"));
    for (value, login, file) in [
        (home.outside("secrets/work").display().to_string(), &elsewhere, other.file()),
        (String::new(), &in_home, home.path(".fly/config.yml")),
    ] {
        home.set("FLY_CONFIG_DIR", &value);
        assert!(login.gave(&home.run(&["get", "web"]).token()), "{value:?}");
        let agent = home.agent();
        assert!(login.gave(&home.run(&["get", "web"]).token()), "{value:?}, by an agent");
        assert_eq!(home.run(&["status", "--json"]).json()["login"]["origin"], file.display().to_string());
        agent.stop();
    }
}

#[test]
fn an_agent_that_was_given_a_credential_uses_it_and_follows_it() {
    let mut home = Home::new();
    let folder = home.outside("secrets/credentials");
    let (account, credential) = (Account::new(), folder.join("fly-login"));
    let [in_file, first, second] = [Account::new().discharged(), account.discharged(), account.discharged()];
    Flyctl::at(&home.path(".fly")).logs_in(&in_file.text, MONDAY);
    fs::create_dir_all(&folder).unwrap();
    fs::write(&credential, format!("FlyV1 {}\n", first.text)).unwrap();
    home.set("CREDENTIALS_DIRECTORY", folder.to_str().unwrap());
    let _agent = home.agent();
    assert!(first.gave(&home.run(&["get", "web"]).token()));
    let login = || home.run(&["status", "--json"]).json()["login"].take();
    let before = login();
    assert!(before["origin"].as_str().unwrap().ends_with(&format!("the credential {}", credential.display())), "{before}");
    fs::write(folder.join("new"), &second.text).unwrap();
    fs::rename(folder.join("new"), &credential).unwrap();
    eventually("the new credential", || second.gave(&home.run(&["get", "web"]).token()).then_some(()));
    assert_eq!(login(), before, "it is the same login");
}
