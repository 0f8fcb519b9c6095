//! Where numbers are pushed: an origin, and what stands before the path of OTLP there.

use std::{fmt, net::SocketAddr};

use crate::{
    http::{Origin, OriginError, Scheme},
    network::{Host, Terms},
};

/// A collector's endpoint, as the variable `OTEL_EXPORTER_OTLP_ENDPOINT` of other programs names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    origin: Origin,
    /// Empty, or with a slash before it and none behind.
    path: String,
}

impl Endpoint {
    /// Parses `https://host`, with a port or a path behind it; or `http://` and an address of this machine's own.
    ///
    /// # Errors
    /// [`EndpointError`] if it is anything else.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\')) {
            return Err(EndpointError::Path);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_end_matches('/');
        if path.len() > LONGEST_PATH || path.contains("//") {
            return Err(EndpointError::Path);
        }
        if path.ends_with(METRICS) {
            return Err(EndpointError::Whole);
        }
        let origin = Origin::parse(&format!("{scheme}://{authority}")).map_err(|error| match error {
            OriginError::Scheme => EndpointError::Scheme,
            error => EndpointError::Origin(error),
        })?;
        let address = match &origin.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        };
        if origin.scheme == Scheme::Http && !address.is_some_and(|address| address.is_loopback()) {
            return Err(EndpointError::InTheClear);
        }
        let terms = Terms { private: true, literal: true };
        if let Some(prohibited) = address.and_then(|address| terms.check(SocketAddr::new(address, origin.port)).err()) {
            return Err(EndpointError::Prohibited(prohibited.to_string()));
        }
        Ok(Self { origin, path: path.to_owned() })
    }

    /// Who is spoken to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether nothing on the way is encrypted, which is only where there is no way.
    pub fn is_in_the_clear(&self) -> bool {
        self.origin.scheme == Scheme::Http
    }

    /// What metrics are sent to.
    pub fn metrics(&self) -> String {
        format!("{self}{METRICS}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Another scheme, or none.
    #[error("an endpoint starts with `https://`, or with `http://` and an address of this machine's own")]
    Scheme,
    /// Whoever is on the way would read and change it.
    #[error("`http://` is for an address of this machine's own, such as `http://127.0.0.1:4318`: write `https://`")]
    InTheClear,
    /// The path is already that of metrics.
    #[error("leave out `{METRICS}`: it is added")]
    Whole,
    /// More than a path behind it.
    #[error("an endpoint ends with its host, port or path, of {LONGEST_PATH} visible ASCII characters at most, and has no `?` or `#`")]
    Path,
    /// No host, or a port that is none.
    #[error("{0}")]
    Origin(OriginError),
    /// An address that is nobody's.
    #[error("this is {0}")]
    Prohibited(String),
}

/// The path of metrics (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>).
const METRICS: &str = "/v1/metrics";

/// Bytes of a path.
const LONGEST_PATH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::HostError;

    #[test]
    fn an_endpoint_is_an_origin_and_what_stands_before_the_path() {
        for (text, metrics) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/metrics"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/metrics"),
            ("https://otel.acme.example", "https://otel.acme.example/v1/metrics"),
            ("https://OTLP.acme.example:443/otlp/", "https://otlp.acme.example/otlp/v1/metrics"),
            ("https://10.0.0.1:4318/a/b", "https://10.0.0.1:4318/a/b/v1/metrics"),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.metrics(), metrics);
            assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint));
        }
    }

    #[test]
    fn what_is_more_or_less_or_in_the_clear_is_refused() {
        for (text, error) in [
            ("", EndpointError::Scheme),
            ("127.0.0.1:4318", EndpointError::Scheme),
            ("grpc://127.0.0.1:4317", EndpointError::Scheme),
            ("http://collector:4318", EndpointError::InTheClear),
            ("http://localhost:4318", EndpointError::InTheClear),
            ("http://10.0.0.1:4318", EndpointError::InTheClear),
            ("http://[::ffff:127.0.0.1]:4318", EndpointError::InTheClear),
            ("https://a/v1/metrics", EndpointError::Whole),
            ("https://a/otlp/v1/metrics/", EndpointError::Whole),
            ("https://a?x=1", EndpointError::Path),
            ("https://a/x#y", EndpointError::Path),
            ("https://a/x y", EndpointError::Path),
            ("https://a//x", EndpointError::Path),
            (&format!("https://a/{}", "x".repeat(1024)), EndpointError::Path),
            ("https://", EndpointError::Origin(OriginError::Host(HostError::Length))),
            ("https://user:secret@a", EndpointError::Origin(OriginError::User)),
            ("https://a:0", EndpointError::Origin(OriginError::Port)),
            ("https://224.0.0.1", EndpointError::Prohibited("224.0.0.1, which is multicast and is never reached".into())),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text}");
        }
    }
}
