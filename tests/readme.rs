//! README.md, ARCHITECTURE.md and SECURITY.md say what is so: each example is run, and each test that holds something is there.

use std::{fs, path::Path, time::Duration};

use crate::harness::{Home, minted, user_token, write_program};

const DAY: Duration = Duration::from_hours(24);

pub(crate) fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The commands of a document and what it says they print: blocks marked `console`, each command on a line after `$ `.
pub(crate) fn examples(text: &str) -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        for line in block.split("\n```").next().unwrap().lines() {
            match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push((command.to_owned(), String::new())),
                (None, Some((_, printed))) => {
                    printed.push_str(line);
                    printed.push('\n');
                }
                (None, None) => panic!("a block begins with what is printed: {line}"),
            }
        }
    }
    examples
}

/// Whether `actual` is what was printed; `…` stands for any text within a line, alone on a line for any lines,
/// and blanks for as many blanks.
pub(crate) fn is_what_was_promised(expected: &str, actual: &str) -> bool {
    fn lines(expected: &[&str], actual: &[&str]) -> bool {
        match (expected.split_first(), actual.split_first()) {
            (None, None) => true,
            (Some((&"…", rest)), _) => (0..=actual.len()).any(|skipped| lines(rest, &actual[skipped..])),
            (Some((first, rest)), Some((line, others))) => is_line(first, line) && lines(rest, others),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
    // How wide a column is depends on what stands in it.
    let of = |text: &str| text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    let (expected, actual) = (of(expected), of(actual));
    lines(&expected.iter().map(String::as_str).collect::<Vec<_>>(), &actual.iter().map(String::as_str).collect::<Vec<_>>())
}

fn is_line(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn a_difference_would_be_seen() {
    assert!(is_what_was_promised("a … c\n…\nend\n", "a b c\nx\ny\nend\n"));
    for (expected, actual) in [("a … c\n", "a b d\n"), ("a\n", "a\nb\n"), ("a\n…\nb\n", "a\nc\n"), ("a\n", "")] {
        assert!(!is_what_was_promised(expected, actual), "{expected:?} {actual:?}");
    }
}

#[test]
fn every_example_of_the_readme_prints_what_it_says() {
    let (home, fly) = Home::logged_in(&user_token());
    for app in ["web", "api"] {
        fly.mints(app, &[minted(123, DAY), minted(123, DAY)]);
    }
    // No service manager of this machine's hears of it.
    write_program(&home.outside("bin/systemctl"), b"#!/bin/sh\n");
    // The folder of an app, with what the examples pipe in: it is not searched for leaked tokens.
    let folder = home.outside("secrets");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("token.txt"), minted(7, DAY)).unwrap();
    fs::write(folder.join("fly.toml"), "app = \"web\"\n").unwrap();
    let examples = examples(&document("README.md"));
    assert!(examples.len() > 8, "{examples:?}");
    for (command, promised) in examples {
        // The demo has a test of its own; here it would take most of the time.
        if command.contains("demo") || command.starts_with("cargo ") {
            continue;
        }
        let shown = home.shell(&folder, &command);
        assert!(is_what_was_promised(&promised, &shown), "$ {command}\n{shown}\nis not\n{promised}");
    }
}

#[test]
fn the_readmes_configuration_holds_and_has_every_key_there_is() {
    let home = Home::new();
    let readme = document("README.md");
    let yaml = readme.split("```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    home.configure(yaml);
    home.run(&["config", "check"]).ends_with(0);
    // What is known where, in the words of the error about a key that is not.
    for wrong in [
        "nope: 1\n",
        "http: { nope: 1 }\n",
        "metrics: { otlp: { nope: 1 } }\n",
        "sources: { x: { nope: 1 } }\n",
        "sources: { x: { grants: { nope: 1 } } }\n",
        "apps: [{ match: a, nope: 1 }]\n",
    ] {
        home.configure(wrong);
        let ran = home.run(&["config", "check"]);
        let known = ran.ends_with(7).split("known are ").nth(1).unwrap_or_else(|| panic!("{}", ran.stderr)).lines().next().unwrap();
        for key in known.split('`').skip(1).step_by(2) {
            assert!(yaml.contains(&format!("{key}:")), "the README does not explain `{key}`");
        }
    }
}

#[test]
fn each_test_that_architecture_and_security_name_is_there() {
    for (name, heading, least) in [("ARCHITECTURE.md", "## Invariants", 80), ("SECURITY.md", "## Who may attack", 40)] {
        let named = tests_named_below(heading, &document(name));
        assert!(named >= least, "{name}: only {named}");
    }
}

/// How many tests the tables below this heading name, in their last column. Each of them is there.
fn tests_named_below(heading: &str, text: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let section = text.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let mut named = 0;
    let is_head = |line: &str| line.starts_with("| ---") || line.contains("| held by |") || line.contains("| shown by |");
    for row in section.lines().filter(|line| line.starts_with("| ") && !is_head(line)) {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test shows this: {row}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} is no `file::test`"));
            let source = fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("no file {file}"));
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
            named += 1;
        }
    }
    named
}

#[test]
fn every_path_of_the_map_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = document("ARCHITECTURE.md");
    let map = text.split("## Map").nth(1).unwrap().split("\n## ").next().unwrap();
    let paths: Vec<String> = map
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|row| {
            let first = row.split('|').nth(1).unwrap();
            first.split('`').skip(1).step_by(2).flat_map(expanded).collect::<Vec<_>>()
        })
        .collect();
    assert!(paths.len() > 40, "{paths:?}");
    for path in paths {
        assert!(root.join(&path).exists(), "the map names {path}, which is not there");
    }
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (names, after))) => names.split(',').map(|name| format!("{before}{name}{after}")).collect(),
        None => vec![path.to_owned()],
    }
}
