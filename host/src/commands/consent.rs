//! Asking a person, before something is added or removed.

use std::io::{self, BufRead, IsTerminal, Read};

use super::{Context, failure};
use crate::protocol::{Failure, FailureCode};

/// Asks a person. Where none is at the terminal, that is refused with `instead`, which says what to type.
///
/// # Errors
/// Exit 6 without a terminal, exit 2 if the answer is no.
pub(super) fn ask(question: &str, instead: &str, context: &Context) -> Result<(), Failure> {
    if !somebody_is_there() {
        return Err(failure(FailureCode::NeedsHuman, format!("{question} Nobody is at a terminal to say so"), instead));
    }
    if is_agreed(question, false, context) {
        return Ok(());
    }
    Err(failure(FailureCode::Usage, "nothing was changed", "answer `y` to go on"))
}

/// Whether a person at the terminal can be asked.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a person at the terminal; an empty answer is what is `usual`.
pub(super) fn is_agreed(question: &str, usual: bool, context: &Context) -> bool {
    context.output.say(&format!("{question} [{}]", if usual { "Y/n" } else { "y/N" }));
    let mut answer = String::new();
    match io::stdin().lock().take(LONGEST_ANSWER).read_line(&mut answer) {
        // The end of the input is no answer.
        Ok(0) | Err(_) => false,
        Ok(_) => match answer.trim() {
            "" => usual,
            answer => matches!(answer, "y" | "Y" | "yes"),
        },
    }
}

/// Whoever types more is not answering.
const LONGEST_ANSWER: u64 = 1024;
