//! A running agent follows its configuration: what holds counts at once, what does not leaves in place what is in force.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Fly, Home, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home in which `cli` and `manual` each have a token for `web`.
fn two_sources() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(7, DAY)]);
    home.run_with(&["set", "web"], &minted(7, DAY)).ends_with(0);
    (home, fly)
}

/// Waits until the agent goes by this chain. The very next request must.
fn goes_by(home: &Home, chain: &[&str]) {
    eventually(&format!("the chain {chain:?}"), || (status(home)["chain"]["sources"] == json!(chain)).then_some(()));
}

fn status(home: &Home) -> Value {
    home.run(&["status", "--json"]).json()
}

/// Who answers for `web`.
fn source(home: &Home) -> String {
    home.get(&["web", "--agent", "require"])["source"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_chain_counts_for_the_next_request_however_the_file_is_written() {
    let (home, fly) = two_sources();
    home.configure("chain: [cli, manual]\n");
    let _agent = home.agent();
    assert_eq!(source(&home), "cli");
    home.configure("chain: [manual]\n");
    goes_by(&home, &["manual"]);
    assert_eq!(source(&home), "manual", "what was obtained under the old chain is in memory and no answer any more");

    // In place, as some editors write.
    fs::write(home.path(".config/flytoken/config.yaml"), "chain: [cli]\n").unwrap();
    goes_by(&home, &["cli"]);
    assert_eq!(source(&home), "cli");

    // A folder of drop-ins that was not there, and the file in it goes away again.
    home.write(".config/flytoken/config.d/10-mine.yaml", "chain: [manual, cli]\n");
    goes_by(&home, &["manual", "cli"]);
    assert_eq!(source(&home), "manual");
    fs::remove_file(home.path(".config/flytoken/config.d/10-mine.yaml")).unwrap();
    goes_by(&home, &["cli"]);
    assert_eq!(source(&home), "cli");

    // And the user's own file.
    fs::remove_file(home.path(".config/flytoken/config.yaml")).unwrap();
    goes_by(&home, &["storage", "config", "cli", "manual"]);
    assert_eq!(fly.calls().len(), 3);
}

#[test]
fn configuration_in_a_folder_that_was_not_there_at_the_start_is_found() {
    let (home, _fly) = two_sources();
    let _agent = home.agent();
    assert!(!fs::exists(home.path(".config")).unwrap());
    home.configure("chain: [manual]\n");
    goes_by(&home, &["manual"]);
}

#[test]
fn a_change_while_the_agent_starts_is_not_lost() {
    for _ in 0..5 {
        let (home, _fly) = two_sources();
        home.configure("chain: [cli]\n");
        // It listens before it is ready: files and components are read meanwhile.
        let _agent = home.agent();
        home.configure("chain: [manual]\n");
        goes_by(&home, &["manual"]);
    }
}

#[test]
fn a_link_is_followed_to_another_file_and_to_other_content() {
    let (home, _fly) = two_sources();
    home.write("dotfiles/one.yaml", "chain: [cli]\n");
    home.write("dotfiles/two.yaml", "chain: [manual]\n");
    fs::create_dir_all(home.path(".config/flytoken")).unwrap();
    let link = |target: &str| {
        std::os::unix::fs::symlink(home.path(target), home.path(".config/flytoken/new")).unwrap();
        fs::rename(home.path(".config/flytoken/new"), home.path(".config/flytoken/config.yaml")).unwrap();
    };
    link("dotfiles/one.yaml");
    let _agent = home.agent();
    goes_by(&home, &["cli"]);
    link("dotfiles/two.yaml");
    goes_by(&home, &["manual"]);
    home.write("dotfiles/two.yaml", "chain: [manual, cli]\n");
    goes_by(&home, &["manual", "cli"]);
}

#[test]
fn a_file_named_by_a_variable_is_followed_too() {
    let (mut home, _fly) = two_sources();
    home.write("mine.yaml", "chain: [cli]\n");
    home.set("FLYTOKEN_CONFIG", "mine.yaml");
    let _agent = home.agent();
    goes_by(&home, &["cli"]);
    home.write("mine.yaml", "chain: [manual]\n");
    goes_by(&home, &["manual"]);
    fs::remove_file(home.path("mine.yaml")).unwrap();
    eventually("the problem", || problem(&home).filter(|problem| problem == "~/mine.yaml: there is no such file"));
    assert_eq!(source(&home), "manual");
}

/// What is wrong with the newest files, in the words of `status`.
fn problem(home: &Home) -> Option<String> {
    status(home)["config"]["problem"].as_str().map(str::to_owned)
}

/// Breaks the configuration.
type Mistake = fn(&Home);

#[test]
fn what_does_not_hold_leaves_in_force_what_is_and_is_taken_once_mended() {
    let mistakes: [(&str, Mistake); 5] = [
        ("config.yaml:2:1: unknown key `chian`; did you mean `chain`?", |home| home.configure("chain: [cli]\nchian: [cli]\n")),
        ("config.yaml:2:1: is not YAML", |home| home.configure("chain: [cli\n")),
        ("config.yaml:1:9: chain[0]: there is no source `vault`", |home| home.configure("chain: [vault]\n")),
        ("config.d/10-more.yaml:1:1: unknown key `nonsense`", |home| home.write(".config/flytoken/config.d/10-more.yaml", "nonsense: 1\n")),
        ("config.yaml: is not safe to use: ", |home| {
            fs::set_permissions(home.path(".config/flytoken/config.yaml"), fs::Permissions::from_mode(0o666)).unwrap();
        }),
    ];
    for (told, mistake) in mistakes {
        let (home, _fly) = two_sources();
        home.configure("chain: [manual]\n");
        let agent = home.agent();
        assert_eq!(source(&home), "manual");
        mistake(&home);
        let problem = eventually(told, || problem(&home));
        assert!(problem.starts_with(&format!("~/.config/flytoken/{told}")), "{problem}");
        let text = home.run(&["status"]).stdout;
        assert!(text.contains(&format!("problem: {problem}")), "{text}");
        assert!(agent.log().contains(told), "{}", agent.log());
        // What is in force goes on, also for an app that nobody has asked for yet.
        assert_eq!(status(&home)["chain"]["sources"], json!(["manual"]));
        assert_eq!(source(&home), "manual");
        home.run_with(&["set", "api"], &minted(8, DAY)).ends_with(0);
        assert_eq!(home.get(&["api"])["source"], "manual");

        let _ = fs::remove_dir_all(home.path(".config/flytoken/config.d"));
        home.configure("chain: [cli]\n");
        goes_by(&home, &["cli"]);
        assert_eq!(source(&home), "cli");
        assert_eq!(status(&home)["config"]["problem"], Value::Null);
        assert!(!home.run(&["status"]).stdout.contains("problem:"));
    }
}

#[test]
fn each_of_several_mistakes_has_a_line_of_its_own_in_the_status() {
    let (home, _fly) = two_sources();
    let _agent = home.agent();
    // It is ready once it answers; before that, it would not start.
    assert_eq!(problem(&home), None);
    home.configure("ttl: 1s\nchain: [cli, corp]\n");
    let problem = eventually("the problem", || problem(&home));
    assert_eq!(problem.lines().count(), 2, "{problem}");
    let text = home.run(&["status"]).stdout;
    for line in problem.lines() {
        assert!(text.lines().any(|shown| shown.trim_end().ends_with(&format!("problem: {line}"))), "no {line} in\n{text}");
    }
}

#[test]
fn the_status_names_the_files_that_there_are() {
    let home = Home::new();
    let _agent = home.agent();
    assert_eq!(status(&home)["config"]["files"], json!([]));
    assert!(home.run(&["status"]).stdout.lines().any(|line| line.starts_with("config") && line.ends_with("built-in defaults")));
    home.configure("chain: [manual]\n");
    goes_by(&home, &["manual"]);
    assert_eq!(status(&home)["config"]["files"], json!([home.path(".config/flytoken/config.yaml")]));
}

#[test]
fn a_remembered_failure_is_forgotten_with_the_configuration_that_it_came_of() {
    let home = Home::new();
    home.run_with(&["set", "web"], &minted(7, DAY)).ends_with(0);
    home.configure("chain: [cli]\n");
    let _agent = home.agent();
    home.run(&["get", "web"]).ends_with(6);
    home.configure("chain: [cli, manual]\n");
    goes_by(&home, &["cli", "manual"]);
    assert_eq!(source(&home), "manual");
}

#[test]
fn a_rule_for_other_apps_costs_no_token_that_is_cached_and_none_that_is_being_minted() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(7, DAY), minted(7, DAY)]);
    fly.mints("slow", &[minted(8, DAY), minted(8, DAY)]);
    home.run_with(&["set", "api"], &minted(9, DAY)).ends_with(0);
    // Nothing remembers: whatever is not cached any more is minted again.
    let configure = |of_api: &str| home.configure(&format!("chain: [cli]\napps: [{{ match: api, chain: [{of_api}] }}]\n"));
    configure("cli");
    let _agent = home.agent();
    let first = home.get(&["web"]);
    fly.hold("slow");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| home.get(&["slow"]));
        fly.called(2);
        configure("manual");
        eventually("the rule", || (home.run(&["get", "api"]).code == Some(0)).then_some(()));
        fly.let_go("slow");
        let minted = slow.join().unwrap();
        assert_eq!(home.get(&["slow"])["fingerprint"], minted["fingerprint"], "what was minted meanwhile is cached");
    });
    assert_eq!(home.get(&["web"])["fingerprint"], first["fingerprint"], "what was cached still is");
    // One that is for it counts at once.
    home.configure("chain: [cli]\napps: [{ match: api, chain: [manual] }, { match: web, organization: acme }]\n");
    eventually("another mint", || (home.get(&["web"])["fingerprint"] != first["fingerprint"]).then_some(()));
}
