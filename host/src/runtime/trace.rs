//! What one call did, written down for the author of its source. No call of an agent has a trace: only a trial asks for one.
//!
//! Names and outcomes may hold what the source made up. They stay in here as they are until the call is over, and come out cleaned by the
//! censor that log lines go through.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    outcome::Refused,
    text::{Censor, TEXT_BYTES},
};
use crate::granted_files::FileForm;

/// Takes down what one call does. Clones share it: whatever the call goes through has one.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Notes>>);

/// What a call did.
#[derive(Debug, Default)]
pub struct Traced {
    /// What it asked the host for, in its order.
    pub steps: Vec<Step>,
    /// How many more it asked for than are told one by one.
    pub more: u64,
    /// What of its grants it made use of, or asked for.
    pub uses: Vec<Use>,
    /// What it was denied, each with the line that would allow it.
    pub denied: Vec<String>,
    /// What it wrote to its log.
    pub log: Vec<String>,
    /// How long it took until there was an instance of it.
    pub started: Duration,
    /// How long the whole call took.
    pub took: Duration,
    /// Linear memory at its greatest, in bytes.
    pub memory: u64,
    /// What the source itself ended with, whatever the host made of it; none if that was no refusal.
    pub ended: Option<Refused>,
    /// The texts of its refusal, as the source wrote them.
    pub texts: Vec<Told>,
}

/// One thing that a call asked the host for.
#[derive(Debug, Clone)]
pub struct Step {
    /// What: `settings.get path`.
    pub name: String,
    /// When, from the beginning of the call.
    pub at: Duration,
    /// How long that took; none if the call ended before it did.
    pub took: Option<Duration>,
    /// What came of it.
    pub outcome: String,
}

/// A part of a grant that a call made use of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// The text of a secret.
    Reveal,
    /// The login.
    Login,
    /// The record.
    Records,
    /// A command.
    Command {
        /// The program.
        program: String,
        /// Its arguments, placeholders unfilled.
        args: Vec<String>,
    },
    /// A file, in a form.
    File(String, FileForm),
    /// An origin, as `https://host`.
    Http(String),
    /// A name that was looked up, or an address that was connected to.
    Socket(String),
}

/// What there is to say of a text without repeating it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of the contract by itself")]
pub struct Told {
    /// Its length in bytes.
    pub bytes: usize,
    /// Whether a secret of the call is in it, or anything that has the form of a token.
    pub secret: bool,
    /// Whether it breaks the line, or holds something that does more than stand there.
    pub unprintable: bool,
    /// Whether it ends with a full stop.
    pub stop: bool,
    /// Whether there is nothing in it.
    pub empty: bool,
}

/// What is noted while the call runs, uncleaned.
struct Notes {
    begun: Instant,
    open: Vec<Noted>,
    traced: Traced,
}

struct Noted {
    name: Zeroizing<String>,
    at: Duration,
    took: Option<Duration>,
    outcome: Zeroizing<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Notes { begun: Instant::now(), open: Vec::new(), traced: Traced::default() })))
    }
}

impl Trace {
    /// What the call did; nothing afterwards.
    pub fn take(&self) -> Traced {
        mem::take(&mut self.held().traced)
    }

    /// The call begins now.
    pub(super) fn begin(&self) {
        self.held().begun = Instant::now();
    }

    /// There is an instance.
    pub(super) fn started(&self) {
        let mut notes = self.held();
        notes.traced.started = notes.begun.elapsed();
    }

    /// The call is over: cleans what was noted.
    pub(super) fn finish(&self, censor: &Censor, memory: usize) {
        let mut notes = self.held();
        let clean = |text: &str| censor.clean(text, TEXT_BYTES);
        let steps = mem::take(&mut notes.open).into_iter().map(|noted| Step {
            name: clean(&noted.name),
            at: noted.at,
            took: noted.took,
            outcome: if noted.took.is_some() { clean(&noted.outcome) } else { "did not come to an end".into() },
        });
        notes.traced.steps = steps.collect();
        notes.traced.took = notes.begun.elapsed();
        notes.traced.memory = memory as u64;
    }

