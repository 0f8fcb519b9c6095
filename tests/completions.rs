//! What Tab completes to, in a real bash that has the script.

use std::{fs, time::Duration};

use crate::harness::{Home, Ran, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// Has the script lie in the home directory.
fn install(home: &Home) {
    home.write("completions.bash", home.run(&["completions", "bash"]).stdout);
}

/// What bash offers for a line whose last word is still being typed.
fn offered(home: &Home, line: &str) -> Vec<String> {
    let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
    // As bash does it at a Tab.
    let script = format!(
        "exec bash --norc -c \"source completions.bash; COMP_TYPE=9; COMP_WORDS=({words}); COMP_CWORD={last}; \
         _clap_complete_flytoken flytoken {typed} x; printf '%s\\\\n' \\\"\\${{COMPREPLY[@]}}\\\"\"",
        words = words.join(" "),
        last = words.len() - 1,
        typed = words.last().unwrap(),
    );
    home.shell(&home.path(""), &script).lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn apps_sources_mints_and_profiles_are_completed_by_their_names() {
    let (home, fly) = Home::logged_in(&user_token());
    install(&home);
    assert!(offered(&home, "flytoken get ").iter().all(|word| word.starts_with("--")), "no agent knows an app");
    assert!(offered(&home, "flytoken ex").contains(&"exec".to_owned()));
    assert_eq!(offered(&home, "flytoken get --ki"), ["--kind"]);
    assert!(offered(&home, "flytoken get --kind ").contains(&"machine-exec".to_owned()));
    assert!(!home.path(".local").exists(), "to complete makes nothing");

    let agent = home.agent();
    for (app, id) in [("my-web", 1), ("my-api", 2), ("other", 3)] {
        fly.mints(app, &[minted(id, DAY)]);
        home.get(&[app]);
    }
    home.get(&["my-web", "--kind", "deploy"]);
    for line in ["flytoken get my", "flytoken exec -a my", "flytoken explain my", "flytoken invalidate --app my"] {
        assert_eq!(offered(&home, line), ["my-api", "my-web"], "{line}");
    }
    let mints = home.run(&["minted", "--json"]).json()["mints"].as_array().unwrap().len();
    assert_eq!(offered(&home, "flytoken revoke flytoken-").len(), mints);
    assert_eq!(offered(&home, "flytoken plugin disable c"), ["cli", "config"]);
    fs::create_dir_all(home.path(".config/flytoken/profiles/work")).unwrap();
    assert_eq!(offered(&home, "flytoken profile use w"), ["work"]);
    // Each profile has an agent of its own, and this one has none.
    assert_eq!(offered(&home, "flytoken --profile work get my"), <[String; 0]>::default());
    agent.stop();
    assert_eq!(offered(&home, "flytoken get my"), <[String; 0]>::default());
}

#[test]
fn what_is_wrong_is_not_told_between_somebodys_keys() {
    let mut home = Home::new();
    install(&home);
    home.configure("nonsense: [\n");
    home.set("FLYTOKEN_PROFILE", "No Name");
    home.set("FLYTOKEN_SOCKET", &format!("/{}", "x".repeat(500)));
    for line in ["flytoken get ", "flytoken plugin remove ", "flytoken --profile", "flytoken nonsense "] {
        let offered = offered(&home, line);
        assert!(offered.iter().all(|word| word.starts_with("--")), "{line}: {offered:?}");
    }
    let home = Home::new();
    // Only a script's own question is one; and one that no script asks ends no worse than any command.
    for (shell, index, words) in [
        ("bash", "99999999999", &["--", "flytoken", "get", ""][..]),
        ("bash", "-1", &["--", "flytoken", "\u{1b}[2J", "--profile", "../.."]),
        ("zsh", "7", &["--"]),
        ("fish", "", &["--", ""]),
    ] {
        let mut command = home.command(words);
        command.env("FLYTOKEN_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", index);
        let ran = Ran::of(command, b"");
        assert!(ran.code.is_some_and(|code| code < 3) && ran.stderr.is_empty(), "{shell} {index} {words:?}: {ran:?}");
    }
    for shell in ["", "0", "csh", "bash"] {
        let mut command = home.command(&["config", "path"]);
        command.env("FLYTOKEN_COMPLETE", shell);
        assert!(Ran::of(command, b"").stdout.ends_with("config.yaml\n"), "{shell}");
    }
}
