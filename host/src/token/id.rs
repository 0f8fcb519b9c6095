//! The name by which Fly knows a token.

use std::fmt;

use sha1::{Digest as _, Sha1};

use super::macaroon::Macaroon;

/// A token's id: a UUID that tells nothing about its key. Every copy of a token that was narrowed has it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId([u8; 16]);

impl Macaroon {
    /// The id that Fly's own tools show for it, made from the two parts of its nonce.
    pub fn id(&self) -> TokenId {
        TokenId(uuid(uuid(NAMESPACE, self.kid()), self.rnd()))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A UUID of version 5: a name's hash within a namespace. <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5>
fn uuid(namespace: [u8; 16], name: &[u8]) -> [u8; 16] {
    let hash = Sha1::new().chain_update(namespace).chain_update(name).finalize();
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&hash[..16]);
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// What Fly's library calls the namespace of its token ids: `968fc2c6-a94f-4988-a544-2ad72b02f222`.
const NAMESPACE: [u8; 16] = 0x968f_c2c6_a94f_4988_a544_2ad7_2b02_f222_u128.to_be_bytes();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Caveat, Mask, forge::Forge};

    #[test]
    fn an_id_is_the_one_that_flys_library_makes() {
        let id = TokenId(uuid(uuid(NAMESPACE, b"kid"), b"rnd"));
        assert_eq!(id.to_string(), "fddc76c6-c5f3-5383-9167-490fcf9755de");
    }

    #[test]
    fn a_narrowed_copy_has_the_id_of_its_original_and_another_token_has_another() {
        let token = |rnd| Forge::new([1; 32]).permission([rnd; 16]).sign().macaroon;
        let narrowed = token(1).attenuated(&[Caveat::Action(Mask::READ)]).expect("it can be narrowed");
        assert_eq!(narrowed.id(), token(1).id());
        assert_ne!(token(2).id(), token(1).id());
    }
}
