//! The two keys of `config.yml` that matter here, and nothing else of it.

use std::{fmt, mem};

use jiff::{civil, tz::TimeZone};
use serde::{
    Deserialize, Deserializer as _,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_yaml::Deserializer;
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// What `config.yml` says about the login.
#[derive(Default)]
pub(super) struct Extract {
    /// The value of `access_token`, unless it is absent, null or empty.
    pub(super) token: Option<Zeroizing<String>>,
    /// The value of `last_login`, unless it is absent, no time, or the zero time that a logout leaves behind.
    pub(super) last_login: Option<Timestamp>,
}

/// Takes the login out of the first document of `yaml`, as `flyctl` does. An empty document is one without a login.
///
/// # Errors
/// The text is no YAML mapping, or `access_token` is no text in it.
pub(super) fn extract(yaml: &[u8]) -> Result<Extract, Unparsable> {
    // The parser takes it for a first column, in which no key but the first one stands.
    let yaml = yaml.strip_prefix(BYTE_ORDER_MARK).unwrap_or(yaml);
    if let Some(excess) = yaml.iter().enumerate().filter(|(_, byte)| b"[{".contains(byte)).map(|(at, _)| at).nth(MAX_BRACKETS) {
        let lines = yaml[..excess].split(|byte| *byte == b'\n');
        let (line, column) = lines.fold((0, 1), |(line, _), text| (line + 1, text.len() + 1));
        return Err(Unparsable { line, column });
    }
    let Some(document) = Deserializer::from_slice(yaml).next() else { return Ok(Extract::default()) };
    document.deserialize_option(MaybeMapping).map_err(|error| {
        // The error's own text may quote the file: only the place may be told.
        let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
        Unparsable { line, column }
    })
}

/// Where a text stops being a YAML mapping with a login in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a YAML mapping with a text under `access_token`: look at line {line}, column {column}")]
pub(super) struct Unparsable {
    /// Counted from 1.
    line: usize,
    /// Counted from 1.
    column: usize,
}

struct MaybeMapping;

impl<'de> Visitor<'de> for MaybeMapping {
    type Value = Extract;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_none<E: de::Error>(self) -> Result<Extract, E> {
        Ok(Extract::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Extract, E> {
        Ok(Extract::default())
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Extract, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Extract, A::Error> {
        let mut extract = Extract::default();
        let (mut token_seen, mut time_seen) = (false, false);
        while let Some(key) = mapping.next_key::<Key>()? {
            match key {
                // As for flyctl, two values are none. It also bounds the work: an alias can make a value long at no cost.
                Key::AccessToken if mem::replace(&mut token_seen, true) => return Err(de::Error::duplicate_field("access_token")),
                Key::LastLogin if mem::replace(&mut time_seen, true) => return Err(de::Error::duplicate_field("last_login")),
                Key::AccessToken => {
                    let text = mapping.next_value::<Option<Secret>>()?.map(|text| text.0);
                    extract.token = text.filter(|text| !text.trim().is_empty());
                }
                Key::LastLogin => extract.last_login = mapping.next_value::<Option<Secret>>()?.and_then(|text| time(&text.0)),
                Key::Other => {
                    mapping.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(extract)
    }
}

/// A text that is wiped when dropped; the parser's own copy of it is out of reach.
struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A key of the mapping, of which two matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    AccessToken,
    LastLogin,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                Ok(match text {
                    "access_token" => Key::AccessToken,
                    "last_login" => Key::LastLogin,
                    _ => Key::Other,
                })
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// Reads an RFC 3339 time, or a date with or without a time of day, which is UTC then, as YAML has it. What is no time is none:
/// nobody is locked out because of how a time is written.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = text.parse::<civil::DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })?;
    // The zero time, 0001-01-01, lies before 1970 and says that nobody is logged in.
    u64::try_from(moment.as_millisecond()).ok().filter(|millis| *millis > 0).map(Timestamp::from_millis)
}

/// More brackets than this are refused unread: the parser needs minutes for a megabyte of them. `flyctl` writes one pair or two.
const MAX_BRACKETS: usize = 512;

/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, time::Duration};

    use super::*;

    fn token(yaml: &[u8]) -> Option<String> {
        extract(yaml).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(yaml))).token.map(|text| text.to_string())
    }

    #[test]
    fn the_token_is_found_in_every_shape_that_yaml_has() {
        let with = [
            "access_token: fm2_a,fo1_b\nlast_login: 2026-08-21T10:00:00Z\n",
            "access_token: \"fm2_a,fo1_b\"",
            "access_token: 'fm2_a,fo1_b'   # from the browser\n",
            "access_token: fm2_a,fo1_b # from the browser\n",
            "\"access_token\": \"fm2_a,\\\n  fo1_b\"\n",
            "access_token: |\n  fm2_a,fo1_b\n",
            "access_token: >-\n  fm2_a,fo1_b\nother: 1\n",
            "{access_token: \"fm2_a,fo1_b\", other: {a: [1, 2]}}",
            "{\"access_token\":\"fm2_a,fo1_b\"}",
            "\u{feff}access_token: fm2_a,fo1_b\n",
            "access_token: fm2_a,fo1_b\r\nlast_login: 0001-01-01T00:00:00Z\r\n",
            "? access_token\n: fm2_a,fo1_b\n",
            "x: &token fm2_a,fo1_b\naccess_token: *token\n",
            "---\n# flyctl\naccess_token: !!str fm2_a,fo1_b\n...\n",
            "access_token: fm2_a,fo1_b\n---\naccess_token: other\n",
            "1: a\n~: b\ntrue: c\n1.5: d\n!tag k: l\n-5: m\naccess_token: fm2_a,fo1_b\n",
        ];
        for yaml in with {
            assert_eq!(token(yaml.as_bytes()).as_deref().map(str::trim), Some("fm2_a,fo1_b"), "{yaml}");
        }
        assert_eq!(token(b"access_token: 12345\n").as_deref(), Some("12345"), "an old opaque token may look like a number");
    }

    #[test]
    fn a_file_without_a_token_is_one_where_nobody_is_logged_in() {
        for yaml in
            ["", "\n", "# nothing\n", "---\n", "~", "{}", "access_token:\n", "access_token: ~", "access_token: \"\"", "access_token: '  '"]
        {
            assert_eq!(token(yaml.as_bytes()), None, "{yaml}");
        }
        assert_eq!(token(b"access_token: null\nlast_login: 0001-01-01T00:00:00Z\nwire_guard_state: {}\n"), None);
    }

    #[test]
    fn half_a_file_and_noise_are_told_by_their_place_alone() {
        let cases: [&[u8]; 15] = [
            b"access_token: fm2_canary\naccess_token: fm2_canary\n",
            b"access_token: fm2_canary\nlast_login: [canary]\n",
            b"access_token: fm2_canary\n[canary]: canary\n",
            b"access_tok",
            b"access_token: \"fm2_canary",
            b"access_token: fm2_canary\nwire_guard_state:\n  personal:\n    localprivate: \"canary",
            b"access_token: [fm2_canary]",
            b"access_token: {canary: 1}",
            b"access_token: *canary",
            b"access_token: !canary fm2_canary\n\tx",
            b"- access_token: fm2_canary",
            b"access_token: fm2_canary\x00\x01",
            b"\xff\xfe\x00canary",
            b"\x80canary: canary",
            b"%canary\n---\n",
        ];
        for yaml in cases {
            let error = extract(yaml).map(|_| ()).expect_err(&String::from_utf8_lossy(yaml)).to_string();
            assert!(!error.contains("canary") && error.contains("line"), "{error}");
        }
    }

    #[test]
    fn the_time_of_the_login_is_read_as_yaml_has_it() {
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let cases = [
            ("2026-08-21T10:00:00Z", at(1_787_306_400)),
            ("2026-08-21T12:00:00.000000000+02:00", at(1_787_306_400)),
            ("\"2026-08-21T10:00:00Z\"", at(1_787_306_400)),
            ("2026-08-21 10:00:00", at(1_787_306_400)),
            ("2026-08-21", at(1_787_270_400)),
            ("2026-08-21T10:00:00.5Z", at(1_787_306_400).map(|at| at.after(Duration::from_millis(500)))),
            ("0001-01-01T00:00:00Z", None),
            ("yesterday", None),
            ("7", None),
            ("~", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let extract = extract(format!("access_token: fo1_a\nlast_login: {text}\n").as_bytes()).unwrap();
            assert_eq!(extract.last_login, expected, "{text}");
            assert!(extract.token.is_some(), "{text}");
        }
        let extract = extract("\u{feff}access_token: fo1_a\nlast_login: 2026-08-21\n".as_bytes()).unwrap();
        assert_eq!(extract.last_login, at(1_787_270_400), "behind a byte order mark");
    }

    #[test]
    fn hostile_files_end_soon_and_without_a_panic() {
        // A quarter of the largest file there can be keeps the test short; what is not linear would show all the same.
        let size = super::super::file::MAX_SIZE / 4;
        let mut bomb = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..60 {
            let below = level - 1;
            writeln!(bomb, "a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]").unwrap();
        }
        bomb.push_str("access_token: *a59\n");
        let mut hostile = vec![bomb, "access_token: &a [*a]\n".to_owned(), "&a : *a\n".to_owned()];
        for unit in [
            "[", "{", "{a: ", "- ", "? ", "a: &a ", "!", "\"", "x: y\n", "- [\n", "*a ", "#", "\t", " ", "\n", "&a ", "a:\n ", "|\n", "%",
            "--- ",
        ] {
            hostile.push(unit.repeat(size / unit.len()));
        }
        let half = size / 2;
        for use_of_it in ["? *a\n: x\n", "last_login: *a\n", "access_token: *a\n", "x: *a\n", "- *a\n"] {
            hostile.push(format!("a: &a\n{}{}", "- x\n".repeat(half / 4), use_of_it.repeat(half / use_of_it.len())));
            hostile.push(format!("a: &a {}\n{}", "x".repeat(half), use_of_it.repeat(half / use_of_it.len())));
            hostile.push(format!("a: &a {{{}}}\n{}", "x, ".repeat(half / 3), use_of_it.repeat(half / use_of_it.len())));
        }
        hostile.push(format!("{}{}", "[".repeat(MAX_BRACKETS), "b, ".repeat(half / 2)));
        hostile.push(format!("{}{}", "{a: ".repeat(MAX_BRACKETS), "b, ".repeat(half / 2)));
        let mut stairs = String::new();
        for depth in 0..500 {
            writeln!(stairs, "{:depth$}a:", "").unwrap();
        }
        hostile.push(stairs);
        for yaml in hostile {
            let begun = tokio::time::Instant::now();
            let _ = extract(yaml.as_bytes());
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}… took {:?}", &yaml[..8], begun.elapsed());
        }
    }
}
