//! What a file may be before it is understood: not too deep, not too much, no key twice.

use std::{cell::Cell, collections::BTreeSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess};

use super::{flaw::Flaw, position::Position};

/// Walks through `text` without keeping anything of it.
///
/// # Errors
/// If it is not YAML, nests too deep, grows past [`MAX_WEIGHT`] when its aliases are followed, has a tag, or a key twice in one map. The last
/// one matters most: a parser that lets the later key win hides the earlier one from whoever reads the file.
pub(super) fn check(text: &str) -> Result<(), Flaw> {
    if let Some(line) = bracketed_too_deep(text) {
        return Err(Flaw::of_text(Some(Position { line, column: 1 }), &Bound::Depth));
    }
    let (left, broken) = (Cell::new(MAX_WEIGHT), Cell::new(None));
    let walk = Walk { left: &left, broken: &broken, depth: MAX_DEPTH };
    walk.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        // A broken bound, or a key that is no text, is told in serde's way; everything else comes from the parser.
        if broken.get().is_some() || error.to_string().contains(KEY) { Flaw::of_value(&error) } else { Flaw::of_syntax(&error) }
    })
}

/// The line in which more brackets are open than the parser can take: its work grows with their number times the length of the text.
/// Brackets in quotes count too; a hundred of them that are never closed are in no configuration.
fn bracketed_too_deep(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    lines.find_map(|(index, line)| {
        let too_deep = line.bytes().any(|byte| {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            open > MAX_BRACKETS
        });
        too_deep.then_some(index + 1)
    })
}

/// Values plus bytes of text in one file, aliases followed. A file of 1 MiB could otherwise ask for gigabytes.
const MAX_WEIGHT: usize = 4 << 20;

/// Deeper than any key of the configuration, and shallow enough for every stack.
const MAX_DEPTH: usize = 16;

/// Brackets open at once.
const MAX_BRACKETS: usize = 100;

/// What a key must be.
const KEY: &str = "a key of text";

/// Which bound a file breaks.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Bound {
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    #[error("too much: values and their text are bounded to {MAX_WEIGHT} when aliases are followed")]
    Weight,
    #[error("YAML tags are not understood here")]
    Tag,
    #[error("this key stands here for the second time")]
    Twice,
}

struct Walk<'a> {
    /// What is left of [`MAX_WEIGHT`].
    left: &'a Cell<usize>,
    /// The bound that ended the walk.
    broken: &'a Cell<Option<Bound>>,
    /// How much deeper it may go.
    depth: usize,
}

impl Walk<'_> {
    fn pay<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(bytes.saturating_add(1)).ok_or_else(|| self.fail(Bound::Weight))?;
        self.left.set(left);
        Ok(())
    }

    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| self.fail(Bound::Depth))?;
        Ok(Self { depth, ..*self })
    }

    fn fail<E: de::Error>(&self, bound: Bound) -> E {
        self.broken.set(Some(bound));
        E::custom(bound)
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.pay(0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.pay(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.pay(0)?;
        while list.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.pay(0)?;
        let mut seen = BTreeSet::new();
        while map.next_key_seed(Key { seen: &mut seen, walk: &self })?.is_some() {
            map.next_value_seed(self.deeper()?)?;
        }
        Ok(())
    }

    /// A tag makes a parser see an enum; no key of the configuration has one.
    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.fail(Bound::Tag))
    }
}

struct Key<'a, 'b> {
    seen: &'a mut BTreeSet<String>,
    walk: &'a Walk<'b>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl de::Visitor<'_> for Key<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEY)
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<(), E> {
        self.walk.pay(key.len())?;
        if self.seen.insert(key.into()) { Ok(()) } else { Err(self.walk.fail(Bound::Twice)) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn problem(text: &str) -> String {
        check(text).expect_err("a bound is broken").in_file("f".into()).to_string()
    }

    #[test]
    fn ordinary_files_pass() {
        for text in [
            "",
            "# nothing\n",
            "a: 1\nb: [x, ~, 1.5, -1, true, 99999999999999999999]\n",
            "\u{feff}a: 1\n",
            "---\na: 1\n...\n",
            "a:\r\n  b: c\r\n",
        ] {
            assert!(check(text).is_ok(), "{text:?}: {:?}", check(text));
        }
    }

    #[test]
    fn a_key_is_given_once() {
        assert_eq!(problem("a: 1\nb:\n  c: 1\n  \"c\": 2\n"), "f:4:3: b: this key stands here for the second time");
    }

    #[test]
    fn aliases_do_not_multiply_without_end() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let (before, list) = (level - 1, vec![format!("*a{}", level - 1); 10].join(", "));
            let _ = writeln!(bomb, "a{level}: &a{level} [{list}] # {before}");
        }
        let told = problem(&bomb);
        assert!(told.contains("too much") || told.contains("repetition limit"), "{told}");
        let text = "y".repeat(100_000);
        let wide = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        assert!(problem(&wide).contains("too much"));
    }

    #[test]
    fn depth_and_tags_and_further_documents_are_refused() {
        assert!(problem(&format!("a: {}{}", "[".repeat(40), "]".repeat(40))).contains("nested deeper"));
        assert_eq!(problem(&format!("a: 1\nb: {}", "[".repeat(1 << 20))), "f:2:1: nested deeper than 16 levels");
        assert!(check(&format!("# {}\na: '{}'\n", "[".repeat(1000), "[".repeat(50))).is_ok());
        assert!(problem("a: !secret b\n").contains("tags"));
        assert!(problem("a: 1\n---\nb: 2\n").contains("more than one YAML document"));
        assert_eq!(problem("? [a]\n: 1\n"), "f:1:3: expected a key of text, found a list");
        assert!(!problem("a: &a [*a]\n").is_empty());
    }
}
