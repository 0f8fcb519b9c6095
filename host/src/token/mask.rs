//! Which actions: Fly's action mask.

use std::{fmt, ops, str::FromStr};

/// A set of actions, as caveats hold it: a 16-bit mask of which five bits have a meaning today.
///
/// Prints as letters in Fly's order, `rwcdC`; bits without a letter do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mask(u16);

impl Mask {
    /// No action at all.
    pub const NONE: Self = Self(0);
    /// Looking.
    pub const READ: Self = Self(1);
    /// Changing attributes.
    pub const WRITE: Self = Self(2);
    /// Making new ones.
    pub const CREATE: Self = Self(4);
    /// Removing.
    pub const DELETE: Self = Self(8);
    /// Starting, stopping, signalling.
    pub const CONTROL: Self = Self(16);
    /// Every action that has a name today.
    pub const ALL: Self = Self(31);
    /// Every bit: what `*` means, actions not invented yet included.
    pub const ANY: Self = Self(u16::MAX);

    /// From the number in a caveat.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The number in a caveat.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every action of this set is in `other`.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Reads letters as Fly's own library does: `*` is [`Mask::ANY`], and a letter without a meaning is passed over.
    ///
    /// For text from Fly's tools; what a person types goes through [`str::parse`], which reports such letters.
    pub fn from_letters(text: &str) -> Self {
        text.chars().filter_map(Self::from_letter).fold(Self::NONE, ops::BitOr::bitor)
    }

    fn from_letter(letter: char) -> Option<Self> {
        match letter {
            '*' => Some(Self::ANY),
            _ => LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, mask)| *mask),
        }
    }
}

impl ops::BitAnd for Mask {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl ops::BitOr for Mask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        LETTERS.iter().filter(|(_, mask)| mask.is_within(*self)).try_for_each(|(letter, _)| write!(f, "{letter}"))
    }
}

impl FromStr for Mask {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        text.chars().try_fold(Self::NONE, |mask, letter| Self::from_letter(letter).map(|action| mask | action).ok_or(UnknownAction))
    }
}

/// A letter that names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("actions are written as letters: r (read), w (write), c (create), d (delete), C (control), or * for all")]
pub struct UnknownAction;

/// In the order Fly prints them.
const LETTERS: [(char, Mask); 5] = [('r', Mask::READ), ('w', Mask::WRITE), ('c', Mask::CREATE), ('d', Mask::DELETE), ('C', Mask::CONTROL)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_numbers_are_flys() {
        for (text, bits) in [("", 0), ("r", 1), ("rw", 3), ("wr", 3), ("rwcdC", 31), ("C", 16), ("d", 8), ("*", 0xffff), ("r*", 0xffff)] {
            assert_eq!(text.parse(), Ok(Mask::from_bits(bits)), "{text}");
            assert_eq!(Mask::from_letters(text), Mask::from_bits(bits), "{text}");
        }
        assert_eq!(Mask::ANY.to_string(), "rwcdC");
        assert_eq!((Mask::CONTROL | Mask::READ).to_string(), "rC");
    }

    #[test]
    fn a_letter_without_a_meaning_is_an_error_only_to_a_person() {
        assert_eq!("rx".parse::<Mask>(), Err(UnknownAction));
        assert_eq!(Mask::from_letters("rx"), Mask::READ);
    }
}
