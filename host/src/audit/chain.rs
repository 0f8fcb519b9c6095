//! The hash that ties each line to the one before.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::hex;

/// The key of the chain. Without it nobody can write a line that fits.
pub struct ChainKey(Zeroizing<[u8; 32]>);

/// The hash of one line and of all before it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link([u8; 16]);

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last line; lines count from 1.
    pub number: u64,
    /// Its hash.
    pub link: Link,
}

impl ChainKey {
    /// From 32 bytes that nobody else has.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The hash of a line that stands behind `before`.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    pub fn link(&self, before: Link, line: &[u8]) -> Link {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(&before.0);
        mac.update(line);
        let whole = mac.finalize().into_bytes();
        Link(std::array::from_fn(|index| whole[index]))
    }
}

impl Link {
    /// What stands before the first line.
    pub const NONE: Self = Self([0; 16]);

    /// From the digits of a line.
    pub fn parse(digits: &str) -> Option<Self> {
        hex::decode(digits)?.try_into().ok().map(Self)
    }
}

impl Head {
    /// Before the first line.
    pub const BEGINNING: Self = Self { number: 0, link: Link::NONE };
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({self})")
    }
}
