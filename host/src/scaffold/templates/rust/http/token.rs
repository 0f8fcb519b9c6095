//! From a request to a token. It takes the host as an argument, so that a test can hand in another.

use flytoken_source::{Expiry, Http, HttpError, HttpRequest, Lease, Refusal, Request, Secret, Settings};
use serde_json::Value;

/// The token in a field of the JSON that a URL answers with.
pub fn resolve(request: &Request, host: &(impl Settings + Http)) -> Result<Lease, Refusal> {
    host.only_settings(&["url", "field"])?;
    let Some(url) = host.setting("url") else {
        return Err(Refusal::misconfigured("say what to ask: `settings: { url: \"https://tokens.example/fly/{app}\" }`"));
    };
    let field = host.setting("field").unwrap_or_else(|| "token".to_owned());
    let response = host.send(&HttpRequest::get(url.replace("{app}", &request.app))).map_err(|error| match error {
        HttpError::Denied(line) => Refusal::misconfigured(line),
        error => Refusal::unavailable(format!("the token service does not answer: {error}")),
    })?;
    match response.status {
        200 => {}
        404 => return Err(Refusal::absent(format!("the token service knows nothing of `{}`", request.app))),
        status => return Err(Refusal::unavailable(format!("the token service answers with status {status}"))),
    }
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let Some(token) = answer[&field].as_str() else {
        return Err(Refusal::misconfigured(format!("the token service answers without a text `{field}`: see the setting `field`")));
    };
    let expiry = answer["expires_at"].as_u64().map_or(Expiry::Unknown, Expiry::At);
    Ok(Lease::new(Secret::seal(token), expiry))
}

#[cfg(test)]
mod tests {
    use flytoken_source::{HttpResponse, Intent, Kind};

    use super::*;

    /// A service that answers with this status and body.
    struct Service(u16, &'static str);

    impl Settings for Service {
        fn setting(&self, key: &str) -> Option<String> {
            (key == "url").then(|| "https://tokens.example/fly/{app}".to_owned())
        }
    }

    impl Http for Service {
        fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
            assert_eq!(request.url, "https://tokens.example/fly/web");
            Ok(HttpResponse { status: self.0, headers: Vec::new(), body: self.1.into() })
        }
    }

    fn resolved(status: u16, body: &'static str) -> Result<Lease, Refusal> {
        let request = Request { app: "web".into(), kind: Kind::Readonly, organization: None, intent: Intent::Resolve, now: 1000, lifetime: 60 };
        resolve(&request, &Service(status, body))
    }

    #[test]
    fn the_field_of_the_answer_is_the_token() {
        let lease = resolved(200, r#"{"token":"fm2_x","expires_at":2000}"#).unwrap();
        assert_eq!((lease.token, lease.expiry), (Secret::seal("fm2_x"), Expiry::At(2000)));
    }

    #[test]
    fn everything_else_is_a_refusal() {
        assert!(matches!(resolved(404, ""), Err(Refusal::Absent(_))));
        assert!(matches!(resolved(503, ""), Err(Refusal::Unavailable(_))));
        for body in [r#"{"token":7}"#, "[]", "<html>"] {
            assert!(matches!(resolved(200, body), Err(Refusal::Misconfigured(_))), "{body}");
        }
    }
}
