//! Going by an administrator's policy.

use std::sync::Arc;

use tracing::{info, warn};

use super::{Core, Inner};
use crate::{
    attestation::{Attested, Facts, Wanted},
    audience::Audience,
    cache::Key,
    config::Config,
    delivery::Narrowing,
    policy::{self as administrator, Asked, InForce, Ruling, Verb},
    protocol::{Failure, FailureCode, PolicyStatus, Request},
};

impl Core {
    /// What has to be known of a client to judge what it asks.
    pub fn wanted(&self) -> Wanted {
        self.inner.policy.load().wanted()
    }

    /// Whether what the policy denies is not answered.
    pub fn enforces(&self) -> bool {
        self.inner.policy.load().enforces()
    }

    /// Whom it answers.
    pub fn audience(&self) -> Audience {
        self.inner.policy_place.audience
    }

    /// What becomes of a request. How things are is told to the agent's own user also while the policy does not hold, since that tells why.
    pub(super) fn rule(&self, policy: &InForce, client: &Attested, request: &Request) -> Ruling {
        // What was seen of a client is nothing to go by once it is another.
        if let Err(unconfirmed) = client.last_confirmed() {
            return if policy.enforces() {
                Ruling::Deny { rule: None, why: unconfirmed.to_string() }
            } else {
                Ruling::Answer { rule: None, most: Narrowing::default(), would_deny: true }
            };
        }
        if !client.covers(policy.wanted()) {
            let why = "another policy has come into force, and you have to be looked at anew: ask once more";
            return Ruling::Deny { rule: None, why: why.into() };
        }
        let (facts, asked) = (client.facts(), asked(request));
        let audience = self.audience();
        let trusted = || !facts.by_bearer && audience.trusts(facts.uid, rustix::process::getuid().as_raw());
        if matches!((policy, asked.verb), (InForce::Broken(_), Verb::Status)) && trusted() {
            return Ruling::answer();
        }
        if audience == Audience::Everybody && asked.verb.is_administrative() && !trusted() {
            let why =
                format!("an agent of the whole system takes `{}` from root and its own account alone, whatever rules say", asked.verb);
            return Ruling::Deny { rule: None, why };
        }
        policy.rule(facts, asked)
    }

    /// Whether the policy in force now, when the answer about `key` is ready, says of it what the one said under which it was begun.
    pub(super) fn still(&self, before: &Arc<InForce>, ruling: &Ruling, client: &Attested, key: Option<&Key>) -> Result<(), Failure> {
        let now = self.inner.policy.load_full();
        let Some(key) = key.filter(|_| !Arc::ptr_eq(before, &now)) else { return Ok(()) };
        let asked = Asked { verb: Verb::Get, app: Some(&key.app), kind: Some(key.kind) };
        match now.rule(client.facts(), asked) {
            Ruling::Deny { why, .. } => Err(denied(&why)),
            anew if anew == *ruling && client.covers(now.wanted()) => Ok(()),
            Ruling::Answer { .. } => Err(Failure {
                code: FailureCode::TryAgain,
                message: "another policy came into force while the token was obtained".into(),
                hint: "ask once more, with the same command; `flytoken policy show` says what is in force".into(),
                steps: Vec::new(),
            }),
        }
    }

    /// How the policy is.
    pub(super) fn policy_status(&self) -> Option<PolicyStatus> {
        match &**self.inner.policy.load() {
            InForce::Nothing => None,
            InForce::Policy(policy) => {
                Some(PolicyStatus { file: Some(policy.file().display().to_string()), reports_only: policy.reports_only(), problem: None })
            }
            InForce::Broken(why) => Some(PolicyStatus { file: None, reports_only: false, problem: Some(why.clone()) }),
        }
    }
}

/// A request as rules see it.
fn asked(request: &Request) -> Asked<'_> {
    let (_, app, kind) = request.subject();
    Asked { verb: verb(request), app, kind }
}

