//! What no request of a web page gets past, and nobody over TCP without the bearer.
//!
//! A browser sends requests to whatever address a page names, with that page's own name as host if its name was made to lead here. So the
//! host has to be the one that is listened on, and what a browser says of the page has to be that there is none, or that it is ours.

use std::net::SocketAddr;

use http::{HeaderMap, StatusCode, header, request::Parts};

use super::{answer::Refused, bearer::Bearer};
use crate::protocol::FailureCode;

/// What a request has to have before anything else of it is looked at.
pub(super) struct Door {
    /// The names under which this endpoint is meant.
    hosts: Vec<String>,
    /// What has to be shown; none where the kernel tells who asks.
    bearer: Option<Bearer>,
}

impl Door {
    /// That of the Unix socket: the host is what `curl` sends for `http://localhost/`.
    pub(super) fn of_socket() -> Self {
        Self { hosts: vec!["localhost".into()], bearer: None }
    }

    /// That of an address of the machine's own.
    pub(super) fn of_loopback(address: SocketAddr, bearer: Bearer) -> Self {
        let mut hosts = vec![address.to_string(), format!("localhost:{}", address.port())];
        if address.port() == 80 {
            // Nobody writes the usual one.
            hosts = hosts.iter().filter_map(|host| host.strip_suffix(":80")).map(ToOwned::to_owned).collect();
        }
        Self { hosts, bearer: Some(bearer) }
    }

    /// Whether a request may come from a tool that is meant to ask.
    ///
    /// # Errors
    /// What is answered instead.
    pub(super) fn check(&self, request: &Parts) -> Result<(), Refused> {
        not_of_a_page(request, &self.hosts)?;
        let Some(bearer) = &self.bearer else { return Ok(()) };
        let mut shown = request.headers.get_all(header::AUTHORIZATION).iter();
        if let (Some(shown), None) = (shown.next(), shown.next())
            && bearer.is_in(shown.as_bytes())
        {
            return Ok(());
        }
        let hint = "send `Authorization: Bearer …` with what is in the file http.bearer, beside the agent's socket";
        let refused = refused(StatusCode::UNAUTHORIZED, FailureCode::Denied, "over TCP the bearer has to be shown", hint);
        Err(refused.with(header::WWW_AUTHENTICATE, "Bearer"))
    }
}

/// Whether a request may come from a tool rather than from a web page.
fn not_of_a_page(request: &Parts, hosts: &[String]) -> Result<(), Refused> {
    // Whoever names a host in the first line would have it count before the header.
    if request.uri.authority().is_some() || request.uri.scheme().is_some() {
        return Err(refused(StatusCode::BAD_REQUEST, FailureCode::Usage, "the first line names a host", "ask for the path alone"));
    }
    let host = only(&request.headers, header::HOST.as_str()).ok().flatten();
    let Some(host) = host.filter(|host| hosts.iter().any(|name| name.eq_ignore_ascii_case(host))) else {
        let hint = format!("send the header `Host: {}`", hosts.first().map_or("localhost", String::as_str));
        let message = "this is not the host that the request is for";
        return Err(refused(StatusCode::MISDIRECTED_REQUEST, FailureCode::Denied, message, &hint));
    };
    let origin = only(&request.headers, header::ORIGIN.as_str());
    let origin_is_ours = match origin {
        Ok(None) => true,
        Ok(Some(origin)) => origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host)),
        Err(()) => false,
    };
    let site_is_ours = matches!(only(&request.headers, "sec-fetch-site"), Ok(None | Some("none" | "same-origin")));
    if !(origin_is_ours && site_is_ours) {
        let message = "requests of web pages are not answered";
        return Err(refused(StatusCode::FORBIDDEN, FailureCode::Denied, message, "ask with a tool such as `curl`, not from a page"));
    }
    Ok(())
}

/// The value of a header that there may be once; `Err` if there are several, or it is no text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

fn refused(status: StatusCode, code: FailureCode, message: &str, hint: &str) -> Refused {
    Refused::new(status, code, message, hint)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn status(uri: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let request = headers.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
        Door::of_socket().check(&request.body(()).unwrap().into_parts().0).err().map(|refused| refused.status.as_u16())
    }

    #[test]
    fn only_the_host_that_is_listened_on_is_meant() {
        for (headers, expected) in [
            (&[("host", "localhost")][..], None),
            (&[("host", "LocalHost")], None),
            (&[], Some(421)),
            (&[("host", "")], Some(421)),
            (&[("host", "evil.example")], Some(421)),
            (&[("host", "localhost.evil.example")], Some(421)),
            (&[("host", "localhost:80")], Some(421)),
            (&[("host", "localhost"), ("host", "evil.example")], Some(421)),
        ] {
            assert_eq!(status("/v1/status", headers), expected, "{headers:?}");
        }
        assert_eq!(status("http://evil.example/v1/status", &[("host", "localhost")]), Some(400));
    }

    #[test]
    fn what_a_page_sends_is_refused() {
        for (header, expected) in [
            (("origin", "http://localhost"), None),
            (("origin", "https://localhost"), Some(403)),
            (("origin", "http://evil.example"), Some(403)),
            (("origin", "null"), Some(403)),
            (("sec-fetch-site", "none"), None),
            (("sec-fetch-site", "same-origin"), None),
            (("sec-fetch-site", "same-site"), Some(403)),
            (("sec-fetch-site", "cross-site"), Some(403)),
            (("sec-fetch-site", "future-word"), Some(403)),
        ] {
            assert_eq!(status("/v1/status", &[("host", "localhost"), header]), expected, "{header:?}");
        }
        assert_eq!(status("/", &[("host", "localhost"), ("origin", "http://localhost"), ("origin", "null")]), Some(403));
    }
}
