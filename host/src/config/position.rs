//! Where a key stands in a file.
//!
//! The YAML parser tells positions only with its errors. So a position is found by walking the text once more along the key's path and
//! failing there on purpose: right in every style YAML knows, and paid for only when somebody is told a position.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};

/// A line and a column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Position {
    /// Where a parser's error stands, if it knows.
    pub(super) fn of(error: &serde_yaml::Error) -> Option<Self> {
        error.location().map(|location| Self { line: location.line(), column: location.column() })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The keys and list places that lead to a value: `sources.cli.grants` or `apps[2].chain[0]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyPath(Vec<Segment>);

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The path that goes on with `key`.
    #[must_use]
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// The path that goes on with the list's place `index`, counted from 0.
    #[must_use]
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The path one segment shorter; none for the whole document.
    pub(super) fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// Whether this is the whole document.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    fn with(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }

    /// Where its value begins in `text`; for a map or list in block style, its first key or dash.
    pub(super) fn value_in(&self, text: &str) -> Option<Position> {
        find(text, Finger { path: &self.0, aim: Aim::Value })
    }

    /// Where its last key stands in `text`; for a list's place, where that value begins.
    pub(super) fn key_in(&self, text: &str) -> Option<Position> {
        find(text, Finger { path: &self.0, aim: Aim::Key })
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(place) => write!(f, "[{place}]")?,
                Segment::Key(key) => {
                    if index > 0 {
                        f.write_str(".")?;
                    }
                    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*'));
                    if plain { f.write_str(key)? } else { write!(f, "{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

fn find(text: &str, finger: Finger<'_>) -> Option<Position> {
    finger.deserialize(serde_yaml::Deserializer::from_str(text)).err().as_ref().and_then(Position::of)
}

/// Whether the key or the value behind it is looked for.
#[derive(Clone, Copy)]
enum Aim {
    Key,
    Value,
}

/// Follows a path and fails where it ends.
struct Finger<'a> {
    path: &'a [Segment],
    aim: Aim,
}

impl<'de> DeserializeSeed<'de> for Finger<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Finger<'_> {
    type Value = ();

    /// Every value but a map or list on the way is not expected, so the walk fails there.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of a path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.path.split_first() else { return Err(de::Error::custom("found")) };
        let stop = rest.is_empty() && matches!(self.aim, Aim::Key);
        while let Some(here) = map.next_key_seed(Name { wanted, stop })? {
            if here {
                map.next_value_seed(Finger { path: rest, aim: self.aim })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.path.split_first() else { return Err(de::Error::custom("found")) };
        for _ in 0..*wanted {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        list.next_element_seed(Finger { path: rest, aim: self.aim })?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Compares a key, and fails at the one that is looked for if that is where the path ends.
struct Name<'a> {
    wanted: &'a str,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match (key == self.wanted, self.stop) {
            (true, true) => Err(E::custom("found")),
            (here, _) => Ok(here),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
chain: [storage, cli]
sources:
  cli:
    settings: { expiry: 24h,
                \"a b\": 1 }
    grants:
      commands:
        - program: fly
          args: &args [a, b]
        - program: other
          args: *args
";

    #[test]
    fn keys_and_values_are_found_in_block_and_flow_style() {
        let root = KeyPath::default();
        let cli = root.key("sources").key("cli");
        let commands = cli.key("grants").key("commands");
        for (path, key, value) in [
            (root.key("chain"), Some((2, 1)), Some((2, 8))),
            (root.key("chain").index(1), Some((2, 18)), Some((2, 18))),
            (root.key("chain").index(2), None, None),
            (cli.clone(), Some((4, 3)), Some((5, 5))),
            (cli.key("settings").key("expiry"), Some((5, 17)), Some((5, 25))),
            (cli.key("settings").key("a b"), Some((6, 17)), Some((6, 24))),
            (commands.index(1).key("program"), Some((11, 11)), Some((11, 20))),
            (commands.index(1).key("args").index(1), Some((10, 27)), Some((10, 27))),
            (cli.key("nothing"), None, None),
        ] {
            let at = |pair: Option<(usize, usize)>| pair.map(|(line, column)| Position { line, column });
            assert_eq!(path.key_in(TEXT), at(key), "{path}");
            assert_eq!(path.value_in(TEXT), at(value), "{path}");
        }
    }

    #[test]
    fn a_path_reads_as_people_write_it() {
        let path = KeyPath::default().key("apps").index(2).key("a b").key("on-failure");
        assert_eq!(path.to_string(), "apps[2].\"a b\".on-failure");
    }
}
