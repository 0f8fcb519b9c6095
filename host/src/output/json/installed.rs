//! `agent install --json` and `agent uninstall --json`.

use serde::Serialize;

/// What was done, or would be.
#[derive(Debug, Default, Serialize)]
pub struct Installed<'a> {
    /// The service manager's files.
    pub files: Vec<InstalledFile<'a>>,
    /// The commands that were run.
    pub commands: Vec<InstalledCommand<'a>>,
}

/// A file of a service manager's.
#[derive(Debug, Serialize)]
pub struct InstalledFile<'a> {
    /// Where it lies.
    pub path: &'a str,
    /// `written`, `unchanged`, `removed`, `foreign`, or with `--dry-run` `would-write` or `would-remove`.
    pub state: &'a str,
    /// What would be written.
    pub text: Option<&'a str>,
}

/// A command.
#[derive(Debug, Serialize)]
pub struct InstalledCommand<'a> {
    /// As it is typed.
    pub command: &'a str,
    /// `done`, or with `--dry-run` `would-run`.
    pub state: &'a str,
}
