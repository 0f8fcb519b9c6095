//! What `docs/` says is so: the reference is that of `wit/`, each configuration holds, and each message is one that there is.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::harness::Home;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages, by name.
fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    pages.sort();
    assert!(pages.len() >= 5, "{pages:?}");
    pages
}

/// The blocks of a page that are marked with this word.
pub(crate) fn blocks<'a>(page: &'a str, word: &str) -> Vec<&'a str> {
    page.split(&format!("```{word}\n")).skip(1).map(|block| block.split("\n```").next().unwrap()).collect()
}

#[test]
fn the_reference_is_what_the_contract_says() {
    let is = reference();
    let page = root().join("docs/contract.md");
    #[expect(clippy::disallowed_methods, reason = "it is for whoever changed the contract")]
    if std::env::var_os("FLYTOKEN_WRITE_DOCS").is_some() {
        fs::write(&page, &is).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    let differ = written.lines().zip(is.lines()).position(|(written, is)| written != is);
    assert!(written == is, "docs/contract.md differs from wit/ at line {differ:?}: run `just docs`");
}

/// The contract as a page: each interface with its items, and what is said of each.
fn reference() -> String {
    let mut page = "# The contract\n\n".to_owned();
    page.push_str("Made from `wit/` by `just docs`; a test keeps it so. How it may grow is in [wit/README.md](../wit/README.md).\n\n");
    for name in ["source", "types", "secrets", "settings", "login", "files", "command", "records", "keeper", "revoker", "worlds"] {
        let wit = read(&format!("wit/{name}.wit"));
        let package = wit.lines().next().unwrap();
        assert!(package.starts_with("package flytoken:source@"), "{name}");
        let _ = writeln!(page, "## {name}\n\n{}", items(&wit));
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

/// The items of a file: a line of code each, and the comment above it as text.
fn items(wit: &str) -> String {
    let (mut text, mut comment, mut since) = (String::new(), Vec::new(), String::new());
    let mut open: Option<Vec<String>> = None;
    for line in wit.lines().skip(1) {
        let trimmed = line.trim();
        if let Some(said) = trimmed.strip_prefix("///") {
            comment.push(said.strip_prefix(' ').unwrap_or(said).to_owned());
        } else if let Some(version) = trimmed.strip_prefix("@since(version = ") {
            version.trim_end_matches(')').clone_into(&mut since);
        } else if trimmed.is_empty() || trimmed.starts_with("use ") || (trimmed == "}" && open.is_none()) {
            comment.clear();
        } else {
            let deep = line.len() - line.trim_start().len();
            let is_frame = deep == 0 && trimmed.ends_with('{') && !trimmed.starts_with("world ");
            if is_frame {
                // The interface itself: what is said of it stands above its items.
                let _ = writeln!(text, "{}\n", comment.join("\n"));
            } else if let Some(lines) = &mut open {
                // A case, a field or a method, with what is said of it behind it.
                let said = comment.iter().filter(|line| !line.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
                let code = if said.is_empty() { trimmed.to_owned() } else { format!("{trimmed}  // {said}") };
                lines.push(if trimmed == "}" { code } else { format!("    {code}") });
                if trimmed == "}" {
                    let _ = writeln!(text, "```wit\n{}\n```\n", lines.join("\n"));
                    open = None;
                }
            } else {
                let name = trimmed.trim_end_matches(" {").split([':', ' ']).collect::<Vec<_>>();
                let name = if trimmed.contains(": func") { name[0] } else { name[1] };
                let _ = writeln!(text, "### {name}\n\n{} *Since {since}.*\n", comment.join("\n"));
                if trimmed.ends_with('{') {
                    open = Some(vec![trimmed.to_owned()]);
                } else {
                    let _ = writeln!(text, "```wit\n{trimmed}\n```\n");
                }
            }
            comment.clear();
        }
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn each_configuration_of_a_page_holds() {
    let mut count = 0;
    for (name, page) in pages() {
        for yaml in blocks(&page, "yaml") {
            let home = Home::new();
            // What `plugin add` wrote stands above lines that go on within a source.
            let above = if yaml.starts_with("    ") { "sources:\n  corp:\n    component: ./corp.wasm\n    dev: true\n" } else { "" };
            home.configure(&format!("{above}{yaml}"));
            let ran = home.run(&["config", "check"]);
            assert_eq!(ran.code, Some(0), "{name}:\n{yaml}\n{}", ran.stderr);
            count += 1;
        }
    }
    assert!(count >= 8, "only {count}");
}

#[test]
fn each_message_that_is_explained_is_one_that_there_is() {
    let page = read("docs/troubleshooting.md");
    let sources = sources(&["host/src", "plugins"]);
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.len() >= 15, "{headings:?}");
    for heading in headings {
        // What differs from time to time is left out with dots; the rest stands in the sources, between what is filled in.
        for part in heading.trim_matches('`').split('…').map(|part| part.trim_matches(|c: char| c == '`' || c.is_whitespace())) {
            let is_there = part.is_empty() || sources.iter().any(|source| source.contains(part));
            assert!(is_there, "no message has `{part}` in it, of: {heading}");
        }
    }
}

/// The text of every Rust file below these folders.
fn sources(folders: &[&str]) -> Vec<String> {
    fn below(folder: &Path, texts: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, texts);
            } else if path.extension().is_some_and(|end| end == "rs") {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    for folder in folders {
        below(&root().join(folder), &mut texts);
    }
    texts
}

#[test]
fn each_link_leads_to_a_file() {
    for (name, page) in pages() {
        for target in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !target.contains("://") {
                assert!(root().join("docs").join(file).exists(), "{name} links to {target}, which is not there");
            }
        }
    }
}
