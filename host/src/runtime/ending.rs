//! The end of a call: its log is written, and what ended it becomes words of ours.

use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, component::ResourceTableError};
use wasmtime_wasi::I32Exit;

use super::{
    bindings::flytoken::source::types as wit,
    call::Answer,
    imports::types,
    limits::{HOST_CALL_BYTES, OverLimit},
    outcome::{Broke, BrokeKind, Refused},
    state::State,
    text::TEXT_BYTES,
};
use crate::{config::SourceName, denials::Denial};

/// How the engine came back.
pub(super) enum End {
    /// With an answer.
    Answered(Answer),
    /// With a refusal.
    Refused(wit::Refusal),
    /// With an error.
    Failed(wasmtime::Error),
    /// Not at all.
    TimedOut,
}

impl End {
    /// Writes the log of the call, tells of what it was denied, and says what its end means.
    pub(super) fn settle(
        self,
        state: &mut State,
        source: &SourceName,
        timeout: Duration,
        denied: &dyn Fn(Denial),
    ) -> Result<Answer, Refused> {
        state.censor_headers();
        write_log(state, source);
        let (memory, trace) = (state.memory_taken(), state.trace().cloned());
        let (mut denials, censor) = (state.denials().take(), state.secrets().censor());
        for denial in &mut denials {
            denial.text = censor.clean(&denial.text, TEXT_BYTES);
        }
        if let Some(trace) = &trace {
            trace.finish(censor, memory);
            for denial in &denials {
                trace.denied(denial.text.clone());
            }
        }
        let first = denials.first().map(|denial| denial.text.clone());
        denials.into_iter().for_each(denied);
        let mut texts = Vec::new();
        let refused = match self {
            Self::Answered(answer) => return Ok(answer),
            Self::Refused(refusal) => {
                if trace.is_some() {
                    texts = types::texts(&refusal).map(|text| state.secrets().censor().told(text)).collect();
                }
                Refused::Said(types::refusal(refusal, state.secrets().censor()))
            }
            Self::Failed(error) => Refused::Broke(broke(&error, state, source, timeout)),
            Self::TimedOut => Refused::Broke(timed_out(timeout)),
        };
        if let Some(trace) = &trace {
            trace.ended(refused.clone(), texts);
        }
        // Whatever the source made of it: without the grant it cannot do better.
        match first {
            Some(text) => Err(Refused::Broke(Broke { kind: BrokeKind::Denied, text })),
            None => Err(refused),
        }
    }
}

fn write_log(state: &mut State, source: &SourceName) {
    let log = state.wasi().log().clone();
    let trace = state.trace().cloned();
    let censor = state.secrets().censor();
    log.for_each_line(|line| {
        let line = censor.clean(line, TEXT_BYTES);
        tracing::info!(target: "flytoken::source", %source, "{line}");
        if let Some(trace) = &trace {
            trace.log(line);
        }
    });
}

fn timed_out(timeout: Duration) -> Broke {
    Broke { kind: BrokeKind::TimedOut, text: format!("did not answer within {timeout:?} and was ended") }
}

/// Sorts an error of the engine and says it in words; the engine's own may quote the component.
fn broke(error: &wasmtime::Error, state: &mut State, source: &SourceName, timeout: Duration) -> Broke {
    let limit = |name, text: &str| Broke { kind: BrokeKind::Limit(name), text: text.to_owned() };
    let trapped = |text: &str| Broke { kind: BrokeKind::Trapped, text: text.to_owned() };

    if let Some(over) = error.downcast_ref() {
        return match over {
            OverLimit::Memory => {
                let (have, place) = (state.memory() >> 20, format!("`sources.{source}.grants`"));
                let text = format!("wanted more than its {have} MiB of memory; `memory` under {place} gives more, up to 1 GiB");
                Broke { kind: BrokeKind::OutOfMemory, text }
            }
            OverLimit::TableElements => limit("table", "wanted too large a table of functions"),
            OverLimit::SecretBytes => limit("secret", &format!("sealed too long a text: {over}")),
            OverLimit::SealedBytes => limit("sealed", &format!("sealed too many texts: {over}")),
        };
    }
    if let Some(trap) = error.downcast_ref() {
        return match trap {
            Trap::Interrupt => timed_out(timeout),
            Trap::StackOverflow => limit("stack", "recursed too deeply"),
            Trap::UnreachableCodeReached => trapped("crashed; what it wrote before is in the log"),
            other => trapped(&format!("crashed: {other}")),
        };
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return trapped(&format!("ended itself with exit code {code}; what it wrote before is in the log"));
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return limit("handles", "holds more handles than a call may have");
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return limit("sandboxes", "found no free sandbox");
    }
    let text = format!("{error:#}");
    // The engine keeps these two types to itself.
    if text.contains("fuel allocated for hostcalls") {
        return limit("host call", &format!("handed more than {HOST_CALL_BYTES} bytes to the host at once"));
    }
    let text = state.secrets().censor().clean(&text, TEXT_BYTES);
    if text.contains("resource limit exceeded") {
        return limit("instances", &format!("is too large to start: {text}"));
    }
    trapped(&format!("broke the contract: {text}"))
}
