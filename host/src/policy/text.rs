//! The policy's file as it is written.
//!
//! A key that is not there sets no bound; a key that is there is the whole of what may be.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{ceiling::GrantCeiling, glob::Glob};
use crate::{
    config::{self, AuditLayer, BudgetLayer, DeliverLayer, DigestText, DurationText, Pattern, SizeText, parsed},
    kind::Kind,
};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a map of the keys version, mode, agent, sources, kinds, deliver, budget, clients, audit, http and metrics"
)]
pub(super) struct PolicyText {
    /// The version of this form; 1 is the only one.
    #[serde(deserialize_with = "version")]
    #[expect(dead_code, reason = "that it is there and right is all there is to it")]
    pub(super) version: u64,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) agent: AgentRule,
    pub(super) sources: Option<Vec<SourceText>>,
    pub(super) kinds: Option<Vec<Kind>>,
    pub(super) deliver: Option<DeliverLayer>,
    pub(super) budget: Option<BudgetLayer>,
    pub(super) clients: Option<Vec<ClientText>>,
    pub(super) audit: Option<AuditLayer>,
    pub(super) http: Option<Vec<Transport>>,
    pub(super) metrics: Option<Vec<Glob>>,
}

/// Whether what a rule forbids is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is done, and put on record as `would-deny`.
    Report,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Report => "report",
        })
    }
}

/// Whether commands may do without an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AgentRule {
    /// They may.
    #[default]
    Optional,
    /// They may not: exit 5.
    Required,
}

/// How an agent may be reached over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Transport {
    /// On a Unix socket, whose peers the kernel tells of.
    Socket,
    /// Over TCP on the machine's own address, where nothing tells who asks.
    Loopback,
}

/// An operating system that a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Linux.
    Linux,
    /// macOS.
    Macos,
}

/// One entry of `sources`: which sources it is for, and what they may do at most.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with name, component or sha256, and grants and limits")]
pub(super) struct SourceText {
    pub(super) name: Option<Glob>,
    pub(super) component: Option<Glob>,
    pub(super) sha256: Option<DigestText>,
    pub(super) on: Option<Platform>,
    pub(super) grants: Option<GrantCeiling>,
    pub(super) limits: Option<LimitsText>,
}

/// How much of the machine is given at most.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with memory, timeout or both")]
pub(super) struct LimitsText {
    pub(super) memory: Option<SizeText>,
    pub(super) timeout: Option<DurationText>,
}

/// One entry of `clients`: who it is for, what they may ask for, and how narrow that leaves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with name, and facts of clients such as user and executable")]
pub(super) struct ClientText {
    pub(super) name: String,
    pub(super) on: Option<Platform>,
    #[serde(default)]
    pub(super) deny: bool,
    pub(super) user: Option<Account>,
    pub(super) group: Option<Account>,
    pub(super) executable: Option<Glob>,
    pub(super) root_owned: Option<bool>,
    pub(super) sha256: Option<DigestText>,
    pub(super) unit: Option<Glob>,
    pub(super) cgroup: Option<Glob>,
    pub(super) apps: Option<Vec<Pattern>>,
    pub(super) kinds: Option<Vec<Kind>>,
    pub(super) requests: Option<Vec<Verb>>,
    pub(super) deliver: Option<DeliverLayer>,
}

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// A token.
    Get,
    /// A newer token.
    Refresh,
    /// That a token is handed out no longer.
    Invalidate,
    /// That a token is kept by hand.
    Set,
    /// That it is forgotten.
    Unset,
    /// That a mint is ended at Fly.
    Revoke,
    /// How a token was found.
    Explain,
    /// How the agent is; about no app.
    Status,
    /// The ledger of mints; about no app.
    Minted,
    /// Whether the audit is whole; about no app.
    Audit,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::Refresh,
        Self::Invalidate,
        Self::Set,
        Self::Unset,
        Self::Revoke,
        Self::Explain,
        Self::Status,
        Self::Minted,
        Self::Audit,
    ];

    /// Whether it is about what the agent keeps or how it is, rather than about handing out a token. Rules of a policy do not make somebody
    /// else's agent theirs to run.
    pub fn is_administrative(self) -> bool {
        match self {
            Self::Get | Self::Refresh | Self::Explain => false,
            // One who has a token invalidated takes it from everybody, and a few of those use up the budget of mints.
            Self::Invalidate | Self::Set | Self::Unset | Self::Revoke | Self::Status | Self::Minted | Self::Audit => true,
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Refresh => "refresh",
            Self::Invalidate => "invalidate",
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Revoke => "revoke",
            Self::Explain => "explain",
            Self::Status => "status",
            Self::Minted => "minted",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A user or group: its number, or its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    Number(u32),
    Name(String),
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "the name or number of a user or group", |text| match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text.is_empty() => Err("a name is missing"),
            Err(_) => Ok(Self::Name(text.into())),
        })
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    config::version(deserializer, "policy")
}