/// What it asks for.
pub(super) fn verb(request: &Request) -> Verb {
    match request {
        Request::Get { .. } => Verb::Get,
        Request::Refresh { .. } => Verb::Refresh,
        Request::Set { .. } => Verb::Set,
        Request::Unset { .. } => Verb::Unset,
        Request::Invalidate { .. } | Request::InvalidateToken { .. } => Verb::Invalidate,
        Request::Revoke { .. } => Verb::Revoke,
        Request::Explain { .. } => Verb::Explain,
        Request::Status => Verb::Status,
        Request::Minted => Verb::Minted,
        Request::VerifyAudit => Verb::Audit,
    }
}

/// Tells the administrator what was denied, and what was seen of whom.
pub(super) fn tell(client: &Facts, request: &Request, rule: Option<&str>, only_reported: bool) {
    let Asked { verb, app, kind } = asked(request);
    let app = app.map(ToString::to_string);
    let what = if only_reported { "would be denied by the policy" } else { "denied by the policy" };
    warn!(%verb, app, kind = kind.map(tracing::field::display), rule, client = %client, "{what}");
}

/// What a denied client is told.
pub(super) fn denied(why: &str) -> Failure {
    Failure {
        code: FailureCode::Denied,
        message: why.into(),
        hint: "see which rule would let you: `flytoken policy test`; the policy is its administrator's to change".into(),
        steps: Vec::new(),
    }
}

/// Whether the policy is enough for whom the agent answers. One that is there and says too little does not hold in the first place.
pub(super) fn suffices(policy: &InForce, place: &administrator::Place) -> Result<(), Failure> {
    if place.audience == Audience::Owner || !matches!(policy, InForce::Nothing) {
        return Ok(());
    }
    Err(Failure {
        code: FailureCode::Denied,
        message: format!("an agent of the whole system answers whom a policy admits, and there is no {}", place.file.display()),
        hint: "write one, such as `{ version: 1, clients: [{ name: deployers, group: deployers, apps: [web] }] }`, and look at it with \
             `flytoken policy check`"
            .into(),
        steps: Vec::new(),
    })
}

/// Whether a command may resolve without an agent.
pub(super) fn allow_without_agent(policy: &InForce) -> Result<(), Failure> {
    let Some(policy) = policy.policy().filter(|policy| policy.requires_agent()) else { return Ok(()) };
    let message = format!("the policy {} requires an agent", policy.file().display());
    if policy.reports_only() {
        warn!("{message}, and none is asked");
        return Ok(());
    }
    Err(Failure { code: FailureCode::Agent, message, hint: "start one: `flytoken agent`".into(), steps: Vec::new() })
}

/// What is left of a configuration under the policy, if it holds.
pub(super) fn limit(policy: &InForce, config: Arc<Config>) -> Arc<Config> {
    let Some(policy) = policy.policy() else { return config };
    let (limited, cuts) = policy.limit(&config);
    for cut in cuts {
        let source = cut.source.map(|source| source.to_string());
        if policy.reports_only() {
            warn!(rule = cut.rule, source, "the policy would take away: {}", cut.what);
        } else {
            warn!(rule = cut.rule, source, "the policy takes away: {}", cut.what);
        }
    }
    Arc::new(limited)
}

/// Reads the policy again, and goes by it from now on.
pub(super) async fn reload(inner: &Arc<Inner>) -> Arc<InForce> {
    let reading = {
        let inner = Arc::clone(inner);
        tokio::task::spawn_blocking(move || inner.policy.load().reload(&inner.policy_place)).await
    };
    let before = inner.policy.load_full();
    let Ok(after) = reading else { return before };
    match (&*before, &after) {
        (InForce::Broken(one), InForce::Broken(other)) if one == other => {}
        (InForce::Policy(one), InForce::Policy(other)) if Arc::ptr_eq(one, other) => {}
        (InForce::Nothing, InForce::Nothing) => {}
        (_, InForce::Broken(why)) => warn!("nothing is answered while the policy does not hold: {why}"),
        (_, InForce::Nothing | InForce::Policy(_)) => info!("another policy is in force"),
    }
    let after = Arc::new(after);
    inner.policy.store(Arc::clone(&after));
    after
}
