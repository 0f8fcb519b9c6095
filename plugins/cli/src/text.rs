//! Texts of other programs, made fit to be shown.

/// `text` on one line, without control characters and tokens, and short enough for a refusal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = without_tokens(&without_controls(text));
    if shown.len() > LONGEST {
        let end = shown.floor_char_boundary(LONGEST - ELLIPSIS.len());
        shown.truncate(end);
        shown.push_str(ELLIPSIS);
    }
    shown
}

/// `text` without escape sequences, control characters and characters that change the direction of writing; white space becomes one blank.
fn without_controls(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                // A colour or a movement of the cursor: parameters up to one final letter.
                while characters.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                characters.next_if(|c| matches!(c, '@'..='~'));
            }
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_whitespace() => {
                if !plain.ends_with(' ') {
                    plain.push(' ');
                }
            }
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.trim().to_owned()
}

/// `text` with `[token]` in place of each token.
fn without_tokens(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, length)) = MARKS.iter().filter_map(|mark| Some((rest.find(mark)?, mark.len()))).min() {
        plain.push_str(&rest[..start]);
        plain.push_str("[token]");
        // The scheme stands apart from the token by a blank, or by a comma where somebody joined two.
        let behind = rest[start + length..].trim_start_matches([' ', ',']);
        rest = behind.trim_start_matches(is_part_of_token);
    }
    plain.push_str(rest);
    plain
}

/// What a token consists of: base64 in both alphabets, its prefix, and the commas of a list.
fn is_part_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "+/=-_,".contains(character)
}

/// How a token starts. A scheme is one: what stands behind it is a token, whatever it looks like.
const MARKS: [&str; 5] = ["FlyV1", "fm2_", "fm1r_", "fm1a_", "fo1_"];

/// The longest text, in bytes. The host takes 1024; what is put in front must fit, too.
const LONGEST: usize = 800;

const ELLIPSIS: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_control_characters_are_taken_out() {
        for (text, expected) in [
            ("nothing to hide", "nothing to hide"),
            ("got FlyV1 fm2_lJPE+a/b==,fm2_c-_d, then", "got [token] then"),
            ("(fm1r_abc) and \"fo1_def\"; fm1a_x", "([token]) and \"[token]\"; [token]"),
            ("FlyV1 opaque-text!", "[token]!"),
            ("FlyV1", "[token]"),
            ("two\r\nlines\tand  blanks ", "two lines and blanks"),
            ("\u{1b}[1;31mred\u{1b}[0m \u{1b}]0;title\u{7}", "red ]0;title"),
            ("fm\u{0}2_hidden \u{202e}abc", "[token] abc"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let shown = shown(&"é".repeat(5_000));
        assert!(shown.len() <= LONGEST && shown.ends_with("é…"));
    }
}
