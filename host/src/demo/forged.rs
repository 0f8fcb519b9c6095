//! The tokens of the demo: in the shape of Fly's, signed with a key that Fly does not know, so that they open nothing.

use std::time::Duration;

use crate::{
    kind::Kind,
    protocol::Delivered,
    system,
    time::Timestamp,
    token::{
        AUTH_LOCATION, Bundle, Caveat, ItemKind, Mask, ResourceSet,
        forge::{Draft, Forge},
    },
};

/// A made-up token.
pub(crate) struct Forged {
    /// What `fly` or a person would have.
    pub(crate) text: String,
    /// Tells the permission token in it from every other, narrowed or not.
    rnd: [u8; 16],
}

impl Forged {
    /// What `fly auth login` leaves behind: a token for everything in an organisation, and the user's own.
    pub(crate) fn login(now: Timestamp) -> Self {
        let rnd = system::random();
        let user = u128::from_le_bytes(system::random());
        Self { text: format!("{},fo1_{user:032x}", discharged(organization(rnd), now)), rnd }
    }

    /// What `fly tokens create deploy` mints: a token for one app.
    pub(crate) fn deploy(app: u64, now: Timestamp) -> Self {
        let rnd = system::random();
        let draft = organization(rnd).caveat(Caveat::Apps(ResourceSet::new([(app, Mask::ALL)])));
        Self { text: discharged(draft, now), rnd }
    }

    /// Whether what was handed out comes from this token and is as narrow as its kind asks for: why not, if it is not.
    pub(super) fn is_behind(&self, delivered: &Delivered) -> Result<(), &'static str> {
        let bundle = Bundle::parse(delivered.token.expose()).map_err(|_| "what was handed out is no token")?;
        bundle.check().map_err(|_| "what was handed out is damaged")?;
        if bundle.items().iter().any(|item| item.kind() == ItemKind::User) {
            return Err("the user token was handed out");
        }
        if bundle.permissions().count() != 1 || bundle.permissions().any(|(_, macaroon)| macaroon.rnd() != self.rnd) {
            return Err("another token than this one was handed out");
        }
        if delivered.facts.kind == Kind::Readonly && bundle.permissions().any(|(_, macaroon)| !macaroon.reads_only()) {
            return Err("what was handed out does more than read");
        }
        Ok(())
    }
}

/// Whether a text holds a token; a prefix alone, as in a sentence about tokens, is none.
pub(super) fn is_in(text: &str) -> bool {
    ["fm2_", "fo1_"].iter().any(|prefix| {
        text.match_indices(prefix).any(|(at, _)| text[at + prefix.len()..].bytes().take_while(u8::is_ascii_alphanumeric).count() >= 8)
    })
}

fn organization(rnd: [u8; 16]) -> Draft {
    Forge::new(system::random()).permission(rnd).caveat(Caveat::Organization { id: ORGANIZATION, mask: Mask::ALL })
}

/// The token and the discharge that carries its end.
fn discharged(draft: Draft, now: Timestamp) -> String {
    let forged = draft.third_party(AUTH_LOCATION).sign();
    let not_after = i64::try_from(now.after(LIFE).seconds()).unwrap_or(i64::MAX);
    let window = Caveat::ValidityWindow { not_before: 0, not_after };
    let discharges = forged.tickets.iter().map(|ticket| ticket.discharge(system::random()).caveat(window.clone()).sign().macaroon);
    discharges.fold(forged.macaroon.encode().to_string(), |text, discharge| format!("{text},{}", *discharge.encode()))
}

const ORGANIZATION: u64 = 1_234_567;
const LIFE: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;
    use crate::{app::AppName, lease::Expiry, protocol::LeaseFacts, token::ApiToken};

    fn delivered(text: &str, kind: Kind) -> Delivered {
        let facts = LeaseFacts {
            app: AppName::parse("web").unwrap(),
            kind,
            source: "cli".into(),
            expiry: Expiry::Unknown,
            obtained: Timestamp::default(),
            fingerprint: "0123456789abcdef".parse().unwrap(),
        };
        Delivered { token: Arc::new(ApiToken::new(Zeroizing::new(text.into()))), facts }
    }

    #[test]
    fn what_is_handed_out_is_held_against_the_token_it_should_come_from() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let (mint, login) = (Forged::deploy(7, now), Forged::login(now));
        assert_eq!(mint.is_behind(&delivered(&mint.text, Kind::Deploy)), Ok(()));
        for (forged, text, kind, why) in [
            (&mint, &Forged::deploy(7, now).text, Kind::Deploy, "another token"),
            (&mint, &mint.text, Kind::Readonly, "more than read"),
            (&login, &login.text, Kind::Readonly, "user token"),
            (&mint, &"fm2_AAAA".to_owned(), Kind::Deploy, "damaged"),
        ] {
            let found = forged.is_behind(&delivered(text, kind)).unwrap_err();
            assert!(found.contains(why), "{found}");
        }
    }

    #[test]
    fn a_token_is_found_in_a_line_and_a_prefix_is_none() {
        let now = Timestamp::from_seconds(1_700_000_000);
        assert!(is_in(&format!("the token is {}", Forged::deploy(7, now).text)) && is_in("fo1_0123456789abcdef"));
        assert!(!is_in("macaroons begin with fm2_ and users' tokens with fo1_…"));
    }
}
