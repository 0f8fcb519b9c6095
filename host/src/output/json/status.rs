//! `status --json`.

use serde::Serialize;

use super::Lease;
use crate::{
    app::AppName,
    kind::Kind,
    protocol::{self, FailureCode, LeaseState, StepOutcome, TroubleKind},
    time::Timestamp,
};

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
    /// Where it is answered over HTTP besides.
    pub http: Vec<Http<'a>>,
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
    /// What it holds at the moment: each name is one word, on the wire and here.
    pub resources: protocol::Resources,
    /// Mints against their budget, in the same names; null from an agent that does not tell.
    pub mints: Option<protocol::MintsStatus>,
    /// What happened last, the newest first.
    pub events: Vec<Event<'a>>,
}

/// Something that happened.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    /// When it was over.
    pub at: u64,
    /// `resolve`, `renew`, or what a client asked for.
    pub what: &'a str,
    /// The app it was about.
    pub app: Option<&'a AppName>,
    /// The kind.
    pub kind: Option<Kind>,
    /// The source whose lease it brought, or whose reason there was for none.
    pub source: Option<&'a str>,
    /// How it failed; null if it was done.
    pub failure: Option<FailureCode>,
    /// How long it took, in microseconds.
    pub took_us: Option<u64>,
    /// How often it happened in a row.
    pub times: u64,
}

impl<'a> From<&'a protocol::Event> for Event<'a> {
    fn from(event: &'a protocol::Event) -> Self {
        Self {
            at: event.at.seconds(),
            what: &event.what,
            app: event.app.as_ref(),
            kind: event.kind,
            source: event.source.as_deref(),
            failure: event.failure,
            took_us: event.micros,
            times: event.times,
        }
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
    /// Whether it is the one of the whole system.
    pub system: bool,
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

/// A place where it is answered over HTTP.
#[derive(Debug, Serialize)]
pub struct Http<'a> {
    /// The socket's path, or an address with its port.
    pub at: &'a str,
    /// Why it is not answered there yet.
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
    /// Whether it was disabled.
    pub disabled: bool,
    /// Calls since the start.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// How long a call takes at the median of the last hundred, in microseconds; null before the first.
    pub p50_us: Option<u64>,
    /// The same at the 99th percentile.
    pub p99_us: Option<u64>,
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
        let protocol::Status { version, pid, agent, system, started, storage, login, config, chain, strict, sources, .. } = status;
        let protocol::Status { apps, unserved, resting, .. } = status;
        let source = |source: &'a protocol::SourceStatus| Source {
            name: &source.name,
            component: &source.component,
            sha256: source.sha256.as_deref(),
            unpinned: source.unpinned,
            disabled: source.disabled,
            calls: source.calls,
            failures: source.failures,
            p50_us: source.p50_us,
            p99_us: source.p99_us,
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
            agent: agent.then(|| Agent { pid: *pid, system: *system, started_at: started.seconds() }),
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
            http: status.http.iter().map(|place| Http { at: &place.at, problem: place.problem.as_deref() }).collect(),
            chain: Chain { sources: chain, strict: *strict },
            sources: sources.iter().map(source).collect(),
            apps: apps.iter().map(app).collect(),
            unserved: unserved.iter().map(without).collect(),
            apps_left_out: status.apps_left_out,
            resting: resting.iter().map(rest).collect(),
            resting_left_out: status.resting_left_out,
            resources: status.resources,
            mints: status.mints,
            events: status.events.iter().map(Into::into).collect(),
        }
    }
}
