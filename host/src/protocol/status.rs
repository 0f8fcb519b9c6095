//! How the agent, its sources and its leases are.

use serde::{Deserialize, Serialize};

use super::{FailureCode, LeaseFacts, StepOutcome};
use crate::{app::AppName, kind::Kind, time::Timestamp};

/// How the agent, its sources and its leases are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The version of flytoken that answers.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Whether it is a long-running agent rather than this command itself.
    pub agent: bool,
    /// Whether that is the agent of the whole system, with an account of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// When it started.
    pub started: Timestamp,
    /// Whether leases and manual tokens survive a restart; if not, why.
    pub storage: StorageStatus,
    /// The login.
    pub login: LoginStatus,
    /// The configuration.
    pub config: ConfigStatus,
    /// The administrator's policy; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStatus>,
    /// Where it is answered over HTTP besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpStatus>,
    /// The default chain's sources in order.
    pub chain: Vec<String>,
    /// Whether the chain is the strict one: the login only mints.
    pub strict: bool,
    /// Every loaded source.
    pub sources: Vec<SourceStatus>,
    /// Cached leases: those to look at first, which are not fresh, then by app and kind, and as many as an answer has room for.
    pub apps: Vec<AppStatus>,
    /// Apps and kinds that have no lease, because something failed when they were resolved last: the newest failures.
    #[serde(default)]
    pub unserved: Vec<UnservedStatus>,
    /// How many more there are.
    #[serde(default)]
    pub apps_left_out: u64,
    /// Sources that are not asked for an app and kind for a while, as many as an answer has room for.
    #[serde(default)]
    pub resting: Vec<RestStatus>,
    /// How many more there are.
    #[serde(default)]
    pub resting_left_out: u64,
    /// What it holds at the moment.
    #[serde(default)]
    pub resources: Resources,
    /// Mints against their budget; none from an agent that does not tell.
    #[serde(default)]
    pub mints: Option<MintsStatus>,
    /// What happened last, the newest first.
    #[serde(default)]
    pub events: Vec<Event>,
}

/// Mints against their budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MintsStatus {
    /// How many of the last hour count; none while the ledger cannot be read.
    pub charged: Option<u64>,
    /// How many there may be in an hour.
    pub budget: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// When it was over.
    pub at: Timestamp,
    /// What it was: `resolve`, `renew`, or what a client asked for, as rules of a policy name it.
    pub what: String,
    /// The app it was about, if it was about one.
    pub app: Option<AppName>,
    /// The kind.
    pub kind: Option<Kind>,
    /// The source whose lease it brought, or whose reason there was for none.
    pub source: Option<String>,
    /// How it failed; none if it was done.
    pub failure: Option<FailureCode>,
    /// How long it took, in microseconds, if that was measured.
    pub micros: Option<u64>,
    /// How often it happened in a row, this being the last time.
    pub times: u64,
}

/// The administrator's policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyStatus {
    /// Its file; none while it does not hold.
    pub file: Option<String>,
    /// Whether what it forbids is only reported.
    pub reports_only: bool,
    /// Why nothing is answered, if it does not hold.
    pub problem: Option<String>,
}

/// A place where it is answered over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HttpStatus {
    /// The socket's path, or an address with its port.
    pub at: String,
    /// Why it is not answered there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What an agent holds at the moment, counted: whatever comes into being for a request is gone again once its time is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Resources {
    /// Cached leases.
    pub leases: u64,
    /// Owners: one for each app and kind that was in use within the last moments.
    pub owners: u64,
    /// Tombstones of tokens and apps that were invalidated.
    pub tombstones: u64,
    /// Tasks that have not ended, the one that counts them among them.
    pub tasks: u64,
    /// Open connections of clients.
    pub connections: u64,
    /// Supervisor processes, running something or warm.
    pub supervisors: u64,
}

