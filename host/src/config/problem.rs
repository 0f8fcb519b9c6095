//! What is wrong in a configuration file, where, and what was probably meant.

use std::fmt;

use super::{names::SourceName, position::Position};

/// One thing that is wrong, and where.
///
/// Reads `~/.config/flytoken/config.yaml:7:5: sources.cli: unknown key `timout`; did you mean `timeout`?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as people call it, `~` standing for the home directory.
    pub file: String,
    /// Where in the file; none if the whole file is meant.
    pub position: Option<Position>,
    /// The key concerned as far as it is known: `sources.cli`; empty for the whole file.
    pub key: String,
    /// What is wrong.
    pub problem: Box<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(position) = self.position {
            write!(f, ":{position}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)?;
        self.suggestion().map_or(Ok(()), |suggestion| write!(f, "; {suggestion}"))
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// What was probably meant, or what to do.
    pub fn suggestion(&self) -> Option<String> {
        self.problem.suggestion()
    }
}

/// Everything that is wrong in the files read; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Nothing if nothing is wrong.
    pub(crate) fn unless_empty(errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    /// One after another, in the order in which the files are laid over each other.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// What is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file or folder cannot be read, or is not a file; the text says why.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Somebody else could have written it.
    #[error("is not safe to use: {0}")]
    Untrusted(String),
    /// A file that was named explicitly is not there.
    #[error("there is no such file")]
    Missing,
    /// Larger than any configuration needs to be.
    #[error("is larger than {0} KiB")]
    TooLarge(usize),
    /// A folder with more files than any configuration needs.
    #[error("holds more than {0} files")]
    TooManyFiles(usize),
    /// Not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// Not YAML; the parser's words.
    #[error("is not YAML: {0}")]
    NotYaml(String),
    /// A key that nothing reads.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// The keys that may stand there.
        known: Vec<String>,
    },
    /// A word that is none of a few.
    #[error("unknown word `{word}`")]
    UnknownWord {
        /// The word.
        word: String,
        /// The words that may stand there.
        known: Vec<String>,
    },
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What may stand there.
        expected: String,
        /// What stands there, without its value: that may be a secret in the wrong place.
        found: String,
    },
    /// A value that breaks a rule; the text says which.
    #[error("{0}")]
    Wrong(String),
    /// A step that names no source.
    #[error("there is no source `{name}`")]
    UnknownSource {
        /// What the chain names.
        name: SourceName,
        /// The sources there are.
        known: Vec<String>,
    },
    /// A source that stands in one chain twice.
    #[error("source `{0}` stands in this chain twice")]
    SourceTwice(SourceName),
    /// Two sources in one chain that `set` would write to.
    #[error("`{second}` and `{first}` both have the role manual in this chain: `set` could not tell which to write to")]
    TwoManual {
        /// The one named first.
        first: SourceName,
        /// The other one.
        second: SourceName,
    },
    /// A chain without steps.
    #[error("a chain names at least one source")]
    EmptyChain,
    /// More than a bounded number of steps, sources or rules.
    #[error("at most {most} {what}, this is {count}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        most: usize,
        /// How many there are.
        count: usize,
    },
    /// A source without code.
    #[error("a source needs a `component`: builtin:NAME or the path of a file")]
    NoComponent,
    /// A duration or size outside its bounds.
    #[error("must be from {least} to {most}")]
    OutOfBounds {
        /// The least that is allowed.
        least: String,
        /// The most that is allowed.
        most: String,
    },
    /// A keeper that has nowhere to keep.
    #[error("the role {role} needs the grant `records`")]
    NoRecords {
        /// The role.
        role: &'static str,
    },
    /// The login would be written to disk.
    #[error("the login is never copied to disk: a source that hands it out cannot have `{key}`")]
    KeepsLogin {
        /// The key that asks for it.
        key: &'static str,
    },
    /// A keeper's own leases would be kept twice.
    #[error("a source with the role {role} remembers by itself and cannot have `{key}`")]
    KeepsKeeper {
        /// The role.
        role: &'static str,
        /// The key that asks for it.
        key: &'static str,
    },
    /// Nothing would answer.
    #[error("every source of this chain is disabled; enable one, such as with `flytoken plugin enable NAME`")]
    DisabledChain,
    /// Mints would be revoked where there are none.
    #[error("only what was minted can be revoked: `revoke-on-replace` needs `mints: true`")]
    NothingToRevoke,
    /// A digest where there is no file.
    #[error("a built-in component is part of flytoken and has no `sha256` of its own")]
    PinnedBuiltin,
    /// A way to read secrets together with a way out.
    #[error(
        "a source that can read secrets, by `{read}`, cannot have `{out}` too: it could pass on what it reads; if it may, add `may-leak: true` here"
    )]
    MayLeak {
        /// The grant by which it reads.
        read: &'static str,
        /// The grant by which it could pass that on.
        out: &'static str,
    },
    /// One app's number for many apps.
    #[error("an `id` belongs to one app, and this `match` stands for many")]
    IdForMany,
    /// A number that Fly gives to nothing.
    #[error("Fly's numbers start at 1")]
    ZeroId,
}

impl Problem {
    /// What was probably meant, or what to do.
    pub fn suggestion(&self) -> Option<String> {
        let (word, known) = match self {
            Self::UnknownKey { key, known } => (key.as_str(), known),
            Self::UnknownWord { word, known } => (word.as_str(), known),
            Self::UnknownSource { name, known } => (name.as_str(), known),
            Self::NoRecords { role } => {
                return Some(format!("add `grants: {{ records: {} }}`", if *role == "manual" { "kept" } else { "cache" }));
            }
            _ => return None,
        };
        if let Some(meant) = closest(word, known) {
            return Some(format!("did you mean `{meant}`?"));
        }
        (1..=MOST_LISTED).contains(&known.len()).then(|| match known.split_last() {
            Some((last, [])) => format!("only `{last}` is known here"),
            Some((last, rest)) => {
                format!("known are {} and `{last}`", rest.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
            }
            None => String::new(),
        })
    }
}

/// The word that is nearest, if it is near enough to be what was meant.
fn closest<'a>(word: &str, known: &'a [String]) -> Option<&'a str> {
    let near = |name: &&String| (strsim::damerau_levenshtein(word, name), name.len());
    let best = known.iter().min_by_key(near)?;
    (strsim::damerau_levenshtein(word, best) <= (best.len() / 3).max(1)).then_some(best)
}

/// A longer list of what is known helps nobody.
const MOST_LISTED: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_only_if_it_is_near() {
        let known = ["timeout", "settings", "grants"].map(str::to_owned);
        for (word, meant) in
            [("timout", Some("timeout")), ("grant", Some("grants")), ("setings", Some("settings")), ("budget", None), ("", None)]
        {
            assert_eq!(closest(word, &known), meant, "{word}");
        }
    }
}
