//! A pattern over app names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::app::AppName;

/// A pattern over app names: `*` stands for any run of characters, also none; everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// If it holds a character that no app name can hold, is empty or too long: it would never match what its writer had in mind.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(PatternError::Length);
        }
        match text.chars().position(|character| !matches!(character, 'a'..='z' | '0'..='9' | '-' | '*')) {
            Some(index) => Err(PatternError::Character { position: index + 1 }),
            None => Ok(Self(text.into())),
        }
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one app rather than any number of them.
    pub fn is_one_app(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether `app` fits, in time proportional to the product of both lengths at worst.
    pub fn matches(&self, app: &AppName) -> bool {
        fits(&self.0, app.as_str())
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters, also none, and everything else for itself. Takes time
/// proportional to the product of both lengths at worst.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, letting it swallow one character more.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&character) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, n));
            }
            Some(&literal) if literal == character => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((behind, swallowed)) = retry else { return false };
                (p, n) = (behind, swallowed + 1);
                retry = Some((behind, n));
            }
        }
    }
    pattern.iter().skip(p).all(|&rest| rest == b'*')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::parsed(deserializer, "a pattern such as prod-*", Self::parse)
    }
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Empty, or longer than any pattern over app names needs to be.
    #[error("a pattern has 1 to {MAX_LENGTH} characters")]
    Length,
    /// A character that is in no app name and is not `*`.
    #[error("a pattern holds only a-z, 0-9, '-' and '*': look at its character {position}")]
    Character {
        /// Position of the first such character, counted from 1.
        position: usize,
    },
}

/// An app name has at most 63 characters; twice that leaves room for a `*` at each.
const MAX_LENGTH: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, app, fits) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("prod-*", "prod-web", true),
            ("prod-*", "staging-prod-web", false),
            ("*", "a", true),
            ("**", "a", true),
            ("*-web", "prod-web", true),
            ("*-web", "prod-web-2", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            let app = AppName::parse(app).expect(app);
            assert_eq!(Pattern::parse(pattern).expect(pattern).matches(&app), fits, "{pattern} {app}");
        }
    }

    #[test]
    fn what_no_app_name_can_hold_is_refused() {
        for bad in ["", "Prod-*", "prod_*", "prod-?", "prod-[ab]", "a.b", &"a".repeat(128)] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}
