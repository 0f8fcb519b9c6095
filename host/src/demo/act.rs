//! What every act of the demo does: ask for a token, hold the answer against what it should be, and show it.

use std::time::Duration;

use tokio::time::Instant;

use super::{failed, forged::Forged, show::Show, stage::Stage};
use crate::{
    app::AppName,
    kind::Kind,
    protocol::{Delivered, Failure, LeaseFacts, Reply, Request, StepOutcome, StepReport, Wish},
    system::{Clock, Environment, SystemClock},
    time::Timestamp,
};

/// The stage and what is shown of it.
pub(super) struct Act<'a> {
    pub(super) stage: &'a Stage,
    pub(super) show: Show,
}

impl<'a> Act<'a> {
    pub(super) fn new(stage: &'a Stage, show: Show) -> Self {
        Self { stage, show }
    }

    pub(super) fn heading(&mut self, text: &str) -> Result<(), Failure> {
        self.show.heading(text)
    }

    pub(super) fn timed(&self, what: &str, took: Duration) -> Result<(), Failure> {
        self.show.timed(what, took)
    }

    /// Asks for a token, which the step `by` should answer out of `forged`, and shows the answer.
    pub(super) fn expect(&self, what: &str, app: &str, kind: Kind, by: &str, forged: &Forged) -> Result<LeaseFacts, Failure> {
        let begun = Instant::now();
        let delivered = self.get(app, kind)?;
        self.show_answer(what, delivered, begun.elapsed(), by, forged)
    }

    /// Holds an answer against what it should be, and shows it.
    pub(super) fn show_answer(
        &self,
        what: &str,
        delivered: Delivered,
        took: Duration,
        by: &str,
        forged: &Forged,
    ) -> Result<LeaseFacts, Failure> {
        let Delivered { facts, .. } = &delivered;
        forged.is_behind(&delivered).map_err(|why| failed(format!("{}, {}: {why}", facts.app, facts.kind)))?;
        // The lease names who obtained it, which is not who remembered it.
        let steps = if by == CACHE { Vec::new() } else { self.steps(facts)? };
        let answered = steps.iter().find(|step| step.outcome == StepOutcome::Lease).map_or(CACHE, |step| &step.source);
        if answered != by {
            return Err(failed(format!("{}, {}: `{answered}` answered instead of `{by}`", facts.app, facts.kind)));
        }
        self.show.answered(what, by, facts, took)?;
        Ok(delivered.facts)
    }

    /// What each step said at the last resolution.
    pub(super) fn steps(&self, facts: &LeaseFacts) -> Result<Vec<StepReport>, Failure> {
        match self.stage.ask(Request::Explain { app: facts.app.clone(), kind: facts.kind, resolve: false })? {
            Reply::Explained { explanation: Some(explanation) } => Ok(explanation.steps),
            _ => Err(failed("the last resolution is not remembered")),
        }
    }

    /// A token.
    pub(super) fn get(&self, app: &str, kind: Kind) -> Result<Delivered, Failure> {
        match self.stage.ask(get(app, kind)?)? {
            Reply::Token(delivered) => Ok(delivered),
            _ => Err(failed("the answer does not belong to the request")),
        }
    }
}

/// The request for a token.
pub(super) fn get(app: &str, kind: Kind) -> Result<Request, Failure> {
    let app = AppName::parse(app).map_err(|error| failed(error.to_string()))?;
    Ok(Request::Get { app, kind, wish: Wish::default() })
}

/// Who answers without asking any source.
pub(super) const CACHE: &str = "cache";

/// The machine's own time, which the agent goes by as well.
pub(super) fn now() -> Timestamp {
    SystemClock::new(&Environment::default()).now()
}
