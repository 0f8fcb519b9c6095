//! A token, when it stops being usable, and where it came from.

use std::sync::Arc;

use crate::{config::SourceName, kind::Kind, time::Timestamp, token::ApiToken};

/// When a lease stops being usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiry {
    /// At this time.
    At(Timestamp),
    /// Never.
    Never,
    /// Nobody can tell; it is trusted for `ttl` from when it was obtained.
    Unknown,
}

impl Expiry {
    /// The earlier of two: what the source said and what the token itself says.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::At(a), _) | (_, Self::At(a)) => Self::At(a),
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Never, Self::Never) => Self::Never,
        }
    }

    /// The moment, if there is one.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::Unknown => None,
        }
    }
}

/// A token, when it stops being usable, and where it came from.
#[derive(Debug)]
pub struct Lease {
    /// The token, shared rather than copied.
    pub token: Arc<ApiToken>,
    /// When it stops being usable.
    pub expiry: Expiry,
    /// What its source calls it, such as the unique name it was minted under.
    pub id: Option<String>,
    /// Where it came from; no source can set it.
    pub provenance: Provenance,
}

/// Where a secret came from. Set by the host when the secret comes to be, and sealed with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Provenance {
    /// The source that first obtained it; a keeper that hands it on is not named here.
    pub source: SourceName,
    /// What it was obtained for.
    pub kind: Kind,
    /// When it was obtained.
    pub obtained: Timestamp,
    /// Grows with every secret obtained, across processes: of two leases for the same thing, the greater is the newer.
    pub sequence: u64,
    /// The login in force when it was obtained; none if nobody was logged in or the source had no part in the login.
    pub login: Option<crate::login::Generation>,
    /// Digest of the component, settings and grants it was obtained under.
    pub source_digest: [u8; 32],
    /// Whether the secret is the login itself rather than something obtained with it.
    pub is_login: bool,
}
