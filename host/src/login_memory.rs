//! Whose login it is, remembered in the `kept` database.

use std::sync::Arc;

use crate::{
    login::{Generation, IdentityMemory, Remembered},
    records,
    store::{Change, Store, StoreError, Table},
};

/// Remembers the login's identity, and forgets what a login that ended obtained in the moment its end is remembered.
pub struct LoginMemory(pub Arc<Store>);

impl IdentityMemory for LoginMemory {
    fn recall(&self) -> Result<Option<Remembered>, String> {
        let bytes = self.0.kept().load(Table::Login, RECORD).map_err(|error| error.to_string())?;
        bytes.map(|bytes| decode(&bytes)).transpose()
    }

    fn remember(&self, before: Option<&Remembered>, now: &Remembered) -> Result<bool, String> {
        let mut written = false;
        let update = self.0.kept().update::<StoreError>(Table::Login, RECORD, |found| {
            let found = found.and_then(|bytes| decode(bytes).ok());
            if found.as_ref() != before {
                return Ok(Change::Keep);
            }
            written = true;
            Ok(Change::Put(rmp_serde::to_vec_named(now).expect("an identity is plain data").into()))
        });
        update.map_err(|error| error.to_string())?;
        if written && generation(before) != generation(Some(now)) {
            records::forget_other_logins(&self.0, generation(Some(now))).map_err(|error| error.to_string())?;
        }
        Ok(written)
    }
}

fn generation(remembered: Option<&Remembered>) -> Option<Generation> {
    match remembered {
        Some(Remembered::In(identity)) => Some(identity.generation),
        Some(Remembered::Out) | None => None,
    }
}

fn decode(bytes: &[u8]) -> Result<Remembered, String> {
    rmp_serde::from_slice(bytes).map_err(|_| "what is remembered of the login is not what this version wrote".to_owned())
}

/// The one record there is.
const RECORD: &str = "file";
