//! Whose login it is, across rewrites and across processes.

use std::collections::BTreeSet;

use crate::{
    time::Timestamp,
    token::{Fingerprint, FingerprintKey, text_items},
};

use super::Generation;

/// What makes a login the same one after `flyctl` has rewritten it: neither part of it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The name under which things are obtained with this login.
    pub generation: Generation,
    /// When the user logged in, as far as the file says.
    pub last_login: Option<Timestamp>,
    /// Fingerprints of the token's list items at the last look.
    pub items: BTreeSet<Fingerprint>,
}

impl Identity {
    /// Whether a reading with these marks is this login, rewritten: `last_login` is equal and they share an item.
    ///
    /// `flyctl` logs in with three writes: it clears the file, writes the token, then `last_login`. So a login whose time is not
    /// known yet, or that is `young`, may still be given its time.
    pub(super) fn covers(&self, last_login: Option<Timestamp>, items: &BTreeSet<Fingerprint>, young: bool) -> bool {
        self.shares_an_item(items) && (self.last_login == last_login || self.last_login.is_none() || young)
    }

    /// Whether one item at least is in both lists.
    pub(super) fn shares_an_item(&self, items: &BTreeSet<Fingerprint>) -> bool {
        !self.items.is_disjoint(items)
    }
}

/// What is remembered of the login from one process to the next.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remembered {
    /// Somebody is logged in.
    In(Identity),
    /// The user logged out; what was obtained before is void, even if the same token comes back.
    Out,
}

/// Remembers the login's identity across processes. Called on threads that may block.
pub trait IdentityMemory: Send + Sync + 'static {
    /// What is remembered, if anything.
    ///
    /// # Errors
    /// Why it cannot be told, without any secret. The login is then followed in memory only, and nothing is remembered over it.
    fn recall(&self) -> Result<Option<Remembered>, String>;

    /// Remembers `now` if `before` is still what is remembered, and tells whether it was; in one step, as other processes see it.
    ///
    /// Comparing keeps processes that see a new login at the same moment from each giving it a generation of its own: the later
    /// one is told `false` and takes over what the earlier one remembered.
    ///
    /// # Errors
    /// Why it could not be written, without any secret. It is tried again at the next look.
    fn remember(&self, before: Option<&Remembered>, now: &Remembered) -> Result<bool, String>;
}

/// The fingerprints of a token's list items. A text with none is no login.
pub(super) fn fingerprints(token: &str, key: &FingerprintKey) -> BTreeSet<Fingerprint> {
    text_items(token).map(|item| key.of_item(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_and_white_space_are_no_part_of_the_items() {
        let key = FingerprintKey::new([7; 32].into());
        let plain = fingerprints("fm2_a,fo1_b", &key);
        assert_eq!(plain.len(), 2);
        for same in ["FlyV1 fm2_a,fo1_b", "Bearer flyv1  fo1_b , fm2_a,", "fm2_a,\n fo1_b\n", ",fm2_a,,fo1_b"] {
            assert_eq!(fingerprints(same, &key), plain, "{same}");
        }
        for none in ["", " ", ",", " , ,"] {
            assert!(fingerprints(none, &key).is_empty(), "{none}");
        }
    }

    #[test]
    fn the_same_login_has_its_time_and_shares_an_item() {
        let key = FingerprintKey::new([7; 32].into());
        let items = |text: &str| fingerprints(text, &key);
        let (one, two) = (Some(Timestamp::from_seconds(1)), Some(Timestamp::from_seconds(2)));
        let cases = [
            ((one, "fm2_a,fo1_u"), (one, "fm2_b,fo1_u"), false, true),
            ((one, "fm2_a,fo1_u"), (one, "fm2_b,fo1_v"), false, false),
            ((one, "fm2_a,fo1_u"), (two, "fm2_a,fo1_u"), false, false),
            ((one, "fm2_a,fo1_u"), (None, "fm2_a,fo1_u"), false, false),
            ((None, "fm2_a"), (None, "fm2_a"), false, true),
            ((None, "fm2_a"), (two, "fm2_a"), false, true),
            ((one, "fm2_a"), (two, "fm2_a"), true, true),
            ((one, "fm2_a"), (two, "fm2_b"), true, false),
        ];
        for ((last_login, known), (seen_login, seen), young, expected) in cases {
            let identity = Identity { generation: Generation::numbered(1), last_login, items: items(known) };
            assert_eq!(identity.covers(seen_login, &items(seen), young), expected, "{known} {seen} {young}");
        }
    }
}
