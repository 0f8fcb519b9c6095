//! Asking before something is added or removed.

use std::io::{self, BufRead, IsTerminal};

use super::super::{Context, failure};
use crate::protocol::{Failure, FailureCode};

/// Asks a person. Where none is at the terminal, that is refused with `instead`, which says what to type.
///
/// # Errors
/// Exit 6 without a terminal, exit 2 if the answer is no.
pub(super) fn ask(question: &str, instead: &str, context: &Context) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(failure(FailureCode::NeedsHuman, format!("{question} Nobody is at a terminal to say so"), instead));
    }
    context.output.say(&format!("{question} [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(failure(FailureCode::Usage, "nothing was changed", "answer `y` to go on"))
}
