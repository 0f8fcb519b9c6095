//! MessagePack as Fly's tokens use it: a bounded reader over raw bytes and a canonical writer.
//!
//! A general decoder will not do: signatures cover exact bytes, so a reader must say where each value begins and ends, and a writer must
//! choose the encodings that Fly's own library chooses.

use zeroize::Zeroizing;

use super::error::Malformed;

/// How deep values may nest. Fly's own tokens use four levels; without a limit a few kilobytes could exhaust the stack.
pub(super) const MAX_DEPTH: usize = 32;

/// Reads values one after the other. Reserves nothing on the strength of an announced length alone.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Offset of the next byte.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes read since `start`, an earlier [`Reader::position`].
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// A non-negative integer of any width.
    pub(super) fn uint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let at = self.at;
        match self.head(what)? {
            Head::Uint(value) => Ok(value),
            Head::Int(value) => u64::try_from(value).map_err(|_| Malformed::Range { at, what }),
            other => Err(other.instead_of(what, at)),
        }
    }

    /// An integer of any width.
    pub(super) fn int(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let at = self.at;
        match self.head(what)? {
            Head::Uint(value) => i64::try_from(value).map_err(|_| Malformed::Range { at, what }),
            Head::Int(value) => Ok(value),
            other => Err(other.instead_of(what, at)),
        }
    }

    pub(super) fn bool(&mut self, what: &'static str) -> Result<bool, Malformed> {
        let at = self.at;
        match self.head(what)? {
            Head::Bool(value) => Ok(value),
            other => Err(other.instead_of(what, at)),
        }
    }

    /// A byte string; Fly's library also takes text or nil for one, and so does this.
    pub(super) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let at = self.at;
        match self.head(what)? {
            Head::Bin(length) | Head::Str(length) => self.take(length, what),
            Head::Nil => Ok(&[]),
            other => Err(other.instead_of(what, at)),
        }
    }

    /// A text, with the tolerance of [`Reader::bytes`].
    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let at = self.at;
        std::str::from_utf8(self.bytes(what)?).map_err(|_| Malformed::NotText { at, what })
    }

    /// The number of elements of an array, which the caller then reads; nil counts as empty.
    pub(super) fn array(&mut self, what: &'static str) -> Result<usize, Malformed> {
        let at = self.at;
        match self.head(what)? {
            Head::Array(length) => Ok(length),
            Head::Nil => Ok(0),
            other => Err(other.instead_of(what, at)),
        }
    }

    /// The number of entries of a map, which the caller then reads; nil counts as empty.
    pub(super) fn map(&mut self, what: &'static str) -> Result<usize, Malformed> {
        let at = self.at;
        match self.head(what)? {
            Head::Map(length) => Ok(length),
            Head::Nil => Ok(0),
            other => Err(other.instead_of(what, at)),
        }
    }

    /// A structure, which is an array of exactly `count` elements; an empty array or nil stands for one whose fields are all zero.
    pub(super) fn structure<T: Default>(
        &mut self,
        of: &'static str,
        count: usize,
        fields: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let at = self.at;
        match self.array(of)? {
            0 => Ok(T::default()),
            found if found == count => fields(self),
            found => Err(Malformed::ArrayLength { at, of, expected: COUNTS.get(count).copied().unwrap_or("other"), found }),
        }
    }

    /// A list, each element read by `element`.
    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.array(what)?;
        // Room for what can be there, since every element takes a byte at least: a false length ends in an error and costs no more than a
        // true one, and a list that grows would take several times its place.
        let mut all = Vec::with_capacity(length.min(self.remaining()));
        for _ in 0..length {
            all.push(element(self)?);
        }
        Ok(all)
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<T, Malformed> {
        if self.depth == MAX_DEPTH {
            return Err(Malformed::TooDeep { at: self.at });
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Passes over one value of any type.
    pub(super) fn skip(&mut self, what: &'static str) -> Result<(), Malformed> {
        match self.head(what)? {
            Head::Nil | Head::Bool(_) | Head::Uint(_) | Head::Int(_) => Ok(()),
            Head::Float(length) | Head::Str(length) | Head::Bin(length) | Head::Extension(length) => self.take(length, what).map(drop),
            Head::Array(length) => self.nested(|reader| (0..length).try_for_each(|_| reader.skip(what))),
            Head::Map(length) => self.nested(|reader| (0..length.saturating_mul(2)).try_for_each(|_| reader.skip(what))),
        }
    }

    fn head(&mut self, what: &'static str) -> Result<Head, Malformed> {
        let at = self.at;
        let first = self.big_endian::<1>(what)?;
        Ok(match first {
            0x00..=0x7f => Head::Uint(first),
            0x80..=0x8f => Head::Map(length(first & 0x0f)),
            0x90..=0x9f => Head::Array(length(first & 0x0f)),
            0xa0..=0xbf => Head::Str(length(first & 0x1f)),
            0xc0 => Head::Nil,
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4 => Head::Bin(length(self.big_endian::<1>(what)?)),
            0xc5 => Head::Bin(length(self.big_endian::<2>(what)?)),
            0xc6 => Head::Bin(length(self.big_endian::<4>(what)?)),
            // An extension's type byte counts with its data, which nobody here looks into.
            0xc7 => Head::Extension(length(self.big_endian::<1>(what)? + 1)),
            0xc8 => Head::Extension(length(self.big_endian::<2>(what)? + 1)),
            0xc9 => Head::Extension(length(self.big_endian::<4>(what)? + 1)),
            0xca => Head::Float(4),
            0xcb => Head::Float(8),
            0xcc => Head::Uint(self.big_endian::<1>(what)?),
            0xcd => Head::Uint(self.big_endian::<2>(what)?),
            0xce => Head::Uint(self.big_endian::<4>(what)?),
            0xcf => Head::Uint(self.big_endian::<8>(what)?),
            0xd0 => Head::Int(i8::from_be_bytes(self.fixed(what)?).into()),
            0xd1 => Head::Int(i16::from_be_bytes(self.fixed(what)?).into()),
            0xd2 => Head::Int(i32::from_be_bytes(self.fixed(what)?).into()),
            0xd3 => Head::Int(i64::from_be_bytes(self.fixed(what)?)),
            0xd4..=0xd8 => Head::Extension((1 << (first - 0xd4)) + 1),
            0xd9 => Head::Str(length(self.big_endian::<1>(what)?)),
            0xda => Head::Str(length(self.big_endian::<2>(what)?)),
            0xdb => Head::Str(length(self.big_endian::<4>(what)?)),
            0xdc => Head::Array(length(self.big_endian::<2>(what)?)),
            0xdd => Head::Array(length(self.big_endian::<4>(what)?)),
            0xde => Head::Map(length(self.big_endian::<2>(what)?)),
            0xdf => Head::Map(length(self.big_endian::<4>(what)?)),
            0xe0..=0xff => Head::Int(i64::from(first.to_be_bytes()[7].cast_signed())),
            _ => return Err(Malformed::NotMessagePack { at }),
        })
    }

    fn big_endian<const N: usize>(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(self.fixed::<N>(what)?.into_iter().fold(0, |value, byte| value << 8 | u64::from(byte)))
    }

    fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(..length) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => Err(Malformed::CutOff { at: self.bytes.len(), expected: what, missing: length - rest.len() }),
        }
    }
}

