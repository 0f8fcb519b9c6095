//! An origin: scheme, host and port. It is granted as a whole.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::network::{Host, HostError, port};

/// Scheme, host and port, written in one way only: two that mean the same are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Who it is.
    pub host: Host,
    /// Where it listens; what the scheme says unless something else was written.
    pub port: u16,
}

/// How an origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Origin {
    /// Parses `https://host` or `https://host:port`, and `http://` in the same way.
    ///
    /// # Errors
    /// [`OriginError`] for anything more, such as a path or a user's name.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|known| known.name().eq_ignore_ascii_case(scheme));
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        Self::of(scheme.ok_or(OriginError::Scheme)?, authority)
    }

    /// The origin that an authority names under `scheme`.
    ///
    /// # Errors
    /// [`OriginError`] if there is more in it than a host and a port.
    pub fn of(scheme: Scheme, authority: &str) -> Result<Self, OriginError> {
        if authority.contains('@') {
            return Err(OriginError::User);
        }
        // A colon within brackets is part of the address.
        let colon = authority.rfind(':').filter(|colon| authority.rfind(']').is_none_or(|bracket| bracket < *colon));
        let (host, port) = match colon {
            Some(colon) => (&authority[..colon], port(&authority[colon + 1..]).ok_or(OriginError::Port)?),
            None => (authority, scheme.default_port()),
        };
        Ok(Self { scheme, host: Host::parse(host)?, port })
    }

    /// Host and port as they stand in the `Host` header.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// Another scheme, or none.
    #[error("an origin starts with `https://`, or with `http://` in a private network")]
    Scheme,
    /// More than an origin.
    #[error("an origin ends with its host or port: a path is not granted, the origin is")]
    Path,
    /// `user@host`: whoever reads it quickly reads another host.
    #[error("an origin holds no `@`")]
    User,
    /// No number, or none of a port.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// No host.
    #[error("{0}")]
    Host(#[from] HostError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_the_same_origin() {
        for (text, expected) in [
            ("https://vault.acme.internal", "https://vault.acme.internal"),
            ("HTTPS://Vault.ACME.internal:443", "https://vault.acme.internal"),
            ("https://vault.acme.internal:8200", "https://vault.acme.internal:8200"),
            ("http://vault:80", "http://vault"),
            ("http://vault:443", "http://vault:443"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://[FD00:0::1]", "https://[fd00::1]"),
            ("https://[::1]:8200", "https://[::1]:8200"),
            ("http://10.0.0.1", "http://10.0.0.1"),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.to_string(), expected);
            assert_eq!(Origin::parse(expected), Ok(origin));
        }
        let different = ["https://a", "http://a", "https://a:8443", "https://b", "https://a.b", "https://[::1]", "https://127.0.0.1"];
        let origins: std::collections::BTreeSet<_> = different.iter().map(|text| Origin::parse(text).unwrap()).collect();
        assert_eq!(origins.len(), different.len());
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for (text, error) in [
            ("vault.acme.internal", OriginError::Scheme),
            ("ftp://vault", OriginError::Scheme),
            ("https:vault", OriginError::Scheme),
            ("https://vault/", OriginError::Path),
            ("https://vault/v1", OriginError::Path),
            ("https://vault?x", OriginError::Path),
            ("https://vault#x", OriginError::Path),
            ("https://evil\\vault", OriginError::Path),
            ("https://vault@evil", OriginError::User),
            ("https://vault:443@evil", OriginError::User),
            ("https://vault:", OriginError::Port),
            ("https://vault:0", OriginError::Port),
            ("https://vault:65536", OriginError::Port),
            ("https://vault:0443", OriginError::Port),
            ("https://vault:443:443", OriginError::Host(HostError::Brackets)),
            ("https://", OriginError::Host(HostError::Length)),
            ("https://:443", OriginError::Host(HostError::Length)),
            ("https://vault.", OriginError::Host(HostError::TrailingDot)),
            ("https://bücher.example", OriginError::Host(HostError::Alphabet)),
            ("https://[::1", OriginError::Host(HostError::Ipv6)),
            ("https://::1", OriginError::Host(HostError::Brackets)),
            ("https://[::ffff:10.0.0.1]x", OriginError::Host(HostError::Ipv6)),
            ("https://0x7f.1", OriginError::Host(HostError::Ipv4)),
        ] {
            assert_eq!(Origin::parse(text), Err(error), "{text}");
        }
    }
}