    /// A line of the log, cleaned.
    pub(super) fn log(&self, line: String) {
        self.held().traced.log.push(line);
    }

    /// Something that it was denied, cleaned.
    pub(super) fn denied(&self, text: String) {
        self.held().traced.denied.push(text);
    }

    /// What the source itself ended with, cleaned, and what there is to say of its texts.
    pub(super) fn ended(&self, refused: Refused, texts: Vec<Told>) {
        let mut notes = self.held();
        (notes.traced.ended, notes.traced.texts) = (Some(refused), texts);
    }

    fn held(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trace, or nothing: then no name is even made up.
#[derive(Clone, Default)]
pub(super) struct Tracer(pub(super) Option<Trace>);

impl Tracer {
    /// Something is asked for.
    pub(super) fn step(&self, name: impl FnOnce() -> String) -> Open {
        let Some(trace) = &self.0 else { return Open(None) };
        let mut notes = trace.held();
        if notes.open.len() >= MOST_STEPS {
            notes.traced.more += 1;
            return Open(None);
        }
        let at = notes.begun.elapsed();
        notes.open.push(Noted { name: name().into(), at, took: None, outcome: Zeroizing::default() });
        Open(Some((trace.clone(), notes.open.len() - 1)))
    }

    /// A part of a grant is made use of.
    pub(super) fn uses(&self, what: impl FnOnce() -> Use) {
        let Some(trace) = &self.0 else { return };
        let (mut notes, what) = (trace.held(), what());
        if notes.traced.uses.len() < MOST_STEPS && !notes.traced.uses.contains(&what) {
            notes.traced.uses.push(what);
        }
    }
}

/// Something that was asked for and is not answered yet.
pub(super) struct Open(Option<(Trace, usize)>);

impl Open {
    /// It is answered.
    pub(super) fn end(self, outcome: impl FnOnce() -> String) {
        let Some((trace, at)) = self.0 else { return };
        let mut notes = trace.held();
        let elapsed = notes.begun.elapsed();
        if let Some(noted) = notes.open.get_mut(at) {
            (noted.took, noted.outcome) = (Some(elapsed.saturating_sub(noted.at)), outcome().into());
        }
    }

    /// It is answered, well or not.
    pub(super) fn end_with<T, E>(self, result: &Result<T, E>, well: impl FnOnce(&T) -> String, ill: impl FnOnce(&E) -> String) {
        self.end(|| match result {
            Ok(value) => well(value),
            Err(error) => ill(error),
        });
    }
}

/// What a source may ask for thousands of times; nobody reads that.
const MOST_STEPS: usize = 200;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::token::ApiToken;

    #[test]
    fn what_comes_out_is_cleaned_and_bounded() {
        let trace = Trace::default();
        let tracer = Tracer(Some(trace.clone()));
        for _ in 0..MOST_STEPS + 5 {
            tracer.step(|| "settings.get opaque-canary\n".into()).end(|| "opaque-canary".into());
        }
        let mut censor = Censor::default();
        censor.add(&Arc::new(ApiToken::new(Zeroizing::new("opaque-canary".to_owned()))));
        trace.finish(&censor, 7);
        let told = trace.take();
        assert_eq!((told.steps.len(), told.more, told.memory), (MOST_STEPS, 5, 7));
        let step = &told.steps[0];
        assert_eq!((step.name.as_str(), step.outcome.as_str()), ("settings.get [token]\\n", "[token]"));
    }

    #[test]
    fn what_never_ended_is_told_so_and_without_a_trace_no_name_is_made() {
        let trace = Trace::default();
        drop(Tracer(Some(trace.clone())).step(|| "records.load".into()));
        trace.finish(&Censor::default(), 0);
        assert_eq!(trace.take().steps[0].outcome, "did not come to an end");
        Tracer::default().step(|| unreachable!("nobody reads it")).end(|| unreachable!("nor this"));
    }
}
