//! Values that are written as text: durations, sizes, digests, organisations. Parsed while the file is read, so that an error has a place.

use std::{fmt, marker::PhantomData, net::SocketAddr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::delivery::{Actions, NoActions};

/// Deserialises a scalar through `parse`, which sees the text as it stands in the file, quoted or not.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T, E: fmt::Display>(
    deserializer: D,
    expecting: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    struct Parse<T, F> {
        expecting: &'static str,
        read: F,
        result: PhantomData<fn() -> T>,
    }
    impl<T, E: fmt::Display, F: FnOnce(&str) -> Result<T, E>> de::Visitor<'_> for Parse<T, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expecting)
        }

        fn visit_str<X: de::Error>(self, text: &str) -> Result<T, X> {
            (self.read)(text).map_err(X::custom)
        }
    }
    deserializer.deserialize_str(Parse { expecting, read: parse, result: PhantomData })
}

/// Reads the version of a file's form, of which there is one.
pub(crate) fn version<'de, D: Deserializer<'de>>(deserializer: D, of: &'static str) -> Result<u64, D::Error> {
    /// Judges the number where it is read: the error has the number's place then.
    struct One(&'static str);
    impl de::Visitor<'_> for One {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the number 1")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            if number == 1 { Ok(1) } else { Err(E::custom(format_args!("this flytoken reads version 1 of the {} only", self.0))) }
        }
    }
    deserializer.deserialize_u64(One(of))
}

/// A duration as people write it: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// Parses `30s`, `15m`, `24h`, `7d` or `500ms`.
    ///
    /// # Errors
    /// If there is no unit, no number, or a number past what a clock can hold.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let (number, unit) = split(text).ok_or(TextError::Duration)?;
        let millis = DURATION_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| millis).ok_or(TextError::Duration)?;
        number.checked_mul(*millis).map(|millis| Self(Duration::from_millis(millis))).ok_or(TextError::Duration)
    }
}

impl fmt::Display for DurationText {
    /// In the largest unit that leaves nothing over.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (name, millis) = DURATION_UNITS.into_iter().find(|(_, millis)| total.is_multiple_of(*millis)).unwrap_or(("ms", 1));
        if total == 0 { f.write_str("0s") } else { write!(f, "{}{name}", total / millis) }
    }
}

/// A size of memory as people write it: a whole number and one of `KiB`, `MiB`, `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SizeText(pub u64);

impl SizeText {
    /// Parses `64MiB`; the value is in bytes.
    ///
    /// # Errors
    /// If there is no unit, no number, or the number of bytes does not fit 64 bits.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let (number, unit) = split(text).ok_or(TextError::Size)?;
        let bytes = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| bytes).ok_or(TextError::Size)?;
        number.checked_mul(*bytes).map(Self).ok_or(TextError::Size)
    }
}

impl fmt::Display for SizeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = SIZE_UNITS.into_iter().find(|(_, bytes)| self.0.is_multiple_of(*bytes)).unwrap_or(("KiB", 1 << 10));
        write!(f, "{}{name}", self.0 / bytes)
    }
}

/// A SHA-256 digest, written as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DigestText(pub(crate) [u8; 32]);

