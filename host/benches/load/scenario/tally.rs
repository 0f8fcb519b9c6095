//! What clients asked, what they got, and whether that is what an agent under load may answer.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use flytoken::{
    app::AppName,
    protocol::{Answer, Failure, FailureCode, LeaseFacts, Reply, StepOutcome},
    time::Timestamp,
    token::Fingerprint,
};
use tokio::time::Instant;

use super::world::{DOWN, FLAPPING};

/// Everything that was asked and answered.
#[derive(Default)]
pub(crate) struct Tally {
    /// How often each kind of request was answered.
    pub(crate) answered: BTreeMap<Asked, usize>,
    /// Failures of a source that were passed on, by their code.
    pub(crate) failed: BTreeMap<&'static str, usize>,
    /// What should not have been answered, in words; the first of them.
    pub(crate) wrong: Vec<String>,
    /// How many there were.
    pub(crate) wrongs: usize,
    /// How long each `get` took that was answered from the cache.
    pub(crate) cached: Vec<Duration>,
    /// How long each took that had a source asked.
    pub(crate) missed: Vec<Duration>,
    /// How long a mere echo took at the same time.
    pub(crate) echoed: Vec<Duration>,
    /// In which second each lease was obtained that took the place of one that was about to end.
    pub(crate) renewals: BTreeMap<u64, usize>,
    /// The configurations written.
    pub(crate) rewrites: u64,
    /// The lease that each app had last.
    known: HashMap<AppName, (Fingerprint, Timestamp)>,
    /// Tokens that were rejected, and since when the agent has acknowledged it.
    rejected: HashMap<Fingerprint, Instant>,
    /// Which of them.
    tombstones: HashSet<(AppName, Fingerprint)>,
}

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Get,
    Refresh,
    Invalidate,
    Explain,
    Status,
}

impl Tally {
    /// The token that an app had last, if it was not rejected since.
    pub(crate) fn token_of(&self, app: &AppName) -> Option<Fingerprint> {
        self.known.get(app).map(|(fingerprint, _)| *fingerprint)
    }

    /// How many tombstones there have to be for what was rejected.
    pub(crate) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Takes note of an answer to a request that was sent at `sent`, and of the wall clock's time then.
    pub(crate) fn note(&mut self, asked: Asked, app: &AppName, sent: Instant, at: Timestamp, answer: Answer) {
        *self.answered.entry(asked).or_default() += 1;
        let took = sent.elapsed();
        match answer {
            Ok(Reply::Token(delivered)) => {
                let cached = self.learn(&delivered.facts, sent, at, asked);
                if cached { &mut self.cached } else { &mut self.missed }.push(took);
            }
            Ok(Reply::Refreshed { leases }) => {
                for facts in leases {
                    self.learn(&facts, sent, at, asked);
                }
            }
            Ok(_) => {}
            Err(failure) if is_a_sources_own(app, &failure) => *self.failed.entry(name(failure.code)).or_default() += 1,
            Err(failure) => self.blame(format!("{asked:?} {app}: {failure:?}")),
        }
    }

    /// Takes note of a token that was rejected and acknowledged to be.
    pub(crate) fn rejected(&mut self, app: &AppName, fingerprint: Fingerprint) {
        // Only what is known to be this one: another may be there by now.
        if self.token_of(app) == Some(fingerprint) {
            self.known.remove(app);
        }
        self.rejected.insert(fingerprint, Instant::now());
        self.tombstones.insert((app.clone(), fingerprint));
    }

    /// Looks at a lease; whether it was known already, so that no source was asked for it.
    fn learn(&mut self, facts: &LeaseFacts, sent: Instant, at: Timestamp, asked: Asked) -> bool {
        if facts.expiry.at().is_some_and(|end| end <= at) {
            self.blame(format!("{asked:?} {}: the token had ended at {:?}, before it was asked for at {at:?}", facts.app, facts.expiry));
        }
        if self.rejected.get(&facts.fingerprint).is_some_and(|since| *since <= sent) {
            self.blame(format!("{asked:?} {}: the token {} was rejected", facts.app, facts.fingerprint));
        }
        let newer = (facts.fingerprint, facts.obtained);
        match self.known.get_mut(&facts.app) {
            Some(known) if known.0 == newer.0 => true,
            // Two connections may hear of two leases in either order.
            Some(known) => {
                if asked == Asked::Get && known.1 < newer.1 {
                    *self.renewals.entry(facts.obtained.seconds()).or_default() += 1;
                }
                *known = (*known).max_by_time(newer);
                false
            }
            None => {
                self.known.insert(facts.app.clone(), newer);
                false
            }
        }
    }

    /// Takes note of something that should not be.
    pub(crate) fn blame(&mut self, what: String) {
        self.wrongs += 1;
        if self.wrong.len() < SHOWN {
            self.wrong.push(what);
        }
    }
}

trait MaxByTime {
    fn max_by_time(self, other: Self) -> Self;
}

impl MaxByTime for (Fingerprint, Timestamp) {
    fn max_by_time(self, other: Self) -> Self {
        if other.1 >= self.1 { other } else { self }
    }
}

/// Whether a failure is what the flapping source said, and nothing of the agent's own: the one step of a chain that has no other.
fn is_a_sources_own(app: &AppName, failure: &Failure) -> bool {
    let its_own = |source: &str, outcome, text: &str| source == FLAPPING && outcome == StepOutcome::Unavailable && text.starts_with(DOWN);
    app.as_str().starts_with("flap-")
        && failure.code == FailureCode::TryAgain
        && failure.steps.len() == 1
        && failure.steps.iter().all(|step| its_own(&step.source, step.outcome, &step.text))
}

/// As `--json` writes it.
fn name(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Internal => "internal",
        FailureCode::Usage => "usage",
        FailureCode::NoToken => "no-token",
        FailureCode::Denied => "denied",
        FailureCode::Agent => "agent",
        FailureCode::NeedsHuman => "needs-human",
        FailureCode::Misconfigured => "misconfigured",
        FailureCode::TryAgain => "try-again",
    }
}

/// Wrong answers that are told in full.
const SHOWN: usize = 10;
