//! The host part of a destination: a name or an address, written in one way only.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Serialize, Serializer};

/// A name or an address. Two that mean the same are equal: case does not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// A name in lower case, other alphabets as punycode.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Parses what stands before the port: a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// [`HostError`] for whatever a resolver or another parser could read in another way.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self::Address(address.into())).ok_or(HostError::Ipv6);
        }
        if text.is_empty() || text.len() > LONGEST_NAME {
            return Err(HostError::Length);
        }
        if text.contains(':') {
            return Err(HostError::Brackets);
        }
        if !text.is_ascii() {
            return Err(HostError::Alphabet);
        }
        if text.ends_with('.') {
            return Err(HostError::TrailingDot);
        }
        let name = text.to_ascii_lowercase();
        let labels = || name.split('.');
        if !labels().all(is_label) {
            return Err(HostError::Character);
        }
        // `127.1`, `0x7f.1` and `2130706433` are addresses to many resolvers.
        let last = labels().next_back().unwrap_or_default();
        let digits = last.strip_prefix("0x").unwrap_or(last);
        let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || (digits.len() < last.len() && is_hex(digits));
        if numeric {
            return name.parse::<Ipv4Addr>().map(|address| Self::Address(address.into())).map_err(|_| HostError::Ipv4);
        }
        Ok(Self::Name(name))
    }

    /// Whether it is an address.
    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

impl fmt::Display for Host {
    /// As it stands before a port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why a text is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Nothing, or more than a name can have.
    #[error("a host has 1 to {LONGEST_NAME} characters")]
    Length,
    /// Letters beyond ASCII.
    #[error("a host is written in ASCII: for other alphabets as punycode, `xn--…`")]
    Alphabet,
    /// `host.` and `host` are two names for most programs, and one for resolvers.
    #[error("a host is written without a dot at its end")]
    TrailingDot,
    /// Something that is in no name.
    #[error("a host is letters, digits, `-` and dots, such as `vault.acme.internal`")]
    Character,
    /// A number that is no whole address.
    #[error("an IPv4 address is four decimal numbers, such as `10.0.0.1`")]
    Ipv4,
    /// Brackets around something else.
    #[error("what stands in brackets is an IPv6 address without a zone, such as `[fd00::1]`")]
    Ipv6,
    /// Colons outside brackets.
    #[error("an IPv6 address stands in brackets, such as `[fd00::1]`")]
    Brackets,
}

/// A port, from 1 to 65535, in decimal digits and nothing else.
pub fn port(text: &str) -> Option<u16> {
    let digits = (1..=5).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// As DNS has it.
const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_written_in_one_way() {
        for (text, expected) in [
            ("vault.acme.internal", "vault.acme.internal"),
            ("VAULT.Acme", "vault.acme"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_api.internal", "_api.internal"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]", "[::1]"),
            ("[FD00:0:0::1]", "[fd00::1]"),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_host() {
        for (text, error) in [
            ("", HostError::Length),
            (&"a".repeat(254), HostError::Length),
            ("bücher.example", HostError::Alphabet),
            ("vault。acme", HostError::Alphabet),
            ("vault.acme.", HostError::TrailingDot),
            ("a..b", HostError::Character),
            ("-a", HostError::Character),
            ("a@b", HostError::Character),
            ("a b", HostError::Character),
            ("a%2eb", HostError::Character),
            ("127.1", HostError::Ipv4),
            ("2130706433", HostError::Ipv4),
            ("0x7f.0.0.1", HostError::Ipv4),
            ("0x7f000001", HostError::Ipv4),
            ("127.0.0.0x1", HostError::Ipv4),
            ("010.0.0.1", HostError::Ipv4),
            ("a.1", HostError::Ipv4),
            ("[fe80::1%eth0]", HostError::Ipv6),
            ("[127.0.0.1]", HostError::Ipv6),
            ("[::1", HostError::Ipv6),
            ("::1", HostError::Brackets),
        ] {
            assert_eq!(Host::parse(text), Err(error), "{text}");
        }
        for text in ["", "0", "65536", "+1", "01", "1 ", "123456"] {
            assert_eq!(port(text), None, "{text}");
        }
    }
}
