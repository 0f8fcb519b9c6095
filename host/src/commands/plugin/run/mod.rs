//! `flytoken plugin run`: one call of a component, and everything that it does.

mod text;
mod told;

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    process::ExitCode,
};

use tokio::runtime::Builder;

use self::told::Told;
use super::{
    super::{Context, failure, usage},
    trial,
};
use crate::{
    cache::Key,
    cli::{Asked, OnTrial, PluginRun},
    owner::Intent,
    protocol::{Failure, FailureCode},
    runtime::{BrokeKind, Refused, Traced},
    trial::{Facts, Holds, Least, Question, Terms, Trial},
};

pub(super) fn run(run: &PluginRun, context: &Context) -> Result<ExitCode, Failure> {
    if run.reveal && !io::stdout().is_terminal() {
        return Err(usage(
            "`--reveal` shows the token on a terminal, and standard output is none",
            "leave `--reveal` out, or run it at a terminal",
        ));
    }
    let call = ask(&run.file, &run.on_trial, &run.asked, context)?;
    if run.json {
        context.output.print_json(&Told::of(&call))?;
    } else {
        show(&call, context)?;
    }
    if let (true, End::Lease(facts)) = (run.reveal, &call.end) {
        context.output.print(&facts.revealed())?;
        context.output.print("\n")?;
    }
    Ok(call.exit())
}

/// Loads the component in this file, and asks it once.
///
/// # Errors
/// There was nothing to ask, or nobody who could.
pub(super) fn ask(file: &Path, on_trial: &OnTrial, asked: &Asked, context: &Context) -> Result<Ran, Failure> {
    let trial::Loaded { trial, .. } = trial::load(file, on_trial, context)?;
    let question = Question {
        key: Key { app: asked.app.clone(), kind: asked.kind },
        organization: asked.organization.clone(),
        intent: if asked.renew { Intent::Renew } else { Intent::Resolve },
    };
    let terms = Terms { logged_out: asked.logged_out, ..Terms::default() };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|cause| failure(FailureCode::Internal, cause.to_string(), "see that the system has threads left: `ulimit -u`"))?;
    let ended = runtime.block_on(trial.resolve(&question, &terms));
    Ok(Ran {
        end: match ended.answer {
            Ok(lease) => End::Lease(Box::new(trial.facts(&question, lease))),
            Err(refused) => End::Refused(refused),
        },
        least: Least::of(&trial.source().grants, trial.loaded().imports(), &ended.traced),
        traced: ended.traced,
        trial,
        question,
    })
}

/// Shows a call to a person.
///
/// # Errors
/// Standard output cannot be written to.
pub(super) fn show(call: &Ran, context: &Context) -> Result<(), Failure> {
    context.output.print(&text::text(call, context.output.paint(), &context.moments()))
}

/// A call that is over.
pub(super) struct Ran {
    trial: Trial,
    question: Question,
    end: End,
    traced: Traced,
    least: Least,
}

impl Ran {
    /// What the command ends with.
    pub(super) fn exit(&self) -> ExitCode {
        self.end.code().map_or(ExitCode::SUCCESS, |code| ExitCode::from(code as u8))
    }
}

/// What it came to.
enum End {
    Lease(Box<Facts>),
    Refused(Refused),
}

impl End {
    /// What a chain of this one source would fail with.
    fn code(&self) -> Option<FailureCode> {
        match self {
            Self::Lease(facts) => match &facts.holds {
                Holds::Yes { .. } => None,
                Holds::No(refusal) => Some(refusal.outcome().code()),
            },
            Self::Refused(Refused::Said(refusal)) => Some(refusal.outcome().code()),
            Self::Refused(Refused::Broke(broke)) if broke.kind == BrokeKind::Denied => Some(FailureCode::Misconfigured),
            Self::Refused(Refused::Broke(_)) => Some(FailureCode::TryAgain),
        }
    }

    /// Its name, as `--json` has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Lease(_) => "lease",
            Self::Refused(refused) => name_of(refused),
        }
    }

    /// What was said, or what happened.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Lease(_) => None,
            Self::Refused(Refused::Said(refusal)) => Some(refusal.text()),
            Self::Refused(Refused::Broke(broke)) => Some(&broke.text),
        }
    }

    /// What a person is told to type.
    fn command(&self) -> Option<&str> {
        match self {
            Self::Refused(Refused::Said(refusal)) => refusal.command(),
            Self::Lease(_) | Self::Refused(Refused::Broke(_)) => None,
        }
    }
}

/// What became of a call that gave no lease, in a word.
fn name_of(refused: &Refused) -> &'static str {
    match refused {
        Refused::Said(refusal) => refusal.outcome().name(),
        Refused::Broke(broke) => match broke.kind {
            BrokeKind::Trapped => "trapped",
            BrokeKind::TimedOut => "timed-out",
            BrokeKind::OutOfMemory => "out-of-memory",
            BrokeKind::Limit(_) => "limit",
            BrokeKind::Denied => "denied",
        },
    }
}
