//! The protocol of credential helpers, as <https://github.com/docker/docker-credential-helpers> has it: one word as the argument, a question on
//! stdin, an answer or a sentence on stdout.

use std::{ffi::OsStr, path::Path};

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::{PROGRAM, REGISTRY};

/// Whether a program that was started as `name` is to be a helper.
pub fn is_helper(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|name| name == PROGRAM)
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The credentials for the server on stdin.
    Get,
    /// That those on stdin are kept.
    Store,
    /// That those for the server on stdin are forgotten.
    Erase,
    /// The servers and users that there are credentials for.
    List,
    /// Who answers.
    Version,
}

impl Question {
    /// The question that an argument asks; none if it is none.
    pub fn parse(word: &OsStr) -> Option<Self> {
        let all = [Self::Get, Self::Store, Self::Erase, Self::List, Self::Version];
        all.into_iter().find(|question| word == question.as_str())
    }

    /// The argument.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Store => "store",
            Self::Erase => "erase",
            Self::List => "list",
            Self::Version => "version",
        }
    }
}

/// Whether a server is Fly's registry: its name alone or the address of a page of it, over TLS and on the usual port.
pub fn is_fly(server: &str) -> bool {
    let server = server.trim_ascii();
    let server = server.strip_prefix("https://").unwrap_or(server);
    let host = server.split_once('/').map_or(server, |(host, _)| host);
    host.strip_suffix(":443").unwrap_or(host).eq_ignore_ascii_case(REGISTRY)
}

/// The answer to [`Question::Get`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credentials<'a> {
    /// The server, as it was asked for.
    #[serde(rename = "ServerURL")]
    pub server: &'a str,
    /// The user's name: Fly's registry takes any, and flyctl says `x`.
    pub username: &'static str,
    /// The token, without a scheme.
    #[serde(serialize_with = "secret")]
    pub secret: Zeroizing<String>,
}

fn secret<S: Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

/// By this sentence on stdout a client knows that there are no credentials, and goes on without any. Every other is a failure.
pub const NOT_FOUND: &str = "credentials not found in native keychain";

/// By this one, that it named no server.
pub const NO_SERVER: &str = "no credentials server URL";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flys_registry_is_known_however_it_is_written_and_nothing_else_is() {
        for (server, expected) in [
            ("registry.fly.io", true),
            ("https://registry.fly.io", true),
            ("https://registry.fly.io/", true),
            ("https://registry.fly.io/v2/", true),
            ("registry.fly.io:443\n", true),
            ("Registry.Fly.IO", true),
            ("http://registry.fly.io", false),
            ("registry.fly.io:5000", false),
            ("registry.fly.io.example.com", false),
            ("https://registry.fly.io.example.com/", false),
            ("https://registry.fly.io@example.com/", false),
            ("https://user@registry.fly.io/", false),
            ("https://example.com/registry.fly.io", false),
            ("https://example.com\\registry.fly.io", false),
            ("registry.fly.io.", false),
            ("fly.io", false),
            ("https://index.docker.io/v1/", false),
            ("", false),
        ] {
            assert_eq!(is_fly(server), expected, "{server}");
        }
    }

    #[test]
    fn a_helper_is_known_by_the_name_that_it_is_started_under() {
        for (name, expected) in [
            ("docker-credential-flytoken", true),
            ("/usr/local/bin/docker-credential-flytoken", true),
            ("flytoken", false),
            ("docker-credential-flytoken/flytoken", false),
            ("", false),
        ] {
            assert_eq!(is_helper(OsStr::new(name)), expected, "{name}");
        }
    }
}
