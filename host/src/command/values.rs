//! The values that fill placeholders: never empty, never an option.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use super::{template::Placeholder, token_id::TokenId};
use crate::app::AppName;

/// What fills the placeholders of one run.
#[derive(Debug, Clone, Copy)]
pub struct Values<'v> {
    /// `{app}`
    pub app: &'v AppName,
    /// `{org}`: the slug of the app's organisation, if one is configured.
    pub org: Option<&'v str>,
    /// `{expiry}`: how long a minted token should live, as `fly` reads it, such as `24h0m0s`.
    pub expiry: &'v str,
    /// `{unique}`: a name that no other run has.
    pub unique: &'v str,
    /// `{dir}`: the run's own folder.
    pub dir: &'v Path,
    /// `{id}`: what Fly calls the token that the run is about, if it is about one.
    pub id: Option<&'v TokenId>,
}

impl<'v> Values<'v> {
    pub(super) fn of(&self, placeholder: Placeholder) -> Result<&'v OsStr, CannotFill> {
        let lasting = Lasting { app: self.app, org: self.org, expiry: self.expiry };
        match placeholder {
            Placeholder::Unique => safe(placeholder, self.unique, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
            Placeholder::Id => self.id.map(|id| OsStr::new(id.as_str())).ok_or(CannotFill::NoId),
            // An absolute path never looks like an option.
            Placeholder::Dir if self.dir.is_absolute() && !self.dir.as_os_str().as_bytes().contains(&0) => Ok(self.dir.as_os_str()),
            _ => lasting.of(placeholder).unwrap_or(Err(CannotFill::Unsafe(placeholder))),
        }
    }
}

/// What stays the same when a command runs again for the same app.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting<'v> {
    pub(super) app: &'v AppName,
    pub(super) org: Option<&'v str>,
    pub(super) expiry: &'v str,
}

impl<'v> Lasting<'v> {
    /// The value; none for a placeholder that differs from run to run.
    pub(super) fn of(&self, placeholder: Placeholder) -> Option<Result<&'v OsStr, CannotFill>> {
        let is_slug = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        match placeholder {
            Placeholder::App => Some(Ok(OsStr::new(self.app.as_str()))),
            Placeholder::Org => Some(self.org.ok_or(CannotFill::NoOrganization).and_then(|org| safe(placeholder, org, is_slug))),
            Placeholder::Expiry => Some(safe(placeholder, self.expiry, |byte| byte.is_ascii_alphanumeric() || byte == b'.')),
            Placeholder::Unique | Placeholder::Dir | Placeholder::Id => None,
        }
    }
}

/// The value, unless a program could take it for an option or for nothing at all.
fn safe(placeholder: Placeholder, value: &str, allowed: impl Fn(u8) -> bool) -> Result<&OsStr, CannotFill> {
    let holds = !value.is_empty() && !value.starts_with('-') && value.bytes().all(allowed);
    if holds { Ok(OsStr::new(value)) } else { Err(CannotFill::Unsafe(placeholder)) }
}

/// Why a value cannot take its placeholder's place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotFill {
    /// `{org}` is used, and no organisation is known.
    #[error("the command needs the app's organisation: add `organization: SLUG` to the app's entry under `apps`")]
    NoOrganization,
    /// `{id}` is used in a run that is about no token.
    #[error("the command takes the id of a token, and this run is about none")]
    NoId,
    /// The value is empty, starts with a dash or holds a character that this value never has. It is not repeated.
    #[error("the value for `{0}` is empty, starts with '-' or holds a character it cannot have")]
    Unsafe(Placeholder),
}
