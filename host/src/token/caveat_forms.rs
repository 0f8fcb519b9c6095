//! The bodies of caveats in Fly's JSON form, field by field.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::caveat::Command;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Organization {
    pub(super) id: u64,
    pub(super) mask: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validity {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutations {
    pub(super) mutations: Vec<Box<str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    pub(super) id: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Uint64 {
    pub(super) uint64: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) id: Box<str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Empty {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Party {
    pub(super) location: Box<str>,
    pub(super) verifier_key: String,
    pub(super) ticket: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition<T = Box<RawValue>> {
    pub(super) ifs: Vec<T>,
    #[serde(rename = "else")]
    pub(super) otherwise: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) args: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) exact: bool,
}

impl From<&Command> for Run {
    fn from(command: &Command) -> Self {
        Self { args: command.args.clone(), exact: command.exact }
    }
}

impl From<Run> for Command {
    fn from(run: Run) -> Self {
        Self { args: run.args, exact: run.exact }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) organization: Box<str>,
    #[serde(default)]
    pub(super) app: Box<str>,
    #[serde(default)]
    pub(super) instance: Box<str>,
}
