//! What a client asks the core and what it is told: the same messages over the socket and in one process.
//!
//! On the wire each is a `MessagePack` map with named keys (`rmp_serde::to_vec_named`); keys are kebab-case and never change meaning
//! within a protocol version. Times are unix milliseconds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::status::Status;
use crate::{
    app::AppName,
    delivery::Actions,
    kind::Kind,
    lease::Expiry,
    time::Timestamp,
    token::{ApiToken, Fingerprint},
};

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// A token for one app and kind.
    Get {
        /// The app.
        app: AppName,
        /// What the token is for.
        kind: Kind,
        /// How the token has to be; what is left out is as the agent has it.
        #[serde(default, skip_serializing_if = "Wish::is_nothing")]
        wish: Wish,
    },
    /// Keeps a token set by hand.
    Set {
        /// The app.
        app: AppName,
        /// The token as the user gave it.
        #[serde(with = "wire_token")]
        token: Arc<ApiToken>,
        /// Whether to keep it although it cannot be used.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
    /// Forgets the token set by hand.
    Unset {
        /// The app.
        app: AppName,
    },
    /// Obtains a newer token now.
    Refresh {
        /// The app.
        app: AppName,
        /// One kind, or every kind in use.
        kind: Option<Kind>,
    },
    /// Never hands out a token again.
    Invalidate {
        /// The app.
        app: AppName,
        /// One kind, or all.
        kind: Option<Kind>,
        /// The rejected token; without it, everything obtained so far.
        fingerprint: Option<Fingerprint>,
    },
    /// Never hands out this token again; the token itself names it.
    InvalidateToken {
        /// The app.
        app: AppName,
        /// One kind, or all.
        kind: Option<Kind>,
        /// The rejected token.
        #[serde(with = "wire_token")]
        token: Arc<ApiToken>,
    },
    /// The last resolution of an app and kind, asking nobody; with `resolve`, a new one first.
    Explain {
        /// The app.
        app: AppName,
        /// What the token is for.
        kind: Kind,
        /// Whether to resolve first.
        resolve: bool,
    },
    /// How the agent, its sources and its leases are.
    Status,
    /// Every mint that is written down.
    Minted,
    /// Never hands out a mint again, and revokes it at Fly.
    Revoke {
        /// Its name, as `minted` tells it.
        name: String,
    },
    /// Goes through every line of the audit.
    VerifyAudit,
}

impl Request {
    /// Its name on the wire, and which app and kind it is about, if it is about one.
    pub fn subject(&self) -> (&'static str, Option<&AppName>, Option<Kind>) {
        match self {
            Self::Get { app, kind, .. } => ("get", Some(app), Some(*kind)),
            Self::Set { app, .. } => ("set", Some(app), None),
            Self::Unset { app } => ("unset", Some(app), None),
            Self::Refresh { app, kind } => ("refresh", Some(app), *kind),
            Self::Invalidate { app, kind, .. } => ("invalidate", Some(app), *kind),
            Self::InvalidateToken { app, kind, .. } => ("invalidate-token", Some(app), *kind),
            Self::Explain { app, kind, .. } => ("explain", Some(app), Some(*kind)),
            Self::Status => ("status", None, None),
            Self::Minted => ("minted", None, None),
            Self::Revoke { .. } => ("revoke", None, None),
            Self::VerifyAudit => ("verify-audit", None, None),
        }
    }
}

/// How a client wants the token that it is handed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wish {
    /// At least this many seconds must be left; a lease with less is renewed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<u64>,
    /// It allows these actions and no others, as letters of `rwcdC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Actions>,
    /// It lives for this many seconds at most, from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<u64>,
}

impl Wish {
    /// Whether any token will do.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a client is told when all went well.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Reply {
    /// A token.
    Token(Delivered),
    /// The manual token is on disk.
    Set {
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Its end.
        expiry: Expiry,
        /// Sources in the chain that are asked before it and may answer instead.
        asked_before: Vec<String>,
        /// Why it cannot be used, if it was kept all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// The manual token is forgotten; false if there was none.
    Unset {
        /// Whether there was one.
        existed: bool,
    },
    /// What each kind was renewed to.
    Refreshed {
        /// One entry a kind.
        leases: Vec<LeaseFacts>,
    },
    /// What was invalidated.
    Invalidated {
        /// The fingerprints dropped from the cache; a cold app has none.
        fingerprints: Vec<Fingerprint>,
    },
    /// How the last resolution went.
    Explained {
        /// None if there was none.
        explanation: Option<Box<Explanation>>,
    },
    /// Every mint that is written down, the newest first.
    Minted {
        /// The mints.
        mints: Vec<MintReport>,
        /// How many of them count against the budget of this hour.
        charged: u64,
        /// That budget.
        budget: u64,
    },
    /// A mint is good no longer.
    Revoked {
        /// Its name.
        name: String,
        /// The app it was for.
        app: AppName,
        /// What the token was for.
        kind: Kind,
        /// How it ended.
        outcome: RevokeOutcome,
        /// When, if anybody knows.
        at: Option<Timestamp>,
    },
    /// What came of going through the audit.
    AuditVerified(AuditReport),
    /// How everything is.
    Status(Box<Status>),
}

/// How a mint ended that was to be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokeOutcome {
    /// It was good, and is revoked now.
    Revoked,
    /// It had been revoked before.
    AlreadyRevoked,
    /// It had ended by itself.
    Ended,
}

/// A token as it leaves the agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Delivered {
    /// The token list without a scheme.
    #[serde(with = "wire_token")]
    pub token: Arc<ApiToken>,
    /// What is known of it. Not flattened into the map: serde would copy the token to a buffer that nobody wipes.
    #[serde(rename = "lease")]
    pub facts: LeaseFacts,
}

