//! A token that a source passes on without reading it.

use std::fmt;

pub use crate::bindings::secrets::Denied;
use crate::host::Handle;

/// A token the host holds.
///
/// In a component this is a handle: the text stays in the host, which knows where it came from. It lives as long as the call it was
/// made in. Outside a component, in a test, it is the text itself.
#[cfg_attr(not(target_family = "wasm"), derive(PartialEq, Eq))]
pub struct Secret(pub(crate) Handle);

impl Secret {
    /// Hands `text` to the host: at most 16384 bytes, a longer text ends the call. Surrounding white space is removed.
    pub fn seal(text: &str) -> Self {
        Self(Handle::seal(text))
    }

    /// The text itself. Needs the grant `reveal`; a source that only passes tokens on does without.
    ///
    /// # Errors
    ///
    /// [`Denied`] without the grant.
    pub fn reveal(&self) -> Result<String, Denied> {
        self.0.reveal()
    }
}

/// Without the text, also outside a component.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_trimmed_and_never_printed() {
        let secret = Secret::seal(" FlyV1 fm2_canary\r\n");
        assert_eq!(secret.reveal().unwrap(), "FlyV1 fm2_canary");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
