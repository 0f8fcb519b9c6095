//! Numbers for whoever watches many agents.

use std::sync::{Arc, Weak};

use tokio::{task::spawn_blocking, time::sleep};
use tracing::{debug, info, warn};

use super::{Core, Inner, policy};
use crate::{
    attestation::Attested,
    hex,
    metrics::{Collector, Counts, Distribution, Family, otlp, prometheus},
    observe::Acquirer,
    policy::{Ruling, Verb},
    protocol::{Failure, FailureCode, LeaseState, Reply, Request, StepOutcome},
    resolver::Resolver,
    sources::Source,
    store::Purpose,
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
        Ok(prometheus::text(&self.measured().await))
    }

    /// The same numbers, as an OpenTelemetry collector takes them.
    async fn for_a_collector(&self) -> String {
        let Inner { resolver, started, .. } = &*self.inner;
        let instance = resolver.store.derive(Purpose::Instance);
        let subject = otlp::Subject { instance: hex::encode(&instance[..INSTANCE]), started: *started };
        otlp::request(&self.measured().await, &subject, resolver.clock.now())
    }

    async fn measured(&self) -> Vec<Family> {
        let inner = Arc::clone(&self.inner);
        // Both may wait for the disk.
        let kept = spawn_blocking(move || (inner.resolver.mints.charged().ok(), inner.audit.load().unsettled()));
        let (charged, unsettled) = kept.await.unwrap_or_default();
        let mut families = self.of_requests();
        families.extend(self.of_sources());
        families.extend(self.of_state(charged, unsettled));
        families
    }

    fn of_requests(&self) -> Vec<Family> {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        let requests = self.inner.requests.all().map(|(verb, outcome, count)| {
            let labels = vec![("request", verb.as_str().to_owned()), ("outcome", outcome.to_owned())];
            (labels, count)
        });
        let acquired = Acquirer::ALL.into_iter().zip(self.inner.owners.acquired.all());
        let acquired = acquired.map(|(acquirer, count)| (vec![("acquirer", acquirer.as_str().to_owned())], count));
        vec![
            Family::gauge("flytoken_build_info", "Which version answers.", [(version, 1)]),
            one("flytoken_start_time_seconds", "When it started, in unix seconds.", Some(self.inner.started.seconds())),
            Family::counter("flytoken_requests_total", "Requests, and how they were answered.", requests),
            Family::counter("flytoken_acquired_total", "Where what a request is answered with came from.", acquired),
        ]
    }

    fn of_sources(&self) -> Vec<Family> {
        let Resolver { live, health, .. } = &*self.inner.resolver;
        let live = live.load();
        let of = |source: &Source| vec![("source", source.config.name.to_string())];
        let of_each = |value: &dyn Fn(&Source) -> u64| live.sources.all().map(|source| (of(source), value(source))).collect::<Vec<_>>();
        let outcomes = live.sources.all().flat_map(|source| {
            let counts = StepOutcome::ALL.into_iter().zip(source.stats.outcomes.all()).filter(|(_, count)| *count > 0);
            counts.map(move |(outcome, count)| {
                let labels = [of(source), vec![("outcome", outcome.name().to_owned())]].concat();
                (labels, count)
            })
        });
        let failures = of_each(&|source| source.status().failures);
        let durations = live.sources.all().map(|source| (of(source), Distribution::from(&source.stats.durations)));
        let loaded = of_each(&|source| u64::from(source.loaded.is_ok()));
        let open = of_each(&|source| u64::from(health.open(&source.config.name).is_some()));
        let resting = number(health.all_resting().len());
        vec![
            Family::counter("flytoken_source_outcomes_total", "What came of asking a source.", outcomes),
            Family::counter("flytoken_source_failures_total", "Calls that trapped, ran into a limit or were denied.", failures),
            Family::histogram("flytoken_source_call_duration_seconds", "How long a call of a source took.", durations),
            Family::gauge("flytoken_source_loaded", "Whether a source can be asked at all.", loaded),
            Family::gauge("flytoken_source_breaker_open", "Whether a source is not asked because it broke several times in a row.", open),
            one("flytoken_resting", "Sources that are not asked for an app and kind for a while.", Some(resting)),
        ]
    }

    fn of_state(&self, charged: Option<usize>, unsettled: Option<u64>) -> Vec<Family> {
        let resolver = &self.inner.resolver;
        let (now, leases) = (resolver.clock.now(), resolver.cache.all());
        let states = LeaseState::ALL.map(|state| {
            let count = leases.iter().filter(|(_, cached)| cached.state(now) == state).count();
            (vec![("state", state.as_str().to_owned())], number(count))
        });
        let budget = resolver.live.load().config.budget.total;
        let login = u64::from(resolver.login.state().login.is_some());
        let unrecorded = u64::from(self.unrecorded().is_some());
        vec![
            Family::gauge("flytoken_leases", "Cached tokens by where in their life they are.", states),
            one("flytoken_owners", "Apps and kinds in use.", Some(number(self.inner.owners.count()))),
            one("flytoken_tombstones", "Tokens that are never handed out again.", Some(number(resolver.tombstones.count()))),
            one("flytoken_mints_charged", "Mints of the last hour that count against the budget.", charged.map(number)),
            one("flytoken_mints_budget", "Mints that there may be in an hour.", Some(number(budget))),
            one("flytoken_login_present", "Whether there is a login.", Some(login)),
            one("flytoken_audit_problem", "Whether requests are not on record as they should be.", Some(unrecorded)),
            one("flytoken_audit_lag_lines", "Lines on record behind the end of the chain that is kept.", unsettled),
        ]
    }
}

/// Pushes the numbers where the configuration says, for as long as the agent lives. Whoever takes none of them is told of once, and so is that it
/// takes them again; what was not taken is in the next push.
pub(super) async fn push(inner: Weak<Inner>) {
    let Some(mut configured) = inner.upgrade().map(|inner| inner.collector.subscribe()) else { return };
    loop {
        let Some(collector) = configured.borrow_and_update().clone() else {
            match configured.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            }
        };
        let goes_on = tokio::select! {
            changed = configured.changed() => changed.is_ok(),
            () = push_to(&collector, &inner) => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// Pushes to one collector until the agent is gone.
async fn push_to(collector: &Collector, inner: &Weak<Inner>) {
    let mut fails = false;
    // The first at once: whoever just wrote it down sees whether it works.
    while let Some(inner) = inner.upgrade() {
        let request = Core { inner }.for_a_collector().await;
        match collector.push(request).await {
            Ok(()) if fails => {
                fails = false;
                info!(endpoint = %collector.endpoint, "the collector takes numbers again");
            }
            Err(why) if !fails => {
                fails = true;
                warn!(endpoint = %collector.endpoint, "numbers were not taken, and are pushed again later: {why}");
            }
            Ok(()) => {}
            Err(why) => debug!(endpoint = %collector.endpoint, "numbers were not taken: {why}"),
        }
        sleep(collector.every).await;
    }
}

/// A number without labels, as long as there is one.
fn one(name: &'static str, help: &'static str, value: Option<u64>) -> Family {
    Family::gauge(name, help, value.map(|value| (vec![], value)))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
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

/// Bytes of the name of this agent: enough for no other to have it.
const INSTANCE: usize = 16;
