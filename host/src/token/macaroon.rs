//! One macaroon: Fly's signed token that carries its own restrictions.
//!
//! ```text
//! [nonce, location, [type, body, type, body, …], tail]      nonce = [kid, rnd, proof] or, on old ones, [kid, rnd]
//! ```

use std::{fmt, ops::Range};

use zeroize::Zeroizing;

use super::{
    caveat::Caveat,
    caveat_bytes::read_set_length,
    error::Malformed,
    msgpack::{Reader, Writer},
    text,
};

/// A decoded macaroon that keeps every byte it was made of: re-encoding what somebody else signed would break the signature.
///
/// Its shape is checked, its signature is not: only Fly has the key.
pub struct Macaroon {
    raw: Zeroizing<Vec<u8>>,
    nonce: Range<usize>,
    kid: Range<usize>,
    rnd: Range<usize>,
    proof: bool,
    location_bytes: Range<usize>,
    location: Box<str>,
    caveats: Vec<(Range<u32>, Caveat)>,
    tail: Range<usize>,
}

/// Where Fly's own permission tokens apply; a macaroon from anywhere else is a discharge.
pub const PERMISSION_LOCATION: &str = "https://api.fly.io/v1";

/// Where Fly's older authentication service discharges.
pub const AUTH_LOCATION: &str = "https://api.fly.io/aaa/v1";

/// Where Fly's newer authentication service discharges.
pub const NEW_AUTH_LOCATION: &str = "https://auth.fly.io";

impl Macaroon {
    /// Reads a macaroon; bytes behind its end are dropped, as Fly's library passes over them.
    ///
    /// Takes time in proportion to the length of `bytes`, and at most some fifty times its memory: a caveat of two bytes has to be an
    /// entry in a list.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong and at which byte. A known caveat of the wrong shape is an error, an unknown one is kept as it is.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let count = reader.array("a macaroon")?;
        if count != 4 {
            return Err(Malformed::ArrayLength { at: 0, of: "a macaroon", expected: "4", found: count });
        }
        let (nonce, kid, rnd, proof) = nonce(&mut reader)?;
        let (location, location_bytes) = span(&mut reader, |reader| reader.text("a location").map(Box::from))?;
        let caveats = caveats(&mut reader)?;
        let at = reader.position();
        let (length, tail) = content(&mut reader, "a tail")?;
        if length != TAIL_LENGTH {
            return Err(Malformed::Range { at, what: "the length of the tail" });
        }
        let raw = Zeroizing::new(reader.since(0).to_vec());
        Ok(Self { raw, nonce, kid, rnd, proof, location_bytes, location, caveats, tail })
    }

    /// The token as text, with the current prefix.
    pub fn encode(&self) -> Zeroizing<String> {
        text::encode(&self.raw)
    }

    /// Its bytes, exactly as they were read or made.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Where it applies, as a URL. It is not signed: anybody who held the token could have changed it.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Whether it is for Fly's API itself, rather than a discharge that goes with such a token.
    pub fn is_permission(&self) -> bool {
        &*self.location == PERMISSION_LOCATION
    }

    /// Whether it is finished, so that nothing can be added to it.
    pub fn is_proof(&self) -> bool {
        self.proof
    }

    /// The issuer's name for the key; on a discharge, the ticket it answers.
    pub fn kid(&self) -> &[u8] {
        self.part(&self.kid)
    }

    /// The random part of the nonce. Copies of one token that were narrowed differently have it in common.
    pub fn rnd(&self) -> &[u8] {
        self.part(&self.rnd)
    }

    /// Its caveats in order, those inside of others not among them.
    pub fn caveats(&self) -> impl ExactSizeIterator<Item = &Caveat> {
        self.caveats.iter().map(|(_, caveat)| caveat)
    }

    /// Its caveats and those inside of them, outermost first.
    pub(super) fn all_caveats(&self) -> impl Iterator<Item = &Caveat> {
        self.caveats().flat_map(Caveat::with_inner)
    }

    /// The third parties that must discharge it, in order.
    pub fn third_parties(&self) -> impl Iterator<Item = &super::caveat::ThirdParty> {
        self.caveats().filter_map(|caveat| match caveat {
            Caveat::ThirdParty(third_party) => Some(&**third_party),
            _ => None,
        })
    }

    pub(super) fn nonce_bytes(&self) -> &[u8] {
        self.part(&self.nonce)
    }

    /// The nonce of an encoded macaroon, without a look at what is behind it.
    pub(super) fn nonce_in(bytes: &[u8]) -> Option<&[u8]> {
        let mut reader = Reader::new(bytes);
        if reader.array("a macaroon").ok()? != 4 {
            return None;
        }
        let (range, ..) = nonce(&mut reader).ok()?;
        bytes.get(range)
    }

    /// Type and body of each caveat, as they stand in the token.
    pub(super) fn caveats_bytes(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.caveats.iter().map(|(range, _)| self.part(&(range.start as usize..range.end as usize)))
    }

    pub(super) fn tail(&self) -> &[u8] {
        self.part(&self.tail)
    }

    /// The same token with more caveats behind and another tail; nothing else changes but the header of the caveat array.
    pub(super) fn with_more(&self, added: &[Zeroizing<Vec<u8>>], tail: &[u8; TAIL_LENGTH]) -> Result<Self, Malformed> {
        let more: usize = added.iter().map(|caveat| caveat.len()).sum();
        let mut writer = Writer::with_capacity(self.raw.len() + more + MAX_HEADERS);
        writer.array(4);
        writer.raw(self.nonce_bytes());
        writer.raw(self.part(&self.location_bytes));
        writer.array((self.caveats.len() + added.len()) * 2);
        self.caveats_bytes().for_each(|caveat| writer.raw(caveat));
        for caveat in added {
            writer.raw(caveat);
        }
        writer.bytes(tail);
        Self::decode(&writer.finish())
    }

    /// The same token once more. Named rather than `Clone`: every copy of a secret is one that somebody wrote.
    #[must_use]
    pub fn copy(&self) -> Self {
        let Self { nonce, kid, rnd, proof, location_bytes, location, caveats, tail, raw } = self;
        Self {
            raw: raw.clone(),
            nonce: nonce.clone(),
            kid: kid.clone(),
            rnd: rnd.clone(),
            proof: *proof,
            location_bytes: location_bytes.clone(),
            location: location.clone(),
            caveats: caveats.clone(),
            tail: tail.clone(),
        }
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Macaroon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Macaroon").field("location", &self.location).field("caveats", &self.caveats.len()).finish_non_exhaustive()
    }
}

