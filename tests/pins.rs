//! Pins: a component in a file runs if its digest is the one that somebody named, and imports no more than somebody agreed to.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Bundle, Corp,
    components::{greedy, release, sha256, vault},
    eventually, minted,
};

const DAY: Duration = Duration::from_hours(24);

/// Makes `corp` the only source, with its component in `corp.wasm` and whatever else there is to say.
fn configure(corp: &Corp, token: &str, more: &str) {
    corp.configure(&format!("chain: [corp]\nsources:\n  corp: {{ component: ./corp.wasm, settings: {{ token: \"{token}\" }}{more} }}\n"));
}

/// What the vault imports, as the file lists it.
fn imports_of_vault(corp: &Corp) -> Vec<String> {
    let file = corp.component();
    let inspected = corp.home.run(&["plugin", "inspect", "--json", file.to_str().unwrap()]);
    inspected.ends_with(0);
    let imports = inspected.json()["imports"].as_array().unwrap().clone();
    imports.iter().map(|import| import["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_component_without_a_pin_is_not_loaded_and_told_is_its_digest_and_what_to_type() {
    let corp = Corp::new(vault());
    configure(&corp, &minted(7, DAY), "");
    let told = corp.home.run(&["get", "web"]);
    let file = corp.component();
    let (file, digest) = (file.to_str().unwrap(), sha256(vault()));
    for part in
        [file.to_owned(), format!("sha256 {digest}"), format!("type `flytoken plugin add {file} --name corp`"), "`dev: true`".into()]
    {
        assert!(told.ends_with(7).contains(&part), "{part}: {}", told.stderr);
    }
    assert_eq!(corp.status()["sha256"], Value::Null);
}

#[test]
fn with_dev_whatever_the_file_holds_runs_and_status_says_so() {
    let corp = Corp::new(vault());
    let token = minted(7, DAY);
    configure(&corp, &token, ", dev: true");
    let _agent = corp.home.agent();
    assert!(Bundle::answered(&corp.home.get(&["web"])).is_from(&token));
    let other = release(vault(), "release-2");
    corp.install(&other);
    corp.runs(&other);
    assert_eq!(corp.status()["unpinned"], true);
    let text = corp.home.run(&["status"]).stdout;
    assert!(text.lines().any(|line| line.starts_with("corp ") && line.contains("loaded, not pinned (dev)")), "{text}");

    configure(&corp, &token, &format!(", dev: true, sha256: {}", sha256(&other)));
    eventually("the pin", || (corp.status()["unpinned"] == false).then_some(()));
    configure(&corp, &token, ", dev: true");
    eventually("no pin", || (corp.status()["unpinned"] == true).then_some(()));

    // Nobody vouches for what runs any more.
    configure(&corp, &token, "");
    corp.problem("is not pinned");
    assert_eq!(corp.status()["sha256"], Value::Null, "the one before does not go on");
}

#[test]
fn a_component_that_imports_more_than_was_agreed_to_is_not_loaded() {
    let corp = Corp::new(vault());
    let (token, imports) = (minted(7, DAY), imports_of_vault(&corp));
    let with = |imports: &[String]| format!(", sha256: {}, imports: {}", sha256(vault()), json!(imports));
    configure(&corp, &token, &with(&imports));
    let _agent = corp.home.agent();
    corp.runs(vault());
    let (last, fewer) = imports.split_last().unwrap();
    configure(&corp, &token, &with(fewer));
    corp.problem(&format!("imports `{last}`, which `sources.corp.imports` does not list"));
    assert_eq!(corp.status()["sha256"], Value::Null, "the one before imports as much, and does not go on");

    configure(&corp, &token, &with(&imports));
    corp.runs(vault());
    corp.install(greedy());
    configure(
        &corp,
        &token,
        &format!(
            ", sha256: {}, grants: {{ login: true, records: cache, commands: [{{ program: fly }}] }}, imports: {}",
            sha256(greedy()),
            json!(imports)
        ),
    );
    corp.problem("which `sources.corp.imports` does not list");
    assert_eq!(corp.status()["sha256"], sha256(vault()), "the one before serves");
}
