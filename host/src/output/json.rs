//! What `--json` prints. The keys are a contract: they never change meaning and none goes away.
//!
//! Times are unix seconds, or null if there is none or nobody can tell; durations are microseconds. Texts of sources are as untrusted
//! here as anywhere: JSON escapes control characters, and whoever prints them has to as well.

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{
    app::AppName,
    kind::Kind,
    lease::Expiry,
    protocol::{self, FailureCode, LeaseFacts, LeaseState, RevokeOutcome, StepOutcome, TroubleKind},
    time::Timestamp,
    token::Fingerprint,
};

/// `get --json`.
#[derive(Debug, Serialize)]
pub struct Token<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// The token, as `get` prints it.
    #[serde(serialize_with = "secret")]
    pub token: Zeroizing<String>,
    /// The source that obtained it.
    pub source: &'a str,
    /// Its end.
    pub expires_at: Option<u64>,
    /// When it was obtained.
    pub obtained_at: Option<u64>,
    /// Names it to `invalidate` and in logs.
    pub fingerprint: Fingerprint,
}

/// `set --json`.
#[derive(Debug, Serialize)]
pub struct Set<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The token's fingerprint.
    pub fingerprint: Fingerprint,
    /// Its end.
    pub expires_at: Option<u64>,
    /// Sources that are asked before it.
    pub asked_before: &'a [String],
}

/// `unset --json`.
#[derive(Debug, Serialize)]
pub struct Unset<'a> {
    /// The app.
    pub app: &'a AppName,
    /// Whether there was a token.
    pub existed: bool,
}

/// `refresh --json`.
#[derive(Debug, Serialize)]
pub struct Refreshed<'a> {
    /// The app.
    pub app: &'a AppName,
    /// One for each kind.
    pub leases: Vec<Lease<'a>>,
}

/// `invalidate --json`.
#[derive(Debug, Serialize)]
pub struct Invalidated<'a> {
    /// The app.
    pub app: &'a AppName,
    /// What was dropped from the cache.
    pub fingerprints: &'a [Fingerprint],
}

/// A lease without its token.
#[derive(Debug, Serialize)]
pub struct Lease<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// The source that obtained it.
    pub source: &'a str,
    /// Its end.
    pub expires_at: Option<u64>,
    /// When it was obtained.
    pub obtained_at: Option<u64>,
    /// Names it.
    pub fingerprint: Fingerprint,
}

/// `explain --json`.
#[derive(Debug, Serialize)]
pub struct Explained<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// How it was resolved; null if it was not since the agent started, or there is no agent.
    pub resolution: Option<Resolution<'a>>,
}

/// One run of the chain.
#[derive(Debug, Serialize)]
pub struct Resolution<'a> {
    /// When it ran.
    pub at: u64,
    /// Whether it ran to renew a lease.
    pub renewal: bool,
    /// The source that answered.
    pub source: Option<&'a str>,
    /// The generation of the login that it ran under.
    pub generation: Option<&'a str>,
    /// Every step in chain order.
    pub steps: Vec<Step<'a>>,
    /// The lease in force now.
    pub lease: Option<Lease<'a>>,
    /// The end of the lease in force now.
    pub expires_at: Option<u64>,
    /// When a renewal starts in the background.
    pub renews_at: Option<u64>,
    /// When callers start to wait for it.
    pub waits_at: Option<u64>,
}

/// What one step said.
#[derive(Debug, Serialize)]
pub struct Step<'a> {
    /// The source.
    pub source: &'a str,
    /// What came of it.
    pub outcome: StepOutcome,
    /// In words.
    pub text: &'a str,
    /// The command that mends it.
    pub command: Option<&'a str>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