/// The first byte of a value and the length or number that goes with it.
enum Head {
    Nil,
    Bool(bool),
    Uint(u64),
    Int(i64),
    Float(usize),
    Str(usize),
    Bin(usize),
    Extension(usize),
    Array(usize),
    Map(usize),
}

impl Head {
    fn instead_of(self, expected: &'static str, at: usize) -> Malformed {
        let found = match self {
            Self::Nil => "nil",
            Self::Bool(_) => "true or false",
            Self::Uint(_) | Self::Int(_) => "a number",
            Self::Float(_) => "a fraction",
            Self::Str(_) => "a text",
            Self::Bin(_) => "bytes",
            Self::Extension(_) => "an extension",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
        };
        Malformed::Unexpected { at, expected, found }
    }
}

fn length(announced: u64) -> usize {
    usize::try_from(announced).unwrap_or(usize::MAX)
}

/// Writes values in the shortest form, as Fly's library does. What it wrote is wiped when it is dropped.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// A writer with room for `capacity` bytes; growing past it leaves an unwiped copy behind.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Bytes that are encoded already.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn uint(&mut self, value: u64) {
        match value {
            0..=0x7f => self.big_endian::<1>(value),
            0x80..=0xff => self.headed::<1>(0xcc, value),
            0x100..=0xffff => self.headed::<2>(0xcd, value),
            0x1_0000..=0xffff_ffff => self.headed::<4>(0xce, value),
            _ => self.headed::<8>(0xcf, value),
        }
    }

    pub(super) fn int(&mut self, value: i64) {
        let bits = value.cast_unsigned();
        match value {
            0.. => self.uint(bits),
            -32..0 => self.big_endian::<1>(bits),
            -0x80..-32 => self.headed::<1>(0xd0, bits),
            -0x8000..-0x80 => self.headed::<2>(0xd1, bits),
            -0x8000_0000..-0x8000 => self.headed::<4>(0xd2, bits),
            _ => self.headed::<8>(0xd3, bits),
        }
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.0.push(if value { 0xc3 } else { 0xc2 });
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        match value.len() as u64 {
            length @ 0..=0xff => self.headed::<1>(0xc4, length),
            length @ 0x100..=0xffff => self.headed::<2>(0xc5, length),
            length => self.headed::<4>(0xc6, length),
        }
        self.raw(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        match value.len() as u64 {
            length @ 0..=0x1f => self.big_endian::<1>(0xa0 | length),
            length @ 0x20..=0xff => self.headed::<1>(0xd9, length),
            length @ 0x100..=0xffff => self.headed::<2>(0xda, length),
            length => self.headed::<4>(0xdb, length),
        }
        self.raw(value.as_bytes());
    }

    pub(super) fn array(&mut self, count: usize) {
        match count as u64 {
            count @ 0..=0x0f => self.big_endian::<1>(0x90 | count),
            count @ 0x10..=0xffff => self.headed::<2>(0xdc, count),
            count => self.headed::<4>(0xdd, count),
        }
    }

    pub(super) fn map(&mut self, count: usize) {
        match count as u64 {
            count @ 0..=0x0f => self.big_endian::<1>(0x80 | count),
            count @ 0x10..=0xffff => self.headed::<2>(0xde, count),
            count => self.headed::<4>(0xdf, count),
        }
    }

    fn headed<const N: usize>(&mut self, head: u8, value: u64) {
        self.0.push(head);
        self.big_endian::<N>(value);
    }

    /// The lowest `N` bytes of `value`, highest first.
    fn big_endian<const N: usize>(&mut self, value: u64) {
        self.0.extend(value.to_be_bytes().into_iter().skip(8 - N));
    }
}

