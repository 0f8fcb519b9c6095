//! `flytoken plugin`: sources of one's own are looked at, added, updated, listed and removed.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use crate::harness::{
    Bundle, Home, Ran,
    components::{greedy, release, sha256, vault},
    eventually, minted,
};

const DAY: Duration = Duration::from_hours(24);

/// A home with these components in files.
fn home() -> Home {
    let home = Home::new();
    home.write("vault.wasm", vault());
    home.write("vault-2.wasm", release(vault(), "release-2"));
    home.write("greedy.wasm", greedy());
    home.write("greedy-2.wasm", release(greedy(), "release-2"));
    home
}

fn add(home: &Home, arguments: &[&str]) -> Ran {
    home.run(&[&["plugin", "add"], arguments].concat())
}

fn configuration(home: &Home, name: &str) -> PathBuf {
    home.path(&format!(".config/flytoken/config.d/{name}.yaml"))
}

fn stored(home: &Home, component: &[u8]) -> PathBuf {
    home.path(&format!(".local/state/flytoken/plugins/{}.wasm", sha256(component)))
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn inspect_tells_what_a_component_is_and_which_grants_it_needs() {
    let home = home();
    let told = home.run(&["plugin", "inspect", "greedy.wasm", "--json"]);
    told.ends_with(0);
    let told = told.json();
    assert_eq!((&told["sha256"], &told["bytes"]), (&json!(sha256(greedy())), &json!(greedy().len())));
    assert_eq!((&told["version"], &told["keeper"], &told["revoker"]), (&json!("0.1.1"), &json!(false), &json!(false)));
    let grants: Vec<&str> = told["grants"].as_array().unwrap().iter().map(|grant| grant["name"].as_str().unwrap()).collect();
    for grant in ["login", "records", "commands"] {
        assert!(grants.contains(&grant), "{told}");
    }
    let login = told["imports"].as_array().unwrap().iter().find(|import| import["name"] == "flytoken:source/login@0.1.1").unwrap();
    assert_eq!(login["grant"], "login");

    let text = home.run(&["plugin", "inspect", "greedy.wasm"]);
    text.ends_with(0);
    for line in
        [&format!("sha256   {}", sha256(greedy())), "exports  source", "flytoken:source/login@0.1.1", "  login: true", "  records: cache"]
    {
        assert!(text.stdout.contains(line), "{line}: {}", text.stdout);
    }
    assert!(text.stdout.lines().any(|line| line.starts_with("flytoken:source/login@0.1.1 ") && line.ends_with("the grant login")));
}

#[test]
fn what_is_no_source_is_told_apart() {
    let home = home();
    let text = |text: &str| wat::parse_str(text).unwrap();
    let exporting = |name: &str| text(&format!("(component (instance $i) (export \"{name}\" (instance $i)))"));
    let large = {
        let mut large = vault().to_vec();
        large.resize((64 << 20) + 1, 0);
        large
    };
    for (what, bytes, told) in [
        ("text", b"hello".to_vec(), "is not a WebAssembly component"),
        ("a core module", text("(module)"), "is a core WebAssembly module, not a component"),
        ("a component of nothing", text("(component)"), "does not export `flytoken:source/source`: it exports nothing"),
        ("another component", exporting("acme:thing/run@1.0.0"), "`flytoken:source/source`: it exports acme:thing/run@1.0.0"),
        (
            "an older version",
            exporting("flytoken:source/source@0.0.9"),
            "exports `flytoken:source/source@0.0.9`, and was built against another",
        ),
        (
            "a newer version",
            exporting("flytoken:source/source@0.2.0"),
            "exports `flytoken:source/source@0.2.0`, and was built against another",
        ),
        ("half a component", vault()[..vault().len() / 2].to_vec(), "is not a component that works here"),
        ("a large file", large, "a component has at most 67108864"),
    ] {
        home.write("odd.wasm", bytes);
        let ran = home.run(&["plugin", "inspect", "odd.wasm"]);
        assert!(ran.ends_with(7).contains(told), "{what}: {}", ran.stderr);
        let json = home.run(&["plugin", "inspect", "odd.wasm", "--json"]);
        assert!(json.json()["error"]["message"].as_str().unwrap().contains(told), "{what}");
        assert!(add(&home, &["odd.wasm", "--yes-to-imports"]).ends_with(7).contains(told), "{what}");
    }
    assert!(home.run(&["plugin", "inspect", "none.wasm"]).ends_with(2).contains("none.wasm"));
    assert!(!configuration(&home, "odd").exists());
}

#[test]
fn an_added_source_is_pinned_kept_for_its_owner_alone_and_answers_a_running_agent() {
    let home = home();
    home.configure("chain: [storage, { use: cli, on-failure: stop }, manual]\n");
    let _agent = home.agent();
    let refused = add(&home, &["vault.wasm"]);
    assert!(refused.ends_with(6).contains("add `--yes`") && refused.stdout.contains(&sha256(vault())), "{}", refused.stderr);
    assert!(!configuration(&home, "vault").exists() && !stored(&home, vault()).exists());

    let added = add(&home, &["vault.wasm", "--yes"]);
    added.ends_with(0);
    let chain = "vault: no chain asks it yet; where it should be asked it stands in one: `chain: [storage, vault, { use: cli, on-failure: stop }, manual]`";
    assert!(added.stdout.contains(chain), "{}", added.stdout);
    assert_eq!(fs::read(stored(&home, vault())).unwrap(), vault());
    assert_eq!((mode(&stored(&home, vault())), mode(stored(&home, vault()).parent().unwrap())), (0o600, 0o700));
    // What it was made from may go.
    fs::remove_file(home.path("vault.wasm")).unwrap();
    let token = minted(7, DAY);
    home.write(home.outside("secrets/token"), &token);
    let link = home.outside("secrets/vault.yaml");
    // Its settings hold a token, so the file lies where those may.
    fs::rename(configuration(&home, "vault"), &link).unwrap();
    std::os::unix::fs::symlink(&link, configuration(&home, "vault")).unwrap();
    let text = fs::read_to_string(&link).unwrap();
    home.write(&link, format!("{text}    settings: {{ token: \"{token}\" }} # mine\n"));
    home.configure("chain: [vault, manual]\n");
    let answer = eventually("the source", || {
        let ran = home.run(&["get", "web", "--json"]);
        (ran.code == Some(0)).then(|| ran.json())
    });
    assert!(Bundle::answered(&answer).is_from(&token) && answer["source"] == "vault");
    let listed = home.run(&["plugin", "list", "--json"]).json();
    let vault_listed = listed["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "vault").unwrap().clone();
    assert_eq!((&vault_listed["pin"], &vault_listed["sha256"]), (&json!("sha256"), &json!(sha256(vault()))));
    let number = |key: &str| vault_listed[key].as_u64().unwrap_or_else(|| panic!("{vault_listed}"));
    assert!(number("calls") >= 1 && number("p50_us") <= number("p99_us") && (64 << 10..64 << 20).contains(&number("memory_bytes")));
    let text = home.run(&["plugin", "list"]).stdout;
    assert!(
        text.lines().any(|line| line.starts_with("vault ") && line.contains(&sha256(vault())[..12]) && line.ends_with("loaded")),
        "{text}"
    );

    // An update through the link, with nothing else changed.
    let before = fs::read_to_string(&link).unwrap();
    let newer = release(vault(), "release-2");
    let updated = add(&home, &["vault-2.wasm", "--name", "vault", "--yes"]);
    updated.ends_with(0);
    assert!(updated.stdout.contains(&format!("{} -> {}", sha256(vault()), sha256(&newer))), "{}", updated.stdout);
    assert!(configuration(&home, "vault").is_symlink());
    assert_eq!(fs::read_to_string(&link).unwrap(), before.replace(&sha256(vault()), &sha256(&newer)));
    eventually("the update", || {
        let listed = home.run(&["plugin", "list", "--json"]).json();
        listed["plugins"].as_array().unwrap().iter().any(|plugin| plugin["sha256"] == sha256(&newer)).then_some(())
    });
    assert!(add(&home, &["vault-2.wasm", "--name", "vault"]).stdout.contains("added already"));
}

#[test]
fn an_update_that_imports_more_needs_a_new_yes() {
    let home = home();
    add(&home, &["vault.wasm", "--name", "corp", "--yes"]).ends_with(0);
    let before = fs::read(configuration(&home, "corp")).unwrap();
    let refused = add(&home, &["greedy.wasm", "--name", "corp", "--yes"]);
    assert!(
        refused.ends_with(6).contains("`corp` imports 3 more than was agreed to") && refused.stderr.contains("--yes-to-imports"),
        "{}",
        refused.stderr
    );
    assert!(refused.stdout.contains("+ flytoken:source/login@0.1.1, which needs the grant login"), "{}", refused.stdout);
    assert_eq!(fs::read(configuration(&home, "corp")).unwrap(), before);
    assert!(!stored(&home, greedy()).exists());

    add(&home, &["greedy.wasm", "--name", "corp", "--yes-to-imports"]).ends_with(0);
    home.run(&["config", "check"]).ends_with(0);
    let text = fs::read_to_string(configuration(&home, "corp")).unwrap();
    assert!(text.contains("- flytoken:source/login@0.1.1\n") && text.contains(&sha256(greedy())), "{text}");
    // What went is shown as well; what comes back is asked anew.
    let back = add(&home, &["vault.wasm", "--name", "corp", "--yes-to-imports"]);
    back.ends_with(0);
    assert!(back.stdout.contains("- flytoken:source/login@0.1.1"), "{}", back.stdout);
    assert_eq!(fs::read(configuration(&home, "corp")).unwrap(), before);
}

#[test]
fn a_configuration_that_looks_otherwise_is_left_as_it_is_and_the_lines_are_told() {
    let mut home = home();
    add(&home, &["greedy.wasm", "--yes"]).ends_with(0);
    let file = configuration(&home, "greedy");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("    # grants:\n") && text.contains("    #   login: true\n"), "{text}");
    let odd = text.replace("    imports:\n", "    imports: # mine\n      # and this\n");
    home.write(&file, &odd);
    let refused = add(&home, &["greedy-2.wasm", "--name", "greedy", "--yes"]);
    assert!(
        refused.ends_with(7).contains("is left as it is")
            && refused.stderr.contains(&format!("sha256: {}", sha256(&release(greedy(), "release-2")))),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), odd);

    for (name, told) in [("cli", "is the name of a built-in source"), ("Big", "name")] {
        assert!(add(&home, &["vault.wasm", "--name", name, "--yes"]).ends_with(2).contains(told), "{name}");
    }
    home.write(home.outside("secrets/own.yaml"), "chain: [manual]\n");
    home.set("FLYTOKEN_CONFIG", &home.outside("secrets/own.yaml").display().to_string());
    let lines = add(&home, &["vault.wasm", "--yes"]);
    lines.ends_with(0);
    assert!(
        lines.stdout.contains(&format!("sources:\n  vault:\n    component: {}\n", stored(&home, vault()).display())),
        "{}",
        lines.stdout
    );
}

