//! A Fly app name, parsed once at the edge.

use std::{fmt, sync::Arc};

/// A Fly app name: 1 to 63 of `a-z`, `0-9` and `-`, the first and last a letter or digit.
///
/// Cheap to clone. Whoever holds one may use it in a path, an argument or a log: it can hold no separator, no control character and no
/// leading dash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(Arc<str>);

impl AppName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`AppNameError`] says which rule the text breaks. The text itself is not repeated: it may be a token pasted in the wrong place.
    pub fn parse(text: &str) -> Result<Self, AppNameError> {
        if text.is_empty() {
            return Err(AppNameError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(AppNameError::TooLong(text.len()));
        }
        if let Some(position) = text.bytes().position(|byte| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Err(AppNameError::Character { column: position + 1 });
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(AppNameError::Dash);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppName({})", self.0)
    }
}

impl serde::Serialize for AppName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for AppName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not an app name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppNameError {
    /// Nothing was given.
    #[error("an app name cannot be empty")]
    Empty,
    /// More than 63 bytes.
    #[error("an app name has at most {MAX_LENGTH} characters, this has {0}")]
    TooLong(usize),
    /// A character outside `a-z`, `0-9` and `-`.
    #[error("an app name holds only a-z, 0-9 and '-': look at column {column}")]
    Character {
        /// Position of the first such byte, counted from 1.
        column: usize,
    },
    /// A dash first or last.
    #[error("an app name starts and ends with a letter or digit")]
    Dash,
}

/// Longest name: one DNS label, since Fly serves every app at `NAME.fly.dev`.
const MAX_LENGTH: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        let long = "a".repeat(63);
        for good in ["a", "0", "my-app", "a--b", "9lives", long.as_str()] {
            assert!(AppName::parse(good).is_ok(), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "../x", "a b", "a\n", "ä", "a/b", "a\0", too_long.as_str()] {
            assert!(AppName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_text() {
        let error = AppName::parse("FlyV1 fm2_canary").expect_err("a token is no app");
        assert!(!error.to_string().contains("canary"));
    }
}
