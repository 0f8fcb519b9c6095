//! What `fly` says when it fails.
//!
//! It writes `Error: …` to standard error and nothing to standard output; warnings and notices may stand around it.

use flytoken_source::Refusal;

use crate::mint::{LOGIN_COMMAND, sentence};
use crate::text;

/// The refusal for a run that failed with `stderr`; `what` is said in front of the error.
pub(crate) fn refusal(stderr: &[u8], app: &str, what: &str) -> Refusal {
    let text = sentence(what, first_line(stderr));
    match cause(&String::from_utf8_lossy(stderr), app) {
        Cause::UnknownApp => Refusal::absent(text),
        Cause::Login => Refusal::needs_human(text, LOGIN_COMMAND),
        Cause::Other => Refusal::unavailable(text),
    }
}

/// The first line that says what went wrong, without its `Error:`, fit to be shown.
pub(crate) fn first_line(output: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(output);
    let line = lines(&said).next()?;
    let line = text::shown(line.strip_prefix(ERROR).map_or(line, |behind| behind.trim_start_matches([':', ' '])));
    Some(line).filter(|line| !line.is_empty())
}

/// The lines from the first error on, or all if there is none; without those about something else.
fn lines(said: &str) -> impl Iterator<Item = &str> {
    let error = said.lines().position(|line| line.starts_with(ERROR)).unwrap_or(0);
    said.lines().skip(error).filter(|line| !line.trim().is_empty() && !NOTICES.iter().any(|notice| line.starts_with(notice)))
}

/// Whom a failure concerns.
enum Cause {
    UnknownApp,
    Login,
    Other,
}

/// Reads the cause out of what was said. The order matters: no app can be looked up without a login or a network.
fn cause(said: &str, app: &str) -> Cause {
    let complaint = lines(said).collect::<Vec<_>>().join("\n").to_ascii_lowercase();
    let has_text = |texts: &[&str]| texts.iter().any(|text| complaint.contains(text));
    // A single word may be the app's name; a text with a blank cannot.
    let mut words = complaint.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| *word != app);
    if has_text(&["could not find app"]) {
        Cause::UnknownApp
    } else if has_text(&LOGIN_TEXTS) || words.any(|word| LOGIN_WORDS.contains(&word)) {
        Cause::Login
    } else if has_text(&PASSING_TEXTS) {
        Cause::Other
    } else if has_text(&["failed retrieving app ", "not found", "could not find"]) {
        Cause::UnknownApp
    } else {
        Cause::Other
    }
}

const ERROR: &str = "Error";

/// How lines start that say nothing about the failure: metrics that could not be sent, updates, the log.
const NOTICES: [&str; 6] = ["Warning:", "WARN", "INFO", "DEBUG", "TRACE", "Update available"];

/// What `fly` and Fly's API say when the login is missing, expired, or no good for this.
const LOGIN_TEXTS: [&str; 13] = [
    "no access token available",
    "please login",
    "please log in",
    "log in again",
    "not logged in",
    "not authenticated",
    "must be authenticated",
    "authentication required",
    "not authorized",
    "token expired",
    "token has expired",
    "invalid token",
    "token validation error",
];

const LOGIN_WORDS: [&str; 3] = ["unauthorized", "unauthenticated", "401"];

/// Failures that say nothing about the app, although `fly` was looking for it.
const PASSING_TEXTS: [&str; 11] = [
    "deadline exceeded",
    "timeout",
    "timed out",
    "dial tcp",
    "no such host",
    "connection re",
    "unexpected eof",
    "too many requests",
    "bad gateway",
    "service unavailable",
    "internal server error",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, app: &str, expected: &Refusal) {
        assert_eq!(&refusal(stderr.as_bytes(), app, "failed"), expected, "{stderr}");
    }

    #[test]
    fn an_app_that_fly_does_not_know_is_absent() {
        for (stderr, text) in [
            (
                "Error: failed retrieving app web: Could not find App \"web\"\n",
                "failed: failed retrieving app web: Could not find App \"web\"",
            ),
            ("WARN slow\nError: failed retrieving app web: gone\n", "failed: failed retrieving app web: gone"),
            ("Error: organization not found\n", "failed: organization not found"),
            ("Error: Could not find App \"web\"\nPlease log in to another organization?\n", "failed: Could not find App \"web\""),
        ] {
            check(stderr, "web", &Refusal::absent(text));
        }
    }

    #[test]
    fn a_login_that_is_no_good_needs_a_human() {
        for stderr in [
            "Error: no access token available. Please login with 'flyctl auth login'",
            "Error: failed retrieving app web: You must be authenticated to view this.",
            "Error: failed creating token: Unauthorized",
            "Error: server returned a non-200 status code: 401",
            "Error: token validation error",
            "Warning: something\r\nError: Not authenticated\r\n",
        ] {
            let text = format!("failed: {}", stderr.lines().last().and_then(|line| line.strip_prefix("Error: ")).unwrap());
            check(stderr, "web", &Refusal::needs_human(text, "fly auth login"));
        }
    }

    #[test]
    fn anything_else_may_work_later() {
        for (stderr, text) in [
            ("", "failed"),
            ("\n \r\n", "failed"),
            ("Warning: Metrics token unavailable: unauthorized\n", "failed"),
            ("panic: oh no\n\ngoroutine 1 [running]\n", "failed: panic: oh no"),
            (
                "Error: failed retrieving app web: dial tcp: lookup api.fly.io: no such host",
                "failed: failed retrieving app web: dial tcp: lookup api.fly.io: no such host",
            ),
            ("Error failed to fetch an image", "failed: failed to fetch an image"),
            ("Error: upstream said FlyV1 fm2_canary,fm2_b \u{1b}[31mno\u{1b}[0m", "failed: upstream said [token] no"),
        ] {
            check(stderr, "web", &Refusal::unavailable(text));
        }
        assert_eq!(refusal(b"Error: \xff\xfe", "web", "failed"), Refusal::unavailable("failed: \u{fffd}\u{fffd}"));
    }

    #[test]
    fn the_name_of_an_app_is_no_reason() {
        check(
            "Error: failed creating token for unauthorized: busy",
            "unauthorized",
            &Refusal::unavailable("failed: failed creating token for unauthorized: busy"),
        );
        check("Error: failed retrieving app 401: gone", "401", &Refusal::absent("failed: failed retrieving app 401: gone"));
    }
}
