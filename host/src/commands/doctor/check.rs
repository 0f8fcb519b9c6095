//! What one look came to. Serialised, it is `doctor --json`: its keys are a contract.

use serde::Serialize;

/// Every check, in the order in which it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) checks: Vec<Check>,
}

impl Report {
    /// How many checks came to this.
    pub(super) fn count(&self, state: State) -> usize {
        self.checks.iter().filter(|check| check.state == state).count()
    }
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What kind of thing it is; the same name may come several times.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) state: State,
    /// In words.
    pub(super) text: String,
    /// The command that mends it; each has one that is not as it should be.
    pub(super) command: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and may need a look.
    Warn,
    /// It does not work.
    Fail,
}

impl Check {
    pub(super) fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Ok, text: text.into(), command: None }
    }

    /// What may need a look, once it is said by what it is mended.
    pub(super) fn warn(name: &'static str, text: impl Into<String>) -> Complaint {
        Complaint(Self { state: State::Warn, ..Self::ok(name, text) })
    }

    /// What does not work, once it is said by what it is mended.
    pub(super) fn fail(name: &'static str, text: impl Into<String>) -> Complaint {
        Complaint(Self { state: State::Fail, ..Self::ok(name, text) })
    }
}

/// What is not as it should be. It is a check once it is said what to type: nobody is left with what is wrong alone.
#[must_use]
pub(super) struct Complaint(Check);

impl Complaint {
    pub(super) fn mended_by(self, command: impl Into<String>) -> Check {
        Check { command: Some(command.into()), ..self.0 }
    }

    /// By the first command of a hint, in which it stands between backticks.
    pub(super) fn mended_as(self, hint: &str) -> Check {
        let command = hint.split('`').nth(1).unwrap_or(hint);
        self.mended_by(command)
    }
}
