//! From what a vault answers to a lease or a refusal.
//!
//! Forms as in the HTTP API of Vault: <https://developer.hashicorp.com/vault/api-docs>; OpenBao kept them.

use flytoken_source::{Expiry, HttpResponse, Lease, Refusal, Request, Secret};
use serde::Deserialize;
use serde_json::Value;

use crate::place::{Engine, Place};

/// Every answer with a secret in it.
#[derive(Deserialize)]
struct Answer {
    /// Under which a dynamic secret can be revoked; empty for others.
    #[serde(default)]
    lease_id: String,
    /// How long a dynamic secret lasts, in seconds; 0 for others.
    #[serde(default)]
    lease_duration: u64,
    data: Option<Value>,
}

/// Every answer without one.
#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    /// What is left of a version that was deleted.
    data: Option<Value>,
}

pub(crate) fn read(response: &HttpResponse, place: &Place, request: &Request) -> Result<Lease, Refusal> {
    if response.status == 200 { found(&response.body, place, request) } else { Err(refused(response, place)) }
}

fn found(body: &[u8], place: &Place, request: &Request) -> Result<Lease, Refusal> {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(Refusal::misconfigured("what answers is no vault: `address` leads to something else"));
    };
    let data = answer.data.as_ref().ok_or_else(|| no_secret(place))?;
    let (secret, expiry, id) = match place.engine {
        Engine::Kv => {
            let version = data.get("metadata").and_then(|metadata| metadata.get("version")).and_then(Value::as_u64);
            let secret = data.get("data").ok_or_else(|| {
                Refusal::misconfigured(format!("`{}` is no secret of a KV engine of version 2: see `mount` and `engine`", place.shown()))
            })?;
            (secret, Expiry::Unknown, version.map(|version| format!("version {version}")))
        }
        Engine::Dynamic => {
            // Without a lease it is no secret of this call's own, and nobody said when it ends.
            let expiry = match answer.lease_duration {
                0 => Expiry::Unknown,
                seconds => Expiry::At(request.now.saturating_add(seconds)),
            };
            (data, expiry, Some(answer.lease_id).filter(|id| (1..=LONGEST_ID).contains(&id.len())))
        }
    };
    match secret.get(&place.field) {
        Some(Value::String(token)) if token.len() > LONGEST_TOKEN => {
            Err(Refusal::misconfigured(format!("the field `{}` of `{}` is longer than any token", place.field, place.shown())))
        }
        Some(Value::String(token)) => Ok(Lease { token: Secret::seal(token), expiry, id }),
        Some(_) => Err(Refusal::misconfigured(format!("the field `{}` of `{}` is no text", place.field, place.shown()))),
        None if secret.is_null() => Err(no_secret(place)),
        None => Err(Refusal::misconfigured(format!("`{}` has no field `{}`: see the setting `field`", place.shown(), place.field))),
    }
}

fn refused(response: &HttpResponse, place: &Place) -> Refusal {
    let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_default();
    let errors: Vec<&str> =
        failure.errors.iter().map(|error| error.trim().trim_end_matches('.')).filter(|error| !error.is_empty()).collect();
    let said = if errors.is_empty() { String::new() } else { format!(": {}", errors.join("; ").replace('\n', " ")) };
    match response.status {
        404 if failure.data.is_some() => Refusal::absent(format!("the newest version of `{}` was deleted", place.shown())),
        404 if failure.warnings.iter().flatten().any(|warning| warning.contains("versioned")) || !errors.is_empty() => {
            Refusal::misconfigured(format!(
                "the vault has nothing mounted for `{}`: see `mount`, `engine` and `namespace`{said}",
                place.shown()
            ))
        }
        404 => no_secret(place),
        // The token may be renewed in its file at any moment, so that this is for somebody to mend and not remembered for long.
        401 | 403 => {
            Refusal::needs_human(format!("the vault's token may not read `{}`, or has ended{said}", place.shown()), "vault token lookup")
        }
        429 | 412 | 500..=599 => Refusal::unavailable(format!("the vault answers with status {}{said}", response.status)),
        status => Refusal::misconfigured(format!("the vault answers with status {status}{said}")),
    }
}