#[test]
fn a_removed_source_is_gone_with_its_component_unless_something_still_needs_them() {
    let home = home();
    add(&home, &["vault.wasm", "--yes"]).ends_with(0);
    add(&home, &["vault.wasm", "--name", "second", "--yes"]).ends_with(0);
    home.configure("chain: [manual, vault]\n");
    assert!(home.run(&["plugin", "remove", "vault", "--yes"]).ends_with(7).contains("a chain still names `vault`"));
    home.configure("chain: [manual]\n");
    assert!(home.run(&["plugin", "remove", "vault"]).ends_with(6).contains("add `--yes`"));
    home.run(&["plugin", "remove", "vault", "--yes"]).ends_with(0);
    assert!(!configuration(&home, "vault").exists() && stored(&home, vault()).exists(), "the other one runs it");
    home.run(&["plugin", "remove", "second", "--yes"]).ends_with(0);
    assert!(!stored(&home, vault()).exists());
    assert!(home.run(&["plugin", "remove", "second", "--yes"]).ends_with(7).contains("was not added here"));
    home.run(&["config", "check"]).ends_with(0);
}

/// Every compiled file below a folder, and which one it is: a file that is written anew is another. Beside each is one that counts its uses.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none() {
            let inode = fs::metadata(&path).unwrap().ino();
            found.push((path, inode));
        }
    }
    found.sort();
    found
}

