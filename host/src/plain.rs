//! Text from elsewhere, made fit to be shown: one line, no control characters, no tokens, bounded.

use std::fmt::Write;

/// One line of text from a source, a client or the command line, as it may be shown on a terminal or written to a log.
///
/// Control characters and those that reorder text are escaped, words that look like tokens are masked, and more than 500 characters
/// are cut off.
pub fn line(text: &str) -> String {
    escaped(&masked(text), MAX_LENGTH)
}

/// As [`line()`], but of any length: for text whose length is bounded already.
pub fn whole_line(text: &str) -> String {
    escaped(text, usize::MAX)
}

/// The text with each word that looks like a Fly token replaced by its prefix and an ellipsis.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, prefix)) = first_token(rest) {
        let body = &rest[at + prefix.len()..];
        let length = body.find(|character: char| !is_token_character(character)).unwrap_or(body.len());
        shown.push_str(&rest[..at + prefix.len()]);
        if length > 0 {
            shown.push('…');
        }
        rest = &body[length..];
    }
    shown.push_str(rest);
    shown
}

fn first_token(text: &str) -> Option<(usize, &'static str)> {
    PREFIXES.into_iter().filter_map(|prefix| text.find(prefix).map(|at| (at, prefix))).min()
}

fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=' | '-' | '_' | '.')
}

fn escaped(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for (index, character) in text.trim_ascii().chars().enumerate() {
        if index == most {
            shown.push('…');
            break;
        }
        if character.is_control() || reorders(character) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character changes the order or the presence of its neighbours on a screen.
fn reorders(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

/// What every Fly token starts with.
const PREFIXES: [&str; 4] = ["fm2_", "fm1r_", "fm1a_", "fo1_"];

/// More than this of a text from elsewhere would drown what the host has to say.
const MAX_LENGTH: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_elsewhere_are_made_fit_to_be_shown() {
        for (text, shown) in [
            ("plain", "plain"),
            (" two\nlines\n", "two\\nlines"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("evil\u{202e}txt", "evil\\u{202e}txt"),
            ("got 'FlyV1 fm2_abc+/=,fm2_def' back", "got 'FlyV1 fm2_…,fm2_…' back"),
            ("fo1_abc", "fo1_…"),
            ("fm2_", "fm2_"),
            ("naïve ☃", "naïve ☃"),
        ] {
            assert_eq!(line(text), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(line(&"ä".repeat(1000)).chars().count(), MAX_LENGTH + 1);
    }
}
