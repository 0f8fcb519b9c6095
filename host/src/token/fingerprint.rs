//! A name for a token that tells nothing about it.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    ApiToken,
    macaroon::Macaroon,
    text::{self, Form},
};

/// A keyed hash of a token, 8 bytes, written as 16 hex digits: may stand in logs and records, where a token may not.
///
/// A macaroon counts by its nonce, which all copies of it that were narrowed have in common: who was handed a narrow copy names the token
/// that it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 8]);

/// The key of all fingerprints of an installation. Without it nobody can try out which token a fingerprint belongs to.
pub struct FingerprintKey(Zeroizing<[u8; 32]>);

impl FingerprintKey {
    /// From 32 random bytes.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The fingerprint of a whole token: the same however its macaroons are narrowed, with and without a scheme, empty items or white
    /// space around items.
    pub fn of(&self, token: &ApiToken) -> Fingerprint {
        let mut hash = self.hash();
        text::items(token.expose()).for_each(|item| add(&mut hash, item));
        Fingerprint::from_hash(hash)
    }

    /// The fingerprint of one item of a list: what [`FingerprintKey::of`] says of a token that is this item alone.
    pub fn of_item(&self, item: &str) -> Fingerprint {
        let mut hash = self.hash();
        add(&mut hash, item.trim());
        Fingerprint::from_hash(hash)
    }

    /// Whether a permission token in one list is, narrowed or not, in the other too.
    pub fn share_a_permission(&self, a: &ApiToken, b: &ApiToken) -> bool {
        let permissions = |token: &ApiToken| -> Vec<Fingerprint> {
            let is_permission = |item: &&str| {
                let macaroon = decoded(item).and_then(|bytes| Macaroon::decode(&bytes).ok());
                macaroon.is_some_and(|macaroon| macaroon.is_permission())
            };
            text::items(token.expose()).filter(is_permission).map(|item| self.of_item(item)).collect()
        };
        let b = permissions(b);
        permissions(a).iter().any(|permission| b.contains(permission))
    }

    fn hash(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&*self.0).expect("HMAC takes keys of any length")
    }
}

/// Adds one item so that no two lists run together: a nonce is an array that says how long it is, any other text has its length before it.
fn add(hash: &mut Hmac<Sha256>, item: &str) {
    let bytes = decoded(item);
    if let Some(nonce) = bytes.as_ref().and_then(|bytes| Macaroon::nonce_in(bytes)) {
        hash.update(b"nonce");
        hash.update(nonce);
    } else {
        hash.update(b"text");
        hash.update(&item.len().to_be_bytes());
        hash.update(item.as_bytes());
    }
}

/// The bytes of a macaroon, if it is one by its prefix.
fn decoded(item: &str) -> Option<Zeroizing<Vec<u8>>> {
    match Form::of(item) {
        Form::Macaroon(base64) => text::decode(base64, 0).ok(),
        Form::User | Form::Opaque => None,
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

impl Fingerprint {
    fn from_hash(hash: Hmac<Sha256>) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(hash.finalize().into_bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        // The number parser alone would take a sign.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAFingerprint);
        }
        u64::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| NotAFingerprint)
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no fingerprint. The text is not repeated: it may be a token pasted in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 16 hex digits, as `status` and `explain` show it")]
pub struct NotAFingerprint;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Caveat, Mask, forge::Forge};

    fn key(byte: u8) -> FingerprintKey {
        FingerprintKey::new(Zeroizing::new([byte; 32]))
    }

    fn token(text: &str) -> ApiToken {
        ApiToken::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn one_token_in_many_spellings_has_one_fingerprint() {
        let expected = key(1).of(&token("fm2_a,fm2_b"));
        for text in ["FlyV1 fm2_a,fm2_b", " flyv1  Bearer fm2_a , fm2_b,, ", "fm2_a,\nfm2_b\n"] {
            assert_eq!(key(1).of(&token(text)), expected, "{text:?}");
        }
        for text in ["fm2_b,fm2_a", "fm2_a", "fm2_afm2_b"] {
            assert_ne!(key(1).of(&token(text)), expected, "{text:?}");
        }
        assert_eq!(key(1).of_item(" fm2_a"), key(1).of(&token("FlyV1 fm2_a")));
        assert_ne!(key(2).of(&token("fm2_a,fm2_b")), expected);
    }

    #[test]
    fn a_narrowed_copy_has_the_fingerprint_of_its_token_and_another_discharge_is_another_token() {
        let forged = Forge::new([1; 32]).permission([1; 16]).third_party("https://auth.fly.io").sign();
        let narrowed = forged.macaroon.attenuated(&[Caveat::Action(Mask::READ)]).expect("it is not finished");
        let discharges = [2, 3].map(|rnd| forged.tickets[0].discharge([rnd; 16]).sign().macaroon.encode());
        let whole = |macaroon: &Macaroon, discharge: &str| token(&format!("{},{discharge}", *macaroon.encode()));
        let expected = key(1).of(&whole(&forged.macaroon, &discharges[0]));
        assert_eq!(key(1).of(&whole(&narrowed, &discharges[0])), expected);
        assert_ne!(key(1).of(&whole(&narrowed, &discharges[1])), expected);
        let other = Forge::new([1; 32]).permission([9; 16]).sign().macaroon;
        assert_ne!(key(1).of(&whole(&other, &discharges[0])), expected);
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let fingerprint = key(1).of(&token("fm2_a"));
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 16);
        assert_eq!(text.parse(), Ok(fingerprint));
        let json = serde_json::to_string(&fingerprint).expect("text");
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).expect("the same text"), fingerprint);
        for bad in ["", "123", "+23456789abcdef0", "g234567890abcdef", "0123456789abcdef0", "äöüäöüäö"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(NotAFingerprint), "{bad}");
        }
    }
}