/// Array lengths in words, for errors.
const COUNTS: [&str; 5] = ["0", "1", "2", "3", "4"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::with_capacity(16);
        write(&mut writer);
        writer.finish().to_vec()
    }

    #[test]
    fn integers_take_the_shortest_form() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0xcc, 0x80]),
            (255, &[0xcc, 0xff]),
            (256, &[0xcd, 1, 0]),
            (65535, &[0xcd, 0xff, 0xff]),
            (65536, &[0xce, 0, 1, 0, 0]),
            (1 << 32, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
            (-1, &[0xff]),
            (-32, &[0xe0]),
            (-33, &[0xd0, 0xdf]),
            (-128, &[0xd0, 0x80]),
            (-129, &[0xd1, 0xff, 0x7f]),
            (-32769, &[0xd2, 0xff, 0xff, 0x7f, 0xff]),
            (-2_147_483_649, &[0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(written(|writer| writer.int(value)), bytes, "{value}");
            assert_eq!(Reader::new(bytes).int("it"), Ok(value), "{value}");
        }
    }

    #[test]
    fn an_error_says_where_and_what() {
        for (bytes, text) in [
            (&[][..], "cut off at byte 0: a set needs at least 1 more"),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff], "cut off at byte 5: a set needs at least 1 more"),
            (&[0x91, 0xc6, 0xff, 0xff, 0xff, 0xff, 1], "cut off at byte 7: a set needs at least 4294967294 more"),
            (&[0x91, 0xc1], "not MessagePack: byte 1 begins no value"),
            (&[0x91; 40], "nested deeper than 32 levels at byte 33"),
        ] {
            assert_eq!(Reader::new(bytes).skip("a set").expect_err("malformed").to_string(), text);
        }
        assert_eq!(Reader::new(&[0xc3]).uint("an id").expect_err("no number").to_string(), "expected an id at byte 0, found true or false");
        assert_eq!(Reader::new(&[0xff]).uint("an id").expect_err("negative").to_string(), "an id at byte 0 is out of range");
        assert_eq!(Reader::new(&[0xa1, 0xff]).text("a name").expect_err("no text").to_string(), "a name at byte 0 is not UTF-8");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number: i64, bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,80}", flag: bool) {
            let mut writer = Writer::with_capacity(0);
            writer.int(number);
            writer.bytes(&bytes);
            writer.text(&text);
            writer.bool(flag);
            let all = writer.finish();
            let mut reader = Reader::new(&all);
            prop_assert_eq!(reader.int("a number"), Ok(number));
            prop_assert_eq!(reader.bytes("bytes"), Ok(&bytes[..]));
            prop_assert_eq!(reader.text("a text"), Ok(&text[..]));
            prop_assert_eq!(reader.bool("a flag"), Ok(flag));
            prop_assert_eq!(reader.position(), all.len());
        }

        #[test]
        fn arbitrary_bytes_are_skipped_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            while reader.skip("anything").is_ok() && reader.position() < bytes.len() {}
        }
    }
}
