//! The source `vault-http`: a token in HashiCorp Vault or OpenBao, from the KV engine (version 2) or made on demand by a dynamic one.
//!
//! Grants: `http`, with the vault's origin, and the header `X-Vault-Token` that the host sets from a granted file. The source never sees
//! that token. README.md beside this crate has every setting, and the lines to paste.

mod answer;
mod place;

use flytoken_source::{Host, Http, HttpError, HttpRequest, HttpResponse, Lease, Refusal, Request, Settings, Source};

use place::Place;

struct VaultHttp;

impl Source for VaultHttp {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        resolve(request, &Host)
    }
}

flytoken_source::export_source!(VaultHttp);

fn resolve(request: &Request, host: &(impl Settings + Http)) -> Result<Lease, Refusal> {
    let place = Place::of(request, host)?;
    let mut url = place.url();
    for _ in 0..=REDIRECTS {
        let response = send(&url, &place, host)?;
        // A standby node without a way to the active one says where that is.
        match (response.status, response.header("location")) {
            (302 | 307 | 308, Some(location)) => location.clone_into(&mut url),
            _ => return answer::read(&response, &place, request),
        }
    }
    Err(Refusal::unavailable("the vault sends from one place to another without end"))
}

fn send(url: &str, place: &Place, host: &impl Http) -> Result<HttpResponse, Refusal> {
    // With it the request passes a Vault Agent or proxy that is set to guard against forged requests.
    let mut request = HttpRequest::get(url).with_header("X-Vault-Request", "true");
    if let Some(namespace) = &place.namespace {
        request = request.with_header("X-Vault-Namespace", namespace);
    }
    host.send(&request).map_err(|error| match error {
        HttpError::Denied(line) => Refusal::misconfigured(line),
        error => Refusal::unavailable(format!("the vault does not answer: {error}")),
    })
}

/// How many redirects are followed: from one standby node to the active one, which may just have become another.
const REDIRECTS: usize = 2;

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap};

    use flytoken_source::{Expiry, Intent, Kind, Secret};

    use super::*;

    /// A vault that answers in turn, and its settings.
    struct Vault {
        settings: BTreeMap<&'static str, &'static str>,
        answers: RefCell<Vec<Result<HttpResponse, HttpError>>>,
        asked: RefCell<Vec<HttpRequest>>,
    }

    impl Settings for Vault {
        fn setting(&self, key: &str) -> Option<String> {
            self.settings.setting(key)
        }

        fn setting_keys(&self) -> Vec<String> {
            self.settings.setting_keys()
        }
    }

    impl Http for Vault {
        fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
            self.asked.borrow_mut().push(request.clone());
            self.answers.borrow_mut().remove(0)
        }
    }

    fn vault(settings: &[(&'static str, &'static str)], answers: impl IntoIterator<Item = HttpResponse>) -> Vault {
        let address = [("address", "https://vault.acme.example:8200")];
        let settings = address.iter().chain(settings).copied().collect();
        Vault { settings, answers: RefCell::new(answers.into_iter().map(Ok).collect()), asked: RefCell::default() }
    }

    fn says(body: &str) -> HttpResponse {
        HttpResponse { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    fn sends_to(location: &str) -> HttpResponse {
        HttpResponse { status: 307, headers: vec![("location".into(), location.into())], body: Vec::new() }
    }

    fn request() -> Request {
        Request {
            app: "web".into(),
            kind: Kind::Deploy,
            organization: Some("acme".into()),
            intent: Intent::Resolve,
            now: 1000,
            lifetime: 60,
        }
    }

    #[test]
    fn the_secret_of_the_app_is_asked_for_in_its_namespace() {
        let settings = [("namespace", "team-a"), ("mount", "kv"), ("path", "fly/{organization}/{app}/{kind}"), ("field", "deploy")];
        let body = r#"{"data":{"data":{"deploy":"FlyV1 fm2_x"},"metadata":{"version":3}}}"#;
        let vault = vault(&settings, [says(body)]);
        let lease = resolve(&request(), &vault).unwrap();
        assert_eq!((lease.token, lease.expiry, lease.id.as_deref()), (Secret::seal("FlyV1 fm2_x"), Expiry::Unknown, Some("version 3")));
        let asked = vault.asked.borrow();
        assert_eq!(asked[0].url, "https://vault.acme.example:8200/v1/kv/data/fly/acme/web/deploy");
        let expected = [("X-Vault-Request", "true"), ("X-Vault-Namespace", "team-a")];
        assert_eq!(asked[0].headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_standby_node_is_followed_and_no_further_than_twice() {
        let active = "https://active.acme.example:8200/v1/secret/data/fly/web";
        let found = says(r#"{"data":{"data":{"token":"fm2_x"}}}"#);
        let standing_by = vault(&[], [sends_to(active), found]);
        assert!(resolve(&request(), &standing_by).is_ok());
        assert_eq!(standing_by.asked.borrow()[1].url, active);
        let round = vault(&[], [sends_to(active), sends_to(active), sends_to(active)]);
        assert!(matches!(resolve(&request(), &round), Err(Refusal::Unavailable(_))));
    }

    #[test]
    fn a_request_that_is_not_granted_is_a_mistake_in_the_settings_and_one_without_an_answer_may_have_one_later() {
        let failing = |error: HttpError| {
            let vault = vault(&[], []);
            vault.answers.borrow_mut().push(Err(error));
            resolve(&request(), &vault)
        };
        assert_eq!(failing(HttpError::Denied("add it".into())), Err(Refusal::misconfigured("add it")));
        for error in [HttpError::TimedOut, HttpError::TooLong, HttpError::Failed("reset".into())] {
            assert!(matches!(failing(error), Err(Refusal::Unavailable(_))));
        }
    }
}
