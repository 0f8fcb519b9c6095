//! Made-up tokens in the shape of Fly's. Every one is a canary: the search at the end of a behaviour knows them by their form.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use flytoken::{
    system::{Clock, Environment, SystemClock},
    token::{
        Caveat, Mask, ResourceSet,
        forge::{Draft, Forge, Forged},
    },
};

/// The numbers of the organisation that tokens are for unless a behaviour says otherwise.
pub(crate) const ACME: u64 = 4_560_001;

/// A permission token for an organisation, not signed yet. No two are equal.
pub(crate) fn organization(id: u64) -> Draft {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut rnd = [0xca; 16];
    rnd[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    Forge::new([7; 32]).permission(rnd).caveat(Caveat::Organization { id, mask: Mask::ALL })
}

/// What `fly tokens create deploy` mints: limited to one app, with a discharge that carries its end.
pub(crate) fn minted(app: u64, life: Duration) -> String {
    discharged(organization(ACME).caveat(Caveat::Apps(ResourceSet::new([(app, Mask::ALL)]))), life)
}

/// The token and its discharge, which ends after `life`.
pub(crate) fn discharged(draft: Draft, life: Duration) -> String {
    let forged = draft.third_party(AUTH).sign();
    format!("{},{}", *forged.macaroon.encode(), discharge(&forged, life))
}

/// A discharge of the token's one ticket. No two are equal.
fn discharge(forged: &Forged, life: Duration) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut rnd = [0xcb; 16];
    rnd[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    let end = SystemClock::new(&Environment::default()).now().after(life).seconds();
    let window = Caveat::ValidityWindow { not_before: 0, not_after: i64::try_from(end).unwrap() };
    forged.tickets[0].discharge(rnd).caveat(window).sign().macaroon.encode().to_string()
}

/// Somebody's login in the organisation [`ACME`]: a permission token and a user token that stay, and discharges that flyctl fetches anew
/// all the time.
pub(crate) struct Account {
    permission: Forged,
    user: String,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self { permission: organization(ACME).third_party(AUTH).sign(), user: user_token() }
    }

    /// The login with a new discharge, as flyctl keeps it.
    pub(crate) fn discharged(&self) -> Login {
        let discharge = discharge(&self.permission, Duration::from_mins(5));
        Login { text: format!("{},{discharge},{}", *self.permission.macaroon.encode(), self.user), discharge }
    }
}

/// A login at one moment.
pub(crate) struct Login {
    /// The whole list.
    pub(crate) text: String,
    discharge: String,
}

impl Login {
    /// Whether a token was taken out of this login as it was at this moment.
    pub(crate) fn gave(&self, token: &str) -> bool {
        token.contains(&self.discharge)
    }
}

/// The third party whose discharges a user's tokens need.
const AUTH: &str = "https://auth.fly.io";

/// A user token. No two are equal.
pub(crate) fn user_token() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("fo1_canaryOfTheUser{:08}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A token as a test looks at it.
pub(crate) struct Bundle(flytoken::token::Bundle);

impl Bundle {
    pub(crate) fn of(text: &str) -> Self {
        let bundle = flytoken::token::Bundle::parse(text).unwrap();
        bundle.check().unwrap();
        Self(bundle)
    }

    /// Whether each permission token in it reads only; there is one at least.
    pub(crate) fn reads_only(&self) -> bool {
        self.0.permissions().count() > 0 && self.0.permissions().all(|(_, macaroon)| macaroon.reads_only())
    }

    /// The token in what a command printed as JSON.
    pub(crate) fn answered(answer: &serde_json::Value) -> Self {
        Self::of(answer["token"].as_str().unwrap())
    }

    /// The one app that each permission token is limited to.
    pub(crate) fn app(&self) -> Option<u64> {
        let mut apps = self.0.permissions().map(|(_, macaroon)| macaroon.limited_to_apps().single());
        let first = apps.next().flatten();
        apps.all(|app| app == first).then_some(first).flatten()
    }

    /// The organisations it is for.
    pub(crate) fn organizations(&self) -> Vec<u64> {
        self.0.permissions().filter_map(|(_, macaroon)| macaroon.organization().ok()).collect()
    }

    /// Whether a user token is in it.
    pub(crate) fn has_user_token(&self) -> bool {
        self.0.items().iter().any(|item| item.kind() == flytoken::token::ItemKind::User)
    }

    /// What its one permission token, narrowed or not, has in common with nothing but others of the same mint.
    pub(crate) fn mint(&self) -> Vec<u8> {
        let [mint] = &self.0.permissions().map(|(_, macaroon)| macaroon.rnd().to_vec()).collect::<Vec<_>>()[..] else {
            panic!("not one permission token")
        };
        mint.clone()
    }

    /// Whether a permission token in it came from the same mint as one in `other`, narrowed or not.
    pub(crate) fn is_from(&self, other: &str) -> bool {
        let other = flytoken::token::Bundle::parse(other).unwrap();
        let mints: Vec<_> = other.permissions().map(|(_, macaroon)| macaroon.rnd().to_vec()).collect();
        self.0.permissions().all(|(_, macaroon)| mints.iter().any(|rnd| rnd == macaroon.rnd()))
    }
}
