//! `flytoken set`: keeps a token by hand.

use std::{
    io::{self, IsTerminal, Read},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{Context, failure, unexpected, usage};
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
    let Reply::Set { fingerprint, expiry, asked_before } = context.ask(Request::Set { app: app.clone(), token })? else {
        return Err(unexpected());
    };
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
    let text = if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(prompt).map_err(|cause| unreadable(&cause.to_string()))?;
        Zeroizing::new(typed)
    } else {
        bounded(io::stdin().lock())?
    };
    let token = ApiToken::new(text);
    if token.expose().is_empty() {
        return Err(failure(FailureCode::Usage, "no token was given", "paste one at the prompt, or pipe one in"));
    }
    Ok(token)
}

fn bounded(input: impl Read) -> Result<Zeroizing<String>, Failure> {
    // All the room at once: a buffer that has to grow leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INPUT + 1));
    let most = u64::try_from(MAX_INPUT + 1).unwrap_or(u64::MAX);
    input.take(most).read_to_end(&mut bytes).map_err(|cause| unreadable(&cause.to_string()))?;
    if bytes.len() > MAX_INPUT {
        return Err(usage(format!("more than {MAX_INPUT} bytes were given, which is no token")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(cause) => Err(usage(format!("what was given is no text at byte {}, so it is no token", cause.valid_up_to() + 1))),
    }
}

fn unreadable(cause: &str) -> Failure {
    failure(FailureCode::Usage, format!("the token cannot be read: {cause}"), "pipe it in: `… | flytoken set APP`")
}

/// More than this is no token, and would not fit a request.
const MAX_INPUT: usize = 60 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_bounded_and_has_to_be_text() {
        assert_eq!(bounded(&b"fm2_AAAA\n"[..]).unwrap().as_str(), "fm2_AAAA\n");
        assert!(bounded(io::repeat(b'x')).unwrap_err().message.contains("61440 bytes"));
        assert!(bounded(&b"fm2_\xff"[..]).unwrap_err().message.contains("byte 5"));
    }

    #[test]
    fn sources_that_are_asked_before_are_named() {
        let app = AppName::parse("web").unwrap();
        assert_eq!(note(&app, &[]), None);
        assert_eq!(note(&app, &["storage".into(), "cli".into()]).unwrap(), "web: asked before it, and may answer instead: storage, cli\n");
    }
}