/// What may be told of a lease: everything but the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeaseFacts {
    /// The app.
    pub app: AppName,
    /// The kind.
    pub kind: Kind,
    /// The source that obtained it.
    pub source: String,
    /// When it stops being usable.
    pub expiry: Expiry,
    /// When it was obtained.
    pub obtained: Timestamp,
    /// Names the token in logs and to `invalidate`.
    pub fingerprint: Fingerprint,
}

/// Why there is no answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// Decides the exit code.
    pub code: FailureCode,
    /// What happened, in one line.
    pub message: String,
    /// What to do, usually a command to type. Nobody is left with what went wrong alone.
    #[serde(default = "nothing_said", deserialize_with = "said")]
    pub hint: String,
    /// What each step of the chain said, if it was asked.
    pub steps: Vec<StepReport>,
}

/// What another version of flytoken says of what to do, which may be nothing.
fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(|hint| hint.unwrap_or_else(nothing_said))
}

fn nothing_said() -> String {
    "see how the agent is: `flytoken status`".into()
}

/// What kind of failure it is; the number is the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum FailureCode {
    /// A defect of flytoken.
    Internal = 1,
    /// The request is malformed.
    Usage = 2,
    /// Every step was asked and none has a token.
    NoToken = 3,
    /// A policy says no.
    Denied = 4,
    /// The agent cannot be used.
    Agent = 5,
    /// A person has to act.
    NeedsHuman = 6,
    /// Settings, grants or files are wrong.
    Misconfigured = 7,
    /// It may work later.
    TryAgain = 8,
}

impl FailureCode {
    /// Its name, as it is on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::NoToken => "no-token",
            Self::Denied => "denied",
            Self::Agent => "agent",
            Self::NeedsHuman => "needs-human",
            Self::Misconfigured => "misconfigured",
            Self::TryAgain => "try-again",
        }
    }
}

/// What one step of the chain said.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    /// The source's name.
    pub source: String,
    /// What came of it.
    pub outcome: StepOutcome,
    /// In words: the reason, or what was noted about the lease.
    pub text: String,
    /// The command that mends it, if one does.
    pub command: Option<String>,
    /// How long it took, in microseconds; waiting for a permit not counted.
    pub micros: u64,
}

/// What came of asking one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// Its lease is the answer.
    Lease,
    /// It has nothing for this app, or what it has does not fit the kind.
    Absent,
    /// It may work later.
    Unavailable,
    /// A person has to act.
    NeedsHuman,
    /// Its settings, grants or answers are wrong.
    Misconfigured,
    /// An administrator's policy does not let it run.
    Denied,
    /// It was not asked, and the text says why.
    Skipped,
}

impl StepOutcome {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Lease, Self::Absent, Self::Unavailable, Self::NeedsHuman, Self::Misconfigured, Self::Denied, Self::Skipped];

    /// Its name, as it is on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Absent => "absent",
            Self::Unavailable => "unavailable",
            Self::NeedsHuman => "needs-human",
            Self::Misconfigured => "misconfigured",
            Self::Denied => "denied",
            Self::Skipped => "skipped",
        }
    }
}

/// How one resolution went.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// The app.
    pub app: AppName,
    /// The kind.
    pub kind: Kind,
    /// When the chain ran.
    pub at: Timestamp,
    /// Whether the chain ran to renew a lease.
    pub renewal: bool,
    /// The lease in force now, if there is one.
    pub lease: Option<LeaseFacts>,
    /// When a renewal starts in the background, and when callers start to wait for it.
    pub soft: Option<Timestamp>,
    /// See `soft`.
    pub hard: Option<Timestamp>,
    /// The login's generation that the chain ran under, as hexadecimal digits.
    pub generation: Option<String>,
    /// Every step in chain order.
    pub steps: Vec<StepReport>,
}

/// One mint, by the name that it has at Fly.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MintReport {
    /// The name.
    pub name: String,
    /// The app it is for.
    pub app: AppName,
    /// What the token is for.
    pub kind: Kind,
    /// The source that minted.
    pub source: String,
    /// When it was begun.
    pub at: Timestamp,
    /// When it ends, as far as it was asked for.
    pub until: Timestamp,
    /// Whether the token is still cached.
    pub cached: bool,
    /// Since when it is revoked; none if it is not.
    #[serde(default)]
    pub revoked: Option<Timestamp>,
    /// Why it could not be revoked when that was tried last.
    #[serde(default)]
    pub revoke_error: Option<String>,
}

/// What came of going through an audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditReport {
    /// The file that lines are appended to.
    pub file: String,
    /// How many whole lines there are, in this file and the full ones before it.
    pub lines: u64,
    /// The number of the first of them; none if there is none.
    pub first: Option<u64>,
    /// The number of the last of them.
    pub last: Option<u64>,
    /// What is wrong, in order.
    pub findings: Vec<AuditFinding>,
    /// What the audit says of itself: lines that were cut off by a kill and closed, say.
    pub notes: Vec<AuditFinding>,
}

/// Something about one line of an audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditFinding {
    /// The file it stands in.
    pub file: String,
    /// The line in that file, from 1.
    pub line: u64,
    /// What it is, in words.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_without_anything_in_it_can_be_sent() {
        let bytes = rmp_serde::to_vec_named(&Reply::Explained { explanation: None }).unwrap();
        assert!(matches!(rmp_serde::from_slice(&bytes), Ok(Reply::Explained { explanation: None })));
    }
}

/// Carries a token over the wire: the one place where one is serialised.
mod wire_token {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    use crate::token::ApiToken;

    pub(super) fn serialize<S: Serializer>(token: &Arc<ApiToken>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(token.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<ApiToken>, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Ok(Arc::new(ApiToken::new(text)))
    }
}
