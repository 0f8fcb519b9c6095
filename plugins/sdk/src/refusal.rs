//! Why there is no lease: short ways to say so.

use crate::bindings::records;
use crate::{HumanAction, Refusal};

/// The texts are shown to people: one sentence, lower case, no full stop, at most 1024 bytes, no part of a token.
impl Refusal {
    /// Nothing here is meant for this app. The host asks the next source.
    pub fn absent(text: impl Into<String>) -> Self {
        Self::Absent(text.into())
    }

    /// The source may answer later. The host asks the next source and backs off.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::Unavailable(text.into())
    }

    /// A person has to act first, by typing `command`. The host asks the next source.
    pub fn needs_human(text: impl Into<String>, command: impl Into<String>) -> Self {
        Self::NeedsHuman(HumanAction { text: text.into(), command: Some(command.into()), url: None })
    }

    /// The source's settings, grants or surroundings are wrong, and asking again will not help.
    pub fn misconfigured(text: impl Into<String>) -> Self {
        Self::Misconfigured(text.into())
    }
}

/// A record that cannot be read or written may be so later; a lease that the host refuses to keep is no fault of the source.
impl From<records::Failure> for Refusal {
    fn from(failure: records::Failure) -> Self {
        match failure {
            records::Failure::Unavailable(text) => Self::Unavailable(text),
            records::Failure::Refused(text) => Self::Absent(text),
        }
    }
}
