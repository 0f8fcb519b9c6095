//! Why there is no sealing key.

use std::path::PathBuf;

use super::{LockError, PrivateFileError, key_place::CREDENTIAL};
use crate::config::KeyPlace;

/// Why there is no key. What was sealed stays as it is; without a key it can be neither read nor added to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The place cannot be asked.
    #[error("the key's place, {}, cannot be reached: {why}", describe(*place))]
    Unreachable {
        /// The place.
        place: KeyPlace,
        /// Why not.
        why: String,
    },
    /// The place can be asked and has no key, though it should.
    #[error("the key is not in its place, {}", describe(*place))]
    Missing {
        /// The place.
        place: KeyPlace,
    },
    /// What the place has is no key.
    #[error("what lies in the key's place, {}, is no key", describe(*place))]
    Malformed {
        /// The place.
        place: KeyPlace,
    },
    /// The configuration names another place than the one chosen first.
    #[error("the configuration says `key: {}`, but the key was put into {}", name(*wanted), describe(*recorded))]
    Elsewhere {
        /// Where it is.
        recorded: KeyPlace,
        /// Where it should be.
        wanted: KeyPlace,
    },
    /// The record of the place names none.
    #[error("`{path}` names no place for the key", path = path.display())]
    Record {
        /// The record.
        path: PathBuf,
    },
    /// Another process is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file that cannot serve.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

impl KeyError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { place: KeyPlace::Keyring, .. } => "unlock the keyring, or run this inside your desktop session; `key: file` in the configuration does without one".into(),
            Self::Unreachable { place: KeyPlace::Systemd, .. } | Self::Missing { place: KeyPlace::Systemd } => {
                format!("give the service the credential: `LoadCredentialEncrypted={CREDENTIAL}` in its unit")
            }
            Self::Unreachable { .. } | Self::Missing { .. } | Self::Malformed { .. } => {
                "bring the key back, or move the state directory aside and start anew, and `flytoken set` the manual tokens again: `flytoken doctor` names it".into()
            }
            Self::Elsewhere { recorded, .. } => {
                format!("say `key: {}`, or move the state directory aside and start anew", name(*recorded))
            }
            Self::Record { path } => format!("write `keyring`, `systemd` or `file` into `{}`: where the key is", path.display()),
            Self::Lock(LockError::Busy { .. }) => "try again; `flytoken doctor` says where the key is looked for".into(),
            Self::Lock(LockError::File(error)) | Self::File(error) => error.hint(),
        }
    }
}

/// The name in the record; on disk, so never changed.
pub(super) fn name(place: KeyPlace) -> &'static str {
    match place {
        KeyPlace::Keyring => "keyring",
        KeyPlace::Systemd => "systemd",
        KeyPlace::File => "file",
    }
}

fn describe(place: KeyPlace) -> &'static str {
    match place {
        KeyPlace::Keyring if cfg!(target_os = "macos") => "the login keychain",
        KeyPlace::Keyring => "the Secret Service keyring",
        KeyPlace::Systemd => "the systemd credential `flytoken-key`",
        KeyPlace::File => "the file `key` in the state directory",
    }
}
