//! What keepers remember: one sealed lease per source, app and kind, with its provenance.
//!
//! A source names no record. The host decides which one a call may touch, and whether what lies in it still holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    app::AppName,
    cache::Key,
    causes::with_causes,
    config::{Records, Role, SourceName},
    kind::Kind,
    lease::{Expiry, Lease, Provenance},
    login::{Generation, Standing},
    resolver::Resolver,
    runtime::{BoxFuture, RecordsAccess, RecordsFailure},
    store::{Change, Database, Store, StoreError, Table},
    time::Timestamp,
    token::ApiToken,
    tombstones::Verdict,
};

/// The one record that a call may touch.
pub struct Record {
    resolver: Arc<Resolver>,
    key: Key,
    grant: Records,
    role: Role,
    name: String,
}

impl Record {
    /// The record of `source` for the app and kind of `key`; in the role `manual`, for the app alone.
    pub fn new(resolver: Arc<Resolver>, source: &SourceName, role: Role, grant: Records, key: Key) -> Self {
        let name = name(source, &key.app, (role != Role::Manual).then_some(key.kind));
        Self { resolver, key, grant, role, name }
    }

    /// Whether anything lies in it, be it something that no longer counts.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn is_there(&self) -> Result<bool, StoreError> {
        Ok(self.database().load(self.table(), &self.name)?.is_some())
    }

    /// What lies in it, whether or not it still counts.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn kept(&self) -> Result<Option<Lease>, StoreError> {
        Ok(self.database().load(self.table(), &self.name)?.and_then(|bytes| decode(&bytes)))
    }

    /// Removes what lies in it if `unwanted` says so, with no other write in between.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove_if(&self, unwanted: impl FnOnce(&Lease) -> bool) -> Result<(), StoreError> {
        self.database().update(self.table(), &self.name, |bytes| {
            Ok(if bytes.and_then(decode).is_some_and(|lease| unwanted(&lease)) { Change::Remove } else { Change::Keep })
        })
    }

    fn database(&self) -> &Database {
        match self.grant {
            Records::Cache => self.resolver.store.cache(),
            Records::Kept => self.resolver.store.kept(),
        }
    }

    /// Manual tokens lie apart: they cannot be had again, and no change of settings or login makes them void.
    fn table(&self) -> Table {
        if self.role == Role::Manual { Table::Manual } else { Table::Leases }
    }

    fn load_now(&self) -> Result<Option<Lease>, RecordsFailure> {
        let Some(bytes) = self.database().load(self.table(), &self.name).map_err(unavailable)? else { return Ok(None) };
        let Some(lease) = decode(&bytes) else {
            return Err(RecordsFailure::Unavailable(format!("the record `{}` is not one that this version wrote", self.name)));
        };
        self.resolver.sequence.observe(lease.provenance.sequence);
        match self.standing(&lease) {
            Standing::Current => Ok(Some(lease)),
            Standing::Foreign => Ok(None),
            Standing::Void => {
                // A rejected manual token stays until it is set anew or unset: the user chose it, and only the user drops it.
                if self.role != Role::Manual {
                    self.database().remove(self.table(), &self.name).map_err(unavailable)?;
                }
                Ok(None)
            }
        }
    }

    /// Whether what was kept still counts.
    fn standing(&self, lease: &Lease) -> Standing {
        let dead = self.resolver.tombstones.of_remembered(&self.key, lease, self.resolver.fingerprints.of(&lease.token)) == Verdict::Dead;
        if dead || self.role == Role::Manual {
            return if dead { Standing::Void } else { Standing::Current };
        }
        let changed = !self.resolver.would_ask(&self.key.app, &lease.provenance);
        let ended = lease.expiry.at().is_some_and(|end| end <= self.resolver.clock.now());
        if changed || ended { Standing::Void } else { self.resolver.standing(lease.provenance.login) }
    }

    fn save_now(&self, lease: &Lease) -> Result<(), RecordsFailure> {
        // A source that was granted both could keep a copy that outlives the login.
        if lease.provenance.is_login {
            return Err(RecordsFailure::Refused("the login is never kept".into()));
        }
        if self.role != Role::Manual {
            let fingerprint = self.resolver.fingerprints.of(&lease.token);
            if self.resolver.tombstones.of_remembered(&self.key, lease, fingerprint) == Verdict::Dead {
                return Err(RecordsFailure::Refused("this lease was invalidated".into()));
            }
            if !self.resolver.may_keep(lease.provenance.login) {
                return Err(RecordsFailure::Refused("this lease belongs to another login than the one that is remembered".into()));
            }
        }
        let bytes = encode(lease);
        let sequence = lease.provenance.sequence;
        // What the user sets by hand always takes the place of what was there.
        let overwrites = self.role == Role::Manual;
        let mut kept_newer = false;
        let update = self.database().update::<StoreError>(self.table(), &self.name, |old| {
            kept_newer = !overwrites && old.and_then(decode).is_some_and(|old| old.provenance.sequence > sequence);
            Ok(if kept_newer { Change::Keep } else { Change::Put(bytes) })
        });
        update.map_err(unavailable)?;
        if kept_newer { Err(RecordsFailure::Refused("a newer lease is kept".into())) } else { Ok(()) }
    }
}

