//! The main job in a throwaway home, with no account and no flyctl: `flytoken demo`.
//!
//! The demo checks itself: whatever goes otherwise than it says is a failure. It talks to a real agent, which is this very binary, and
//! uses no way in that others lack: the socket, the files, the command line.

mod act;
mod configuration;
mod fly;
pub(crate) mod forged;
mod greedy;
mod login;
mod show;
mod sources;
mod stage;
mod swap;

use std::{io, sync::Arc, time::Duration};

use tokio::{
    runtime::Builder,
    select,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use self::{act::Act, show::Show, stage::Stage};
use crate::{
    agent::stop_signal,
    output::Output,
    protocol::{Failure, FailureCode},
    system::Environment,
};

/// How the demo ended, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It went to its end.
    Done,
    /// Somebody stopped it. Everything was removed all the same.
    Interrupted,
}

/// Runs it, and prints what happens as it happens.
///
/// # Errors
/// If something did not go as it should, with what the agent logged last. Everything is removed all the same.
pub fn run(output: Output, environment: &Environment) -> Result<Ending, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|cause| unset(&cause))?;
    runtime.block_on(async {
        // First of all: from here on a signal ends the demo in an orderly way, and there is nothing to be removed yet.
        let stop = stop_signal().map_err(|cause| unset(&cause))?;
        let stage = Arc::new(Stage::set(environment).map_err(|cause| unset(&cause))?);
        let mut play = {
            let stage = Arc::clone(&stage);
            spawn_blocking(move || play(&stage, output))
        };
        tokio::pin!(stop);
        select! {
            played = &mut play => {
                let played = played.unwrap_or_else(|panic| Err(failed(panic.to_string()))).map(|()| Ending::Done);
                // A terminal stops the agent too, whose end may be noticed before the signal is.
                match played {
                    Err(failure) => timeout(LATE_SIGNAL, stop).await.map_or(Err(failure), |()| Ok(Ending::Interrupted)),
                    done => done,
                }
            }
            () = &mut stop => {
                // Whatever the play is at ends with the agent. What came of it does not matter any more.
                stage.interrupt();
                let _ = play.await;
                Ok(Ending::Interrupted)
            }
        }
    })
}

fn play(stage: &Stage, output: Output) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut act = Act::new(stage, Show::new(output));
    act.show.title(stage.folder())?;
    acts(&mut act).map_err(|failure| with_log(failure, stage))?;
    act.show.end(&format!("All as it should be, in {}.", show::precise(begun.elapsed())))
}

fn acts(act: &mut Act) -> Result<(), Failure> {
    sources::play(act)?;
    login::play(act)?;
    let vault = swap::play(act)?;
    greedy::play(act, &vault)?;
    clean_up(act)
}

/// The last act: nothing is left.
fn clean_up(act: &mut Act) -> Result<(), Failure> {
    act.heading("Nothing is left")?;
    let begun = Instant::now();
    act.stage.stop_agent()?;
    act.timed("the agent stops at SIGTERM", begun.elapsed())?;
    let begun = Instant::now();
    let log = act.stage.log();
    if forged::is_in(&log) {
        return Err(failed("the agent's log holds a token"));
    }
    act.timed(&format!("no token in the {} lines of its log", log.lines().count()), begun.elapsed())?;
    let begun = Instant::now();
    let files = act.stage.remove().map_err(|cause| failed(format!("the throwaway home cannot be removed: {cause}")))?;
    act.timed(&format!("{files} files removed with the throwaway home"), begun.elapsed())
}

/// Something that should not be.
fn failed(what: impl Into<String>) -> Failure {
    let hint = "everything was removed; if this machine lacks nothing, this is a defect of flytoken".to_owned();
    Failure { code: FailureCode::Internal, message: format!("the demo went wrong: {}", what.into()), hint, steps: Vec::new() }
}

/// The agent's log goes with its home, so the end of it is shown now.
fn with_log(mut failure: Failure, stage: &Stage) -> Failure {
    let log = stage.log();
    let lines: Vec<&str> = log.lines().collect();
    for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
        failure.message.push_str("\nagent: ");
        failure.message.push_str(line);
    }
    failure
}

fn unset(cause: &io::Error) -> Failure {
    let hint = "set TMPDIR to a directory that you may write to".to_owned();
    let message = format!("the demo cannot begin: {cause}");
    Failure { code: FailureCode::Misconfigured, message, hint, steps: Vec::new() }
}

/// How long after a failure the signal is waited for that may be behind it.
const LATE_SIGNAL: Duration = Duration::from_millis(500);

/// Lines of the agent's log that are shown with a failure.
const LOG_LINES: usize = 8;
