//! Why a request has no answer.

use crate::network::DialError;

/// Why a request has no answer, or its answer no end. The texts reach the source's log at most and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It is not granted. What it was is told to the operator, not to the source.
    #[error("the request is not granted")]
    Denied,
    /// It holds what no request may hold.
    #[error("the request is not one that can be sent: {0}")]
    Invalid(&'static str),
    /// The method is no ordinary one.
    #[error("the method is not one that can be sent")]
    Method,
    /// Its headers are too long.
    #[error("the headers of the request are too long")]
    RequestHead,
    /// Its body is too long.
    #[error("the body of the request is too long")]
    RequestBody,
    /// What the source wrote did not hold.
    #[error("the source broke off the body of the request")]
    RequestBroken,
    /// A header that the host sets has no value.
    #[error("a header cannot be set: {0}")]
    Header(String),
    /// Too many at a time.
    #[error("too many requests at a time")]
    TooMany,
    /// No connection.
    #[error("{0}")]
    Dial(DialError),
    /// A certificate that nobody vouches for.
    #[error("the certificate does not hold: {0}")]
    Certificate(String),
    /// Other trouble with TLS.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The roots that vouch for servers cannot be read.
    #[error("no certificates vouch for it: {0}")]
    Roots(String),
    /// Nothing came back.
    #[error("there was no answer in time")]
    FirstByte,
    /// The answer came to a halt.
    #[error("the answer came to a halt")]
    BetweenBytes,
    /// The answer's headers are too long.
    #[error("the headers of the answer are too long")]
    ResponseHead,
    /// The answer is too long.
    #[error("the body of the answer is too long")]
    ResponseBody,
    /// The answer broke off.
    #[error("the answer broke off")]
    Incomplete,
    /// The server wants to speak something else.
    #[error("the server wants to speak another protocol")]
    Upgrade,
    /// The server does not keep to HTTP.
    #[error("the server does not keep to HTTP")]
    Protocol,
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        Self::Dial(error)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        // What broke the request's body off was an error of ours.
        let cause = std::error::Error::source(&error);
        let of_connection = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
        match cause.and_then(|cause| cause.downcast_ref::<Self>()) {
            Some(own) => own.clone(),
            // The connection ended, or was ended.
            None if of_connection.is_some() => Self::Incomplete,
            None if error.is_parse_too_large() => Self::ResponseHead,
            None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => Self::Incomplete,
            None => Self::Protocol,
        }
    }
}