impl RecordsAccess for Arc<Record> {
    fn load(&self) -> BoxFuture<'_, Result<Option<Lease>, RecordsFailure>> {
        // Read from the database's own cache in memory: a few microseconds, less than handing it to another thread takes.
        Box::pin(std::future::ready(self.load_now()))
    }

    fn save(&self, lease: Lease) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        let record = Arc::clone(self);
        Box::pin(off_the_loop(move || record.save_now(&lease)))
    }

    fn remove(&self) -> BoxFuture<'_, Result<(), RecordsFailure>> {
        let record = Arc::clone(self);
        Box::pin(off_the_loop(move || record.database().remove(record.table(), &record.name).map(drop).map_err(unavailable)))
    }
}

/// Forgets every lease that was obtained under another login than `current`.
///
/// # Errors
/// When the disk fails; such leases are then still absent, since each is held against the login when it is read.
pub fn forget_other_logins(store: &Store, current: Option<Generation>) -> Result<(), StoreError> {
    let other = |login: Option<Generation>| login.is_some() && login != current;
    for database in [store.cache(), store.kept()] {
        database.remove_where(Table::Leases, |_, bytes| decode(bytes).is_none_or(|lease| other(lease.provenance.login)))?;
    }
    Ok(())
}

/// Forgets every lease that had ended at `then`; a manual token is dropped by the user alone.
///
/// # Errors
/// When the disk fails; such leases are then still absent.
pub fn forget_ended(store: &Store, then: Timestamp) -> Result<(), StoreError> {
    let ended = |_: &str, bytes: &[u8]| decode(bytes).is_some_and(|lease| lease.expiry.at().is_some_and(|end| end <= then));
    for database in [store.cache(), store.kept()] {
        database.remove_where(Table::Leases, ended)?;
    }
    Ok(())
}

/// A write is synced to disk, which takes milliseconds: not on a thread that serves others.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> Result<T, RecordsFailure> + Send + 'static) -> Result<T, RecordsFailure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(RecordsFailure::Unavailable("the write was cut off".into())))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn unavailable(error: StoreError) -> RecordsFailure {
    RecordsFailure::Unavailable(format!("{}; {}", with_causes(&error), error.hint()))
}

/// `source/app/kind`, or `source/app` for a keeper in the role `manual`.
fn name(source: &SourceName, app: &AppName, kind: Option<Kind>) -> String {
    kind.map_or_else(|| format!("{source}/{app}"), |kind| format!("{source}/{app}/{kind}"))
}

#[derive(Serialize)]
struct Written<'a> {
    token: &'a str,
    expiry: Expiry,
    id: Option<&'a str>,
    provenance: &'a Provenance,
}

#[derive(Deserialize)]
struct Read {
    token: String,
    expiry: Expiry,
    id: Option<String>,
    provenance: Provenance,
}

fn encode(lease: &Lease) -> Zeroizing<Vec<u8>> {
    let written = Written { token: lease.token.expose(), expiry: lease.expiry, id: lease.id.as_deref(), provenance: &lease.provenance };
    // Large enough that no half-written token is left behind by a buffer that grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(lease.token.expose().len() + 1024));
    rmp_serde::encode::write_named(&mut *bytes, &written).expect("a lease is plain data, which a vector takes");
    bytes
}

fn decode(bytes: &[u8]) -> Option<Lease> {
    let Read { token, expiry, id, provenance } = rmp_serde::from_slice(bytes).ok()?;
    Some(Lease { token: Arc::new(ApiToken::new(Zeroizing::new(token))), expiry, id, provenance })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{lease, timestamp};

    #[test]
    fn a_lease_comes_back_as_it_was_kept() {
        let kept = lease("fm2_canary", Expiry::At(timestamp(5)), timestamp(1));
        let back = decode(&encode(&kept)).expect("what was written is read");
        assert_eq!(back.token.expose(), kept.token.expose());
        assert_eq!((back.expiry, back.id, back.provenance), (kept.expiry, kept.id, kept.provenance));
    }

    #[test]
    fn what_has_ended_is_forgotten_and_a_manual_token_is_not() {
        let clock: Arc<dyn crate::system::Clock> = crate::test_support::TestClock::at(timestamp(1));
        let store = Store::memory(&clock).unwrap();
        for (table, name, end) in [(Table::Leases, "ended", 5), (Table::Leases, "lasts", 6), (Table::Manual, "manual", 5)] {
            let lease = lease("fm2_canary", Expiry::At(timestamp(end)), timestamp(1));
            store.cache().save(table, name, &encode(&lease)).unwrap();
        }
        forget_ended(&store, timestamp(5)).unwrap();
        let names = |table| store.cache().scan(table, "").unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!((names(Table::Leases), names(Table::Manual)), (vec!["lasts".to_owned()], vec!["manual".to_owned()]));
    }

    #[test]
    fn noise_is_no_lease() {
        assert!(decode(b"").is_none());
        assert!(decode(&[0xff; 40]).is_none());
    }
}