#[test]
fn compile_fills_the_cache_for_whoever_starts_next_and_names_what_does_not_load() {
    let mut home = home();
    home.set("XDG_CACHE_HOME", &home.path("cache").display().to_string());
    add(&home, &["vault.wasm", "--yes"]).ends_with(0);
    let compile = |code| {
        let ran = home.run(&["plugin", "compile", "--json"]);
        ran.ends_with(code);
        ran.json()
    };
    let of = |told: &serde_json::Value, name: &str| {
        let sources = told["sources"].as_array().unwrap();
        sources.iter().find(|source| source["name"] == name).unwrap_or_else(|| panic!("{told}")).clone()
    };
    let first = compile(0);
    assert_eq!((&of(&first, "vault")["sha256"], &of(&first, "vault")["problem"]), (&json!(sha256(vault())), &json!(null)));
    assert!(of(&first, "cli")["sha256"].is_string(), "{first}");
    let folder = PathBuf::from(first["folder"].as_str().unwrap());
    let compiled = files(&folder);
    assert!(!compiled.is_empty());
    compile(0);
    assert_eq!(files(&folder), compiled);

    let unpinned = format!("version: 1\nsources:\n  other: {{ component: {} }}\n", home.path("vault-2.wasm").display());
    home.configure(&unpinned);
    assert!(of(&compile(7), "other")["problem"].as_str().unwrap().contains("sha256"));
    let ran = home.run(&["plugin", "compile"]);
    ran.ends_with(7);
    for word in ["SOURCE", "vault", "compiled", "other", &format!("in {}", folder.display())] {
        assert!(ran.stdout.contains(word), "{word} is not in\n{}", ran.stdout);
    }
}
