//! The user's own Fly login.

use crate::Secret;

/// The user's own Fly login. Needs the grant `login`.
pub trait Login {
    /// The login, or none while nobody is logged in. It is the same for the whole call.
    fn login(&self) -> Option<Secret>;
}
