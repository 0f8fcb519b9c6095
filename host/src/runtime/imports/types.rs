//! `flytoken:source/types`: the contract's values and the host's own, each turned into the other.

use std::time::Duration;

use wasmtime::component::HasData;

use super::secrets::{Secret, Secrets};
use crate::{
    kind::Kind,
    lease::{Expiry, Lease},
    owner::Intent,
    refusal::Refusal,
    runtime::{
        bindings::flytoken::source::types as wit,
        call::SourceRequest,
        text::{Censor, ID_BYTES, TEXT_BYTES},
    },
    time::Timestamp,
};

/// Answers `types`, which has no functions.
pub(in crate::runtime) struct Types;

impl wit::Host for Types {}

/// Lets the linker borrow nothing at all.
pub(in crate::runtime) struct HasTypes;

impl HasData for HasTypes {
    type Data<'a> = Types;
}

/// Hands a lease to the source.
pub(in crate::runtime) fn lend(lease: &Lease, secrets: &mut Secrets) -> wasmtime::Result<wit::Lease> {
    let secret = Secret { token: lease.token.clone(), provenance: lease.provenance.clone() };
    let expiry = match lease.expiry {
        Expiry::At(at) => wit::Expiry::At(at.seconds()),
        Expiry::Never => wit::Expiry::Never,
        Expiry::Unknown => wit::Expiry::Unknown,
    };
    Ok(wit::Lease { token: secrets.lend(secret)?, expiry, id: lease.id.clone() })
}

/// Takes a lease from the source: where the token came from is what the host wrote on it, whatever the source says.
pub(in crate::runtime) fn take(lease: wit::Lease, secrets: &mut Secrets) -> wasmtime::Result<Lease> {
    let secret = secrets.take(lease.token)?;
    let expiry = match lease.expiry {
        wit::Expiry::At(seconds) => Expiry::At(Timestamp::from_seconds(seconds)),
        wit::Expiry::Never => Expiry::Never,
        wit::Expiry::Unknown => Expiry::Unknown,
    };
    let id = lease.id.map(|id| secrets.censor().clean(&id, ID_BYTES)).filter(|id| !id.is_empty());
    Ok(Lease { token: secret.token, expiry, id, provenance: secret.provenance })
}

/// What the source is asked.
pub(in crate::runtime) fn request(request: &SourceRequest) -> wit::Request {
    wit::Request {
        app: request.app.as_str().to_owned(),
        kind: kind(request.kind),
        organization: request.organization.clone(),
        intent: match request.intent {
            Intent::Resolve => wit::Intent::Resolve,
            Intent::Renew | Intent::RenewNow => wit::Intent::Renew,
        },
        now: request.now.seconds(),
        lifetime: seconds(request.lifetime),
    }
}

/// What the source said, fit to be shown.
pub(in crate::runtime) fn refusal(refusal: wit::Refusal, censor: &Censor) -> Refusal {
    let clean = |text: String| censor.clean(&text, TEXT_BYTES);
    match refusal {
        wit::Refusal::Absent(text) => Refusal::Absent(clean(text)),
        wit::Refusal::Unavailable(text) => Refusal::Unavailable(clean(text)),
        wit::Refusal::Misconfigured(text) => Refusal::Misconfigured(clean(text)),
        wit::Refusal::NeedsHuman(action) => {
            Refusal::NeedsHuman { text: clean(action.text), command: action.command.map(clean), url: action.url.map(clean) }
        }
    }
}

/// Every text of a refusal, as the source wrote it.
pub(in crate::runtime) fn texts(refusal: &wit::Refusal) -> impl Iterator<Item = &str> {
    let (text, command, url) = match refusal {
        wit::Refusal::Absent(text) | wit::Refusal::Unavailable(text) | wit::Refusal::Misconfigured(text) => (text, None, None),
        wit::Refusal::NeedsHuman(action) => (&action.text, action.command.as_deref(), action.url.as_deref()),
    };
    [Some(text.as_str()), command, url].into_iter().flatten()
}

fn kind(kind: Kind) -> wit::Kind {
    match kind {
        Kind::Readonly => wit::Kind::Readonly,
        Kind::Deploy => wit::Kind::Deploy,
        Kind::Ssh => wit::Kind::Ssh,
        Kind::MachineExec => wit::Kind::MachineExec,
        Kind::Org => wit::Kind::Org,
        Kind::Login => wit::Kind::Login,
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{secrets, token},
        *,
    };

    #[test]
    fn a_lease_keeps_its_provenance_through_a_source() {
        let mut secrets = secrets(None, false);
        for expiry in [Expiry::At(Timestamp::from_seconds(7)), Expiry::Never, Expiry::Unknown] {
            let lease = Lease { token: token("fm2_canary"), expiry, id: Some("one".into()), provenance: secrets.stamp() };
            let lent = lend(&lease, &mut secrets).expect("room");
            let back = take(lent, &mut secrets).expect("held");
            assert_eq!((back.expiry, back.id, back.provenance), (lease.expiry, lease.id, lease.provenance));
        }
    }

    #[test]
    fn an_id_is_cleaned_and_capped() {
        let mut secrets = secrets(None, false);
        for (id, expected) in [
            (String::new(), None),
            ("a\x1b[2Jb fm2_canarycanary".into(), Some("a\\u{1b}[2Jb [token]".to_owned())),
            ("x".repeat(1000), Some("x".repeat(125) + "…")),
        ] {
            let lease = Lease { token: token("fm2_canary"), expiry: Expiry::Never, id: Some(id), provenance: secrets.stamp() };
            let lent = lend(&lease, &mut secrets).expect("room");
            assert_eq!(take(lent, &mut secrets).expect("held").id, expected);
        }
    }

    #[test]
    fn every_text_of_a_refusal_is_cleaned() {
        let secrets = secrets(Some("hvs.opaquecanary"), false);
        let dirty = || "say hvs.opaquecanary\n".to_owned();
        let clean = "say [token]\\n";
        let action = wit::HumanAction { text: dirty(), command: Some(dirty()), url: Some(dirty()) };
        for said in [wit::Refusal::Absent(dirty()), wit::Refusal::Unavailable(dirty()), wit::Refusal::Misconfigured(dirty())] {
            assert_eq!(refusal(said, secrets.censor()).text(), clean);
        }
        let human = Refusal::NeedsHuman { text: clean.into(), command: Some(clean.into()), url: Some(clean.into()) };
        assert_eq!(refusal(wit::Refusal::NeedsHuman(action), secrets.censor()), human);
    }
}
