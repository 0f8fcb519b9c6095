//! The variables a program gets: built from nothing, never the caller's own.

use std::{collections::BTreeMap, ffi::OsString, os::unix::ffi::OsStrExt};

use zeroize::Zeroizing;

use super::{
    grant::{CommandGrant, EnvValue, SecretName},
    outcome::Failure,
    values::Values,
};
use crate::{system::Environment, token::ApiToken};

/// The variables that every program gets from the agent's own environment: how to reach the network, and whom to trust there.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Vec<(OsString, OsString)>);

impl Passed {
    pub(super) fn from(environment: &Environment) -> Self {
        let set = PASSED.iter().filter_map(|name| environment.var(name).map(|value| (OsString::from(name), value.to_owned())));
        Self(set.collect())
    }
}

/// All variables of one run, secrets included. Built once, wiped when dropped, never printed.
pub(super) type Variables = BTreeMap<OsString, Zeroizing<Vec<u8>>>;

/// Builds the variables of one run: what every program gets, what is passed on, and on top what the grant says.
pub(super) fn build(passed: &Passed, grant: &CommandGrant, values: &Values<'_>, login: Option<&ApiToken>) -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    let mut set = |name: OsString, value: &[u8]| drop(variables.insert(name, Zeroizing::new(value.to_vec())));
    set("PATH".into(), SAFE_PATH.as_bytes());
    // The only folder that it may write to.
    for name in ["HOME", "TMPDIR"] {
        set(name.into(), values.dir.as_os_str().as_bytes());
    }
    set("LANG".into(), b"C.UTF-8");
    for (name, value) in &passed.0 {
        set(name.clone(), value.as_bytes());
    }
    for (name, value) in &grant.env {
        match value {
            EnvValue::Text(text) => {
                let text = text.fill(values).map_err(|error| Failure::Failed(format!("variable {name}: {error}")))?;
                set(name.into(), text.as_bytes());
            }
            EnvValue::Secret(SecretName::Login) => {
                let login = login.ok_or_else(|| Failure::Failed(format!("variable {name} takes the login, and nobody is logged in")))?;
                if login.expose().contains('\0') {
                    return Err(Failure::Failed(format!("variable {name} takes the login, which holds a NUL character")));
                }
                set(name.into(), login.expose().as_bytes());
            }
        }
    }
    Ok(variables)
}

/// Where a program finds its own helpers: folders that only root writes to. `/usr/local` is left out; some systems open it to a group.
const SAFE_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

const PASSED: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, path::Path};

    use super::*;
    use crate::app::AppName;

    fn built(yaml: &str, login: Option<&str>) -> Result<Variables, Failure> {
        let outside = Environment::from_iter([
            ("https_proxy", "http://p:1"),
            ("FLY_API_BASE_URL", "http://evil"),
            ("LD_PRELOAD", "x"),
            ("HOME", "/h"),
        ]);
        let app = AppName::parse("web").unwrap();
        let values = Values { app: &app, org: None, expiry: "1h", unique: "u", dir: Path::new("/tmp/x"), id: None };
        let login = login.map(|text| ApiToken::new(Zeroizing::new(text.to_owned())));
        build(&Passed::from(&outside), &serde_yaml::from_str(yaml).unwrap(), &values, login.as_ref())
    }

    #[test]
    fn only_what_is_listed_is_passed_on() {
        let variables = built("{ program: fly, env: { FLY_CONFIG_DIR: '{dir}', EMPTY: '' } }", None).unwrap();
        let names: Vec<&OsStr> = variables.keys().map(OsString::as_os_str).collect();
        assert_eq!(names, ["EMPTY", "FLY_CONFIG_DIR", "HOME", "LANG", "PATH", "TMPDIR", "https_proxy"]);
        assert_eq!(**variables.get(OsStr::new("HOME")).unwrap(), b"/tmp/x");
        assert_eq!(**variables.get(OsStr::new("FLY_CONFIG_DIR")).unwrap(), b"/tmp/x");
    }

    #[test]
    fn a_secret_is_put_in_by_name_and_missed_by_name() {
        let yaml = "{ program: fly, env: { FLY_API_TOKEN: { secret: login } } }";
        let variables = built(yaml, Some("fm2_canary")).unwrap();
        assert_eq!(**variables.get(OsStr::new("FLY_API_TOKEN")).unwrap(), b"fm2_canary");
        assert!(matches!(built(yaml, None), Err(Failure::Failed(text)) if text.contains("FLY_API_TOKEN") && text.contains("logged in")));
        assert!(matches!(built(yaml, Some("fm2_\0canary")), Err(Failure::Failed(text)) if !text.contains("canary")));
    }
}
