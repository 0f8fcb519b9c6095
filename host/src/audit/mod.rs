//! What was handed out, to whom and why: append-only lines of JSON, chained by a keyed hash.
//!
//! A line's hash covers the line and the hash before it, under a key of this installation alone: whoever can write the file can break
//! the chain, but cannot mend it. The newest hash, the head, is kept in the sealed database, so that lines cut off at the end are missed
//! too.

mod chain;
mod entry;
mod forward;
mod journal;
mod verify;

use std::sync::Arc;

pub use self::{
    chain::{ChainKey, Head, Link},
    entry::{Decision, Entry, Event, Narrowed, Subject},
    forward::{Collector, Forward},
    journal::{Journal, JournalError, Settings},
    verify::{Finding, Flaw, Report, verify},
};
use crate::store::{Store, StoreError, Table};

/// Keeps the head of the chain.
pub trait HeadKeeper: Send + Sync {
    /// The head as it was kept last; none before the first.
    ///
    /// # Errors
    /// If it cannot be read: nobody can tell then whether lines are missing.
    fn load(&self) -> Result<Option<Head>, String>;

    /// Keeps the head; on disk when this returns.
    ///
    /// # Errors
    /// If it is not.
    fn save(&self, head: &Head) -> Result<(), String>;
}

/// The head in the `kept` database.
pub struct SealedHead(pub Arc<Store>);

impl HeadKeeper for SealedHead {
    fn load(&self) -> Result<Option<Head>, String> {
        let bytes = self.0.kept().load(Table::Meta, RECORD).map_err(|error| error.to_string())?;
        bytes.map(|bytes| rmp_serde::from_slice(&bytes).map_err(|_| "it is not what this version wrote".to_owned())).transpose()
    }

    fn save(&self, head: &Head) -> Result<(), String> {
        let bytes = rmp_serde::to_vec_named(head).map_err(|error| error.to_string())?;
        self.0.kept().save(Table::Meta, RECORD, &bytes).map_err(|error: StoreError| error.to_string())
    }
}

/// The record of the head.
const RECORD: &str = "audit-head";

#[cfg(test)]
mod tests;
