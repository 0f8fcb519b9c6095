//! The user's keyring: Secret Service on Linux, Keychain on macOS.

use std::{sync::mpsc, thread, time::Duration};

use zeroize::Zeroizing;

/// A place of the operating system's that keeps small secrets by name.
pub trait Keyring: Send + Sync + 'static {
    /// The secret of that name; none if there is none. May block for as long as it likes.
    ///
    /// # Errors
    /// Why the keyring cannot be asked, in words.
    fn load(&self, name: &str) -> Result<Option<Zeroizing<String>>, String>;

    /// Keeps a secret under that name. May block for as long as it likes.
    ///
    /// # Errors
    /// Why the keyring does not take it, in words.
    fn save(&self, name: &str, secret: &str) -> Result<(), String>;

    /// Forgets the secret of that name, if there is one. May block for as long as it likes.
    ///
    /// # Errors
    /// Why the keyring does not forget it, in words.
    fn remove(&self, name: &str) -> Result<(), String>;
}

/// The keyring of the user's session.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemKeyring;

impl Keyring for SystemKeyring {
    fn load(&self, name: &str) -> Result<Option<Zeroizing<String>>, String> {
        match entry(name)?.get_password() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(words(&error)),
        }
    }

    fn save(&self, name: &str, secret: &str) -> Result<(), String> {
        entry(name)?.set_password(secret).map_err(|error| words(&error))
    }

    fn remove(&self, name: &str) -> Result<(), String> {
        match entry(name)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(error) => Err(words(&error)),
        }
    }
}

fn entry(name: &str) -> Result<keyring::Entry, String> {
    if let Err(error) = keyring::Entry::store_status() {
        return Err(words(error));
    }
    keyring::Entry::new(SERVICE, name).map_err(|error| words(&error))
}

/// The error in words. Two of its cases carry the secret itself: those are not printed by the library, and not by us.
fn words(error: &keyring::Error) -> String {
    match error {
        keyring::Error::BadEncoding(_) | keyring::Error::BadDataFormat(..) => "what it keeps under our name is not ours".into(),
        error => error.to_string(),
    }
}

/// Asks something that may hang, on a thread of its own, and gives up after `limit`. The thread is then left behind: nothing can end it.
pub(super) fn within<T: Send + 'static>(limit: Duration, ask: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    let (answer, answered) = mpsc::sync_channel(1);
    let asked = thread::Builder::new().name("keyring".into()).spawn(move || {
        // Nobody listens any more once the limit has passed.
        let _ = answer.send(ask());
    });
    asked.map_err(|error| format!("no thread to ask it on: {error}"))?;
    match answered.recv_timeout(limit) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it did not answer within {limit:?}")),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err("asking it ended in a panic".into()),
    }
}

/// How the keyring lists us.
const SERVICE: &str = "flytoken";
