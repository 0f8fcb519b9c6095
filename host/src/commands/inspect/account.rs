//! What there is to say of a token text. Serialised, it is `inspect --json`: its keys are a contract.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::{
    time::Timestamp,
    token::{AppLimit, Bundle, Caveat, Item, ItemKind, Macaroon, TokenId, Unusable, Usable, caveat_json::Shown},
};

/// Everything that can be read out of a token text.
#[derive(Serialize)]
pub(super) struct Account<'a> {
    /// Every token that can be read, in order.
    pub(super) tokens: Vec<Token<'a>>,
    /// What cannot be read, and why.
    pub(super) problems: Vec<String>,
    /// Why the text as a whole is of no use although it can be read; of single tokens their own verdict says it.
    #[serde(skip)]
    pub(super) without_permission: bool,
}

/// One token.
#[derive(Serialize)]
pub(super) struct Token<'a> {
    /// Its place in the text, counted from 1, unreadable items included.
    #[serde(skip)]
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) location: Option<&'a str>,
    pub(super) id: Option<TokenId>,
    /// Whether it is finished, so that nothing can be added to it.
    pub(super) proof: bool,
    #[serde(serialize_with = "shown")]
    pub(super) caveats: Vec<&'a Caveat>,
    pub(super) not_before: Option<u64>,
    pub(super) not_after: Option<u64>,
    pub(super) organization: Option<u64>,
    /// Null for any app.
    pub(super) apps: Option<BTreeSet<u64>>,
    pub(super) third_parties: Vec<Party<'a>>,
    /// The verdict on a permission token; null for all others.
    pub(super) usable: Option<bool>,
    pub(super) usable_until: Option<u64>,
    pub(super) why: Option<String>,
    /// The moment that `why` is about.
    #[serde(skip)]
    pub(super) why_at: Option<Timestamp>,
    /// The numbers of the permission tokens that a discharge is for.
    #[serde(skip)]
    pub(super) discharges: Vec<usize>,
}

/// What kind of token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// For Fly's API.
    Permission,
    /// Goes with a permission token.
    Discharge,
    /// Can do what its user can.
    User,
}

/// Somebody who must discharge a token.
#[derive(Serialize)]
pub(super) struct Party<'a> {
    pub(super) location: &'a str,
    /// Whether a discharge is there.
    pub(super) discharged: bool,
    /// The end of the discharge that counts, which is the first.
    pub(super) not_after: Option<u64>,
}

impl<'a> Account<'a> {
    /// Everything that `bundle` says at `now`.
    pub(super) fn of(bundle: &'a Bundle, now: Timestamp) -> Self {
        let token = |(place, item): (usize, &'a Item)| match item.kind() {
            ItemKind::User => Some(Token::user(place)),
            ItemKind::Permission | ItemKind::Discharge => Some(Token::macaroon(bundle, place, item.macaroon()?, now)),
            ItemKind::Opaque | ItemKind::Malformed => None,
        };
        let tokens: Vec<_> = bundle.items().iter().enumerate().filter_map(token).collect();
        let without_permission = !tokens.is_empty() && tokens.iter().all(|token| token.kind == Kind::Discharge);
        Self { tokens, problems: bundle.problems().map(|problem| problem.to_string()).collect(), without_permission }
    }

    /// Of a text that cannot be read at all.
    pub(super) fn unreadable(problem: String) -> Self {
        Self { tokens: Vec::new(), problems: vec![problem], without_permission: false }
    }
}

impl<'a> Token<'a> {
    fn user(place: usize) -> Self {
        Self {
            number: place + 1,
            kind: Kind::User,
            location: None,
            id: None,
            proof: false,
            caveats: Vec::new(),
            not_before: None,
            not_after: None,
            organization: None,
            apps: None,
            third_parties: Vec::new(),
            usable: None,
            usable_until: None,
            why: None,
            why_at: None,
            discharges: Vec::new(),
        }
    }

    fn macaroon(bundle: &'a Bundle, place: usize, macaroon: &'a Macaroon, now: Timestamp) -> Self {
        let is_permission = macaroon.is_permission();
        let verdict = is_permission.then(|| bundle.usability_as_sent(place, now));
        let window = macaroon.window();
        let apps = match macaroon.apps() {
            AppLimit::Any => None,
            AppLimit::Only(apps) => Some(apps),
        };
        Self {
            kind: if is_permission { Kind::Permission } else { Kind::Discharge },
            location: Some(macaroon.location()),
            id: Some(macaroon.id()),
            proof: macaroon.is_proof(),
            caveats: macaroon.caveats().collect(),
            not_before: window.not_before.map(Timestamp::seconds),
            not_after: window.not_after.map(Timestamp::seconds),
            organization: macaroon.organization().ok(),
            apps,
            third_parties: parties(bundle, macaroon),
            discharges: discharged_by(bundle, macaroon),
            ..Self::user(place)
        }
        .judged(verdict)
    }

    fn judged(self, verdict: Option<Result<Usable, Unusable>>) -> Self {
        match verdict {
            None => self,
            Some(Ok(usable)) => Self { usable: Some(true), usable_until: usable.until.map(Timestamp::seconds), ..self },
            Some(Err(why)) => Self { usable: Some(false), why: Some(why.to_string()), why_at: why.at(), ..self },
        }
    }
}

fn parties<'a>(bundle: &Bundle, macaroon: &'a Macaroon) -> Vec<Party<'a>> {
    let party = |party: &'a crate::token::ThirdParty| {
        let first = bundle.discharge_for(party);
        let not_after = first.and_then(|discharge| discharge.window().not_after).map(Timestamp::seconds);
        Party { location: &party.location, discharged: first.is_some(), not_after }
    };
    macaroon.third_parties().map(party).collect()
}

/// The numbers of the permission tokens in the text that `discharge` belongs to.
fn discharged_by(bundle: &Bundle, discharge: &Macaroon) -> Vec<usize> {
    let waits = |permission: &Macaroon| permission.third_parties().any(|party| discharge.discharges(party));
    bundle.permissions().filter(|(_, permission)| waits(permission)).map(|(place, _)| place + 1).collect()
}

fn shown<S: Serializer>(caveats: &[&Caveat], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(caveats.iter().map(|caveat| Shown(caveat)))
}
