//! The user's own Fly credentials: what `flyctl` itself would use.
//!
//! The host reads them, never a source: the file that holds the token holds `WireGuard` private keys too. One process looks once
//! ([`one_shot()`]), the agent follows the file ([`LoginWatch`]). Both come to a [`LoginState`], whose [`Generation`] says which of
//! the things obtained earlier still count.

mod events;
mod extract;
mod file;
mod follow;
mod identity;
mod look;
mod one_shot;
mod place;
#[cfg(test)]
mod scene;
mod tracker;
mod watch;

use std::{fmt, path::PathBuf, sync::Arc};

use crate::{time::Timestamp, token::ApiToken};

pub use identity::{Identity, IdentityMemory, Remembered};
pub use one_shot::one_shot;
pub use place::Place;
#[cfg(test)]
pub(crate) use scene::LoginScene;
pub use watch::LoginWatch;

/// What is known about the login after the last look at it.
#[derive(Debug, Clone)]
pub struct LoginState {
    /// The last good reading; none if nobody is logged in, or if no reading was good yet.
    pub login: Option<Arc<Login>>,
    /// The login in force. There can be one without a `login`: a file that cannot be read does not end it. None if nobody is logged in.
    pub generation: Option<Generation>,
    /// Why the last look did not count, or why the login is not remembered. Names files, lines and columns, never their content.
    pub problem: Option<String>,
    /// The file the login is read from; none if neither `FLY_CONFIG_DIR` nor `HOME` says where it is.
    pub file: Option<PathBuf>,
    /// When the user logged in, as `flyctl` wrote it down. `flyctl` itself refuses a file's login that is older than 30 days.
    pub last_login: Option<Timestamp>,
    /// Whether other processes know this state's generation; if not, it tells nothing about what they obtained.
    pub(crate) remembered: bool,
}

impl LoginState {
    /// Where the login is, or would be: a variable's name or a file's path.
    pub fn origin(&self) -> String {
        let place = || {
            self.file.as_ref().map_or_else(
                || "neither FLY_CONFIG_DIR nor HOME is set, and there is no systemd credential `fly-login`".to_owned(),
                |file| file.display().to_string(),
            )
        };
        self.login.as_ref().map_or_else(place, |login| login.origin.to_string())
    }

    /// Grows with each change of the login's content; none while nobody is logged in.
    pub fn revision(&self) -> Option<u64> {
        self.login.as_ref().map(|login| login.revision)
    }

    /// What the login in force says about a thing that was obtained under `generation`.
    pub fn standing(&self, generation: Generation) -> Standing {
        if self.generation == Some(generation) {
            Standing::Current
        } else if self.remembered {
            Standing::Void
        } else {
            Standing::Foreign
        }
    }
}

/// Whether a thing that was obtained under some login still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was obtained under the login in force: use it.
    Current,
    /// That login ended: forget it.
    Void,
    /// It is another login's, which may be in force elsewhere, such as the file's beside a variable's: neither use nor forget it.
    Foreign,
}

/// One reading of the login.
#[derive(Debug)]
pub struct Login {
    /// The text as it was found, so that `flyctl` can refresh what it is given.
    pub token: Arc<ApiToken>,
    /// Whose reading this is: the same across the rewrites that `flyctl` does every few minutes.
    pub generation: Generation,
    /// Grows with each change of the content, within this process.
    pub revision: u64,
    /// Where it was found.
    pub origin: LoginOrigin,
}

/// The identity of a login across its rewrites: from one `fly auth login` to the next, or to the logout.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// One that never was: 64 random bits.
    pub(crate) fn fresh() -> Self {
        Self(u64::from_le_bytes(crate::system::random()))
    }

    /// The one with this number.
    #[cfg(test)]
    pub(crate) fn numbered(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({self})")
    }
}

/// Where a login was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOrigin {
    /// In a variable of the caller, by its name.
    Variable(&'static str),
    /// In `flyctl`'s own file.
    File(PathBuf),
    /// In a systemd credential.
    Credential(PathBuf),
}

impl fmt::Display for LoginOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(path) => write!(f, "the credential {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(generation: Option<u64>, remembered: bool) -> LoginState {
        let generation = generation.map(Generation);
        LoginState { login: None, generation, problem: None, file: None, last_login: None, remembered }
    }

    #[test]
    fn what_an_ended_login_obtained_is_void_and_what_another_process_obtained_is_foreign() {
        let cases = [
            (state(Some(1), true), Standing::Current),
            (state(Some(2), true), Standing::Void),
            (state(None, true), Standing::Void),
            (state(Some(1), false), Standing::Current),
            (state(Some(2), false), Standing::Foreign),
            (state(None, false), Standing::Foreign),
        ];
        for (state, expected) in cases {
            assert_eq!(state.standing(Generation(1)), expected, "{state:?}");
        }
    }
}
