//! What is answered: JSON in the terms of `--json`, under a status that fits, kept by nobody on the way.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    app::AppName,
    output::json,
    protocol::{Failure, FailureCode, Reply},
};

/// A request that is not answered as it was meant.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    failure: Box<Failure>,
    /// One more header.
    header: Option<(header::HeaderName, &'static str)>,
    /// Whether it is the last answer of its connection.
    pub(super) hangs_up: bool,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: FailureCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let failure = Failure { code, message: message.into(), hint: hint.into(), steps: Vec::new() };
        Self { status, failure: Box::new(failure), header: None, hangs_up: false }
    }

    /// A request that says what cannot be.
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, FailureCode::Usage, message, hint)
    }

    pub(super) fn with(self, name: header::HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The last answer of its connection.
    pub(super) fn and_hang_up(self) -> Self {
        Self { hangs_up: true, ..self }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let refused = Self { status: status(failure.code), failure: Box::new(failure), header: None, hangs_up: false };
        if refused.status == StatusCode::SERVICE_UNAVAILABLE { refused.with(header::RETRY_AFTER, "1") } else { refused }
    }
}

/// The status that goes with a failure's code.
pub(super) fn status(code: FailureCode) -> StatusCode {
    match code {
        FailureCode::Usage => StatusCode::BAD_REQUEST,
        FailureCode::Denied => StatusCode::FORBIDDEN,
        FailureCode::NoToken => StatusCode::NOT_FOUND,
        // Somebody can mend it and ask again.
        FailureCode::NeedsHuman => StatusCode::CONFLICT,
        FailureCode::Agent | FailureCode::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
        FailureCode::Internal | FailureCode::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The whole answer.
pub(super) fn response(answer: Result<Body, Refused>) -> Response<Full<Bytes>> {
    let (status, body, extra) = match answer {
        Ok(body) => (StatusCode::OK, body, None),
        Err(refused) => (refused.status, Body::json(&json::Failed::from(&*refused.failure), 0), refused.header),
    };
    let mut response = Response::new(Full::new(body.bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    if let Some((name, value)) = extra {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What is in an answer.
#[derive(Debug)]
pub(super) struct Body {
    media_type: &'static str,
    bytes: Bytes,
}

impl Body {
    /// A text that holds no secret.
    pub(super) fn text(media_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self { media_type, bytes: text.into() }
    }

    /// What the core replied to a request about `app`, if it was about one.
    pub(super) fn of(reply: &Reply, app: Option<&AppName>) -> Result<Self, Refused> {
        Ok(match (reply, app) {
            (Reply::Token(delivered), _) => {
                let token = delivered.token.printed();
                let room = token.len();
                Self::json(&json::Token::new(delivered, token), room)
            }
            (Reply::Refreshed { leases }, Some(app)) => {
                Self::json(&json::Refreshed { app, leases: leases.iter().map(Into::into).collect() }, 0)
            }
            (Reply::Invalidated { fingerprints }, Some(app)) => Self::json(&json::Invalidated { app, fingerprints }, 0),
            (Reply::Status(status), _) => Self::json(&json::Status::from(&**status), 0),
            _ => {
                let hint = "this is a defect of flytoken: please report what you did";
                return Err(Refused::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    FailureCode::Internal,
                    "the agent answered something else",
                    hint,
                ));
            }
        })
    }

    /// With room for a secret of `secret` bytes and all that is said of it: a text that has to grow leaves a copy behind. It is wiped once
    /// it is sent.
    fn json(value: &impl Serialize, secret: usize) -> Self {
        let mut text = Zeroizing::new(Vec::with_capacity(secret + ROOM));
        // Nothing of what is written here can fail to be.
        let _ = serde_json::to_writer(&mut *text, value);
        text.push(b'\n');
        Self { media_type: "application/json", bytes: Bytes::from_owner(text) }
    }
}

/// A failure as it is answered, alone.
pub(super) fn error_text(failure: &Failure) -> String {
    serde_json::to_string(&json::Failed::from(failure)).unwrap_or_default()
}

/// Bytes that everything but the token takes in the answer that has one.
const ROOM: usize = 2048;
