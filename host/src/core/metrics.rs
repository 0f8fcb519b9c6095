//! Numbers for whoever watches many agents.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Core, policy};
use crate::{
    attestation::Attested,
    counts::Counts,
    exposition::Exposition,
    observe::Acquirer,
    policy::{Ruling, Verb},
    protocol::{Failure, FailureCode, LeaseState, Reply, Request, StepOutcome},
};

/// How requests of each verb were answered.
#[derive(Debug, Default)]
pub(super) struct Requests(Counts<{ Verb::ALL.len() * OUTCOMES }>);

impl Requests {
    /// One more.
    pub(super) fn add(&self, verb: Verb, answer: Result<&Reply, &Failure>) {
        let outcome = answer.map_or_else(|failure| failure.code as usize, |_| 0);
        if let Some(place) = Verb::ALL.iter().position(|other| *other == verb).filter(|_| outcome < OUTCOMES) {
            self.0.add(place * OUTCOMES + outcome);
        }
    }

    /// Each verb and outcome that there was.
    fn all(&self) -> impl Iterator<Item = (Verb, &'static str, u64)> {
        let counts = self.0.all().into_iter().enumerate().filter(|(_, count)| *count > 0);
        counts.map(|(place, count)| {
            let code = CODES.into_iter().find(|code| *code as usize == place % OUTCOMES);
            (Verb::ALL[place / OUTCOMES], code.map_or("done", FailureCode::name), count)
        })
    }
}

impl Core {
    /// Numbers about this agent, as Prometheus reads them, for a client that may see its status.
    ///
    /// # Errors
    /// As a request for the status.
    pub async fn metrics(&self, client: Arc<Attested>) -> Result<String, Failure> {
        if let Ruling::Deny { why, .. } = self.rule(&self.inner.policy.load(), &client, &Request::Status) {
            return Err(policy::denied(&why));
        }
        let inner = Arc::clone(&self.inner);
        // Both may wait for the disk.
        let kept = spawn_blocking(move || (inner.resolver.mints.charged().ok(), inner.audit.load().unsettled()));
        let (charged, unsettled) = kept.await.unwrap_or_default();
        Ok(self.exposed(charged, unsettled))
    }

    fn exposed(&self, charged: Option<usize>, unsettled: Option<u64>) -> String {
        let resolver = &self.inner.resolver;
        let live = resolver.live.load();
        let mut text = Exposition::default();
        text.gauge("flytoken_build_info", "Which version answers.", [(vec![("version", env!("CARGO_PKG_VERSION"))], 1)]);
        text.gauge("flytoken_start_time_seconds", "When it started, in unix seconds.", [(vec![], self.inner.started.seconds())]);
        let requests =
            self.inner.requests.all().map(|(verb, outcome, count)| (vec![("request", verb.as_str()), ("outcome", outcome)], count));
        text.counter("flytoken_requests_total", "Requests, and how they were answered.", requests);
        let acquired = Acquirer::ALL.into_iter().zip(self.inner.owners.acquired.all());
        let acquired = acquired.map(|(acquirer, count)| (vec![("acquirer", acquirer.as_str())], count));
        text.counter("flytoken_acquired_total", "Where what a request is answered with came from.", acquired);

        let named: Vec<_> = live.sources.all().map(|source| (source.config.name.to_string(), source)).collect();
        let calls = named.iter().flat_map(|(name, source)| {
            let counts = StepOutcome::ALL.into_iter().zip(source.stats.outcomes.all()).filter(|(_, count)| *count > 0);
            counts.map(move |(outcome, count)| (vec![("source", name.as_str()), ("outcome", outcome.name())], count))
        });
        text.counter("flytoken_source_outcomes_total", "What came of asking a source.", calls);
        let of_each = |value: fn(&crate::sources::Source) -> u64| {
            named.iter().map(move |(name, source)| (vec![("source", name.as_str())], value(source)))
        };
        let failures = of_each(|source| source.status().failures);
        text.counter("flytoken_source_failures_total", "Calls that trapped, ran into a limit or were denied.", failures);
        let durations = named.iter().map(|(name, source)| (name.as_str(), &source.stats.durations));
        text.histogram("flytoken_source_call_duration_seconds", "How long a call of a source took.", "source", durations);
        let loaded = of_each(|source| u64::from(source.loaded.is_ok()));
        text.gauge("flytoken_source_loaded", "Whether a source can be asked at all.", loaded);
        let open = named
            .iter()
            .map(|(name, source)| (vec![("source", name.as_str())], u64::from(resolver.health.open(&source.config.name).is_some())));
        text.gauge("flytoken_source_breaker_open", "Whether a source is not asked because it broke several times in a row.", open);
        let resting = resolver.health.all_resting().len();
        text.gauge("flytoken_resting", "Sources that are not asked for an app and kind for a while.", [(vec![], resting)]);

        let (now, leases) = (resolver.clock.now(), resolver.cache.all());
        let states = LeaseState::ALL.map(|state| {
            let count = leases.iter().filter(|(_, cached)| cached.state(now) == state).count();
            (vec![("state", state.as_str())], count)
        });
        text.gauge("flytoken_leases", "Cached tokens by where in their life they are.", states);
        text.gauge("flytoken_owners", "Apps and kinds in use.", [(vec![], self.inner.owners.count())]);
        text.gauge("flytoken_tombstones", "Tokens that are never handed out again.", [(vec![], resolver.tombstones.count())]);
        text.gauge(
            "flytoken_mints_charged",
            "Mints of the last hour that count against the budget.",
            charged.map(|charged| (vec![], charged)),
        );
        text.gauge("flytoken_mints_budget", "Mints that there may be in an hour.", [(vec![], live.config.budget.total)]);
        let login = u64::from(resolver.login.state().login.is_some());
        text.gauge("flytoken_login_present", "Whether there is a login.", [(vec![], login)]);
        let unrecorded = u64::from(self.unrecorded().is_some());
        text.gauge("flytoken_audit_problem", "Whether requests are not on record as they should be.", [(vec![], unrecorded)]);
        let help = "Lines on record behind the end of the chain that is kept.";
        text.gauge("flytoken_audit_lag_lines", help, unsettled.map(|lines| (vec![], lines)));
        text.into_text()
    }
}

/// The codes of failures.
const CODES: [FailureCode; 8] = [
    FailureCode::Internal,
    FailureCode::Usage,
    FailureCode::NoToken,
    FailureCode::Denied,
    FailureCode::Agent,
    FailureCode::NeedsHuman,
    FailureCode::Misconfigured,
    FailureCode::TryAgain,
];

/// Those, and that it was done.
const OUTCOMES: usize = CODES.len() + 1;
