//! What a token is for.

use std::{fmt, str::FromStr};

/// What a token is for. Bounds what may be handed out: a wider token is narrowed or passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Reading only; limited to the app where the app's numeric id is known.
    #[default]
    Readonly,
    /// Limited to the app.
    Deploy,
    /// Obtained for `ssh`, and limited to the app.
    Ssh,
    /// Obtained for `machine-exec`, and limited to the app.
    MachineExec,
    /// Limited to the app's organisation.
    Org,
    /// The raw login, only when asked for by name.
    Login,
}

impl Kind {
    /// Every kind, narrowest first.
    pub const ALL: [Self; 6] = [Self::Readonly, Self::Deploy, Self::Ssh, Self::MachineExec, Self::Org, Self::Login];

    /// The name as people write it: `machine-exec`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readonly => "readonly",
            Self::Deploy => "deploy",
            Self::Ssh => "ssh",
            Self::MachineExec => "machine-exec",
            Self::Org => "org",
            Self::Login => "login",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a kind is one of readonly, deploy, ssh, machine-exec, org, login")]
pub struct UnknownKind;
