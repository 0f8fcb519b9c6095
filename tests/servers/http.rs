//! The grant `http`.

use std::time::Duration;

use crate::{
    harness::{Bundle, minted},
    nginx::Nginx,
    source::Calling,
};

/// What the vault knows a caller by. It has a token's form, so that the search for leaks knows it.
fn key() -> String {
    minted(1, Duration::from_hours(1)).split(',').next().unwrap().to_owned()
}

struct Stage {
    calling: Calling,
    nginx: Nginx,
    token: String,
}

impl Stage {
    fn new() -> Self {
        let calling = Calling::new();
        let (key, token) = (key(), minted(123, Duration::from_hours(24)));
        let nginx = Nginx::start(&calling.home, &key, &token);
        calling.home.write(calling.home.outside("secrets/vault-token"), format!("{key}\n"));
        Self { calling, nginx, token }
    }

    fn url(&self, path: &str) -> String {
        format!("url: \"https://127.0.0.1:{}{path}\"", self.nginx.main)
    }

    /// The main origin, with whatever else there is to say of it.
    fn origin(&self, more: &str) -> String {
        format!("http: [{{ origin: \"https://127.0.0.1:{}\", private: true, {more} }}]", self.nginx.main)
    }

    /// The main origin with its own root.
    fn granted(&self) -> String {
        self.origin(&format!("ca: {}", self.nginx.ca().display()))
    }

    /// The same, with the header that opens the vault.
    fn with_key(&self) -> String {
        let header = "headers: { X-Vault-Token: { file: vault-token } }";
        let file = self.calling.home.outside("secrets/vault-token");
        let origin = self.origin(&format!("ca: {}, {header}", self.nginx.ca().display()));
        format!("files: {{ vault-token: {} }}, {origin}", file.display())
    }
}

#[test]
fn a_granted_origin_answers_with_a_token_for_a_header_that_no_source_sees() {
    let stage = Stage::new();
    stage.calling.configure(&format!("{}, token: body", stage.url("/token")), &stage.with_key(), "");
    assert!(Bundle::answered(&stage.calling.home.get(&["web"])).is_from(&stage.token));
    let host = format!("known: yes, host: 127.0.0.1:{}, method: LIST", stage.nginx.main);
    stage.calling.call(&format!("{}, method: LIST", stage.url("/known")), &stage.with_key(), "").answers(&host);
    // Sent back, it is struck out of what the source says.
    stage.calling.call(&stage.url("/echo"), &stage.with_key(), "").answers("you said [token]");
    // Without the header nothing is set.
    stage.calling.call(&stage.url("/known"), &stage.granted(), "").answers("known: no");
}

#[test]
fn a_source_does_not_set_a_header_that_the_host_sets_nor_one_of_the_connection() {
    let stage = Stage::new();
    for header in ["X-Vault-Token: mine", "x_vault_token: mine"] {
        let called = stage.calling.call(&format!("{}, header: \"{header}\"", stage.url("/known")), &stage.with_key(), "");
        called.is_denied("which the host sets there");
    }
    for header in ["Host: other", "Connection: upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked", "TE: trailers"] {
        let called = stage.calling.call(&format!("{}, header: \"{header}\"", stage.url("/known")), &stage.granted(), "");
        called.answers("a header cannot be sent");
    }
    assert_eq!(stage.nginx.requests(), [""; 0], "nothing of it was sent");
}

#[test]
fn only_the_origin_that_was_granted_is_spoken_to_and_the_message_names_the_line() {
    let stage = Stage::new();
    let Nginx { main, other, plain, .. } = stage.nginx;
    for (url, origin) in [
        (format!("https://127.0.0.1:{other}/"), format!("https://127.0.0.1:{other}")),
        (format!("http://127.0.0.1:{plain}/"), format!("http://127.0.0.1:{plain}")),
        (format!("http://127.0.0.1:{main}/known"), format!("http://127.0.0.1:{main}")),
        (format!("https://localhost:{main}/known"), format!("https://localhost:{main}")),
        (format!("https://[::ffff:127.0.0.1]:{main}/known"), format!("https://[::ffff:127.0.0.1]:{main}")),
        (format!("https://[::1]:{main}/known"), format!("https://[::1]:{main}")),
        ("https://127.0.0.1/known".to_owned(), "https://127.0.0.1".to_owned()),
    ] {
        let line = format!(
            "sent a request to `{origin}`, which is not granted; to allow it, add to the source's `grants.http`: `- {{ origin: \"{origin}\" }}`"
        );
        stage.calling.call(&format!("url: \"{url}\""), &stage.granted(), "").is_denied(&line);
    }
    for url in [
        format!("https://127.0.0.1:{main}@127.0.0.1:{other}/"),
        format!("https://user@127.0.0.1:{main}/known"),
        format!("https://2130706433:{main}/known"),
        format!("https://127.1:{main}/known"),
        format!("https://0x7f.1:{main}/known"),
        format!("https://0177.0.0.1:{main}/known"),
    ] {
        let called = stage.calling.call(&format!("url: \"{url}\""), &stage.granted(), "");
        assert!(called.text.contains("Failed("), "{url}: {called:?}");
    }
    assert_eq!(stage.nginx.requests(), [""; 0], "nothing of it was sent");
}

