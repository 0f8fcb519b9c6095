//! `docs/tutorial.md`, as its reader does it: each command is run, and prints what the page says.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    harness::{Home, minted, user_token},
    readme::{document, is_what_was_promised},
};

/// What the page has to do, in its order.
enum Step {
    /// A command, and what it prints.
    Command(String, String),
    /// The text of `src/token.rs`.
    Source(String),
    /// What takes the place of the lines that `plugin add` left to its user.
    Configuration(String),
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (word, text) = block.split_once('\n').unwrap();
        match word {
            "rust" => steps.push(Step::Source(format!("{text}\n"))),
            "console" => {
                for line in text.lines() {
                    match (line.strip_prefix("$ "), steps.last_mut()) {
                        (Some(command), _) => steps.push(Step::Command(command.to_owned(), String::new())),
                        (None, Some(Step::Command(_, printed))) => {
                            printed.push_str(line);
                            printed.push('\n');
                        }
                        (None, _) => panic!("a block begins with what is printed: {line}"),
                    }
                }
            }
            "yaml" => steps.push(Step::Configuration(format!("{text}\n"))),
            other => panic!("nobody knows what to do with a block of {other:?}"),
        }
    }
    steps
}

/// Where cargo keeps what it has downloaded, and rustup its toolchains: a home of its own would have neither.
#[expect(clippy::disallowed_methods, reason = "the tools are those of whoever runs the tests")]
fn tools(home: &mut Home) {
    let own = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let folder = env::var_os(name).map_or_else(|| own.join(folder), PathBuf::from);
        home.set(name, &folder.display().to_string());
    }
    // What the workspace is built from is there already.
    home.set("CARGO_NET_OFFLINE", "true");
    // The cargo that runs this test, without the proxy that may want to look for another.
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap());
    home.set("PATH", &format!("{}:{}:/usr/bin:/bin", cargo.parent().unwrap().display(), home.outside("bin").display()));
}

#[test]
fn every_step_of_the_tutorial_does_what_it_says() {
    #[expect(clippy::disallowed_methods, reason = "whoever builds without the target has no tutorial to follow")]
    if env::var_os("FLYTOKEN_COMPONENTS_DIR").is_some_and(|folder| !folder.is_empty()) {
        return;
    }
    let (mut home, fly) = Home::logged_in(&user_token());
    tools(&mut home);
    fly.mints("web", &[minted(123, Duration::from_hours(24))]);
    // Tokens may lie there.
    let mut folder = home.outside("secrets/tutorial");
    fs::create_dir_all(&folder).unwrap();
    let steps = steps(&document("docs/tutorial.md"));
    assert!(steps.len() >= 10, "only {} steps", steps.len());
    for step in steps {
        match step {
            Step::Source(text) => fs::write(folder.join("src/token.rs"), text).unwrap(),
            Step::Configuration(text) => {
                let file = home.path(".config/flytoken/config.d/corp.yaml");
                let written = fs::read_to_string(&file).unwrap();
                let (pin, _) = written.split_once("    # It needs").unwrap();
                let token = folder.join("../token").display().to_string();
                fs::write(file, pin.to_owned() + &text.replace("~/token", &token)).unwrap();
            }
            Step::Command(command, promised) => {
                if let Some(below) = command.strip_prefix("cd ") {
                    folder = folder.join(Path::new(below));
                    // What cargo would look up in the registry is said here as well: the versions that the workspace is built with.
                    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
                    continue;
                }
                let shown = home.shell(&folder, &command);
                assert!(is_what_was_promised(&promised, &shown), "$ {command}\n{shown}\nis not\n{promised}");
            }
        }
    }
}
