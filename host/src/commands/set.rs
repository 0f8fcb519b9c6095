//! `flytoken set`: keeps a token by hand.

use std::sync::Arc;

use super::{Context, failure, input, unexpected, usage};
use crate::{
    app::AppName,
    cli::Set,
    output::json,
    plain,
    protocol::{Failure, FailureCode, Reply, Request},
    token::ApiToken,
};

pub(super) fn run(set: &Set, context: &Context) -> Result<(), Failure> {
    if !set.refused.is_empty() {
        let message = "a token is not taken from an argument, where every process of the machine can read it";
        return Err(failure(FailureCode::Usage, message, "run `flytoken set APP` and paste it, or pipe it in"));
    }
    let app = context.app(&set.app)?;
    let token = Arc::new(read(&format!("Token for {app} (not shown): "))?);
    let request = Request::Set { app: app.clone(), token, force: set.force };
    let Reply::Set { fingerprint, expiry, asked_before, problem } = context.ask(request)? else { return Err(unexpected()) };
    if let Some(problem) = problem {
        let problem = problem.lines().map(plain::line).collect::<Vec<_>>().join("; ");
        context.output.say(&format!("warning: kept all the same, and not handed out while it is so: {problem}"));
    }
    if set.json {
        let asked_before = asked_before.as_slice();
        return context.output.print_json(&json::Set { app: &app, fingerprint, expires_at: json::end(expiry), asked_before });
    }
    context.output.print(&format!("{app}: kept token {fingerprint}, {}\n", context.moments().until(expiry)))?;
    if let Some(note) = note(&app, &asked_before) {
        context.output.print(&note)?;
    }
    Ok(())
}

fn note(app: &AppName, asked_before: &[String]) -> Option<String> {
    let names: Vec<String> = asked_before.iter().map(|name| plain::line(name)).collect();
    (!names.is_empty()).then(|| format!("{app}: asked before it, and may answer instead: {}\n", names.join(", ")))
}

/// A token from a hidden prompt, or from stdin if that is no terminal.
///
/// # Errors
/// If there is none, or more than a token's text can be.
pub(super) fn read(prompt: &str) -> Result<ApiToken, Failure> {
    let text = input::text(prompt, MAX_INPUT).map_err(|error| usage(error.to_string(), "pipe it in: `… | flytoken set APP`"))?;
    let token = ApiToken::new(text);
    if token.expose().is_empty() {
        return Err(failure(
            FailureCode::Usage,
            "no token was given",
            "paste one at the prompt, or pipe one in: `fly tokens create deploy -a APP | flytoken set APP`",
        ));
    }
    Ok(token)
}

/// More than this is no token, and would not fit a request.
const MAX_INPUT: usize = 60 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_are_asked_before_are_named() {
        let app = AppName::parse("web").unwrap();
        assert_eq!(note(&app, &[]), None);
        assert_eq!(note(&app, &["storage".into(), "cli".into()]).unwrap(), "web: asked before it, and may answer instead: storage, cli\n");
    }
}
