//! Untrusted text: what a source says is capped, escaped and searched for secrets before anybody sees it.

use std::sync::Arc;

use super::trace::Told;
use crate::token::ApiToken;

/// Longest text of a source that is shown, in bytes.
pub const TEXT_BYTES: usize = 1024;
/// Longest name that a source gives to a lease, in bytes.
pub(super) const ID_BYTES: usize = 128;

/// Cleans the texts of one call. It knows every secret that the call came near.
#[derive(Default)]
pub(super) struct Censor {
    known: Vec<Arc<ApiToken>>,
}

impl Censor {
    /// Strikes out `token` from now on.
    pub(super) fn add(&mut self, token: &Arc<ApiToken>) {
        if !self.known.iter().any(|known| Arc::ptr_eq(known, token)) {
            self.known.push(Arc::clone(token));
        }
    }

    /// What there is to say of a text without repeating it.
    pub(super) fn told(&self, text: &str) -> Told {
        let items: Vec<&str> = self.known.iter().flat_map(|token| items(token.expose())).filter(|item| item.len() >= SHORTEST).collect();
        let secret = text.char_indices().any(|(at, _)| secret_at(&text[at..], &items, false).is_some());
        let (unprintable, stop) = (text.contains(is_unprintable), text.trim_end().ends_with('.'));
        Told { bytes: text.len(), secret, unprintable, stop, empty: text.trim().is_empty() }
    }

    /// The text as it may be shown: at most `limit` bytes, secrets struck out, nothing in it that moves a cursor or turns a line around.
    pub(super) fn clean(&self, text: &str, limit: usize) -> String {
        // What is struck out makes room for what follows, so more is read than is shown; how much more has to end somewhere.
        let window = &text[..text.floor_char_boundary(limit.saturating_mul(4))];
        let cut = window.len() < text.len();
        let items: Vec<&str> = self.known.iter().flat_map(|token| items(token.expose())).filter(|item| item.len() >= SHORTEST).collect();
        let room = limit.saturating_sub(ELLIPSIS.len_utf8());

        let mut clean = String::with_capacity(window.len().min(limit));
        // Where to cut, should the text turn out too long: never within a character, an escape or a mark.
        let mut fits = 0;
        let mut rest = window;
        while let Some(next) = rest.chars().next() {
            if clean.len() <= room {
                fits = clean.len();
            }
            if let Some(length) = secret_at(rest, &items, cut) {
                clean.push_str(STRUCK);
                rest = &rest[length..];
            } else {
                if is_unprintable(next) {
                    clean.extend(next.escape_default());
                } else {
                    clean.push(next);
                }
                rest = &rest[next.len_utf8()..];
            }
            if clean.len() > limit {
                clean.truncate(fits);
                clean.push(ELLIPSIS);
                return clean;
            }
        }
        if cut {
            clean.truncate(if clean.len() <= room { clean.len() } else { fits });
            clean.push(ELLIPSIS);
        }
        clean
    }
}

/// The items of a token text, without scheme and white space.
pub(super) fn items(token: &str) -> impl Iterator<Item = &str> {
    token.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty())
}

/// How many bytes at the start of `rest` are a secret: a known one, or anything of a token's shape. `cut` says that the text went on, so
/// that the beginning of a known secret at its end counts too.
fn secret_at(rest: &str, items: &[&str], cut: bool) -> Option<usize> {
    let known = items.iter().filter(|item| rest.starts_with(**item)).map(|item| item.len()).max();
    known.max(token_shape(rest)).or_else(|| {
        let begun = cut && rest.len() >= FEWEST && items.iter().any(|item| item.starts_with(rest));
        begun.then_some(rest.len())
    })
}

fn token_shape(rest: &str) -> Option<usize> {
    let prefix = PREFIXES.iter().find(|prefix| rest.starts_with(**prefix))?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    let body = rest.as_bytes()[prefix.len()..].iter().take_while(|byte| is_token(byte)).count();
    (body >= SHORTEST).then_some(prefix.len() + body)
}

/// Whether a character could do more than stand there: control, bidirectional formatting, invisible, or another line break.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What every item of a Fly token begins with.
const PREFIXES: [&str; 4] = ["fm2_", "fm1r_", "fm1a_", "fo1_"];
/// Stands for a secret.
const STRUCK: &str = "[token]";
const ELLIPSIS: char = '…';
/// A shorter text is no secret, and to strike it out would spoil ordinary words.
const SHORTEST: usize = 8;
/// Fewer bytes at the end of a cut text tell nothing.
const FEWEST: usize = 4;

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn censor(tokens: &[&str]) -> Censor {
        let mut censor = Censor::default();
        for token in tokens {
            censor.add(&Arc::new(ApiToken::new(Zeroizing::new((*token).to_owned()))));
        }
        censor
    }

    #[test]
    fn texts_are_escaped_and_secrets_struck_out() {
        let censor = censor(&["FlyV1 fm2_canaryAAAA,hvs.opaquecanary", "short"]);
        for (text, expected) in [
            ("nothing for `web` here", "nothing for `web` here"),
            ("größer 🎈", "größer 🎈"),
            ("\x1b[31mred\r\n\tx\u{7f}", "\\u{1b}[31mred\\r\\n\\tx\\u{7f}"),
            ("a\u{202e}b\u{200b}c\u{2028}", "a\\u{202e}b\\u{200b}c\\u{2028}"),
            ("got fm2_canaryAAAA!", "got [token]!"),
            ("got hvs.opaquecanary", "got [token]"),
            ("xhvs.opaquecanaryx", "x[token]x"),
            ("fo1_unknown_canary and fm1r_canary+/==", "[token] and [token]"),
            ("an item starts with fm2_ or fo1_…", "an item starts with fm2_ or fo1_…"),
            ("a short text", "a short text"),
        ] {
            assert_eq!(censor.clean(text, TEXT_BYTES), expected);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let censor = censor(&[]);
        assert_eq!(censor.clean("12345678", 8), "12345678");
        assert_eq!(censor.clean("123456789", 8), "12345…");
        for text in ["ä".repeat(5000), "\u{7}".repeat(5000), "🎈".repeat(700), "fm2_canarycanary ".repeat(900)] {
            let clean = censor.clean(&text, TEXT_BYTES);
            assert!(clean.len() <= TEXT_BYTES && clean.len() > TEXT_BYTES - 20 && clean.ends_with('…'), "{} {clean}", clean.len());
        }
    }

    #[test]
    fn a_secret_at_the_cut_does_not_show_its_beginning() {
        let secret = "hvs.canary".repeat(30);
        let censor = censor(&[&secret]);
        for padding in 0..secret.len() {
            let text = format!("{}{secret}", "x".repeat(4096 - padding));
            assert!(!censor.clean(&text, TEXT_BYTES).contains("canary"));
            // What is struck out before moves the cut secret into view.
            let text = format!("{}{}{secret} and more", "fm2_".to_owned() + &"A".repeat(3700), " ".repeat(392 - padding.min(300)));
            assert!(!censor.clean(&text, TEXT_BYTES).contains("canary"), "{padding}");
        }
    }
}
