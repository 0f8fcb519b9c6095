//! What is absent from where: the boundaries that ARCHITECTURE.md promises, read off the source itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Rust file of the host, its path below `host/src`, without its tests.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let named = files.into_iter().map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()));
    let without_tests = named.map(|(name, text)| {
        let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        (name, text[..end].to_owned())
    });
    without_tests.filter(|(name, _)| !name.contains("tests") && !name.starts_with("core/scenarios/")).collect()
}

/// The lines of code that hold `word`, comments left out.
fn uses(text: &str, word: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(word))
}

#[test]
fn each_boundary_of_the_source_holds() {
    let sources = sources();
    assert!(sources.len() > 100);
    // What is looked for, and the only places that may have it.
    let boundaries: &[(&str, &[&str])] = &[
        ("wasmtime::", &["runtime/"]),
        ("wasmtime_wasi", &["runtime/"]),
        ("SystemTime::now(", &["system.rs"]),
        // And in words: how a source in Rust reads a variable.
        ("env::var", &["system.rs", "scaffold/need.rs"]),
        ("println!", &[]),
        ("process::exit(", &[]),
        ("redb::", &["store/"]),
        ("crossterm::", &["output/screen.rs", "commands/top/"]),
        ("ratatui::", &["output/screen.rs", "commands/top/"]),
        // Only a trial writes down what a call does.
        ("Trace::default()", &["trial/"]),
        ("UnixListener::bind(", &["agent/endpoint.rs"]),
        // A token's text: read, written to a wire or a stream, and never formatted.
        (
            ".expose()",
            &[
                "token/",
                "check.rs",
                "delivery.rs",
                // A header that the host sets.
                "http/client.rs",
                "ids.rs",
                "login/",
                "protocol/",
                "records.rs",
                "runtime/imports/",
                "runtime/text.rs",
                "command/environment.rs",
                "commands/set.rs",
                "demo/forged.rs",
                // What the author of a source is shown of a lease.
                "trial/facts.rs",
            ],
        ),
    ];
    for (word, places) in boundaries {
        for (name, text) in &sources {
            let allowed = places.iter().any(|place| name.starts_with(place));
            assert!(allowed || !uses(text, word), "{name} holds `{word}`, which belongs to {places:?} alone");
        }
        assert!(
            places.is_empty() || sources.iter().any(|(name, text)| places.iter().any(|place| name.starts_with(place)) && uses(text, word)),
            "`{word}` is nowhere: the check looks for the wrong thing"
        );
    }
}