/// Where the nonce, its key id and its random part stand, and whether it says that the token is finished.
type Nonce = (Range<usize>, Range<usize>, Range<usize>, bool);

fn nonce(reader: &mut Reader<'_>) -> Result<Nonce, Malformed> {
    let start = reader.position();
    let found = reader.array("a nonce")?;
    if !matches!(found, 2 | 3) {
        return Err(Malformed::ArrayLength { at: start, of: "a nonce", expected: "2 or 3", found });
    }
    let (_, kid) = content(reader, "a key id")?;
    let (_, rnd) = content(reader, "the random part of a nonce")?;
    let proof = found == 3 && reader.bool("whether a token is finished")?;
    Ok((start..reader.position(), kid, rnd, proof))
}

fn caveats(reader: &mut Reader<'_>) -> Result<Vec<(Range<u32>, Caveat)>, Malformed> {
    let count = read_set_length(reader)?;
    // Room for what can be there, since every caveat takes two bytes at least: a list that grows would take several times its place.
    let mut all = Vec::with_capacity(count.min(reader.remaining() / 2));
    for _ in 0..count {
        let (caveat, range) = span(reader, Caveat::read)?;
        let narrow = |at: usize| u32::try_from(at).map_err(|_| Malformed::Range { at, what: "a caveat" });
        all.push((narrow(range.start)?..narrow(range.end)?, caveat));
    }
    Ok(all)
}

/// Length and place of a byte string's content.
fn content(reader: &mut Reader<'_>, what: &'static str) -> Result<(usize, Range<usize>), Malformed> {
    let length = reader.bytes(what)?.len();
    Ok((length, reader.position() - length..reader.position()))
}

/// A value and where it stands.
fn span<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<(T, Range<usize>), Malformed> {
    let start = reader.position();
    Ok((read(reader)?, start..reader.position()))
}

/// Bytes of a signature.
const TAIL_LENGTH: usize = 32;