/// An app and kind without a lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnservedStatus {
    /// The app.
    pub app: AppName,
    /// The kind.
    pub kind: Kind,
    /// What keeps a source from being asked right now, if anything does.
    pub trouble: Option<Trouble>,
    /// Why there is none.
    pub last_error: String,
    /// When that was.
    pub failed: Timestamp,
}

/// What keeps a source from being asked for an app and kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trouble {
    /// What it is.
    pub what: TroubleKind,
    /// The source.
    pub source: String,
    /// When it is asked again; none if not before its settings, component or program change.
    pub until: Option<Timestamp>,
}

/// Why a source is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// It was unavailable, and backs off.
    BackedOff,
    /// A person has to act.
    NeedsHuman,
    /// Its settings, grants or answers are wrong.
    Misconfigured,
    /// It broke several times in a row, whatever the app.
    BreakerOpen,
}

/// That a source is not asked for an app and kind for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestStatus {
    /// The source.
    pub source: String,
    /// The app.
    pub app: AppName,
    /// The kind.
    pub kind: Kind,
    /// What it came to when it was asked last.
    pub outcome: StepOutcome,
    /// What it said.
    pub text: String,
    /// When it is asked again; none if not before its settings, component or program change.
    pub until: Option<Timestamp>,
}

/// Whether anything survives a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageStatus {
    /// Whether records are on disk.
    pub durable: bool,
    /// The state directory.
    pub directory: Option<String>,
    /// Where the sealing key lies: `keyring`, `systemd` or `file`.
    pub key: Option<String>,
    /// What is wrong, if something is.
    pub problem: Option<String>,
}

/// The login.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoginStatus {
    /// Whether there is one.
    pub present: bool,
    /// Where it comes from: a variable's name or a file's path.
    pub origin: String,
    /// Its generation, as hexadecimal digits.
    pub generation: Option<String>,
    /// Why the last look at it did not count.
    pub problem: Option<String>,
}

/// The configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigStatus {
    /// The files that were read.
    pub files: Vec<String>,
    /// Why the newest files are not in force.
    pub problem: Option<String>,
}

/// A loaded source.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its component: `builtin:cli` or a path.
    pub component: String,
    /// Digest of the component, in hexadecimal digits; none if it did not load.
    pub sha256: Option<String>,
    /// Whether any bytes run that its file holds, because the configuration says `dev: true` and names no digest.
    #[serde(default)]
    pub unpinned: bool,
    /// Whether it was disabled: it is loaded nowhere, and every chain passes it over.
    #[serde(default)]
    pub disabled: bool,
    /// Calls since the start.
    pub calls: u64,
    /// Calls that trapped, ran into a limit or were denied.
    pub failures: u64,
    /// How long a call takes at the median of the last hundred, in microseconds; none before the first.
    #[serde(default)]
    pub p50_us: Option<u64>,
    /// The same at the 99th percentile.
    #[serde(default)]
    pub p99_us: Option<u64>,
    /// The most linear memory that a call took since the start, in bytes; none before the first.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Why the newest component or settings are not in force.
    pub problem: Option<String>,
    /// When it is asked again, after it broke several times in a row.
    #[serde(default)]
    pub open_until: Option<Timestamp>,
}

/// A cached lease and its state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AppStatus {
    /// What is known of the lease.
    #[serde(flatten)]
    pub lease: LeaseFacts,
    /// Where in its life it is.
    pub state: LeaseState,
    /// The last failure since it was obtained.
    pub last_error: Option<String>,
    /// What keeps a source from being asked for a newer one, if anything does.
    #[serde(default)]
    pub trouble: Option<Trouble>,
}

/// Where in its life a cached lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaseState {
    /// Handed out without asking anybody.
    Fresh,
    /// Handed out while a newer one is fetched in the background.
    Renewing,
    /// Callers wait for a newer one.
    Ending,
    /// Not handed out.
    Expired,
}

impl LeaseState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fresh, Self::Renewing, Self::Ending, Self::Expired];

    /// Its name, as it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Renewing => "renewing",
            Self::Ending => "ending",
            Self::Expired => "expired",
        }
    }
}