/// `status --json`.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    /// The version of flytoken that answers.
    pub version: &'a str,
    /// The agent; null if none runs.
    pub agent: Option<Agent>,
    /// Whether anything survives a restart.
    pub storage: Storage<'a>,
    /// The login.
    pub login: Login<'a>,
    /// The configuration.
    pub config: Config<'a>,
    /// The administrator's policy; null if there is none.
    pub policy: Option<Policy<'a>>,
    /// The default chain.
    pub chain: Chain<'a>,
    /// Every source.
    pub sources: Vec<Source<'a>>,
    /// Cached leases, those that are not fresh first; as many as an answer has room for.
    pub apps: Vec<App<'a>>,
    /// Apps and kinds that have no lease, because something failed when they were resolved last.
    pub unserved: Vec<Unserved<'a>>,
    /// How many more there are.
    pub apps_left_out: u64,
    /// Sources that are not asked for an app and kind for a while; as many as an answer has room for.
    pub resting: Vec<Rest<'a>>,
    /// How many more there are.
    pub resting_left_out: u64,
    /// What it holds at the moment.
    pub resources: Resources,
}

/// What an agent holds at the moment, counted.
#[derive(Debug, Serialize)]
pub struct Resources {
    /// Cached leases.
    pub leases: u64,
    /// One for each app and kind that was in use within the last moments.
    pub owners: u64,
    /// Of tokens and apps that were invalidated.
    pub tombstones: u64,
    /// Tasks that have not ended.
    pub tasks: u64,
    /// Open connections of clients.
    pub connections: u64,
    /// Supervisor processes.
    pub supervisors: u64,
}

impl From<protocol::Resources> for Resources {
    fn from(resources: protocol::Resources) -> Self {
        let protocol::Resources { leases, owners, tombstones, tasks, connections, supervisors } = resources;
        Self { leases, owners, tombstones, tasks, connections, supervisors }
    }
}

/// An app and kind without a lease.
#[derive(Debug, Serialize)]
pub struct Unserved<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// What keeps a source from being asked right now.
    pub trouble: Option<Trouble<'a>>,
    /// Why there is none.
    pub last_error: &'a str,
    /// When that was.
    pub failed_at: u64,
}

/// What keeps a source from being asked.
#[derive(Debug, Serialize)]
pub struct Trouble<'a> {
    /// `backed-off`, `needs-human`, `misconfigured` or `breaker-open`.
    pub what: TroubleKind,
    /// The source.
    pub source: &'a str,
    /// When it is asked again; null if not before its settings, component or program change.
    pub until: Option<u64>,
}

impl<'a> From<&'a protocol::Trouble> for Trouble<'a> {
    fn from(trouble: &'a protocol::Trouble) -> Self {
        Self { what: trouble.what, source: &trouble.source, until: trouble.until.map(Timestamp::seconds) }
    }
}

/// That a source is not asked for an app and kind for a while.
#[derive(Debug, Serialize)]
pub struct Rest<'a> {
    /// The source.
    pub source: &'a str,
    /// The app.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// What it came to when it was asked last.
    pub outcome: StepOutcome,
    /// What it said.
    pub text: &'a str,
    /// When it is asked again; null if not before its settings, component or program change.
    pub until: Option<u64>,
}

/// The agent that answers.
#[derive(Debug, Serialize)]
pub struct Agent {
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: u64,
}

/// Whether anything survives a restart.
#[derive(Debug, Serialize)]
pub struct Storage<'a> {
    /// Whether it does.
    pub durable: bool,
    /// The state directory.
    pub directory: Option<&'a str>,
    /// Where the sealing key lies.
    pub key: Option<&'a str>,
    /// What is wrong.
    pub problem: Option<&'a str>,
}

/// The login.
#[derive(Debug, Serialize)]
pub struct Login<'a> {
    /// Whether there is one.
    pub present: bool,
    /// Where it comes from.
    pub origin: &'a str,
    /// Its generation.
    pub generation: Option<&'a str>,
    /// Why the last look at it did not count.
    pub problem: Option<&'a str>,
}

/// The configuration.
#[derive(Debug, Serialize)]
pub struct Config<'a> {
    /// Its files.
    pub files: &'a [String],
    /// Why the newest are not in force.
    pub problem: Option<&'a str>,
}

/// The administrator's policy.
#[derive(Debug, Serialize)]
pub struct Policy<'a> {
    /// Its file; null while it does not hold.
    pub file: Option<&'a str>,
    /// Whether what it forbids is only reported.
    pub reports_only: bool,
    /// Why nothing is answered, if it does not hold.
    pub problem: Option<&'a str>,
}

/// The default chain.
#[derive(Debug, Serialize)]
pub struct Chain<'a> {
    /// Its sources in order.
    pub sources: &'a [String],
    /// Whether the login only mints.
    pub strict: bool,
}

