//! `flytoken demo`: the whole chain at work, in a throwaway home.

use super::{Context, Stopped, failure};
use crate::{
    demo::{self, Ending},
    protocol::FailureCode,
};

pub(super) fn run(context: &Context) -> Result<(), Stopped> {
    match demo::run(context.output, &context.environment)? {
        Ending::Done => Ok(()),
        Ending::Interrupted => {
            let failure = failure(FailureCode::TryAgain, "interrupted; everything was removed", "run it again: `flytoken demo`");
            Err(Stopped { failure, exit: Some(INTERRUPTED) })
        }
    }
}

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
