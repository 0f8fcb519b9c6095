//! `docker-credential-flytoken`, and having Docker ask it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    time::Duration,
};

use serde_json::json;

use crate::harness::{Fly, Home, Ran, canary, minted, user_token, write_program};

const DAY: Duration = Duration::from_hours(24);

/// A home in which flytoken is installed in a folder of its user's that PATH has.
fn home() -> (Home, Fly) {
    let (mut home, fly) = Home::logged_in(&user_token());
    let bin = home.path(".local/bin");
    fs::create_dir_all(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_flytoken"), bin.join("flytoken")).unwrap();
    home.set("PATH", &format!("{}:{}:/usr/bin:/bin", home.outside("bin").display(), bin.display()));
    (home, fly)
}

fn flytoken(home: &Home, arguments: &[&str]) -> Ran {
    Ran::of(home.command_of(home.path(".local/bin/flytoken"), arguments), b"")
}

/// A home in which Docker asks flytoken.
fn installed() -> (Home, Fly) {
    let (home, fly) = home();
    flytoken(&home, &["docker", "install"]).ends_with(0);
    (home, fly)
}

/// Asks the helper, as Docker does.
fn ask(home: &Home, word: &str, input: &str) -> Ran {
    Ran::of(home.command_of(home.path(".local/bin/docker-credential-flytoken"), &[word]), input.as_bytes())
}

fn mints(fly: &Fly, app: &str) -> usize {
    fly.calls().iter().filter(|call| call.starts_with(&format!("tokens create deploy -a {app} "))).count()
}

fn configuration(home: &Home) -> String {
    fs::read_to_string(home.path(".docker/config.json")).unwrap()
}

#[test]
fn docker_gets_a_fresh_deploy_token_for_the_app_that_is_meant() {
    let (mut home, fly) = installed();
    let token = minted(123, DAY);
    fly.mints("web", std::slice::from_ref(&token));
    fly.mints("api", &[minted(124, DAY)]);
    fly.mints("configured", &[minted(125, DAY)]);

    let ran = ask(&home, "get", "registry.fly.io");
    ran.ends_with(1);
    assert_eq!(ran.stdout, "credentials not found in native keychain\n");
    assert!(ran.stderr.contains("no app is named for registry.fly.io") && ran.stderr.contains("export FLY_APP="), "{}", ran.stderr);

    home.configure("docker: { app: configured }\n");
    ask(&home, "get", "registry.fly.io").ends_with(0);
    assert_eq!(mints(&fly, "configured"), 1);
    home.write("fly.toml", "app = 'api'\n");
    ask(&home, "get", "registry.fly.io").ends_with(0);
    assert_eq!(mints(&fly, "api"), 1);
    home.set("FLY_APP", "web");
    for server in ["registry.fly.io", "https://registry.fly.io\n", "https://registry.fly.io/v2/"] {
        let ran = ask(&home, "get", server);
        assert_eq!(ran.ends_with(0), "");
        assert_eq!(ran.json(), json!({ "ServerURL": server.trim_end(), "Username": "x", "Secret": token }));
        assert_eq!(ran.stdout.matches('\n').count(), 1);
    }
    assert_eq!(mints(&fly, "web"), 1, "it is kept, not minted each time");
}

#[test]
fn an_agent_answers_docker_as_well() {
    let (mut home, fly) = installed();
    fly.mints("web", &[minted(123, DAY)]);
    home.set("FLY_APP", "web");
    let agent = home.agent();
    let secret = |ran: Ran| ran.json()["Secret"].take();
    assert_eq!(secret(ask(&home, "get", "registry.fly.io")), secret(ask(&home, "get", "registry.fly.io")));
    assert_eq!(agent.status()["apps"][0]["kind"], "deploy");
    agent.stop();
}

#[test]
fn nobody_else_gets_anything_and_nothing_is_stored() {
    let (mut home, fly) = installed();
    home.set("FLY_APP", "web");
    // Where flyctl may be sent elsewhere, tokens are not.
    home.set("FLY_REGISTRY_HOST", "registry.example.com");
    for server in ["registry.example.com", "https://index.docker.io/v1/", "http://registry.fly.io", "https://registry.fly.io@example.com/"]
    {
        let ran = ask(&home, "get", server);
        assert_eq!((ran.ends_with(1), ran.stdout.as_str()), ("", "credentials not found in native keychain\n"), "{server}");
    }
    for server in ["", "\n", &"x".repeat(5000)] {
        let ran = ask(&home, "get", server);
        assert_eq!((ran.ends_with(1), ran.stdout.as_str()), ("", "no credentials server URL\n"));
    }
    let offered = json!({ "ServerURL": "registry.fly.io", "Username": "x", "Secret": minted(1, DAY) }).to_string();
    let ran = ask(&home, "store", &offered);
    ran.ends_with(1);
    assert!(ran.stdout.starts_with("flytoken: it asks for a token each time"), "{}", ran.stdout);
    canary::assert_clean("what store says", ran.stdout.as_bytes());
    assert_eq!(ask(&home, "erase", "registry.fly.io").ends_with(0), "");
    assert_eq!(ask(&home, "list", "").json(), json!({ "registry.fly.io": "x" }));
    assert!(ask(&home, "version", "").stdout.starts_with("docker-credential-flytoken (github.com/flytoken/flytoken) v"));
    for word in ["--help", "GET", ""] {
        let ran = ask(&home, word, "");
        ran.ends_with(1);
        assert!(ran.stdout.starts_with("usage: docker-credential-flytoken get|store|erase|list|version"), "{}", ran.stdout);
    }
    fly.called(0);
}

#[test]
fn what_went_wrong_and_what_to_type_is_one_line_that_docker_repeats() {
    let (mut home, fly) = installed();
    home.set("FLY_APP", "web");
    fly.fails("Error: You must be authenticated\u{1b}[2J to view this.");
    let ran = ask(&home, "get", "registry.fly.io");
    ran.ends_with(1);
    let told = &ran.stdout;
    let expected = "flytoken: no deploy token for app `web`; cli: ";
    assert!(told.starts_with(expected) && told.contains("You must be authenticated") && told.contains("; run `fly auth login`"), "{told}");
    assert_eq!(told.matches('\n').count(), 1, "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains("native keychain"), "{told}");

    for (app, file, expected) in [("No App", "", "the app named in FLY_APP is no app name"), ("", "app = [", "./fly.toml:1:")] {
        home.set("FLY_APP", app);
        home.write("fly.toml", file);
        let ran = ask(&home, "get", "registry.fly.io");
        ran.ends_with(1);
        assert!(ran.stdout.starts_with(&format!("flytoken: {expected}")), "{}", ran.stdout);
    }
    home.write("fly.toml", "");
    home.configure("docker: { ap: web }\n");
    let ran = ask(&home, "get", "registry.fly.io");
    ran.ends_with(1);
    assert!(ran.stdout.contains("config.yaml:1:11: docker: unknown key `ap`; did you mean `app`?"), "{}", ran.stdout);
}

#[test]
fn docker_is_told_in_one_line_of_its_file_and_the_rest_stays() {
    let (home, _fly) = home();
    let before = "{\n  \"auths\": { \"gcr.io\": { \"auth\": \"eDp5\" } },\n  \"credHelpers\": {\"ghcr.io\": \"gh\"},\n  \"psFormat\": \"table\"\n}\n";
    home.write(".docker/config.json", before);
    fs::set_permissions(home.path(".docker/config.json"), fs::Permissions::from_mode(0o640)).unwrap();

    let dry = flytoken(&home, &["docker", "install", "--dry-run"]);
    dry.ends_with(0);
    assert_eq!(dry.stdout.matches("would write").count(), 2, "{}", dry.stdout);
    assert_eq!((configuration(&home).as_str(), home.path(".local/bin/docker-credential-flytoken").exists()), (before, false));

    let ran = flytoken(&home, &["docker", "install"]);
    ran.ends_with(0);
    assert!(ran.stdout.contains("Next, where ./fly.toml is or with FLY_APP set: `docker push registry.fly.io/APP`"), "{}", ran.stdout);
    let expected = "{\n\t\"auths\": { \"gcr.io\": { \"auth\": \"eDp5\" } },\n\t\"credHelpers\": {\n\t\t\"ghcr.io\": \"gh\",\n\t\t\"registry.fly.io\": \"flytoken\"\n\t},\n\t\"psFormat\": \"table\"\n}\n";
    assert_eq!(configuration(&home), expected);
    let mode = fs::metadata(home.path(".docker/config.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(fs::read_link(home.path(".local/bin/docker-credential-flytoken")).unwrap(), home.path(".local/bin/flytoken"));

    let again = flytoken(&home, &["docker", "install", "--json"]).json();
    assert_eq!(again["files"].as_array().unwrap().iter().map(|file| &file["state"]).collect::<Vec<_>>(), ["unchanged", "unchanged"]);

    let ran = flytoken(&home, &["docker", "uninstall"]);
    ran.ends_with(0);
    let expected = expected.replace(",\n\t\t\"registry.fly.io\": \"flytoken\"", "");
    assert_eq!((configuration(&home), home.path(".local/bin/docker-credential-flytoken").is_symlink()), (expected, false));
    assert!(flytoken(&home, &["docker", "uninstall"]).stdout.contains("Docker does not ask flytoken"));
}

#[test]
fn what_somebody_else_has_there_is_left_alone() {
    let (mut home, _fly) = home();
    for (text, told, hint) in [
        ("{\"credHelpers\": {\"registry.fly.io\": \"pass\"}}", "has another helper for registry.fly.io: `pass`", "--force"),
        ("{\"auths\": {\"a\": {\"auth\": \"canary\"}", "line 1, column ", "mend it: `jq . "),
        ("[]", "line 1, column 1: it is not the JSON object that Docker", "mend it"),
    ] {
        home.write(".docker/config.json", text);
        let ran = flytoken(&home, &["docker", "install"]);
        let said = ran.ends_with(7);
        assert!(said.contains(told) && said.contains(hint) && !said.contains("canary"), "{said}");
        assert_eq!(configuration(&home), text);
    }
    home.write(".docker/config.json", "{\"credHelpers\": {\"registry.fly.io\": \"pass\"}}");
    flytoken(&home, &["docker", "uninstall"]).ends_with(0);
    assert!(configuration(&home).contains("pass"));
    flytoken(&home, &["docker", "install", "--force"]).ends_with(0);
    assert!(!configuration(&home).contains("pass"));
    flytoken(&home, &["docker", "uninstall"]).ends_with(0);

    let other = home.outside("bin/docker-credential-flytoken");
    write_program(&other, b"#!/bin/sh\n");
    let ran = flytoken(&home, &["docker", "install"]);
    let said = ran.ends_with(7);
    assert!(said.contains(&format!("`rm {}`", other.display())), "{said}");
    fs::remove_file(other).unwrap();

    home.set("PATH", "/usr/bin:/bin");
    let ran = Ran::of(home.command_of(home.path(".local/bin/flytoken"), &["docker", "install"]), b"");
    let said = ran.ends_with(7);
    assert!(said.contains("`sudo ln -s ") && said.contains("/usr/local/bin/docker-credential-flytoken`"), "{said}");
}

#[test]
fn doctor_sees_whether_docker_gets_what_it_asks_for() {
    let check = |home: &Home| -> Option<(String, String, String)> {
        let checks = flytoken(home, &["doctor", "--json"]).json()["checks"].take();
        let check = checks.as_array().unwrap().iter().find(|check| check["name"] == "docker")?;
        Some(["state", "text", "command"].map(|key| check[key].as_str().unwrap_or_default().to_owned()).into())
    };
    let (home, _fly) = home();
    assert_eq!(check(&home), None);
    home.write(".docker/config.json", "{\"auths\": {\"registry.fly.io\": {\"auth\": \"eDp5\"}}}");
    let (state, text, command) = check(&home).unwrap();
    assert!(state == "warn" && text.starts_with("a login for registry.fly.io lies in"), "{text}");
    assert_eq!(command, "flytoken docker install");
    let ran = flytoken(&home, &["docker", "install"]);
    assert!(ran.stdout.contains("`docker logout registry.fly.io`"), "{}", ran.stdout);
    assert_eq!(check(&home).unwrap().0, "ok");
    let link: PathBuf = home.path(".local/bin/docker-credential-flytoken");
    fs::remove_file(&link).unwrap();
    let (state, text, command) = check(&home).unwrap();
    assert!(state == "fail" && text.contains("which PATH does not find"), "{text}");
    assert_eq!(command, "flytoken docker install");
    symlink("/bin/true", &link).unwrap();
    let (state, _, command) = check(&home).unwrap();
    assert_eq!((state.as_str(), command), ("fail", format!("rm {}; flytoken docker install", link.display())));
    fs::remove_file(&link).unwrap();
    flytoken(&home, &["docker", "install"]).ends_with(0);
    assert_eq!(check(&home).unwrap().0, "ok");
}

#[test]
fn uninstall_takes_it_away_from_docker_too() {
    let (mut home, _fly) = installed();
    home.set("XDG_CACHE_HOME", &home.path(".cache").display().to_string());
    let ran = flytoken(&home, &["uninstall", "--yes"]);
    ran.ends_with(0);
    assert!(ran.stdout.contains("what Docker asks flytoken by, in "), "{}", ran.stdout);
    assert!(configuration(&home) == "{}\n" && !home.path(".local/bin/docker-credential-flytoken").is_symlink());
}
