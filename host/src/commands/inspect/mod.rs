//! `flytoken inspect`: what a token says about itself, and whether it can be used. Asks nobody, and shows nothing that is secret.

mod account;
mod tree;

use std::process::ExitCode;

use self::account::Account;
use super::{Context, failure, input, usage};
use crate::{
    cli::Inspect,
    protocol::{Failure, FailureCode},
    token::{Bundle, MAX_TEXT},
};

pub(super) fn run(inspect: &Inspect, context: &Context) -> Result<ExitCode, Failure> {
    if !inspect.refused.is_empty() {
        let message = "a token is not taken from an argument, where every process of the machine can read it";
        return Err(failure(FailureCode::Usage, message, "run `flytoken inspect` and paste it, or pipe it in"));
    }
    let bundle = match input::text("Token to inspect (not shown): ", MAX_TEXT) {
        Ok(text) => Bundle::parse(&text).map_err(|error| error.to_string()),
        Err(input::InputError::Unreadable(cause)) => {
            return Err(usage(format!("the token cannot be read: {cause}"), "pipe it in: `… | flytoken inspect`"));
        }
        Err(error) => Err(error.to_string()),
    };
    let account = match &bundle {
        Ok(bundle) => Account::of(bundle, context.clock.now()),
        Err(problem) => Account::unreadable(problem.clone()),
    };
    if inspect.json {
        context.output.print_json(&account)?;
        return Ok(ExitCode::from(if account.problems.is_empty() { 0 } else { FailureCode::Misconfigured as u8 }));
    }
    context.output.print(&tree::text(&account, context.output.paint(), &context.moments()))?;
    if account.problems.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(unreadable(&account.problems)) }
}

/// A token text of which not everything can be read, in the words that `inspect` has for it.
pub(super) fn unreadable(problems: &[String]) -> Failure {
    let hint = "copy it again, whole: `fly tokens create` prints one long line";
    failure(FailureCode::Misconfigured, problems.join("\n"), hint)
}
