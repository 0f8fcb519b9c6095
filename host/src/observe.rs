//! What requests, runs and steps leave in the log: spans with the same fields for all of them.
//!
//! At debug level, so that nothing of it is made where nobody wants it; a run that fails is told at info level, once until one succeeds.
//! No field holds a token, and texts from sources are made harmless.

use tokio::time::Instant;
use tracing::{Span, debug, debug_span, field::Empty, info};

use crate::{
    cache::Key,
    owner::Intent,
    plain,
    protocol::{Failure, FailureCode, Reply, Request, StepOutcome, StepReport},
};

/// Who acquired what a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquirer {
    /// Nobody: it was there.
    Cache,
    /// A run that another request had begun, or its failure a moment ago.
    Coalesced,
    /// A run that this request began.
    Owner,
}

impl Acquirer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cache, Self::Coalesced, Self::Owner];

    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Coalesced => "coalesced",
            Self::Owner => "owner",
        }
    }

    /// Takes note of it in a request's span.
    pub fn note(span: &Span, acquirer: Self) {
        span.record("acquirer", acquirer.as_str());
    }
}

/// A request that is being answered, and since when.
pub struct Asked {
    span: Span,
    since: Instant,
}

impl Asked {
    /// Begins to observe a request, if anybody wants to hear of it: otherwise this costs a look at the level.
    pub fn observe(request: &Request) -> Option<Self> {
        tracing::enabled!(tracing::Level::DEBUG).then(|| Self::begin(request))
    }

    #[cold]
    fn begin(request: &Request) -> Self {
        let (op, app, kind) = request.subject();
        let (app, kind) = (app.map(tracing::field::display), kind.map(tracing::field::display));
        let span = debug_span!("request", op, app, kind, acquirer = Empty, source = Empty, outcome = Empty, duration_us = Empty);
        Self { span, since: Instant::now() }
    }

    /// The request's span, for what is done about it.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Tells that it was answered from the cache.
    #[cold]
    pub fn answered_from_cache(self, reply: &Reply) {
        Acquirer::note(&self.span, Acquirer::Cache);
        self.end(Ok(reply));
    }

    /// Tells how it was answered.
    pub fn answered(self, answer: Result<&Reply, &Failure>) {
        self.end(answer);
    }

    fn end(self, answer: Result<&Reply, &Failure>) {
        let Self { span, since } = self;
        span.record("duration_us", micros(since));
        if let Ok(Reply::Token(delivered)) = answer {
            span.record("source", delivered.facts.source.as_str());
        }
        span.record("outcome", answer.map_or_else(|failure| failure.code.name(), |_| "done"));
        match answer {
            Ok(_) => debug!(parent: &span, "answered"),
            Err(failure) => debug!(parent: &span, "{}", plain::line(&failure.message)),
        }
    }
}

/// The span of one run down a chain.
pub fn run(key: &Key, intent: Intent) -> Span {
    let renewal = intent.is_renewal();
    debug_span!(parent: None, "run", app = %key.app, kind = %key.kind, renewal, source = Empty, outcome = Empty, duration_us = Empty)
}

/// Tells what a run came to.
pub fn ran(span: &Span, key: &Key, since: Instant, steps: &[StepReport], result: Result<(), &Failure>, failed_before: bool) {
    span.record("duration_us", micros(since));
    match result {
        Ok(()) => {
            let source = steps.last().map_or("", |step| step.source.as_str());
            span.record("source", source);
            span.record("outcome", StepOutcome::Lease.name());
            debug!(parent: span, "resolved");
        }
        Err(failure) => {
            span.record("outcome", failure.code.name());
            debug!(parent: span, "{}", plain::line(&failure.message));
            // Not each time anew: who asks again and again would fill the log.
            if !failed_before && failure.code != FailureCode::NoToken {
                let why = steps.iter().rfind(|step| step.outcome.code() == failure.code);
                let (source, text) = why.map_or(("", ""), |step| (step.source.as_str(), step.text.as_str()));
                let outcome = failure.code.name();
                info!(parent: None, app = %key.app, kind = %key.kind, source, outcome, "{}: {}", failure.message, plain::line(text));
            }
        }
    }
}

/// The span of one step.
pub fn step(key: &Key, source: &str) -> Span {
    debug_span!(parent: None, "step", app = %key.app, kind = %key.kind, source, outcome = Empty, duration_us = Empty)
}

/// Tells what a step came to. The time is the source's own.
pub fn stepped(span: &Span, report: &StepReport) {
    span.record("outcome", report.outcome.name());
    span.record("duration_us", report.micros);
    debug!(parent: span, "{}", plain::line(&report.text));
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::AppName, kind::Kind, protocol::Wish};

    #[test]
    fn where_nobody_listens_a_request_is_observed_without_an_allocation() {
        let get = Request::Get { app: AppName::parse("web").unwrap(), kind: Kind::Readonly, wish: Wish::default() };
        let used = allocation_counter::measure(|| assert!(Asked::observe(&get).is_none()));
        assert_eq!(used.count_total, 0);
    }
}