impl DigestText {
    fn parse(text: &str) -> Result<Self, TextError> {
        let text = text.as_bytes();
        let mut digest = [0; 32];
        if text.len() != 64 {
            return Err(TextError::Digest);
        }
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let &[high, low] = pair else { return Err(TextError::Digest) };
            let (high, low) = (char::from(high).to_digit(16), char::from(low).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else { return Err(TextError::Digest) };
            *byte = u8::try_from(high << 4 | low).map_err(|_| TextError::Digest)?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for DigestText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The name of something that a component imports, such as `flytoken:source/login@0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ImportName(pub(super) String);

impl ImportName {
    fn parse(text: &str) -> Result<Self, TextError> {
        let fits = (1..=MAX_IMPORT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(TextError::Import) }
    }
}

impl fmt::Display for ImportName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A digest as [`DigestText`] reads it.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    DigestText::parse(text).ok().map(|digest| digest.0)
}

/// An address of the machine's own, which nobody else reaches, and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoopbackText(pub(super) SocketAddr);

impl LoopbackText {
    fn parse(text: &str) -> Result<Self, TextError> {
        let address: SocketAddr = text.parse().map_err(|_| TextError::Loopback)?;
        if address.ip().is_loopback() && address.port() != 0 { Ok(Self(address)) } else { Err(TextError::Loopback) }
    }
}

impl fmt::Display for LoopbackText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The slug of a Fly organisation. It becomes an argument of `fly`, so it must never look like an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slug(pub(super) String);

impl Slug {
    fn parse(text: &str) -> Result<Self, TextError> {
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if (1..=MAX_SLUG).contains(&text.len()) && plain && !text.starts_with('-') { Ok(Self(text.into())) } else { Err(TextError::Slug) }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Actions, as letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActionsText(pub(crate) Actions);

impl ActionsText {
    fn parse(text: &str) -> Result<Self, NoActions> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ActionsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of a source's settings: text, a number or a boolean, kept as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting(pub(super) String);

impl Setting {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of every parser here")]
    fn parse(text: &str) -> Result<Self, TextError> {
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives a type that is written as text its place in a file.
macro_rules! as_text {
    ($($type:ident: $expecting:literal),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer, $expecting, Self::parse)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text! {
    DurationText: "a duration such as 15s",
    SizeText: "a size such as 64MiB",
    DigestText: "a SHA-256 digest of 64 hex digits",
    ImportName: "the name of an import, such as flytoken:source/login@0.1.0",
    Slug: "the slug of an organisation",
    LoopbackText: "an address of this machine's own, such as 127.0.0.1:4280",
    ActionsText: "letters of actions, such as r",
    Setting: "text, a number, true or false"
}

/// Why a text does not have the form its key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not a duration.
    #[error("a duration is a whole number and a unit: 500ms, 30s, 15m, 24h or 7d")]
    Duration,
    /// Not a size.
    #[error("a size is a whole number and a unit: 512KiB, 64MiB or 1GiB")]
    Size,
    /// Not a digest.
    #[error("a SHA-256 digest is written as 64 hex digits")]
    Digest,
    /// Not the name of an import.
    #[error("an import's name is 1 to {MAX_IMPORT} visible ASCII characters")]
    Import,
    /// Not an address of the machine's own.
    #[error("an address of this machine's own and a port: 127.0.0.1:4280 or [::1]:4280")]
    Loopback,
    /// Not an organisation's slug.
    #[error("an organisation's slug is 1 to {MAX_SLUG} of a-z, 0-9 and '-', and does not start with '-'")]
    Slug,
}

/// The number and the unit behind it, both there and nothing between them.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    number.parse().ok().map(|number| (number, unit))
}

/// Units of time in milliseconds, largest first.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of memory in bytes, largest first.
const SIZE_UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Longest organisation slug: as long as an app name may be.
const MAX_SLUG: usize = 63;

/// Longest name of an import: as much of one as is ever shown.
const MAX_IMPORT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_back() {
        for (text, seconds, written) in
            [("30s", 30, "30s"), ("15m", 900, "15m"), ("24h", 86_400, "1d"), ("90m", 5400, "90m"), ("7d", 604_800, "7d"), ("0h", 0, "0s")]
        {
            let duration = DurationText::parse(text).expect(text);
            assert_eq!(duration.0, Duration::from_secs(seconds), "{text}");
            assert_eq!(duration.to_string(), written);
        }
        assert_eq!(DurationText::parse("250ms").expect("a duration").to_string(), "250ms");
        for bad in
            ["", "s", "30", "30 s", "-1s", "+1s", "1.5h", "1h30m", "1y", "1S", "99999999999999999999s", "18446744073709551615d", "٣s"]
        {
            assert_eq!(DurationText::parse(bad), Err(TextError::Duration), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_read_and_written_back() {
        for (text, bytes, written) in [("64MiB", 64 << 20, "64MiB"), ("1024MiB", 1 << 30, "1GiB"), ("512KiB", 512 << 10, "512KiB")] {
            let size = SizeText::parse(text).expect(text);
            assert_eq!((size.0, size.to_string().as_str()), (bytes, written));
        }
        for bad in ["", "64", "64MB", "64 MiB", "64mib", "1.5GiB", "-1MiB", "18446744073709551615GiB"] {
            assert_eq!(SizeText::parse(bad), Err(TextError::Size), "{bad:?}");
        }
    }

    #[test]
    fn digests_are_64_hex_digits() {
        let text = "00ff".repeat(16);
        assert_eq!(DigestText::parse(&text).expect("a digest").to_string(), text);
        for bad in ["", "00", &"0g".repeat(32), &"0".repeat(65), &"é".repeat(32)] {
            assert_eq!(DigestText::parse(bad), Err(TextError::Digest), "{bad:?}");
        }
    }

    #[test]
    fn only_an_address_of_the_machines_own_is_listened_on() {
        for text in ["127.0.0.1:4280", "127.9.9.9:1", "[::1]:4280"] {
            assert_eq!(LoopbackText::parse(text).expect(text).to_string(), text);
        }
        for bad in [
            "",
            "4280",
            "127.0.0.1",
            "127.0.0.1:0",
            "localhost:4280",
            "0.0.0.0:4280",
            "[::]:4280",
            "192.168.0.1:4280",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(LoopbackText::parse(bad), Err(TextError::Loopback), "{bad:?}");
        }
    }

    #[test]
    fn a_slug_never_looks_like_an_option() {
        assert!(Slug::parse("personal").is_ok() && Slug::parse("acme-2").is_ok());
        for bad in ["", "-x", "a b", "A", "a=b", &"a".repeat(64)] {
            assert_eq!(Slug::parse(bad), Err(TextError::Slug), "{bad:?}");
        }
    }
}
