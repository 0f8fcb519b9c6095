//! `plugin run --json`.

use serde::Serialize;

use super::{super::trial::micros, End, Ran};
use crate::{
    hex,
    lease::Expiry,
    protocol::StepOutcome,
    trial::{Facts, Holds},
};

#[derive(Serialize)]
pub(super) struct Told<'a> {
    app: &'a str,
    kind: &'a str,
    renewal: bool,
    sha256: String,
    compiled_us: u64,
    linked_us: u64,
    /// Until there was an instance.
    started_us: u64,
    took_us: u64,
    memory_bytes: u64,
    calls: Vec<Call<'a>>,
    calls_left_out: u64,
    denied: &'a [String],
    log: &'a [String],
    outcome: &'a str,
    text: Option<&'a str>,
    command: Option<&'a str>,
    lease: Option<Lease<'a>>,
    /// Lines to stand under `grants`.
    grants: String,
    /// Grants among these that this run did not use.
    only_to_load: &'a [&'static str],
}

#[derive(Serialize)]
struct Call<'a> {
    name: &'a str,
    at_us: u64,
    took_us: Option<u64>,
    outcome: &'a str,
}

#[derive(Serialize)]
struct Lease<'a> {
    items: &'a [&'static str],
    /// As the source says.
    expires_at: Option<u64>,
    /// As the token says.
    token_expires_at: Option<u64>,
    id: Option<&'a str>,
    fingerprint: String,
    holds: bool,
    /// Why it does not hold, and what that counts as; or what would be done to it.
    outcome: &'static str,
    text: &'a str,
}

impl<'a> Told<'a> {
    pub(super) fn of(ran: &'a Ran) -> Self {
        let Ran { trial, question, end, traced, least } = ran;
        Self {
            app: question.key.app.as_str(),
            kind: question.key.kind.as_str(),
            renewal: question.intent.is_renewal(),
            sha256: hex::encode(&trial.loaded().sha256()),
            compiled_us: micros(trial.compiled_in()),
            linked_us: micros(trial.loaded().linked_in()),
            started_us: micros(traced.started),
            took_us: micros(traced.took),
            memory_bytes: traced.memory,
            calls: traced
                .steps
                .iter()
                .map(|step| Call { name: &step.name, at_us: micros(step.at), took_us: step.took.map(micros), outcome: &step.outcome })
                .collect(),
            calls_left_out: traced.more,
            denied: &traced.denied,
            log: &traced.log,
            outcome: end.name(),
            text: end.text(),
            command: end.command(),
            lease: if let End::Lease(facts) = end { Some(Lease::of(facts)) } else { None },
            grants: least.grants.lines(),
            only_to_load: &least.only_to_load,
        }
    }
}

impl<'a> Lease<'a> {
    fn of(facts: &'a Facts) -> Self {
        let seconds = |expiry: Expiry| expiry.at().map(crate::time::Timestamp::seconds);
        let (holds, outcome, text) = match &facts.holds {
            Holds::Yes { notes, .. } => (true, StepOutcome::Lease.name(), notes.as_str()),
            Holds::No(refusal) => (false, refusal.outcome().name(), refusal.text()),
        };
        Self {
            items: &facts.items,
            expires_at: seconds(facts.said),
            token_expires_at: seconds(facts.own),
            id: facts.id.as_deref(),
            fingerprint: facts.fingerprint.to_string(),
            holds,
            outcome,
            text,
        }
    }
}
