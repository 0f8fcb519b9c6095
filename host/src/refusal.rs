//! Why a source has no lease, and what that means for the chain.

use crate::protocol::{FailureCode, StepOutcome};

/// Why a source has no lease. Texts are already capped, escaped and free of known secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing here is meant for this app and kind.
    Absent(String),
    /// It may answer later. A trap or a limit counts as this, with the source named by the step.
    Unavailable(String),
    /// A person has to act first.
    NeedsHuman {
        /// What is wrong.
        text: String,
        /// The command to type.
        command: Option<String>,
        /// The page to open.
        url: Option<String>,
    },
    /// Asking again will not help before settings, grants or surroundings change. A denied call counts as this.
    Misconfigured(String),
    /// An administrator's policy does not let it run.
    Denied(String),
}

impl Refusal {
    /// The reason in words.
    pub fn text(&self) -> &str {
        match self {
            Self::Absent(text)
            | Self::Unavailable(text)
            | Self::Misconfigured(text)
            | Self::Denied(text)
            | Self::NeedsHuman { text, .. } => text,
        }
    }

    /// The command that mends it.
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::NeedsHuman { command, .. } => command.as_deref(),
            Self::Absent(_) | Self::Unavailable(_) | Self::Misconfigured(_) | Self::Denied(_) => None,
        }
    }

    /// How a report calls it.
    pub fn outcome(&self) -> StepOutcome {
        match self {
            Self::Absent(_) => StepOutcome::Absent,
            Self::Unavailable(_) => StepOutcome::Unavailable,
            Self::NeedsHuman { .. } => StepOutcome::NeedsHuman,
            Self::Misconfigured(_) => StepOutcome::Misconfigured,
            Self::Denied(_) => StepOutcome::Denied,
        }
    }
}

impl StepOutcome {
    /// What a chain that ends with this outcome fails with.
    pub fn code(self) -> FailureCode {
        match self {
            Self::NeedsHuman => FailureCode::NeedsHuman,
            Self::Misconfigured => FailureCode::Misconfigured,
            Self::Denied => FailureCode::Denied,
            Self::Unavailable => FailureCode::TryAgain,
            Self::Lease | Self::Absent | Self::Skipped => FailureCode::NoToken,
        }
    }
}
