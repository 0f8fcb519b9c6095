//! Token strings: an optional scheme and a list of items.
//!
//! ```text
//! input = (scheme SP)* item ("," item)*      scheme = "FlyV1" | "Bearer", in any letter case
//! ```

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::error::Malformed;

/// What goes before a token in an `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Before a list that holds a macaroon.
    FlyV1,
    /// Before user tokens alone.
    Bearer,
}

impl Scheme {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlyV1 => "FlyV1",
            Self::Bearer => "Bearer",
        }
    }
}

/// The non-empty items of a list, in order, each without white space around it and all without the scheme.
pub(crate) fn items(input: &str) -> impl Iterator<Item = &str> {
    without_schemes(input).split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Removes every scheme in front; only a space separates one from what follows, as in Fly's own parser.
fn without_schemes(input: &str) -> &str {
    let mut rest = input.trim();
    while let Some((first, behind)) = rest.split_once(' ')
        && [Scheme::FlyV1, Scheme::Bearer].iter().any(|scheme| first.eq_ignore_ascii_case(scheme.as_str()))
    {
        rest = behind.trim();
    }
    rest
}

/// What the prefix of an item says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// A macaroon, and its base64.
    Macaroon(&'a str),
    /// A user token.
    User,
    /// Neither.
    Opaque,
}

impl<'a> Form<'a> {
    pub(super) fn of(item: &'a str) -> Self {
        match item.split_once('_') {
            Some(("fm2" | "fm1r" | "fm1a", base64)) => Self::Macaroon(base64),
            Some(("fo1", rest)) if !rest.is_empty() => Self::User,
            _ => Self::Opaque,
        }
    }
}

/// Refuses what could break out of a header or a line wherever the item is put.
pub(super) fn check_characters(item: &str) -> Result<(), Malformed> {
    match item.chars().position(|character| !character.is_ascii_graphic()) {
        Some(before) => Err(Malformed::Character { column: before + 1 }),
        None => Ok(()),
    }
}

/// Reads the base64 behind an item's prefix, which ends before column `offset + 1`.
pub(super) fn decode(base64: &str, offset: usize) -> Result<Zeroizing<Vec<u8>>, Malformed> {
    // Room for everything at once: a vector that grows leaves unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(base64.len() / 4 * 3 + 3));
    match BASE64.decode_vec(base64, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol { offset: at, .. }) => {
            Err(Malformed::Base64 { column: offset + at + 1 })
        }
        Err(_) => Err(Malformed::Base64Length { column: offset + base64.len() }),
    }
}

/// Writes an item: the current prefix and padded base64 on one line.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + bytes.len().div_ceil(3) * 4));
    text.push_str(PREFIX);
    BASE64.encode_string(bytes, &mut text);
    text
}

/// What every macaroon that is written anew begins with.
const PREFIX: &str = "fm2_";

/// Standard and padded. Like Fly's decoder it does not look at the unused bits of the last character.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_nest_in_any_case_and_only_a_space_ends_one() {
        for (input, expected) in [
            ("FlyV1 a", &["a"][..]),
            ("  flyv1   a , b ,, ", &["a", "b"]),
            ("Bearer FlyV1 BEARER a", &["a"]),
            ("FlyV1\ta", &["FlyV1\ta"]),
            ("FlyV1", &["FlyV1"]),
            ("FlyV1 ", &["FlyV1"]),
            ("", &[]),
            (" , ,", &[]),
        ] {
            assert_eq!(items(input).collect::<Vec<_>>(), expected, "{input:?}");
        }
    }

    #[test]
    fn a_prefix_is_case_sensitive_and_ends_at_the_first_underscore() {
        for (item, form) in [
            ("fm2_abc", Form::Macaroon("abc")),
            ("fm1r_", Form::Macaroon("")),
            ("fm1a_a_b", Form::Macaroon("a_b")),
            ("fo1_x", Form::User),
            ("fo1_", Form::Opaque),
            ("FM2_abc", Form::Opaque),
            ("fm2", Form::Opaque),
            ("fm3_abc", Form::Opaque),
        ] {
            assert_eq!(Form::of(item), form, "{item}");
        }
    }

    #[test]
    fn bad_base64_is_found_at_its_column() {
        for (base64, error) in [
            ("lJPE!MqJ", "bad base64 at column 9"),
            ("lJPE-MqJ", "bad base64 at column 9"),
            ("lJPEE", "bad base64 at column 9: the text ends there, in the middle of a group of four; was it cut off?"),
            ("lJPEEM", "bad base64 at column 10: the text ends there, in the middle of a group of four; was it cut off?"),
            ("lJ==lJPE", "bad base64 at column 7"),
        ] {
            assert_eq!(decode(base64, 4).expect_err("bad base64").to_string(), error, "{base64}");
        }
        assert_eq!(**decode("lJP=", 0).expect("unused bits do not count"), [0x94, 0x93]);
        assert!(decode("", 0).expect("nothing is base64 of nothing").is_empty());
    }
}
