//! `uninstall --json`.

use serde::Serialize;

/// What was done, or would be.
#[derive(Debug, Serialize)]
pub struct Uninstalled {
    /// In their order.
    pub steps: Vec<UninstallStep>,
}

/// One thing to do.
#[derive(Debug, Serialize)]
pub struct UninstallStep {
    /// `revoke`, `stop`, `remove` or `keep`.
    pub action: &'static str,
    /// What is meant, in words; of `revoke` the mint's name.
    pub what: String,
    /// `done`, `failed`, `kept`, or with `--dry-run` `would-do`.
    pub state: &'static str,
    /// Why it failed.
    pub problem: Option<String>,
}
