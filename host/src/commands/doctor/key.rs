//! Where the key lies that seals what is kept, and what that is worth.

use std::{sync::Arc, time::Duration};

use super::{Context, check::Check};
use crate::{
    config::KeyPlace,
    store::{KeyError, KeySearch, Patience, SystemKeyring},
};

/// Looks at the key's place, and makes neither a key nor a choice.
pub(super) fn check(context: &Context, wanted: Option<KeyPlace>) -> Check {
    let Some(directory) = context.paths.state() else {
        return Check::warn("key", "neither XDG_STATE_HOME nor HOME is set: nothing survives a command").mended_by("export HOME=~");
    };
    match KeySearch::recorded(directory) {
        Ok(None) => return Check::ok("key", "its place is chosen when something is kept for the first time"),
        Ok(Some(_)) => {}
        Err(error) => return broken(&error),
    }
    let keyring = Arc::new(SystemKeyring);
    let search = KeySearch { directory, environment: &context.environment, keyring, wanted, patience: Patience::of(PATIENCE) };
    match search.find() {
        Ok(found) => described(found.place),
        Err(error) => broken(&error),
    }
}

fn described(place: KeyPlace) -> Check {
    match place {
        KeyPlace::Keyring => Check::ok("key", "in the keyring, which opens with your session"),
        KeyPlace::Systemd => Check::ok("key", "a systemd credential"),
        KeyPlace::File => Check::ok(
            "key",
            "a file beside the databases: it protects a database that is copied alone, and nothing from who can read your home",
        ),
    }
}

fn broken(error: &KeyError) -> Check {
    Check::fail("key", format!("{error}; {}", error.hint())).mended_as(&error.hint())
}

/// How long another process is waited for that makes the key.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    #[test]
    fn a_key_file_is_called_what_it_is() {
        for (place, state, words) in [
            (KeyPlace::Keyring, State::Ok, "keyring"),
            (KeyPlace::Systemd, State::Ok, "systemd"),
            (KeyPlace::File, State::Ok, "nothing from who can read your home"),
        ] {
            let check = described(place);
            assert!(check.state == state && check.text.contains(words), "{check:?}");
        }
    }
}
