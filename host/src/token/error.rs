//! What is wrong with a token's text or bytes, and where. No error repeats any of them.

/// Why a text cannot be used as a list of tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing is left when schemes, commas and white space are gone.
    #[error("there is no token: the text is empty")]
    Empty,
    /// Longer than [`super::MAX_TEXT`].
    #[error("a token has at most {} characters, this has {length}", super::MAX_TEXT)]
    TooLong {
        /// Bytes given.
        length: usize,
    },
    /// One item of the list is not a token.
    #[error("item {number}: {problem}")]
    Item {
        /// Its place in the list, counted from 1; empty items do not count.
        number: usize,
        /// What is wrong with it.
        problem: Malformed,
    },
}

/// What is wrong with one token, and where. Columns count characters from 1, prefix included; bytes count from 0, after base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A text without a prefix of Fly's.
    #[error("not a Fly token: it starts with none of fm2_, fm1r_, fm1a_ and fo1_")]
    Opaque,
    /// White space, a control character or anything else that no token holds.
    #[error("a character that no token holds at column {column}")]
    Character {
        /// Where it stands.
        column: usize,
    },
    /// A character outside the standard base64 alphabet, or padding in the wrong place.
    #[error("bad base64 at column {column}")]
    Base64 {
        /// Where it stands.
        column: usize,
    },
    /// The number of base64 characters is not a multiple of four: the usual sign of a cut-off paste.
    #[error("bad base64 at column {column}: the text ends there, in the middle of a group of four; was it cut off?")]
    Base64Length {
        /// The last column.
        column: usize,
    },
    /// The bytes end early.
    #[error("cut off at byte {at}: {expected} needs at least {missing} more")]
    CutOff {
        /// Length of what there is.
        at: usize,
        /// What was being read.
        expected: &'static str,
        /// How many bytes are missing at least.
        missing: usize,
    },
    /// A byte that begins no value.
    #[error("not MessagePack: byte {at} begins no value")]
    NotMessagePack {
        /// Where it stands.
        at: usize,
    },
    /// A value of another type than the format has there.
    #[error("expected {expected} at byte {at}, found {found}")]
    Unexpected {
        /// Where the value begins.
        at: usize,
        /// What the format has there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// An array with more or fewer elements than the format says.
    #[error("wrong array length at byte {at}: {of} has {expected} elements, this has {found}")]
    ArrayLength {
        /// Where the array begins.
        at: usize,
        /// What the array stands for.
        of: &'static str,
        /// How many it should have.
        expected: &'static str,
        /// How many it has.
        found: usize,
    },
    /// A number or a byte string outside what the format allows there.
    #[error("{what} at byte {at} is out of range")]
    Range {
        /// Where the value begins.
        at: usize,
        /// What the value stands for.
        what: &'static str,
    },
    /// A text that is not UTF-8.
    #[error("{what} at byte {at} is not UTF-8")]
    NotText {
        /// Where the value begins.
        at: usize,
        /// What the value stands for.
        what: &'static str,
    },
    /// Values inside values inside values.
    #[error("nested deeper than {} levels at byte {at}", super::msgpack::MAX_DEPTH)]
    TooDeep {
        /// Where the level too many begins.
        at: usize,
    },
}