/// A source.
#[derive(Debug, Serialize)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its component.
    pub component: &'a str,
    /// The component's digest.
    pub sha256: Option<&'a str>,
    /// Whether it runs with no digest named, by `dev: true`.
    pub unpinned: bool,
    /// Calls since the start.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Why its newest form is not in force.
    pub problem: Option<&'a str>,
    /// When it is asked again, after it broke several times in a row.
    pub open_until: Option<u64>,
}

/// A cached lease and its state.
#[derive(Debug, Serialize)]
pub struct App<'a> {
    /// The lease.
    #[serde(flatten)]
    pub lease: Lease<'a>,
    /// Where in its life it is.
    pub state: LeaseState,
    /// The last failure since it was obtained.
    pub last_error: Option<&'a str>,
    /// What keeps a source from being asked for a newer one.
    pub trouble: Option<Trouble<'a>>,
}

/// `minted --json`.
#[derive(Debug, Serialize)]
pub struct Minted<'a> {
    /// Every mint that is written down, the newest first.
    pub mints: Vec<Mint<'a>>,
    /// How many mints count against the budget of this hour.
    pub charged: u64,
    /// That budget.
    pub budget: u64,
}

/// One mint.
#[derive(Debug, Serialize)]
pub struct Mint<'a> {
    /// The name that it has at Fly.
    pub name: &'a str,
    /// The app.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// The source that minted.
    pub source: &'a str,
    /// When it was begun.
    pub minted_at: u64,
    /// When it ends, as far as it was asked for.
    pub expires_at: u64,
    /// Whether the token is still cached.
    pub cached: bool,
    /// Since when it is revoked.
    pub revoked_at: Option<u64>,
    /// Why it could not be revoked when that was tried last.
    pub revoke_error: Option<&'a str>,
}

impl<'a> From<&'a protocol::MintReport> for Mint<'a> {
    fn from(mint: &'a protocol::MintReport) -> Self {
        Self {
            name: &mint.name,
            app: &mint.app,
            kind: mint.kind,
            source: &mint.source,
            minted_at: mint.at.seconds(),
            expires_at: mint.until.seconds(),
            cached: mint.cached,
            revoked_at: mint.revoked.map(Timestamp::seconds),
            revoke_error: mint.revoke_error.as_deref(),
        }
    }
}

/// `revoke --json`.
#[derive(Debug, Serialize)]
pub struct Revoked<'a> {
    /// The name that it has at Fly.
    pub name: &'a str,
    /// The app that it was for.
    pub app: &'a AppName,
    /// The kind.
    pub kind: Kind,
    /// How it ended: `revoked`, `already-revoked` or `ended`.
    pub outcome: RevokeOutcome,
    /// Since when it is revoked.
    pub revoked_at: Option<u64>,
    /// When it ended by itself.
    pub ended_at: Option<u64>,
}

impl<'a> Revoked<'a> {
    /// Sorts the moment by what it is of.
    pub fn new(name: &'a str, app: &'a AppName, kind: Kind, outcome: RevokeOutcome, at: Option<Timestamp>) -> Self {
        let at = at.map(Timestamp::seconds);
        let (revoked_at, ended_at) = if outcome == RevokeOutcome::Ended { (None, at) } else { (at, None) };
        Self { name, app, kind, outcome, revoked_at, ended_at }
    }
}

/// Any command's failure.
#[derive(Debug, Serialize)]
pub struct Failed<'a> {
    /// What went wrong.
    pub error: Error<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub struct Error<'a> {
    /// The name that goes with the exit code: `no-token` for 3, and so on.
    pub code: FailureCode,
    /// What happened.
    pub message: &'a str,
    /// What to do.
    pub hint: Option<&'a str>,
    /// What each step said.
    pub steps: Vec<Step<'a>>,
}

impl<'a> From<&'a LeaseFacts> for Lease<'a> {
    fn from(facts: &'a LeaseFacts) -> Self {
        Self {
            app: &facts.app,
            kind: facts.kind,
            source: &facts.source,
            expires_at: end(facts.expiry),
            obtained_at: Some(facts.obtained.seconds()),
            fingerprint: facts.fingerprint,
        }
    }
}

