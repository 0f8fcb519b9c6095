//! What there is to say of a lease without its token.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::Question;
use crate::{
    check::{self, Wanted},
    delivery::Narrowing,
    ids::Ids,
    lease::{Expiry, Lease},
    refusal::Refusal,
    time::Timestamp,
    token::{ApiToken, Bundle, Fingerprint, FingerprintKey, ItemKind},
};

/// What there is to say of a lease.
pub struct Facts {
    /// What the token is made of: `permission token`, `discharge`, `user token`.
    pub items: Vec<&'static str>,
    /// When it ends, as the source says.
    pub said: Expiry,
    /// When it ends, as the token says.
    pub own: Expiry,
    /// What the source calls it.
    pub id: Option<String>,
    /// Its fingerprint, under the key of all trials: the same in each run, and that of no agent.
    pub fingerprint: Fingerprint,
    /// Whether it would be handed out.
    pub holds: Holds,
    token: Arc<ApiToken>,
}

/// Whether a lease would be handed out for what was asked.
pub enum Holds {
    /// It would; what would be done to it, and what could not be checked.
    Yes {
        /// When it would end.
        expiry: Expiry,
        /// What there is to say.
        notes: String,
    },
    /// It would not.
    No(Refusal),
}

impl Facts {
    pub(super) fn of(lease: Lease, question: &Question, manual: bool, now: Timestamp) -> Self {
        let token = Arc::clone(&lease.token);
        let bundle = Bundle::parse(token.expose()).ok();
        let items = bundle.iter().flat_map(Bundle::items).map(|item| match item.kind() {
            ItemKind::User => "user token",
            ItemKind::Permission => "permission token",
            ItemKind::Discharge => "discharge",
            ItemKind::Opaque => "no token",
            ItemKind::Malformed => "broken token",
        });
        let (said, id) = (lease.expiry, lease.id.clone());
        let wanted = Wanted {
            key: &question.key,
            ids: Ids::default(),
            organization: question.organization.as_deref(),
            manual,
            deliver: Narrowing::default(),
            now,
        };
        Self {
            items: items.collect(),
            said,
            own: bundle.as_ref().map_or(Expiry::Unknown, |bundle| own(bundle, now)),
            id,
            fingerprint: FingerprintKey::new(Zeroizing::new(KEY)).of(&token),
            holds: match check::check(lease, &wanted) {
                Ok(checked) => Holds::Yes { expiry: checked.lease.expiry, notes: checked.notes },
                Err(refusal) => Holds::No(refusal),
            },
            token,
        }
    }

    /// The token itself: for a terminal that its owner asked to see it on.
    pub fn revealed(&self) -> Zeroizing<String> {
        Zeroizing::new(self.token.expose().to_owned())
    }
}

/// The earliest end of what can be used.
fn own(bundle: &Bundle, now: Timestamp) -> Expiry {
    if bundle.items().iter().any(|item| item.kind() == ItemKind::User) {
        return Expiry::Unknown;
    }
    if bundle.permissions().next().is_none() {
        return Expiry::Unknown;
    }
    let ends = bundle.permissions().filter_map(|(place, _)| bundle.usability_as_sent(place, now).ok()?.until);
    ends.min().map_or(Expiry::Never, Expiry::At)
}

/// The key of an installation is the user's, and a trial touches nothing of theirs.
const KEY: [u8; 32] = *b"fingerprints of flytoken trials.";

/// Whether two are the same, to the byte.
pub(super) fn are_equal(one: &ApiToken, other: &ApiToken) -> bool {
    one.expose() == other.expose()
}