/// At most this many bytes of headers are longer after the rewriting than before.
const MAX_HEADERS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::{
        Bundle,
        caveat_bytes::tests::any_caveat,
        forge::{Draft, Forge},
    };

    /// What an issuer that does not always choose the shortest form could have written in place of `caveats`.
    fn spelt_otherwise(macaroon: &Macaroon, old_nonce: bool) -> Vec<u8> {
        let mut writer = Writer::with_capacity(0);
        writer.array(4);
        if old_nonce {
            writer.array(2);
            writer.bytes(macaroon.kid());
            writer.bytes(macaroon.rnd());
        } else {
            writer.raw(macaroon.nonce_bytes());
        }
        writer.text(macaroon.location());
        let count = u32::try_from(macaroon.caveats().len() * 2).expect("few caveats");
        writer.raw(&[&[0xdd], &count.to_be_bytes()[..]].concat());
        for (caveat, bytes) in macaroon.caveats().zip(macaroon.caveats_bytes()) {
            let number = caveat.number();
            let mut canonical = Writer::with_capacity(0);
            canonical.uint(number);
            writer.raw(&[&[0xcf], &number.to_be_bytes()[..], &bytes[canonical.finish().len()..]].concat());
        }
        writer.bytes(macaroon.tail());
        writer.finish().to_vec()
    }

    proptest! {
        #[test]
        fn what_is_decoded_is_encoded_as_it_was(
            caveats in prop::collection::vec(any_caveat(), 0..20),
            behind in prop::collection::vec(any::<u8>(), 0..3),
            old_nonce: bool,
        ) {
            let draft = caveats.iter().fold(Forge::new([1; 32]).permission([2; 16]), |draft, caveat| draft.caveat(caveat.clone()));
            let canonical = draft.sign().macaroon;
            for bytes in [canonical.bytes().to_vec(), spelt_otherwise(&canonical, old_nonce)] {
                let read = Macaroon::decode(&[&bytes[..], &behind].concat()).expect("a macaroon");
                prop_assert_eq!(read.bytes(), &bytes[..]);
                prop_assert!(read.caveats().eq(&caveats));
                let bundle = Bundle::parse(&read.encode()).expect("one item");
                prop_assert_eq!(bundle.items()[0].macaroon().expect("a macaroon").bytes(), &bytes[..]);
            }
        }

        #[test]
        fn what_is_narrowed_keeps_every_byte_but_the_header_and_the_tail(
            before in prop::collection::vec(any_caveat(), 0..10),
            added in prop::collection::vec(any_caveat(), 1..4),
            old_nonce: bool,
        ) {
            let draft = before.iter().fold(Forge::new([1; 32]).permission([2; 16]), |draft, caveat| draft.caveat(caveat.clone()));
            let wide = Macaroon::decode(&spelt_otherwise(&draft.sign().macaroon, old_nonce)).expect("a macaroon");
            let Ok(narrow) = wide.attenuated(&added) else { return Ok(()) };
            prop_assert_eq!(narrow.nonce_bytes(), wide.nonce_bytes());
            prop_assert_eq!(narrow.location(), wide.location());
            let kept: Vec<_> = narrow.caveats_bytes().take(wide.caveats().len()).collect();
            prop_assert!(kept.into_iter().eq(wide.caveats_bytes()));
            prop_assert!(narrow.id() == wide.id());
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_kept_as_they_are(bytes in prop::collection::vec(any::<u8>(), 0..400), front: bool) {
            let front = if front { &[0x94, 0x92, 0xc4, 0, 0xc4, 0, 0xa0][..] } else { &[] };
            let all = [front, &bytes].concat();
            if let Ok(macaroon) = Macaroon::decode(&all) {
                prop_assert!(all.starts_with(macaroon.bytes()));
                prop_assert!(Bundle::parse(&macaroon.encode()).expect("one item").check().is_ok());
            }
        }

        #[test]
        fn a_damaged_token_is_refused_or_kept_as_it_is(
            caveats in prop::collection::vec(any_caveat(), 0..4),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let draft = caveats.into_iter().fold(Forge::new([1; 32]).permission([2; 16]), Draft::caveat);
            let mut bytes = draft.sign().macaroon.bytes().to_vec();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(macaroon) = Macaroon::decode(&bytes) {
                prop_assert!(bytes.starts_with(macaroon.bytes()));
                // Narrowing what is damaged must not panic either.
                let _ = macaroon.attenuated(&[Caveat::IsMember]);
            }
        }
    }
}
