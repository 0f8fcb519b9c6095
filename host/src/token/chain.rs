//! The chain of signatures: each caveat is signed with the signature before it.
//!
//! ```text
//! T0 = HMAC(root key, nonce)      Ti = HMAC(T(i-1), caveat set of caveat i alone)      tail = Tn, or finished
//! ```
//!
//! So whoever holds a tail can add caveats and nobody can remove one. The location is not signed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::macaroon::Macaroon;

/// A signature of the chain. The last one is what makes a token a secret.
pub(super) type Signature = Zeroizing<[u8; 32]>;

/// The first signature, over the nonce.
pub(super) fn start(root_key: &[u8], nonce: &[u8]) -> Signature {
    sign(root_key, &[nonce])
}

/// The signature after one more caveat, given as its type and body.
pub(super) fn next(signature: &Signature, caveat: &[u8]) -> Signature {
    sign(&**signature, &[SET_OF_ONE, caveat])
}

/// The tail of a finished token, from which the last signature cannot be had back.
pub(super) fn finish(signature: &Signature) -> Signature {
    sign(FINISH_KEY, &[&**signature])
}

impl Macaroon {
    /// Whether this token was made with `root_key` and has only lost nothing since.
    ///
    /// Fly's keys are Fly's: this is for tokens made by [`super::forge`].
    pub fn is_signed_with(&self, root_key: &[u8]) -> bool {
        let last = self.signatures(root_key).pop().unwrap_or_default();
        let tail = if self.is_proof() { finish(&last) } else { last };
        // Nothing secret depends on how long this comparison takes: the key is the caller's own.
        tail.as_slice() == self.tail()
    }

    /// Every signature from the nonce to the last caveat.
    pub(super) fn signatures(&self, root_key: &[u8]) -> Vec<Signature> {
        let mut all = vec![start(root_key, self.nonce_bytes())];
        for caveat in self.caveats_bytes() {
            let signature = all.last().map_or_else(Signature::default, |last| next(last, caveat));
            all.push(signature);
        }
        all
    }
}

fn sign(key: &[u8], parts: &[&[u8]]) -> Signature {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Header of an array of two: a caveat set that holds one caveat.
const SET_OF_ONE: &[u8] = &[0x92];

/// The text that Fly's library uses as a key to finish a chain.
const FINISH_KEY: &[u8] = b"proof-signature-finalization";
