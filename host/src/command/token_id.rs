//! What Fly calls one token.

use std::fmt;

/// What Fly calls one token: 1 to 64 letters, digits, `-` and `_`, the first no `-`, so that no program takes it for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenId(String);

impl TokenId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`NotAnId`] if the text could be taken for something else.
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        let is_id = (1..=LONGEST).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if is_id { Ok(Self(text.to_owned())) } else { Err(NotAnId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no id. It is not repeated: a source wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id of a token is 1 to {LONGEST} letters, digits, `-` and `_`, and does not start with `-`")]
pub struct NotAnId;

const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_taken_for_nothing_else() {
        let (long, too_long) = ("a".repeat(64), "a".repeat(65));
        for good in ["a", "aZ09-_", "_a", "a-", long.as_str()] {
            assert_eq!(TokenId::parse(good).map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "--all", "a b", "a\n", "a/b", "a=b", "ä", "a\0", "fm2.a", too_long.as_str()] {
            assert_eq!(TokenId::parse(bad), Err(NotAnId), "{bad:?}");
        }
    }
}