#[test]
fn a_redirect_is_a_new_request_that_needs_its_grant() {
    let stage = Stage::new();
    // The host follows none by itself.
    stage.calling.call(&stage.url("/redirect"), &stage.granted(), "").answers("302");
    let called = stage.calling.call(&format!("{}, follow: once", stage.url("/redirect")), &stage.granted(), "");
    called.is_denied(&format!("sent a request to `https://127.0.0.1:{}`, which is not granted", stage.nginx.other));
    stage.calling.call(&format!("{}, follow: once", stage.url("/redirect-here")), &stage.granted(), "").answers("200");
    assert!(stage.nginx.requests().iter().all(|request| !request.starts_with(&stage.nginx.other.to_string())));
}

#[test]
fn loopback_is_reached_with_private_alone_also_by_a_name_that_leads_there() {
    let stage = Stage::new();
    let (main, ca) = (stage.nginx.main, stage.nginx.ca());
    let url = format!("url: \"https://localhost:{main}/known\"");
    let origin = |private: &str| format!("http: [{{ origin: \"https://localhost:{main}\", ca: {}, {private} }}]", ca.display());
    stage.calling.call(&url, &origin("private: true"), "").answers("200");
    let sent = stage.nginx.requests().len();
    let called = stage.calling.call(&url, &origin("private: false"), "");
    called.is_denied("which is loopback; to allow it, write into `grants.http`");
    assert_eq!(stage.nginx.requests().len(), sent);
}

#[test]
fn a_certificate_counts_if_the_granted_root_vouches_for_it_and_for_this_name() {
    let stage = Stage::new();
    let wrong = stage.origin(&format!("ca: {}", stage.nginx.wrong_ca().display()));
    stage.calling.call(&stage.url("/known"), &wrong, "").answers("TlsCertificateError");
    // The machine's own roots do not know it either, if there are any.
    let called = stage.calling.call(&stage.url("/known"), &stage.origin(""), "");
    assert!(["TlsCertificateError", "ConfigurationError"].iter().any(|error| called.text.contains(error)), "{called:?}");
    let url = format!("url: \"https://127.0.0.2:{}/known\"", stage.nginx.main);
    let origin = format!("http: [{{ origin: \"https://127.0.0.2:{}\", private: true }}]", stage.nginx.main);
    stage.calling.call(&url, &origin, "").answers("ConnectionRefused");
    assert_eq!(stage.nginx.requests(), [""; 0], "nothing of it was sent");
}

#[test]
fn an_answer_without_end_is_cut_and_one_that_comes_to_a_halt_is_given_up() {
    let stage = Stage::new();
    for path in ["/endless", "/unannounced"] {
        stage.calling.call(&stage.url(path), &stage.granted(), ", timeout: 60s").answers("TooLong");
    }
    let slow = format!("{}, milliseconds: 300", stage.url("/slow"));
    stage.calling.call(&slow, &stage.granted(), "").answers("TimedOut");
    // A source that is patient itself is ended when its own time is up.
    let called = stage.calling.call(&stage.url("/slow"), &stage.granted(), ", timeout: 1s");
    assert_eq!(called.outcome, "unavailable", "{called:?}");
    assert!(called.text.contains("did not answer within"), "{called:?}");
}

#[test]
fn a_request_that_is_too_long_or_no_ordinary_one_is_not_sent() {
    let stage = Stage::new();
    stage.calling.call(&format!("{}, method: POST, body: 200000", stage.url("/upload")), &stage.granted(), "").answers("200");
    for (settings, error) in [
        (format!("{}, method: POST, body: 300000", stage.url("/upload")), "HttpRequestBodySize"),
        (format!("{}, header: \"X-Long: {}\"", stage.url("/known"), "x".repeat(20_000)), "HttpRequestHeaderSectionSize"),
        (stage.url(&format!("/known?{}", "x".repeat(9_000))), "HttpRequestHeaderSectionSize"),
        (format!("{}, method: CONNECT", stage.url("/known")), "HttpRequestMethodInvalid"),
        (format!("{}, method: TRACE", stage.url("/known")), "HttpRequestMethodInvalid"),
    ] {
        stage.calling.call(&settings, &stage.granted(), "").answers(error);
    }
    assert!(stage.nginx.requests().iter().all(|request| !request.contains("/known")), "{:?}", stage.nginx.requests());
}

#[test]
fn proxy_variables_count_for_nothing() {
    let mut stage = Stage::new();
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
        stage.calling.home.set(name, &format!("http://127.0.0.1:{}", stage.nginx.plain));
    }
    stage.calling.call(&stage.url("/known"), &stage.granted(), "").answers("200");
    assert!(stage.nginx.requests().iter().all(|request| !request.starts_with(&stage.nginx.plain.to_string())));
}

#[test]
fn without_the_grant_the_source_is_not_loaded_and_the_message_names_the_line() {
    let stage = Stage::new();
    let called = stage.calling.call(&stage.url("/known"), "", "");
    called.is_denied("which needs the grant `http`; add `http: [{ origin: \"https://a.host\" }]` under `sources.corp.grants`");
}
