//! Which headers belong to whom: some are the connection's, some the host's, the rest the source's.

use http::HeaderName;

/// Parses the name of a header that the host sets.
///
/// # Errors
/// [`HeaderError`] if it is no name, or one that only the connection may set.
pub fn header_name(text: &str) -> Result<HeaderName, HeaderError> {
    let name: HeaderName = text.parse().map_err(|_| HeaderError::Syntax)?;
    if is_the_hosts(&name) || name == http::header::CONTENT_LENGTH { Err(HeaderError::Connection) } else { Ok(name) }
}

/// Whether a header says how the connection is used, or which origin is spoken to: a source that set it could say one thing to the host
/// and another to a server.
pub fn is_the_hosts(name: &HeaderName) -> bool {
    THE_HOSTS.contains(&name.as_str())
}

/// Whether many servers take two names for the same header: they do not tell `_` from `-`.
pub(super) fn are_alike(one: &HeaderName, other: &HeaderName) -> bool {
    let plain = |name: &HeaderName| name.as_str().replace('_', "-");
    plain(one) == plain(other)
}

/// Why a text names no header that could be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not a name.
    #[error("a header's name is letters, digits and `-`, such as `X-Vault-Token`")]
    Syntax,
    /// The connection's own.
    #[error("this header is about the connection, and flytoken sets it by itself")]
    Connection,
}

const THE_HOSTS: [&str; 12] = [
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_the_connection_needs_is_nobody_elses() {
        assert_eq!(header_name("X-Vault-Token").map(|name| name.to_string()), Ok("x-vault-token".into()));
        assert_eq!(header_name("X Vault"), Err(HeaderError::Syntax));
        assert_eq!(header_name(""), Err(HeaderError::Syntax));
        for name in ["Host", "connection", "Transfer-Encoding", "Upgrade", "TE", "Content-Length"] {
            assert_eq!(header_name(name), Err(HeaderError::Connection), "{name}");
        }
    }

    #[test]
    fn names_that_servers_mix_up_are_alike() {
        let name = |text: &str| text.parse::<HeaderName>().unwrap();
        assert!(are_alike(&name("X_Vault-Token"), &name("x-vault_token")));
        assert!(!are_alike(&name("X-Vault-Token"), &name("X-Vault-Tokens")));
    }
}
