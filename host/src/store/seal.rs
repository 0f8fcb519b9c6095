//! The key that seals what lies on disk, and the sealing.

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Table;
use crate::system;

/// The one secret everything at rest hangs on: 32 random bytes. Wiped when dropped; never used as it is, only to [derive](Self::derive) keys.
pub struct SealingKey(Zeroizing<[u8; KEY_LENGTH]>);

impl SealingKey {
    /// From the bytes that were kept.
    pub fn new(bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        Self(bytes)
    }

    /// A new one, from the operating system's randomness.
    pub fn random() -> Self {
        Self(Zeroizing::new(system::random()))
    }

    /// The key for one purpose: HMAC-SHA256 under this key over the purpose's label. Knowing one tells nothing of another.
    pub fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; KEY_LENGTH]> {
        // HMAC pads a short key to one block with zeros. Done here, there is no length left that could be wrong.
        let mut block = Zeroizing::new([0; HASH_BLOCK]);
        block[..KEY_LENGTH].copy_from_slice(self.0.as_slice());
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(purpose.label().as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// The bytes, to be put where the key is kept.
    pub(super) fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// What a derived key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Sealing records.
    Records,
    /// Telling whether a database was written under this key.
    KeyCheck,
    /// Fingerprints of tokens.
    Fingerprints,
    /// The chain of the audit.
    Audit,
    /// Telling this agent's numbers from another's.
    Instance,
}

impl Purpose {
    /// Never changed: another label is another key, and everything kept would be lost.
    fn label(self) -> &'static str {
        match self {
            Self::Records => "flytoken records v1",
            Self::KeyCheck => "flytoken key check v1",
            Self::Fingerprints => "flytoken fingerprints v1",
            Self::Audit => "flytoken audit v1",
            Self::Instance => "flytoken instance v1",
        }
    }
}

/// Seals and opens the records of one database.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    database: &'static str,
}

impl Sealer {
    pub(super) fn new(key: &SealingKey, database: &'static str) -> Self {
        Self { cipher: XChaCha20Poly1305::new((&*key.derive(Purpose::Records)).into()), database }
    }

    /// `nonce ‖ ciphertext ‖ tag`, under a nonce drawn for this write alone: 24 random bytes do not repeat in any number of writes.
    pub(super) fn seal(&self, table: Table, name: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LENGTH] = system::random();
        // Encrypted in place, and with room for the tag, so that no plain copy is left behind.
        let mut body = Vec::with_capacity(plain.len() + TAG_LENGTH);
        body.extend_from_slice(plain);
        self.cipher
            .encrypt_in_place(&XNonce::from(nonce), &self.label(table, name), &mut body)
            .expect("a record is far shorter than the cipher's limit of 256 GiB");
        [nonce.as_slice(), &body].concat()
    }

    /// What was sealed under this key for this very place; none for anything else.
    pub(super) fn open(&self, table: Table, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LENGTH>()?;
        let mut body = Zeroizing::new(body.to_vec());
        self.cipher.decrypt_in_place(&XNonce::from(*nonce), &self.label(table, name), &mut *body).ok()?;
        Some(body)
    }

    /// The associated data: a record moved to another name, table or database does not open there. The first two hold no zero byte, so no
    /// two places share a label.
    fn label(&self, table: Table, name: &str) -> Vec<u8> {
        [self.database, table.name(), name].join("\0").into_bytes()
    }
}

/// Length of every key, in bytes.
pub const KEY_LENGTH: usize = 32;
/// Length of a block of SHA-256, in bytes.
const HASH_BLOCK: usize = 64;
/// Length of an `XChaCha20` nonce, in bytes.
const NONCE_LENGTH: usize = 24;
/// Length of a `Poly1305` tag, in bytes.
const TAG_LENGTH: usize = 16;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::new(Zeroizing::new([byte; KEY_LENGTH]))
    }

    #[test]
    fn a_sealed_record_opens_in_its_own_place_under_its_own_key_alone() {
        let sealer = Sealer::new(&key(1), "kept");
        let record = sealer.seal(Table::Manual, "web", b"canary");
        assert_eq!(sealer.open(Table::Manual, "web", &record).unwrap().as_slice(), b"canary");
        assert!(!record.windows(6).any(|window| window == b"canary"));

        assert!(sealer.open(Table::Manual, "api", &record).is_none(), "another name");
        assert!(sealer.open(Table::Leases, "web", &record).is_none(), "another table");
        assert!(Sealer::new(&key(1), "cache").open(Table::Manual, "web", &record).is_none(), "another database");
        assert!(Sealer::new(&key(2), "kept").open(Table::Manual, "web", &record).is_none(), "another key");
        for length in 0..record.len() {
            assert!(sealer.open(Table::Manual, "web", &record[..length]).is_none(), "cut to {length}");
        }
        for position in 0..record.len() {
            let mut changed = record.clone();
            changed[position] ^= 1;
            assert!(sealer.open(Table::Manual, "web", &changed).is_none(), "bit changed at {position}");
        }
    }

    #[test]
    fn the_same_record_is_sealed_differently_every_time() {
        let sealer = Sealer::new(&key(1), "kept");
        assert_ne!(sealer.seal(Table::Manual, "web", b"x"), sealer.seal(Table::Manual, "web", b"x"));
    }

    #[test]
    fn purposes_have_keys_of_their_own_that_never_change() {
        let key = key(7);
        assert_ne!(key.derive(Purpose::Records), key.derive(Purpose::Fingerprints));
        assert_ne!(key.derive(Purpose::Records), key.derive(Purpose::KeyCheck));
        // Pinned: HMAC-SHA256 of the labels under thirty-two times 0x07.
        let hex = |purpose| {
            key.derive(purpose).iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        assert_eq!(hex(Purpose::Records), "61b80a111729af9eebefaa9cd41b59e4771d0c996d6cdecf5f8c4fcf06cbe10a");
        assert_eq!(hex(Purpose::Fingerprints), "70d45e2dad1d561344040311b7925de2c3fbe4f3c8d3cf287737d0b0d739c973");
        assert!(!format!("{key:?}").contains('7'));
    }
}
