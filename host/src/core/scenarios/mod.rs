//! Refresh and failure, told in files: `tests/scenarios/*.yaml`, one a file, in words that need no Rust. README.md there says how they read.
//!
//! Each is played against a real core: real owners, cache, tombstones, ledger and sealed records, the built-in sources in their sandboxes,
//! and the real follower of the login. What stands in are the clock, which runs only while everybody waits, the numbers that are drawn,
//! the sources that a file scripts, and what is seen of the login's file.

mod caller;
mod look;
mod script;
mod source;
mod time;
mod tokens;
mod world;

use std::{fs, path::Path};

use self::{script::Scenario, world::World};

#[test]
fn every_scenario_goes_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 40, "only {} scenarios", files.len());
    let mut problems = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).unwrap();
        let scenario: Scenario = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        problems.extend(runtime.block_on(World::play(scenario)).into_iter().map(|problem| format!("{name}: {problem}")));
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// A runner that sees nothing would let every scenario pass.
#[test]
fn a_scenario_that_goes_another_way_is_told_where() {
    let lie = "
title: A lie
config: { chain: [fly] }
sources: { fly: [{ gives: A, lives: 1h }] }
story:
  - at: 1s
    get: { app: web, sees: B, after: 1s }
  - at: 2s
    expect: { asked: { fly: 2 }, states: { web: renewing } }
";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let problems = runtime.block_on(World::play(serde_yaml::from_str(lie).unwrap()));
    let expected = [
        "at 2s: `fly` was asked 1 times, not 2 times",
        "at 2s: the lease of `web` is fresh, not renewing",
        "at 1s: get web: gave A after 0s, not B after 1s",
    ];
    assert_eq!(problems, expected);
}
