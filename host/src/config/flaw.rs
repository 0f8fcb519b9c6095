//! What serde and the YAML parser find wrong, in the words of this module.

use std::fmt;

use super::{
    position::Position,
    problem::{ConfigError, Problem},
};
use crate::plain::line;

/// A problem in a text that has no file yet.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) position: Option<Position>,
    pub(super) key: String,
    pub(super) problem: Problem,
}

impl Flaw {
    /// What serde says about text that is YAML, in the words of this module. The parser puts the key's path in front and the place behind.
    pub(super) fn of_value(error: &serde_yaml::Error) -> Self {
        let (position, told) = Self::parts(error);
        let (key, message) = match told.split_once(": ") {
            // A message without a path may hold a colon too, but its first words hold a space or a quoted word.
            Some((key, message)) if !key.contains([' ', '`']) => (key, message),
            _ => ("", told.as_str()),
        };
        Self { position, key: line(key), problem: of_serde(message) }
    }

    /// What the parser says about text that is not YAML. Its messages are fixed texts and repeat nothing.
    pub(super) fn of_syntax(error: &serde_yaml::Error) -> Self {
        let (position, told) = Self::parts(error);
        let problem = if told.contains("more than one document") {
            Problem::Wrong("holds more than one YAML document".into())
        } else {
            Problem::NotYaml(told)
        };
        Self { position, key: String::new(), problem }
    }

    /// A rule that the whole text breaks.
    pub(super) fn of_text(position: Option<Position>, rule: &impl fmt::Display) -> Self {
        Self { position, key: String::new(), problem: Problem::Wrong(rule.to_string()) }
    }

    pub(super) fn in_file(self, file: String) -> ConfigError {
        ConfigError { file, position: self.position, key: self.key, problem: Box::new(self.problem) }
    }

    fn parts(error: &serde_yaml::Error) -> (Option<Position>, String) {
        let (position, told) = (Position::of(error), error.to_string());
        let place = position.map(|Position { line, column }| format!(" at line {line} column {column}"));
        let told = place.map_or_else(|| told.clone(), |place| told.replacen(&place, "", 1));
        (position, told)
    }
}

/// The problem behind one of serde's messages.
fn of_serde(message: &str) -> Problem {
    if let Some((key, known)) = message.strip_prefix("unknown field ").and_then(unknown) {
        return Problem::UnknownKey { key, known };
    }
    if let Some((word, known)) = message.strip_prefix("unknown variant ").and_then(unknown) {
        return Problem::UnknownWord { word, known };
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return Problem::Wrong(format!("the key {key} is missing"));
    }
    let typed = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = typed.and_then(|rest| rest.rsplit_once(", expected ")) {
        return Problem::WrongType { expected: people_say(expected), found: kind_of(found).into() };
    }
    Problem::Wrong(line(message))
}

/// Reads "`a`, expected one of `b`, `c`".
fn unknown(rest: &str) -> Option<(String, Vec<String>)> {
    let (word, expected) = match rest.rsplit_once("`, expected ") {
        Some((word, expected)) => (word, expected),
        None => (rest.rsplit_once("`, there are no ")?.0, ""),
    };
    let known = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((word_of(word.strip_prefix('`')?), known))
}

/// What a value is, without the value: it may be a token pasted in the wrong place.
fn kind_of(unexpected: &str) -> &'static str {
    match unexpected.split([' ', '`']).next() {
        Some("string" | "character" | "byte") => "text",
        Some("integer" | "floating") => "a number",
        Some("boolean") => "true or false",
        Some("map") => "a map",
        Some("sequence") => "a list",
        Some("unit" | "Option" | "null") => "nothing",
        _ => "something else",
    }
}

/// What serde calls a type, in people's words.
fn people_say(expected: &str) -> String {
    match expected {
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "u64" | "i64" => "a whole number, not below zero".into(),
        other => line(other.strip_prefix("struct ").map_or(other, |_| "a map of keys")),
    }
}

/// A key or word out of a file, cut to what helps to find it.
fn word_of(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_WORD).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    line(&cut)
}

/// Longest key or word repeated from a file, in characters.
const MAX_WORD: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_repeated_and_a_key_only_escaped_and_cut() {
        let problem = of_serde("invalid type: string \"FlyV1 fm2_canary, expected x\", expected a sequence");
        assert_eq!(problem.to_string(), "expected a list, found text");
        let problem = of_serde(&format!("unknown field `\u{1b}[2J\u{202e}{}`, expected `a` or `b`", "x".repeat(100)));
        let told = problem.to_string();
        assert!(told.starts_with("unknown key `\\u{1b}[2J\\u{202e}xx") && told.ends_with("x…`") && told.len() < 100, "{told}");
        assert_eq!(problem.suggestion().as_deref(), Some("known are `a` and `b`"));
    }
}