fn no_secret(place: &Place) -> Refusal {
    Refusal::absent(format!("the vault has nothing at `{}`", place.shown()))
}

/// In bytes; longer ones are none to the host.
const LONGEST_ID: usize = 128;

/// In bytes; to seal a longer one would end the call without a word on why.
const LONGEST_TOKEN: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flytoken_source::{Intent, Kind};

    use super::*;

    fn answer(engine: &str, status: u16, body: &str) -> Result<Lease, Refusal> {
        let settings = BTreeMap::from([("address", "https://v.example"), ("engine", engine)]);
        let request =
            Request { app: "web".into(), kind: Kind::Deploy, organization: None, intent: Intent::Resolve, now: 1000, lifetime: 60 };
        let place = Place::of(&request, &settings).unwrap();
        read(&HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() }, &place, &request)
    }

    #[test]
    fn a_dynamic_secret_ends_with_its_lease() {
        let body = |duration: u64| format!(r#"{{"lease_id":"fly/creds/web/a1","lease_duration":{duration},"data":{{"token":"fm2_x"}}}}"#);
        let lease = answer("dynamic", 200, &body(3600)).unwrap();
        assert_eq!((lease.token, lease.expiry, lease.id.as_deref()), (Secret::seal("fm2_x"), Expiry::At(4600), Some("fly/creds/web/a1")));
        assert_eq!(answer("dynamic", 200, &body(0)).unwrap().expiry, Expiry::Unknown);
        assert_eq!(answer("dynamic", 200, &body(u64::MAX)).unwrap().expiry, Expiry::At(u64::MAX));
        let long = body(60).replace("a1", &"a".repeat(200));
        assert_eq!(answer("dynamic", 200, &long).unwrap().id, None);
    }

    /// Which refusal it is, and its text.
    fn told(refusal: &Refusal) -> (&'static str, &str) {
        match refusal {
            Refusal::Absent(text) => ("absent", text),
            Refusal::Unavailable(text) => ("unavailable", text),
            Refusal::NeedsHuman(action) => ("needs-human", &action.text),
            Refusal::Misconfigured(text) => ("misconfigured", text),
        }
    }

    #[test]
    fn everything_else_is_a_refusal_that_says_what_is_wrong() {
        for (status, body, outcome, text) in [
            (404, r#"{"errors":[]}"#, "absent", "the vault has nothing at `secret/data/fly/web`"),
            (404, r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z"}}}"#, "absent", "was deleted"),
            (200, r#"{"data":{"data":null,"metadata":{"version":2}}}"#, "absent", "nothing at"),
            (200, r#"{"data":null}"#, "absent", "nothing at"),
            (404, r#"{"errors":["no handler for route \"secret/data/fly/web\"."]}"#, "misconfigured", "see `mount`"),
            (404, r#"{"errors":[],"warnings":["Invalid path for a versioned K/V secrets engine."]}"#, "misconfigured", "see `mount`"),
            (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, "needs-human", "may not read `secret/data/fly/web`"),
            (429, r#"{"errors":["request path exceeded rate limit quota"]}"#, "unavailable", "status 429: request path"),
            (503, r#"{"errors":["Vault is sealed"]}"#, "unavailable", "status 503: Vault is sealed"),
            (502, "<html>", "unavailable", "status 502"),
            (400, r#"{"errors":["missing client token"]}"#, "misconfigured", "status 400: missing client token"),
            (200, "<html>", "misconfigured", "is no vault"),
            (200, r#"{"data":{"token":"fm2_x"}}"#, "misconfigured", "no secret of a KV engine of version 2"),
            (200, r#"{"data":{"data":{"other":"x"}}}"#, "misconfigured", "has no field `token`"),
            (200, r#"{"data":{"data":{"token":7}}}"#, "misconfigured", "is no text"),
        ] {
            let refusal = answer("kv-v2", status, body).unwrap_err();
            let (kind, said) = told(&refusal);
            assert!(kind == outcome && said.contains(text) && !said.contains('\n'), "{status} {body}: {refusal:?}");
        }
    }
}
