//! Makes macaroons from a root key of one's own: for the demo, the benchmark and the tests.
//!
//! They have the shape of Fly's, signed in the same way; Fly knows no such key, so they open nothing. What only Fly or a third party could
//! look into (tickets, verifier keys) is as long as the real thing and derived by hashing, so that equal input makes equal tokens.

use zeroize::Zeroizing;

use super::{
    caveat::{Caveat, ThirdParty},
    chain::{self, Signature},
    macaroon::{Macaroon, PERMISSION_LOCATION},
    msgpack::Writer,
};

/// An issuer of made-up tokens.
pub struct Forge {
    root_key: Zeroizing<[u8; 32]>,
}

impl Forge {
    /// An issuer with this root key.
    pub fn new(root_key: [u8; 32]) -> Self {
        Self { root_key: Zeroizing::new(root_key) }
    }

    /// Begins a permission token. `rnd` tells it from the others of this issuer.
    pub fn permission(&self, rnd: [u8; 16]) -> Draft {
        let kid = derive(&*self.root_key, &[b"kid"]);
        Draft::new(PERMISSION_LOCATION, &kid[..16], rnd, false, &*self.root_key)
    }
}

/// A token on which caveats are put before it is signed. Each is signed at once, in order.
pub struct Draft {
    location: Box<str>,
    nonce: Zeroizing<Vec<u8>>,
    caveats: Vec<Zeroizing<Vec<u8>>>,
    signature: Signature,
    proof: bool,
    tickets: Vec<Ticket>,
}

impl Draft {
    fn new(location: &str, kid: &[u8], rnd: [u8; 16], proof: bool, key: &[u8]) -> Self {
        let mut writer = Writer::with_capacity(kid.len() + 32);
        writer.array(3);
        writer.bytes(kid);
        writer.bytes(&rnd);
        writer.bool(proof);
        let nonce = writer.finish();
        let signature = chain::start(key, &nonce);
        Self { location: location.into(), nonce, caveats: Vec::new(), signature, proof, tickets: Vec::new() }
    }

    /// Adds a caveat.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers make caveats for this one call")]
    pub fn caveat(mut self, caveat: Caveat) -> Self {
        let bytes = caveat.encoded();
        self.signature = chain::next(&self.signature, &bytes);
        self.caveats.push(bytes);
        self
    }

    /// Adds a caveat that the third party at `location` must discharge; its ticket comes out of [`Draft::sign`].
    #[must_use]
    pub fn third_party(mut self, location: &str) -> Self {
        let part = |name: &[u8]| derive(&*self.signature, &[name, location.as_bytes()]);
        let ticket = Ticket {
            location: location.into(),
            key: part(b"discharge key"),
            sealed: Zeroizing::new([*part(b"ticket"), *part(b"rest of the ticket")].concat()),
        };
        // As long as a sealed key: 12 bytes of nonce, the key as MessagePack bytes, 16 of authentication.
        let verifier_key = Zeroizing::new([&part(b"verifier key")[..], &part(b"rest of the verifier key")[..28]].concat());
        let caveat = ThirdParty { location: location.into(), verifier_key, ticket: ticket.sealed.clone() };
        self.tickets.push(ticket);
        self.caveat(Caveat::ThirdParty(Box::new(caveat)))
    }

    /// The token, and a ticket for each third party in order.
    ///
    /// # Panics
    /// If a condition in it nests deeper than [`Macaroon::decode`] follows.
    pub fn sign(self) -> Forged {
        let tail = if self.proof { chain::finish(&self.signature) } else { self.signature };
        let length: usize = self.caveats.iter().map(|caveat| caveat.len()).sum();
        let mut writer = Writer::with_capacity(self.nonce.len() + self.location.len() + length + 64);
        writer.array(4);
        writer.raw(&self.nonce);
        writer.text(&self.location);
        writer.array(self.caveats.len() * 2);
        self.caveats.iter().for_each(|caveat| writer.raw(caveat));
        writer.bytes(&*tail);
        let macaroon = Macaroon::decode(&writer.finish()).expect("no condition nests too deeply, and else what is written can be read");
        Forged { macaroon, tickets: self.tickets }
    }
}

/// A made-up token and what its discharges are made from.
pub struct Forged {
    /// The token.
    pub macaroon: Macaroon,
    /// One for each third-party caveat, in order.
    pub tickets: Vec<Ticket>,
}

/// What a third party finds in a ticket.
pub struct Ticket {
    location: Box<str>,
    key: Signature,
    sealed: Zeroizing<Vec<u8>>,
}

impl Ticket {
    /// Begins a discharge that is finished when signed, as today's third parties make them.
    pub fn discharge(&self, rnd: [u8; 16]) -> Draft {
        Draft::new(&self.location, &self.sealed, rnd, true, &*self.key)
    }

    /// Begins a discharge of the old style, which can be narrowed.
    pub fn open_discharge(&self, rnd: [u8; 16]) -> Draft {
        Draft::new(&self.location, &self.sealed, rnd, false, &*self.key)
    }

    /// The key its discharges are signed with.
    pub fn key(&self) -> &[u8] {
        &*self.key
    }
}

fn derive(key: &[u8], parts: &[&[u8]]) -> Signature {
    chain::start(key, &parts.join(&0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{AUTH_LOCATION, Bundle, Mask};

    #[test]
    fn a_forged_pair_is_signed_fits_together_and_looks_like_flys() {
        let forge = Forge::new([9; 32]);
        let organization = Caveat::Organization { id: 1234, mask: Mask::ALL };
        let forged = forge.permission([1; 16]).caveat(organization).third_party(AUTH_LOCATION).sign();
        let discharge = forged.tickets[0].discharge([2; 16]).caveat(Caveat::FlyioUserId(42)).sign().macaroon;

        assert!(forged.macaroon.is_signed_with(&[9; 32]) && !forged.macaroon.is_signed_with(&[8; 32]));
        assert!(discharge.is_proof() && discharge.is_signed_with(forged.tickets[0].key()));
        let pair = format!("{},{}", *forged.macaroon.encode(), *discharge.encode());
        assert!(pair.starts_with("fm2_lJPE"));
        let usable = Bundle::parse(&pair).expect("two items").usability(0, crate::time::Timestamp::default()).expect("usable");
        assert_eq!(usable.discharges, [1]);
    }
}
