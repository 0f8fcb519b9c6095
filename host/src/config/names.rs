//! Names that people give: of sources and of profiles.

use std::{fmt, sync::Arc};

/// The name of a source: 1 to 32 of `a-z`, `0-9` and `-`, the first a letter.
///
/// Cheap to clone. It can hold no separator and no control character, so it may stand in a path, a record's name or a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(Arc<str>);

impl SourceName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text, "source").map(|()| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a profile, for people with several Fly accounts. The same grammar as a source's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileName(Arc<str>);

impl ProfileName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        check(text, "profile").map(|()| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the profile that everything belongs to when none is named.
    pub fn is_default(&self) -> bool {
        &*self.0 == "default"
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceName({})", self.0)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileName({})", self.0)
    }
}

impl serde::Serialize for SourceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SourceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::parsed(deserializer, "the name of a source", Self::parse)
    }
}

/// Why a text is not a name. The text itself is not repeated: it may be a token pasted in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a {what} name cannot be empty")]
    Empty {
        /// What the name is for.
        what: &'static str,
    },
    /// More than 32 bytes.
    #[error("a {what} name has at most {MAX_LENGTH} characters, this has {length}")]
    TooLong {
        /// What the name is for.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A character outside `a-z`, `0-9` and `-`.
    #[error("a {what} name holds only a-z, 0-9 and '-': look at its character {position}")]
    Character {
        /// What the name is for.
        what: &'static str,
        /// Position of the first such character, counted from 1.
        position: usize,
    },
    /// A digit or dash first.
    #[error("a {what} name starts with a letter")]
    Start {
        /// What the name is for.
        what: &'static str,
    },
}

fn check(text: &str, what: &'static str) -> Result<(), NameError> {
    let Some(first) = text.bytes().next() else { return Err(NameError::Empty { what }) };
    if text.len() > MAX_LENGTH {
        return Err(NameError::TooLong { what, length: text.len() });
    }
    if let Some(index) = text.chars().position(|character| !matches!(character, 'a'..='z' | '0'..='9' | '-')) {
        return Err(NameError::Character { what, position: index + 1 });
    }
    if !first.is_ascii_lowercase() {
        return Err(NameError::Start { what });
    }
    Ok(())
}

/// Keeps paths made of names within what file systems and sockets take.
const MAX_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        let (long, too_long) = ("a".repeat(32), "a".repeat(33));
        for good in ["a", "cli", "corp-vault-2", "a-", long.as_str()] {
            assert_eq!(SourceName::parse(good).expect("a name").as_str(), good);
            assert_eq!(ProfileName::parse(good).expect("a name").as_str(), good);
        }
        for bad in ["", "-a", "2a", "A", "a_b", "../x", "a b", "a\n", "ä", too_long.as_str()] {
            assert!(SourceName::parse(bad).is_err(), "{bad:?}");
            assert!(ProfileName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_says_what_the_name_is_for_and_does_not_repeat_it() {
        let error = ProfileName::parse("fm2_canary").expect_err("a token is no name").to_string();
        assert_eq!(error, "a profile name holds only a-z, 0-9 and '-': look at its character 4");
    }
}
