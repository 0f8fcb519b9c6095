//! The lines that run a new source, to be pasted into the configuration.

use std::fmt::Write as _;

use super::need::{Example, Need, Needs};
use crate::config::SourceName;

/// What the lines are made of.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) name: SourceName,
    /// Below the project's folder.
    pub(super) component: String,
    pub(super) needs: Needs,
}

impl Configuration {
    /// The lines, with the project in `folder`.
    pub(super) fn lines(&self, folder: &str) -> String {
        let Self { name, component, needs } = self;
        let mut text = format!("sources:\n  {name}:\n    component: {}\n", quoted(&format!("{folder}/{component}")));
        text.push_str("    dev: true   # it runs whatever the file holds: for as long as you work on it\n");
        if needs.include(Need::Keeper) {
            text.push_str("    role: memory\n");
        }
        match needs.example() {
            Example::Settings => text.push_str("    settings: { token: \"FlyV1 fm2_…\" }\n"),
            Example::Http => text.push_str("    settings: { url: \"https://tokens.example/fly/{app}\", field: token }\n"),
            Example::Files | Example::Keeper => {}
        }
        let grants: Vec<&str> = needs.iter().filter_map(grant).chain(needs.may_leak().then_some(MAY_LEAK)).collect();
        if !grants.is_empty() {
            text.push_str("    grants:\n");
            for grant in grants {
                let _ = writeln!(text, "      {grant}");
            }
        }
        let _ = writeln!(text, "chain: [storage, {name}, cli, manual]");
        text
    }
}

/// What the operator grants for it, with places to fill in.
fn grant(need: Need) -> Option<&'static str> {
    match need {
        Need::Http => Some("http: [{ origin: \"https://tokens.example\" }]"),
        Need::Files => Some("files: { token: /run/secrets/fly-token }"),
        Need::Commands => Some("commands: [{ program: corp-token, args: [print, \"{app}\"] }]"),
        Need::Login => Some("login: true"),
        Need::Records => Some("records: cache"),
        Need::Env => Some("env: [CORP_TOKEN]"),
        Need::Sockets => Some("sockets: [\"db.example:5432\"]"),
        Need::Keeper => None,
    }
}

/// A path as a YAML text, whatever is in it.
fn quoted(path: &str) -> String {
    if path.chars().all(|character| character.is_ascii_alphanumeric() || "/._-".contains(character)) {
        return path.to_owned();
    }
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

const MAY_LEAK: &str = "may-leak: true   # it could send what it reads in variables to where it may speak";
