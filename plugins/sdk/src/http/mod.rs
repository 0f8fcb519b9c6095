//! Requests to origins that the operator granted.

#[cfg(target_family = "wasm")]
pub(crate) mod component;
#[cfg(any(target_family = "wasm", test))]
mod url;

use std::{fmt, time::Duration};

/// Requests to granted origins. Needs the grant `http`.
///
/// The host resolves the name, looks at every address it has, and connects to one of those; it follows no redirect. Headers that the
/// operator has the host set, such as a vault's token, are in no [`HttpRequest`]: a source neither sees nor replaces them.
pub trait Http {
    /// Sends `request` and reads its answer to the end: at most 1048576 bytes.
    ///
    /// An answer with a status such as 404 or 302 is an answer. To follow a redirect, send another request: it needs its grant like any.
    ///
    /// # Errors
    ///
    /// [`HttpError`] says why there is no answer.
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// One request.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Its method, in capital letters: `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS` or `LIST`.
    pub method: String,
    /// Where it goes: `https://vault.acme.internal/v1/fly?version=2`.
    pub url: String,
    /// Its headers. Those about the connection, `Host` among them, are the host's.
    pub headers: Vec<(String, String)>,
    /// Its body, at most 262144 bytes; empty is none.
    pub body: Vec<u8>,
    /// How long to wait for the connection, for the answer's beginning, and from one part of it to the next; none leaves that to the host.
    pub patience: Option<Duration>,
}

impl HttpRequest {
    /// A request for what is at `url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new(), patience: None }
    }

    /// A request that brings `body` to `url`.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".to_owned(), body: body.into(), ..Self::get(url) }
    }

    /// The same request with one header more.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request with less patience.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

/// Without headers and body: they may hold a secret.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("method", &self.method).field("url", &self.url).finish_non_exhaustive()
    }
}

/// One answer.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// Its status, such as 200.
    pub status: u16,
    /// Its headers, their names in lower case, without those that are no text.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first header of this name, however that is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; none if it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }
}

/// Without headers and body: they may hold a token.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// It is not granted: this origin, an address that it leads to, or a header that the host sets. The operator is told which line to add.
    Denied(String),
    /// There was no connection, no answer or no end of it in time.
    TimedOut,
    /// The answer has more bytes than there may be.
    TooLong,
    /// It failed in another way; the text says how.
    Failed(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Failed(text) => f.write_str(text),
            Self::TimedOut => f.write_str("there was no whole answer in time"),
            Self::TooLong => f.write_str("the answer is too long"),
        }
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_headers_nor_bodies_are_printed() {
        let request = HttpRequest::post("https://a.host", "canary").with_header("X-Token", "canary");
        let response = HttpResponse { status: 200, headers: vec![("x-token".into(), "canary".into())], body: b"canary".to_vec() };
        assert!(!format!("{request:?} {response:?}").contains("canary"));
        assert_eq!((response.header("X-TOKEN"), response.text()), (Some("canary"), Some("canary")));
    }
}
