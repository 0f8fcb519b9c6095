//! Sources in Python and JavaScript: projects that `flytoken plugin new` writes, and the examples, built with their languages' own tools and
//! judged as any other.
//!
//! Apart from the other behaviours since it needs those tools; `.ci/run` installs them below `target/languages` and runs it:
//! `cargo test --test languages`.

#![expect(
    clippy::unwrap_used,
    reason = "a behaviour that cannot be set up has failed; clippy allows it in test functions, but not in what they share"
)]

#[path = "../harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "most of what behaviours share is for others")]
mod harness;

mod project;
mod service;

use std::time::Duration;

use harness::{Bundle, Home, minted};
use project::{Project, keep};
use service::Service;

const DAY: Duration = Duration::from_hours(24);

/// A home whose configuration may hold tokens.
fn home() -> Home {
    let mut home = Home::new();
    home.set("FLYTOKEN_CONFIG", &home.outside("secrets/config.yaml").display().to_string());
    home
}

/// Whether an agent-less `get` by this source is answered with the token.
fn answers(home: &Home, project: &Project, more: &str, token: &str) {
    let component = project.component().display().to_string();
    let source = format!("component: {component}, dev: true, timeout: 20s, {more}");
    home.write(home.outside("secrets/config.yaml"), format!("version: 1\nchain: [corp]\nsources: {{ corp: {{ {source} }} }}\n"));
    assert!(Bundle::answered(&home.get(&["web"])).is_from(token), "{component}");
}

#[test]
fn a_new_project_answers_with_its_setting_and_keeps_to_every_law() {
    for language in ["python", "javascript"] {
        let (home, token) = (home(), minted(7, DAY));
        let project = Project::new(&home, "corp", language, &[]);
        project.tests();
        project.says_needs_human();
        project.build();
        project.imports(&["secrets", "settings", "types"], &[]);
        project.checks(&home, &["--setting", &format!("token={token}")]);
        answers(&home, &project, &format!("settings: {{ token: \"{token}\" }}"), &token);
        let component = project.component().display().to_string();
        let told = home.run(&["plugin", "run", &component, "--app", "asks-somebody", "--timeout", "20s", "--json"]);
        told.ends_with(6);
        assert_eq!((&told.json()["outcome"], &told.json()["command"]), (&"needs-human".into(), &"corp login".into()), "{}", told.stdout);
        // The same source in each language, for who measures.
        keep(&project, language);
    }
}

#[test]
fn a_new_project_that_needs_http_reads_json() {
    for language in ["python", "javascript"] {
        let (home, token) = (home(), minted(7, DAY));
        let service = Service::start(&token);
        let project = Project::new(&home, "web-tokens", language, &["--needs", "http"]);
        project.tests();
        project.build();
        project.imports(&["secrets", "settings", "types"], &["http"]);
        let grant = format!("http: [{{ origin: \"{}\", private: true }}]", service.origin());
        let url = format!("{}/fly/{{app}}", service.origin());
        project.checks(&home, &["--grant", &grant, "--setting", &format!("url={url}")]);
        answers(&home, &project, &format!("settings: {{ url: \"{url}\" }}, grants: {{ {grant} }}"), &token);
    }
}

#[test]
fn the_example_in_python_asks_a_token_service() {
    let (home, token) = (home(), minted(7, DAY));
    let service = Service::start(&token);
    let project = Project::example(&home, "token-service-python", "token-service", "python");
    project.tests();
    project.build();
    let grant = format!("http: [{{ origin: \"{}\", private: true }}]", service.origin());
    let url = format!("{}/fly/{{app}}?kind={{kind}}", service.origin());
    project.checks(&home, &["--grant", &grant, "--setting", &format!("url={url}")]);
    answers(&home, &project, &format!("settings: {{ url: \"{url}\" }}, grants: {{ {grant} }}"), &token);
}

#[test]
fn the_example_in_javascript_reads_a_file_of_tokens() {
    let (home, token) = (home(), minted(7, DAY));
    let project = Project::example(&home, "token-file-javascript", "token-file", "javascript");
    project.tests();
    project.build();
    let tokens = home.outside("secrets/tokens.json");
    home.write(&tokens, format!("{{\"web\": \"{token}\"}}"));
    let grant = format!("files: {{ tokens: {{ path: {}, as: bytes }} }}", tokens.display());
    project.checks(&home, &["--grant", &grant]);
    answers(&home, &project, &format!("grants: {{ {grant} }}"), &token);
}
