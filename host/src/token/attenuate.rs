//! Narrowing: adding caveats to a token, offline, without its key.

use super::{caveat::Caveat, chain, error::Malformed, macaroon::Macaroon};

impl Macaroon {
    /// A copy that allows only what `caveats` allow too.
    ///
    /// Byte for byte what Fly's own library makes of it; a caveat that the token carries already is not added again. Discharges stay valid
    /// and must go along. The copy cannot be revoked apart from the original.
    ///
    /// # Errors
    /// [`CannotNarrow`] if the token is finished, or a caveat would make it useless.
    pub fn attenuated(&self, caveats: &[Caveat]) -> Result<Self, CannotNarrow> {
        if self.is_proof() {
            return Err(CannotNarrow::Finished);
        }
        let mut signature = chain::Signature::default();
        signature.copy_from_slice(self.tail());
        let mut added = Vec::new();
        for caveat in caveats {
            let bytes = caveat.encoded();
            if self.caveats_bytes().any(|present| *present == **bytes) || added.contains(&bytes) {
                continue;
            }
            self.check_addition(caveat)?;
            signature = chain::next(&signature, &bytes);
            added.push(bytes);
        }
        if added.is_empty() {
            return Ok(self.copy());
        }
        let narrowed = self.with_more(&added, &signature).map_err(CannotNarrow::Unreadable)?;
        if narrowed.allows_nothing() && !self.allows_nothing() {
            return Err(CannotNarrow::Nothing);
        }
        Ok(narrowed)
    }

    fn check_addition(&self, caveat: &Caveat) -> Result<(), CannotNarrow> {
        match caveat {
            Caveat::ThirdParty(new) if self.third_parties().any(|present| present.location == new.location) => {
                Err(CannotNarrow::SecondThirdParty)
            }
            _ if caveat.with_inner().any(Caveat::is_attestation) => Err(CannotNarrow::Attestation),
            _ => Ok(()),
        }
    }
}

/// Why a token cannot be narrowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotNarrow {
    /// The issuer finished it: what the next signature would be made from is gone.
    #[error("a finished token cannot be narrowed: its signature is closed")]
    Finished,
    /// A user token has no caveats.
    #[error("a user token cannot be narrowed: it has no caveats, it can do what its user can")]
    User,
    /// Nothing is known about the text.
    #[error("a text that is not a Fly token cannot be narrowed")]
    Opaque,
    /// It cannot be read.
    #[error("a malformed token cannot be narrowed: {0}")]
    Malformed(Malformed),
    /// There is no such item.
    #[error("there is no such token in the list")]
    Missing,
    /// It waits for a discharge from the same place already.
    #[error("the token waits for a discharge from that third party already")]
    SecondThirdParty,
    /// A statement about who somebody is makes a token invalid unless it is a finished discharge.
    #[error("a statement about a user belongs into discharges: in a token that can be narrowed it makes the token invalid")]
    Attestation,
    /// What it allows and what the caveats allow have nothing in common.
    #[error("it allows none of that: narrowed it would allow nothing")]
    Nothing,
    /// The result could not be read again.
    #[error("the narrowed token would be malformed: {0}")]
    Unreadable(Malformed),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{AUTH_LOCATION, Mask, ThirdParty, forge::Forge};

    #[test]
    fn a_caveat_that_would_make_the_token_useless_is_refused() {
        let token = Forge::new([1; 32]).permission([1; 16]).third_party(AUTH_LOCATION).sign().macaroon;
        let again = ThirdParty { location: AUTH_LOCATION.into(), ..ThirdParty::default() };
        let elsewhere = ThirdParty { location: "https://elsewhere.example".into(), ..ThirdParty::default() };
        for (caveat, expected) in [
            (Caveat::ThirdParty(Box::new(again)), Some(CannotNarrow::SecondThirdParty)),
            (Caveat::ThirdParty(Box::new(elsewhere)), None),
            (Caveat::FlyioUserId(1), Some(CannotNarrow::Attestation)),
        ] {
            assert_eq!(token.attenuated(&[caveat]).err(), expected);
        }
        let writing = Forge::new([1; 32]).permission([1; 16]).caveat(Caveat::Organization { id: 1, mask: Mask::WRITE });
        assert_eq!(writing.sign().macaroon.attenuated(&[Caveat::Action(Mask::READ)]).err(), Some(CannotNarrow::Nothing));
        let present = token.caveats().next().expect("a third party").clone();
        assert!(token.attenuated(&[present]).is_ok(), "what is there already is passed over");
    }
}
