//! Variables of this shell that go before the login, look as if they did, or send tokens astray.

use std::ffi::OsStr;

use super::{Context, check::Check, login};
use crate::system::Environment;

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let found: Vec<_> = rivals(&context.environment, login::is_in_file(&context.paths, context));
    if found.is_empty() {
        return vec![Check::ok("variables", "none of this shell goes before the login or sends tokens astray")];
    }
    found
}

/// What the variables do. Without a login in a file a variable that holds one is no rival: it is how CI logs in.
fn rivals(environment: &Environment, has_file: bool) -> Vec<Check> {
    let value = |name| environment.var(name);
    let is_set = |name| value(name).is_some_and(|value| !value.is_empty());
    let mut found = Vec::new();
    let mut rival =
        |name: &str, text: &str| found.push(Check::warn("variables", format!("{name} {text}")).mended_by(format!("unset {name}")));
    if is_set("FLY_ACCESS_TOKEN") && (has_file || is_set("FLY_API_TOKEN")) {
        rival("FLY_ACCESS_TOKEN", "goes before FLY_API_TOKEN and the login in the file, for flyctl and for commands without an agent");
    }
    if value("FLY_ACCESS_TOKEN").is_some_and(OsStr::is_empty) {
        rival("FLY_ACCESS_TOKEN", "is set and empty: flyctl then passes over FLY_API_TOKEN");
    }
    if is_set("FLY_API_TOKEN") && has_file {
        rival("FLY_API_TOKEN", "goes before the login in the file, for flyctl and for commands without an agent");
    }
    if is_set("FLY_AUTH_TOKEN") {
        rival("FLY_AUTH_TOKEN", "looks like a login: flyctl does not read it, and other tools may; FLY_API_TOKEN is the one that all know");
    }
    if value("FLY_CONFIG_DIR").is_some_and(OsStr::is_empty) {
        rival("FLY_CONFIG_DIR", "is set and empty: flyctl then finds no login");
    }
    for name in REDIRECTING {
        if is_set(name) {
            rival(name, "makes flyctl send tokens to another place than Fly's own");
        }
    }
    if is_set("FLYCTL_OUTPUT_HAR") {
        rival("FLYCTL_OUTPUT_HAR", "makes flyctl write tokens to a file");
    }
    if value("LOG_LEVEL").is_some_and(|level| level.eq_ignore_ascii_case("debug")) {
        rival("LOG_LEVEL", "makes flyctl print tokens with its log");
    }
    found
}

/// Variables that say where flyctl sends what it asks, and the token with it.
const REDIRECTING: [&str; 6] =
    ["FLY_API_BASE_URL", "FLY_FLAPS_BASE_URL", "FLY_UIEX_BASE_URL", "FLY_METRICS_BASE_URL", "FLY_SYNTHETICS_BASE_URL", "FLY_REGISTRY_HOST"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_before_the_login_is_named_and_what_is_the_login_is_not() {
        for (variables, has_file, expected) in [
            (&[][..], true, &[][..]),
            (&[("FLY_API_TOKEN", "fo1_canary")], false, &[]),
            (&[("FLY_API_TOKEN", "fo1_canary")], true, &["FLY_API_TOKEN goes before the login"]),
            (&[("FLY_API_TOKEN", "")], true, &[]),
            (&[("FLY_ACCESS_TOKEN", "fo1_canary")], false, &[]),
            (
                &[("FLY_ACCESS_TOKEN", "fo1_canary"), ("FLY_API_TOKEN", "fo1_canary")],
                false,
                &["FLY_ACCESS_TOKEN goes before FLY_API_TOKEN"],
            ),
            (&[("FLY_ACCESS_TOKEN", "")], false, &["FLY_ACCESS_TOKEN is set and empty"]),
            (&[("FLY_AUTH_TOKEN", "fo1_canary")], false, &["FLY_AUTH_TOKEN looks like a login"]),
            (&[("FLY_CONFIG_DIR", "")], false, &["FLY_CONFIG_DIR is set and empty"]),
            (&[("FLY_CONFIG_DIR", "/f")], true, &[]),
            (&[("FLY_API_BASE_URL", "https://x"), ("LOG_LEVEL", "DEBUG")], false, &["FLY_API_BASE_URL makes", "LOG_LEVEL makes"]),
            (&[("LOG_LEVEL", "info"), ("FLYCTL_OUTPUT_HAR", "f")], false, &["FLYCTL_OUTPUT_HAR makes"]),
        ] {
            let found = rivals(&variables.iter().copied().collect(), has_file);
            assert_eq!(found.len(), expected.len(), "{variables:?}: {found:?}");
            for (check, expected) in found.iter().zip(expected) {
                let name = expected.split(' ').next().unwrap();
                assert!(check.text.starts_with(expected) && check.command == Some(format!("unset {name}")), "{check:?}");
                assert!(!check.text.contains("canary"));
            }
        }
    }
}
