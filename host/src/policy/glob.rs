//! A pattern over names, paths and programs.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::config::{fits, parsed};

/// A pattern over text: `*` stands for any run of characters, `/` among them; everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err("a pattern has 1 to 1024 characters");
        }
        if text.chars().any(char::is_control) { Err("a pattern holds no control characters") } else { Ok(Self(text.into())) }
    }

    /// Whether `text` fits.
    pub(super) fn matches(&self, text: &str) -> bool {
        fits(&self.0, text)
    }

    /// Whether an absolute path fits. One that leads back by `..` fits nothing: it ends elsewhere than it seems.
    pub(super) fn matches_path(&self, path: &std::path::Path) -> bool {
        let straight = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
        straight && path.to_str().is_some_and(|path| self.matches(path))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a pattern such as /usr/bin/*", Self::parse)
    }
}

/// Longer than a path that anybody writes into a rule.
const MAX_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_path_that_leads_back_fits_nothing() {
        let glob = Glob::parse("/run/secrets/*").unwrap();
        for (path, matches) in [
            ("/run/secrets/a", true),
            ("/run/secrets/a/b", true),
            ("/run/secrets", false),
            ("/run/secrets/../../etc/shadow", false),
            ("/etc/run/secrets/a", false),
        ] {
            assert_eq!(glob.matches_path(Path::new(path)), matches, "{path}");
        }
    }
}
