//! Records that lie in memory, under the rules that the sealed ones have.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    cache::Key,
    config::Role,
    lease::Lease,
    runtime::{BoxFuture, RecordsAccess, RecordsFailure},
};

/// Every record of one trial.
#[derive(Default)]
pub(super) struct Shelf(Mutex<BTreeMap<String, Lease>>);

/// The one record that a call may touch.
pub(super) struct Record {
    shelf: Arc<Shelf>,
    name: String,
    role: Role,
}

impl Shelf {
    /// The record of this app and kind; in the role `manual`, of the app alone.
    pub(super) fn record(self: &Arc<Self>, key: &Key, role: Role) -> Arc<dyn RecordsAccess> {
        let name = if role == Role::Manual { key.app.to_string() } else { format!("{} {}", key.app, key.kind) };
        Arc::new(Record { shelf: Arc::clone(self), name, role })
    }
}

impl Record {
    fn leases(&self) -> MutexGuard<'_, BTreeMap<String, Lease>> {
        self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_now(&self, lease: Lease) -> Result<(), RecordsFailure> {
        if lease.provenance.is_login {
            return Err(RecordsFailure::Refused("the login is never kept".into()));
        }
        let mut leases = self.leases();
        let newer = |kept: &Lease| kept.provenance.sequence > lease.provenance.sequence;
        if self.role != Role::Manual && leases.get(&self.name).is_some_and(newer) {
            return Err(RecordsFailure::Refused("a newer lease is kept".into()));
        }
        leases.insert(self.name.clone(), lease);
        Ok(())
    }
}

impl RecordsAccess for Record {
    fn load(&self) -> BoxFuture<'_, Result<Option<Lease>, RecordsFailure>> {
        let lease = self.leases().get(&self.name).map(|Lease { token, expiry, id, provenance }| Lease {
            token: Arc::clone(token),
            expiry: *expiry,
            id: id.clone(),
            provenance: provenance.clone(),
        });
        Box::pin(ready(Ok(lease)))
    }

    fn save(&self, lease: Lease) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        Box::pin(ready(self.save_now(lease)))
    }

    fn remove(&self) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        self.leases().remove(&self.name);
        Box::pin(ready(Ok(())))
    }
}
