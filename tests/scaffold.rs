//! `flytoken plugin new`: projects for sources of one's own. What the tools of other languages make of them is in `languages`.

use std::{fs, path::Path};

use crate::harness::Home;

/// The files of a folder and below, by their path from there.
fn tree(folder: &Path) -> Vec<String> {
    fn below(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    below(folder, folder, &mut found);
    found.sort();
    found
}

fn read(home: &Home, path: &str) -> String {
    fs::read_to_string(home.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Combinations that have something of their own: nothing, each example, and everything at once.
const NEEDS: [&str; 6] = ["", "files", "http", "keeper", "env,http", "commands,env,files,http,keeper,login,records,sockets"];

#[test]
fn a_project_has_what_its_language_needs_and_lines_that_a_configuration_takes() {
    for (lang, own) in [
        ("rust", ["Cargo.toml", "src/lib.rs", "src/token.rs", "flytoken-source/Cargo.toml", "flytoken-source/wit/source.wit"]),
        ("python", ["app.py", "token_source.py", "test_source.py", "build.sh", "wit/world.wit"]),
        ("javascript", ["app.js", "token-source.js", "token-source.test.js", "package.json", "wit/world.wit"]),
    ] {
        for (number, needs) in NEEDS.into_iter().enumerate() {
            let home = Home::new();
            let name = format!("corp-v{number}");
            let arguments: Vec<&str> = if needs.is_empty() { Vec::new() } else { vec!["--needs", needs] };
            let ran = home.run(&[&["plugin", "new", &name, "--lang", lang], &arguments[..]].concat());
            ran.ends_with(0);
            let files = tree(&home.path(&name));
            for file in own.into_iter().chain(["README.md", ".gitignore"]) {
                assert!(files.iter().any(|known| known == file), "{lang} {needs}: no {file} in {files:?}");
            }
            let left =
                files.iter().find(|file| !file.contains("flytoken-source/") && read(&home, &format!("{name}/{file}")).contains("{{"));
            assert_eq!(left, None, "{lang} {needs}: a placeholder is left");
            let lines = ran.stdout.split_once("sources:\n").map(|(_, lines)| format!("sources:\n{lines}")).unwrap();
            home.configure(&lines);
            home.run(&["config", "check"]).ends_with(0);
            let readme = read(&home, &format!("{name}/README.md"));
            home.configure(readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap());
            home.run(&["config", "check"]).ends_with(0);
        }
    }
}

#[test]
fn a_world_names_what_is_needed_and_nothing_else() {
    let home = Home::new();
    for (needs, imports) in [
        ("", vec![]),
        ("files,login", vec!["flytoken:source/files@", "flytoken:source/login@"]),
        ("http", vec!["wasi:http/outgoing-handler@"]),
        ("keeper", vec!["flytoken:source/records@"]),
    ] {
        let name = format!("corp-{}", needs.replace(',', "-")).trim_end_matches('-').to_owned();
        let arguments: Vec<&str> = if needs.is_empty() { Vec::new() } else { vec!["--needs", needs] };
        home.run(&[&["plugin", "new", &name, "--lang", "python"], &arguments[..]].concat()).ends_with(0);
        let world = read(&home, &format!("{name}/wit/world.wit"));
        assert!(world.contains("include flytoken:source/token-"), "{world}");
        let named: Vec<&str> = world.lines().filter_map(|line| line.trim().strip_prefix("import ")).collect();
        assert_eq!(named.len(), imports.len(), "{world}");
        assert!(imports.iter().all(|import| named.iter().any(|named| named.starts_with(import))), "{world}");
        // Everything that it names is in the folder.
        let files = tree(&home.path(&format!("{name}/wit")));
        assert!(files.iter().any(|file| file.ends_with("source.wit")), "{files:?}");
        assert_eq!(files.iter().any(|file| file.ends_with("http.wit")), needs == "http", "{files:?}");
    }
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let home = Home::new();
    fs::create_dir(home.path("full")).unwrap();
    home.write("full/notes.txt", "mine");
    fs::create_dir(home.path("empty")).unwrap();
    home.write("file", "mine");
    let before = tree(&home.path(""));
    for (arguments, told) in [
        (&["full", "--lang", "rust"][..], "full"),
        (&["corp", "--lang", "rust", "--dir", "file"], "file"),
        (&["corp", "--lang", "rust", "--dir", "nowhere/below/corp"], "see that the folder around it is there"),
        (&["cli", "--lang", "rust"], "the name of a built-in source"),
        (&["match", "--lang", "rust"], "a word or crate of Rust"),
        (&["app", "--lang", "python"], "what the module of the component is called"),
        (&["Corp", "--lang", "rust"], "look at its character 1"),
        (&["corp", "--lang", "cobol"], "possible values: rust, python, javascript"),
        (&["corp", "--lang", "rust", "--needs", "htpp"], "a similar value exists: 'http'"),
    ] {
        let ran = home.run(&[&["plugin", "new"], arguments].concat());
        let told_here = ran.ends_with(2);
        assert!(told_here.contains(told), "{arguments:?}: {told_here}");
    }
    assert_eq!(tree(&home.path("")), before);
    home.run(&["plugin", "new", "empty", "--lang", "javascript"]).ends_with(0);
}

#[test]
fn what_the_examples_took_along_is_what_a_new_project_gets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: String| fs::read_to_string(root.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    for (example, templates, file) in [
        ("token-service-python", "python", "glue.py"),
        ("token-service-python", "python", "refused.py"),
        ("token-service-python", "python/http", "http_json.py"),
        ("token-file-javascript", "javascript", "refused.js"),
    ] {
        assert_eq!(read(format!("examples/{example}/{file}")), read(format!("host/src/scaffold/templates/{templates}/{file}")), "{file}");
    }
    // The version of the contract that they name is the one that there is.
    let contract = read("wit/source.wit".to_owned());
    let version = contract.lines().next().unwrap().strip_prefix("package flytoken:source@").unwrap().trim_end_matches(';').to_owned();
    for (example, files) in
        [("token-service-python", ["build.sh", "wit/world.wit"]), ("token-file-javascript", ["app.js", "wit/world.wit"])]
    {
        for file in files {
            let text = read(format!("examples/{example}/{file}"));
            let named = text.split("flytoken:source/").skip(1).filter_map(|rest| rest.split('@').nth(1)?.get(..version.len()));
            assert!(
                named.clone().count() > 0 && named.clone().all(|named| named == version),
                "{example}/{file} names another than {version}"
            );
        }
    }
}

#[test]
fn the_tools_that_are_installed_for_the_tests_are_those_that_a_project_names() {
    let home = Home::new();
    let installed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/run")).unwrap();
    for (language, file, mark) in [("python", "README.md", "componentize-py=="), ("javascript", "package.json", "componentize-js\": \"")] {
        home.run(&["plugin", "new", &format!("in-{language}"), "--lang", language]).ends_with(0);
        let text = read(&home, &format!("in-{language}/{file}"));
        let version: String = text.split(mark).nth(1).unwrap().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let tool = if language == "python" { "componentize-py==" } else { "componentize-js@" };
        assert!(version.len() > 4 && installed.contains(&format!("{tool}{version}")), "{language}: {version}");
    }
}
