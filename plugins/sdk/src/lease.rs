//! A token, and the moment it stops being usable.

use crate::{Expiry, Secret};

/// A token, and the moment it stops being usable.
///
/// The host checks it before it is kept or given to anybody: that it is a Fly.io API token, is not expired, and fits the request.
#[derive(Debug)]
#[cfg_attr(not(target_family = "wasm"), derive(PartialEq, Eq))]
pub struct Lease {
    /// The token.
    pub token: Secret,
    /// When it stops being usable. The host also reads the token itself; the earlier end counts.
    pub expiry: Expiry,
    /// What the source calls it: at most 128 bytes, no part of a token.
    pub id: Option<String>,
}

impl Lease {
    /// A lease without an id.
    pub fn new(token: Secret, expiry: Expiry) -> Self {
        Self { token, expiry, id: None }
    }

    /// The same lease with an id: at most 128 bytes, no part of a token.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }
}