impl<'a> From<&'a protocol::StepReport> for Step<'a> {
    fn from(step: &'a protocol::StepReport) -> Self {
        let protocol::StepReport { source, outcome, text, command, micros } = step;
        Self { source, outcome: *outcome, text, command: command.as_deref(), duration_us: *micros }
    }
}

impl<'a> From<&'a protocol::Explanation> for Resolution<'a> {
    fn from(explanation: &'a protocol::Explanation) -> Self {
        let answered = explanation.steps.iter().find(|step| step.outcome == StepOutcome::Lease);
        let seconds = |moment: Option<Timestamp>| moment.map(Timestamp::seconds);
        Self {
            at: explanation.at.seconds(),
            renewal: explanation.renewal,
            source: answered.map(|step| step.source.as_str()),
            generation: explanation.generation.as_deref(),
            steps: explanation.steps.iter().map(Into::into).collect(),
            lease: explanation.lease.as_ref().map(Into::into),
            expires_at: explanation.lease.as_ref().and_then(|lease| end(lease.expiry)),
            renews_at: seconds(explanation.soft),
            waits_at: seconds(explanation.hard),
        }
    }
}

impl<'a> From<&'a protocol::Status> for Status<'a> {
    fn from(status: &'a protocol::Status) -> Self {
        let rest = |rest: &'a protocol::RestStatus| Rest {
            source: &rest.source,
            app: &rest.app,
            kind: rest.kind,
            outcome: rest.outcome,
            text: &rest.text,
            until: rest.until.map(Timestamp::seconds),
        };
        let protocol::Status { version, pid, agent, started, storage, login, config, chain, strict, sources, .. } = status;
        let protocol::Status { apps, unserved, resting, .. } = status;
        let source = |source: &'a protocol::SourceStatus| Source {
            name: &source.name,
            component: &source.component,
            sha256: source.sha256.as_deref(),
            unpinned: source.unpinned,
            calls: source.calls,
            failures: source.failures,
            problem: source.problem.as_deref(),
            open_until: source.open_until.map(Timestamp::seconds),
        };
        let app = |app: &'a protocol::AppStatus| App {
            lease: (&app.lease).into(),
            state: app.state,
            last_error: app.last_error.as_deref(),
            trouble: app.trouble.as_ref().map(Into::into),
        };
        let without = |without: &'a protocol::UnservedStatus| Unserved {
            app: &without.app,
            kind: without.kind,
            trouble: without.trouble.as_ref().map(Into::into),
            last_error: &without.last_error,
            failed_at: without.failed.seconds(),
        };
        Self {
            version,
            agent: agent.then(|| Agent { pid: *pid, started_at: started.seconds() }),
            storage: Storage {
                durable: storage.durable,
                directory: storage.directory.as_deref(),
                key: storage.key.as_deref(),
                problem: storage.problem.as_deref(),
            },
            login: Login {
                present: login.present,
                origin: &login.origin,
                generation: login.generation.as_deref(),
                problem: login.problem.as_deref(),
            },
            config: Config { files: &config.files, problem: config.problem.as_deref() },
            policy: status.policy.as_ref().map(|policy| Policy {
                file: policy.file.as_deref(),
                reports_only: policy.reports_only,
                problem: policy.problem.as_deref(),
            }),
            chain: Chain { sources: chain, strict: *strict },
            sources: sources.iter().map(source).collect(),
            apps: apps.iter().map(app).collect(),
            unserved: unserved.iter().map(without).collect(),
            apps_left_out: status.apps_left_out,
            resting: resting.iter().map(rest).collect(),
            resting_left_out: status.resting_left_out,
            resources: status.resources.into(),
        }
    }
}

impl<'a> From<&'a protocol::Failure> for Failed<'a> {
    fn from(failure: &'a protocol::Failure) -> Self {
        let protocol::Failure { code, message, hint, steps } = failure;
        Self { error: Error { code: *code, message, hint: hint.as_deref(), steps: steps.iter().map(Into::into).collect() } }
    }
}

/// The end as unix seconds, if it is known and there is one.
pub fn end(expiry: Expiry) -> Option<u64> {
    expiry.at().map(Timestamp::seconds)
}

fn secret<S: Serializer>(token: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token)
}
