//! One file as it is written: every key optional, no other key allowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    chain::Chain,
    grant_text::{FileName, FileText, VariableName},
    metrics_text::MetricsLayer,
    names::SourceName,
    network_text::{HttpText, SocketText},
    pattern::Pattern,
    source::{BUILTINS, Records, Role},
    text::{ActionsText, DigestText, DurationText, ImportName, LoopbackText, Setting, SizeText, Slug, parsed, version},
};
use crate::{app::AppName, audit::Collector, command::CommandGrant, delivery::Narrowing};

/// One file as it is written, or all files laid over each other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a map of the keys version, chain, ttl, key, budget, audit, http, docker, metrics, sources and apps"
)]
pub(super) struct Layer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chain: Option<Chain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<KeyPlace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) budget: Option<BudgetLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audit: Option<AuditLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<HttpLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) docker: Option<DockerLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metrics: Option<MetricsLayer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sources: Option<BTreeMap<SourceName, Option<SourceLayer>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) apps: Option<Vec<AppLayer>>,
}

/// The `budget`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with per-app, total or both")]
pub(crate) struct BudgetLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_app: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
}

/// The `audit`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with file, required, rotate-at, forward and forward-socket")]
pub(crate) struct AuditLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) required: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rotate_at: Option<SizeText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) forward: Option<Collector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) forward_socket: Option<PathBuf>,
}

/// The `http`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with socket, loopback or both")]
pub(super) struct HttpLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) socket: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loopback: Option<LoopbackText>,
}

/// The `docker`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with app")]
pub(super) struct DockerLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app: Option<AppName>,
}

/// One entry of `sources`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map of a source's keys, such as component and grants")]
pub(super) struct SourceLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) component: Option<ComponentText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<DigestText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dev: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) imports: Option<BTreeSet<ImportName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<BTreeMap<String, Option<Setting>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mints: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoke_on_replace: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grants: Option<GrantsLayer>,
}

/// A source's `grants`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map of grants, such as login and commands")]
pub(super) struct GrantsLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reveal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) login: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) records: Option<Records>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commands: Option<Vec<CommandGrant>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<BTreeMap<FileName, FileText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<Vec<HttpText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sockets: Option<Vec<SocketText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) env: Option<Vec<VariableName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<SizeText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) may_leak: Option<bool>,
}

/// One entry of `apps`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with the key match")]
pub(super) struct AppLayer {
    #[serde(rename = "match")]
    pub(super) pattern: Pattern,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization: Option<Slug>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chain: Option<Chain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliver: Option<DeliverLayer>,
}

/// An entry's `deliver`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a map with actions, max-lifetime or both")]
pub(crate) struct DeliverLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<ActionsText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_lifetime: Option<DurationText>,
}

impl DeliverLayer {
    /// How narrow that is.
    pub(crate) fn narrowing(&self) -> Narrowing {
        Narrowing { actions: self.actions.map(|actions| actions.0), max_lifetime: self.max_lifetime.map(|lifetime| lifetime.0) }
    }
}

/// Where the key lies that records are sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPlace {
    /// The Secret Service or the macOS Keychain.
    Keyring,
    /// A systemd credential.
    Systemd,
    /// A file with mode 0600 beside the database.
    File,
}

impl std::fmt::Display for KeyPlace {
    /// As it is written in a configuration file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keyring => "keyring",
            Self::Systemd => "systemd",
            Self::File => "file",
        })
    }
}

/// The version of the configuration's form; 1 is the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Version(u64);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        version(deserializer, "configuration").map(Version)
    }
}

/// What stands behind `component:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ComponentText {
    Builtin(String),
    /// As written: absolute, below `~/`, or relative to the file that names it.
    Path(String),
}

impl ComponentText {
    fn parse(text: &str) -> Result<Self, ComponentError> {
        if let Some(name) = text.strip_prefix("builtin:") {
            return if BUILTINS.contains(&name) { Ok(Self::Builtin(name.into())) } else { Err(ComponentError::Builtin(name.into())) };
        }
        if text.is_empty() || text.contains('\0') {
            return Err(ComponentError::Path);
        }
        // A bare word is left free for components that are installed under a name.
        let bare = !text.contains('/') && !std::path::Path::new(text).extension().is_some_and(|end| end == "wasm" || end == "wat");
        if bare { Err(ComponentError::Bare(text.into())) } else { Ok(Self::Path(text.into())) }
    }
}

impl fmt::Display for ComponentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "builtin:{name}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

impl Serialize for ComponentText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ComponentText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a component: builtin:NAME or the path of a file", Self::parse)
    }
}

/// Why a text names no component.
#[derive(Debug, thiserror::Error)]
enum ComponentError {
    // In serde's own words, so that it is explained and gets a suggestion like every other unknown word.
    #[error("unknown variant `builtin:{0}`, expected one of `builtin:{known}`", known = BUILTINS.join("`, `builtin:"))]
    Builtin(String),
    #[error("a component is builtin:NAME or the path of a file")]
    Path,
    #[error("a component is builtin:NAME or the path of a file: for a file beside this one write ./{0}")]
    Bare(String),
}
