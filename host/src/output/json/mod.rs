//! What `--json` prints. The keys are a contract: they never change meaning and none goes away.
//!
//! Times are unix seconds, or null if there is none or nobody can tell; durations are microseconds. Texts of sources are as untrusted
//! here as anywhere: JSON escapes control characters, and whoever prints them has to as well.

mod installed;
mod profiles;
mod status;
mod uninstalled;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{
    app::AppName,
    kind::Kind,
    lease::Expiry,
    protocol::{self, Delivered, FailureCode, LeaseFacts, RevokeOutcome, StepOutcome},
    time::Timestamp,
    token::Fingerprint,
};

pub use installed::{Installed, InstalledCommand, InstalledFile};
pub use profiles::{Profile, Profiles};
pub use status::Status;
pub use uninstalled::{UninstallStep, Uninstalled};

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

impl<'a> Token<'a> {
    /// What was delivered, with the token in the form that is wanted.
    pub fn new(Delivered { facts, .. }: &'a Delivered, token: Zeroizing<String>) -> Self {
        Self {
            app: &facts.app,
            kind: facts.kind,
            token,
            source: &facts.source,
            expires_at: end(facts.expiry),
            obtained_at: Some(facts.obtained.seconds()),
            fingerprint: facts.fingerprint,
        }
    }
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
    pub hint: &'a str,
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

impl<'a> From<&'a protocol::Failure> for Failed<'a> {
    fn from(failure: &'a protocol::Failure) -> Self {
        let protocol::Failure { code, message, hint, steps } = failure;
        Self { error: Error { code: *code, message, hint, steps: steps.iter().map(Into::into).collect() } }
    }
}

/// The end as unix seconds, if it is known and there is one.
pub fn end(expiry: Expiry) -> Option<u64> {
    expiry.at().map(Timestamp::seconds)
}

fn secret<S: Serializer>(token: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token)
}
