//! Act 4: a source that wants more than it was granted is not even loaded, and the next step answers.

use tokio::time::Instant;

use super::{
    act::Act,
    configuration::{self, BAIT, CORP, GREEDY},
    failed,
    forged::Forged,
    swap,
};
use crate::{
    kind::Kind,
    protocol::{Failure, Reply, Request, StepOutcome},
};

pub(super) fn play(act: &mut Act, vault: &Forged) -> Result<(), Failure> {
    act.heading("A source that was granted nothing, and wants the login, records and commands")?;
    act.stage.write(&configuration::added("greedy.wasm"), swap::component("greedy")?, 0o600)?;
    let begun = Instant::now();
    act.stage.write(&configuration::added("20-greedy.yaml"), configuration::greedy("greedy.wasm"), 0o600)?;
    let problem = act.stage.wait_for("the greedy source", || problem(act))?;
    act.timed("greedy: added, and refused before it ran at all", begun.elapsed())?;
    if !problem.contains("flytoken:source/") || !problem.contains(&format!("sources.{GREEDY}.grants")) {
        return Err(failed(format!("the refusal does not say what is missing: {problem}")));
    }
    act.show.quote(&format!("{GREEDY} {problem}"))?;

    let begun = Instant::now();
    let delivered = act.get(BAIT, Kind::Readonly)?;
    let took = begun.elapsed();
    let first = act.steps(&delivered.facts)?.into_iter().next().ok_or_else(|| failed("no step was asked"))?;
    if first.source != GREEDY || first.outcome != StepOutcome::Misconfigured {
        return Err(failed(format!("`{}` was asked instead of `{GREEDY}`", first.source)));
    }
    act.show_answer("bait: greedy is passed over, the next step answers", delivered, took, CORP, vault).map(drop)
}

/// Why the source is not loaded.
fn problem(act: &Act) -> Option<String> {
    let Ok(Reply::Status(status)) = act.stage.ask(Request::Status) else { return None };
    status.sources.into_iter().find(|source| source.name == GREEDY)?.problem
}
