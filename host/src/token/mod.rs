//! Fly.io API tokens: what they say about themselves, and how to narrow one.
//!
//! A token text is a list of items: macaroons, which carry their own expiry and scope and can be narrowed by whoever holds them, and user
//! tokens, which are opaque. [`Bundle`] reads a text, [`Macaroon`] is one signed token in it, [`Caveat`] one restriction in that.
//! Nothing here asks anybody: signatures can be made and extended, but only Fly can check them.

mod assembly;
mod attenuate;
mod bundle;
mod caveat;
mod caveat_bytes;
mod caveat_forms;
pub mod caveat_json;
mod chain;
mod error;
mod expiry;
mod fingerprint;
pub mod forge;
mod id;
mod limits;
mod macaroon;
mod mask;
mod msgpack;
mod resources;
mod scope;
mod text;
mod verdict;

#[cfg(test)]
mod access;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod vectors;

use std::fmt;

use zeroize::Zeroizing;

pub(crate) use self::text::items as text_items;
pub use self::{
    assembly::{Assembly, NotNarrowed},
    attenuate::CannotNarrow,
    bundle::{Bundle, Item, ItemKind},
    caveat::{Caveat, Command, FlySrc, IfPresent, ThirdParty, UnknownCaveat},
    error::{Malformed, TokenError},
    expiry::{CLOCK_SKEW, Location, Missed, Unusable, Usable, Window},
    fingerprint::{Fingerprint, FingerprintKey, NotAFingerprint},
    id::TokenId,
    limits::Limits,
    macaroon::{AUTH_LOCATION, Macaroon, NEW_AUTH_LOCATION, PERMISSION_LOCATION},
    mask::{Mask, UnknownAction},
    resources::ResourceSet,
    scope::{AppLimit, ScopeError},
    text::Scheme,
    verdict::Worthless,
};

/// A Fly.io API token as text: one item or a list of them, with or without a scheme.
///
/// Wiped when dropped. No `Clone`, `Display`, `Serialize` or `Eq`, so every copy is one that somebody wrote.
pub struct ApiToken(Zeroizing<String>);

/// Longest token text that is read, in bytes. A login of many organisations has a few kilobytes; what is longer is no token.
pub const MAX_TEXT: usize = 64 * 1024;

impl ApiToken {
    /// Takes a text as a token, without the white space around it. Nothing is checked: that is [`Bundle::parse`].
    pub fn new(text: Zeroizing<String>) -> Self {
        let trimmed = text.trim_ascii();
        if trimmed.len() == text.len() { Self(text) } else { Self(Zeroizing::new(trimmed.to_owned())) }
    }

    /// The secret itself, as it was given.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What goes before it in a header: `FlyV1` if there is a macaroon in it.
    pub fn scheme(&self) -> Scheme {
        let is_macaroon = |item| matches!(text::Form::of(item), text::Form::Macaroon(_));
        if text::items(&self.0).any(is_macaroon) { Scheme::FlyV1 } else { Scheme::Bearer }
    }

    /// The items alone, joined by commas, without scheme and white space.
    pub fn bare(&self) -> Zeroizing<String> {
        self.after("")
    }

    /// As `fly tokens create` prints it: `FlyV1 ` before macaroons, user tokens bare.
    pub fn printed(&self) -> Zeroizing<String> {
        match self.scheme() {
            Scheme::FlyV1 => self.header_value(),
            Scheme::Bearer => self.bare(),
        }
    }

    /// The value of an `Authorization` header: scheme and items.
    pub fn header_value(&self) -> Zeroizing<String> {
        self.after(match self.scheme() {
            Scheme::FlyV1 => "FlyV1 ",
            Scheme::Bearer => "Bearer ",
        })
    }

    /// The items joined by commas after `front`.
    fn after(&self, front: &str) -> Zeroizing<String> {
        // Room for everything at once: a text that grows leaves unwiped copies behind.
        let mut all = Zeroizing::new(String::with_capacity(front.len() + self.0.len()));
        all.push_str(front);
        for (place, item) in text::items(&self.0).enumerate() {
            if place > 0 {
                all.push(',');
            }
            all.push_str(item);
        }
        all
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_as_fly_writes_it() {
        for (given, bare, printed, header) in [
            (" fm2_a , fo1_b\n", "fm2_a,fo1_b", "FlyV1 fm2_a,fo1_b", "FlyV1 fm2_a,fo1_b"),
            ("Bearer FlyV1 fm1r_a,", "fm1r_a", "FlyV1 fm1r_a", "FlyV1 fm1r_a"),
            ("FlyV1 fo1_b", "fo1_b", "fo1_b", "Bearer fo1_b"),
        ] {
            let token = ApiToken::new(Zeroizing::new(given.to_owned()));
            assert_eq!(*token.bare(), bare);
            assert_eq!(*token.printed(), printed);
            assert_eq!(*token.header_value(), header);
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let token = ApiToken::new(Zeroizing::new("fo1_canary".to_owned()));
        let bundle = Bundle::parse("fo1_canary,fm2_canary,canary").expect("three items");
        let shown = format!("{token:?} {bundle:?} {:?}", bundle.check());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
