//! Tokens by the name that a scenario gives them.

use std::{collections::HashMap, sync::Mutex};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    lease::Expiry,
    time::Timestamp,
    token::{AUTH_LOCATION, ApiToken, Bundle, Caveat, Mask, ResourceSet, TokenId, forge::Forge},
};

/// Every token of a scenario, by its id: whatever is handed out is traced back to the name it came to be under.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<TokenId, String>>);

impl Tokens {
    /// A token for one app with these actions. It may end by its own account. Two of one name are copies of one token.
    pub(super) fn permission(&self, name: &str, until: Expiry, actions: Mask) -> ApiToken {
        let mut draft = Forge::new(KEY)
            .permission(rnd(name))
            .caveat(Caveat::Organization { id: 1, mask: Mask::ALL })
            .caveat(Caveat::Apps(ResourceSet::new([(7, Mask::ALL)])))
            .caveat(Caveat::Action(actions));
        if let Expiry::At(end) = until {
            draft = draft.caveat(window(end));
        }
        let text = self.known(name, &draft.sign().macaroon);
        ApiToken::new(text)
    }

    /// A user's login as flyctl keeps it: a permission token, its discharge of this round, and the user token.
    pub(super) fn login(&self, user: &str, round: u32, until: Timestamp) -> Zeroizing<String> {
        let forged =
            Forge::new(KEY).permission(rnd(user)).caveat(Caveat::Organization { id: 1, mask: Mask::ALL }).third_party(AUTH_LOCATION).sign();
        let discharge = forged.tickets[0].discharge(rnd(&format!("{user} {round}"))).caveat(window(until)).sign().macaroon;
        let permission = self.known(user, &forged.macaroon);
        let discharge = self.known(&round.to_string(), &discharge);
        Zeroizing::new(format!("{},{},fo1_{user}", *permission, *discharge))
    }

    /// The name of a token, and of its discharge after a `#`.
    pub(super) fn name(&self, token: &ApiToken) -> String {
        let names = self.0.lock().unwrap();
        let bundle = Bundle::parse(token.expose()).unwrap();
        let macaroons = bundle.items().iter().filter_map(|item| item.macaroon());
        let known: Vec<&str> = macaroons.filter_map(|macaroon| names.get(&macaroon.id()).map(String::as_str)).collect();
        known.join("#")
    }

    fn known(&self, name: &str, macaroon: &crate::token::Macaroon) -> Zeroizing<String> {
        self.0.lock().unwrap().insert(macaroon.id(), name.to_owned());
        macaroon.encode()
    }
}

fn window(end: Timestamp) -> Caveat {
    Caveat::ValidityWindow { not_before: 0, not_after: i64::try_from(end.seconds()).unwrap() }
}

fn rnd(name: &str) -> [u8; 16] {
    let digest = Sha256::digest(name.as_bytes());
    std::array::from_fn(|index| digest[index])
}

const KEY: [u8; 32] = [3; 32];
