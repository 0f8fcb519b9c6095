//! Tokens that are never handed out again.
//!
//! An invalidation is data, not an action on some tier: it is committed to the `kept` database before the request is answered, and
//! every lease is held against it wherever it comes from, be it memory, a late write or a resolution that was already running.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    app::AppName,
    cache::Key,
    kind::Kind,
    lease::Lease,
    store::{Store, StoreError, Table},
    time::Timestamp,
    token::Fingerprint,
};

/// Every tombstone in force, in memory and in the `kept` database.
pub struct Tombstones {
    store: Arc<Store>,
    graves: RwLock<Graves>,
}

#[derive(Default)]
struct Graves {
    tokens: HashMap<(AppName, Fingerprint), TokenGrave>,
    cutoffs: HashMap<Key, Cutoff>,
}

/// One rejected token.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct TokenGrave {
    /// When it was rejected.
    at: Timestamp,
    /// From here on the token is dead by itself and the tombstone can go.
    until: Timestamp,
    /// One kind, or all.
    kind: Option<Kind>,
}

/// Everything obtained up to a moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cutoff {
    at: Timestamp,
    /// Leases with this sequence or a smaller one are meant.
    sequence: u64,
}

/// What an invalidation means.
#[derive(Debug, Clone)]
pub struct Burial {
    /// The app.
    pub app: AppName,
    /// One kind, or all.
    pub kind: Option<Kind>,
    /// The tokens by fingerprint, and when each dies by itself; none if nobody knows.
    pub tokens: Vec<(Fingerprint, Option<Timestamp>)>,
    /// Everything obtained up to this sequence too.
    pub cutoff: Option<u64>,
}

/// How a tombstone bears on a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be handed out.
    Alive,
    /// It was invalidated and may not come back from memory.
    Dead,
}

impl Tombstones {
    /// Reads the tombstones of earlier runs and drops the ones that have served their time.
    ///
    /// # Errors
    /// When the `kept` database cannot be read: nothing may be handed out from memory then.
    pub fn open(store: Arc<Store>, now: Timestamp) -> Result<Self, StoreError> {
        let tombstones = Self { store, graves: RwLock::default() };
        tombstones.reload(now)?;
        Ok(tombstones)
    }

    /// Reads the database again: another process may have written since.
    ///
    /// # Errors
    /// When the `kept` database cannot be read.
    pub fn reload(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut graves = Graves::default();
        let mut over = Vec::new();
        for (name, bytes) in self.store.kept().scan(Table::Tombstones, "")? {
            match parse(&name, &bytes) {
                Some(Grave::Token(app, fingerprint, grave)) if grave.until > now => drop(graves.tokens.insert((app, fingerprint), grave)),
                Some(Grave::Cutoff(key, cutoff)) if now.since(cutoff.at) < LONGEST => drop(graves.cutoffs.insert(key, cutoff)),
                _ => over.push(name),
            }
        }
        for name in over {
            // Rubbish that cannot be removed now is removed another time.
            let _ = self.store.kept().remove(Table::Tombstones, &name);
        }
        *self.graves.write().unwrap_or_else(PoisonError::into_inner) = graves;
        Ok(())
    }

    /// The greatest sequence that a tombstone names: whatever is obtained from now on must come after it.
    pub fn greatest_sequence(&self) -> u64 {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        graves.cutoffs.values().map(|cutoff| cutoff.sequence).max().unwrap_or(0)
    }

    /// Commits an invalidation: it is on disk when this returns.
    ///
    /// # Errors
    /// When the disk fails. The tombstones still hold in this process, since not handing out is the safe side.
    pub fn bury(&self, burial: &Burial, now: Timestamp) -> Result<(), StoreError> {
        let mut records = Vec::new();
        {
            let mut graves = self.graves.write().unwrap_or_else(PoisonError::into_inner);
            for (fingerprint, end) in &burial.tokens {
                let until = end.map_or_else(|| now.after(LONGEST), |end| end.after(MARGIN));
                let grave = TokenGrave { at: now, until, kind: burial.kind };
                graves.tokens.insert((burial.app.clone(), *fingerprint), grave);
                records.push((format!("token/{}/{fingerprint}", burial.app), rmp_serde::to_vec_named(&grave).unwrap_or_default()));
            }
            for kind in burial.cutoff.into_iter().flat_map(|_| Kind::ALL).filter(|kind| burial.kind.is_none_or(|wanted| wanted == *kind)) {
                let cutoff = Cutoff { at: now, sequence: burial.cutoff.unwrap_or(0) };
                graves.cutoffs.insert(Key { app: burial.app.clone(), kind }, cutoff);
                records.push((format!("cutoff/{}/{kind}", burial.app), rmp_serde::to_vec_named(&cutoff).unwrap_or_default()));
            }
            graves.tokens.retain(|_, grave| grave.until > now);
        }
        self.store.kept().transaction(|changes| {
            for (name, bytes) in &records {
                changes.save(Table::Tombstones, name, bytes)?;
            }
            Ok(())
        })
    }

    /// Lets a token live again: the user set it by hand after it was rejected.
    ///
    /// # Errors
    /// When the disk fails; the tombstone then stays.
    pub fn raise(&self, app: &AppName, fingerprint: Fingerprint) -> Result<(), StoreError> {
        let known = self.graves.read().unwrap_or_else(PoisonError::into_inner).tokens.contains_key(&(app.clone(), fingerprint));
        if known {
            self.store.kept().remove(Table::Tombstones, &format!("token/{app}/{fingerprint}"))?;
            self.graves.write().unwrap_or_else(PoisonError::into_inner).tokens.remove(&(app.clone(), fingerprint));
        }
        Ok(())
    }

    /// Whether a lease that something remembered may be handed out.
    pub fn of_remembered(&self, key: &Key, lease: &Lease, fingerprint: Fingerprint) -> Verdict {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        if graves.tokens.is_empty() && graves.cutoffs.is_empty() {
            return Verdict::Alive;
        }
        let cut = graves.cutoffs.get(key).is_some_and(|cutoff| lease.provenance.sequence <= cutoff.sequence);
        if cut || graves.grave(key, fingerprint).is_some() { Verdict::Dead } else { Verdict::Alive }
    }

    /// Whether a lease that a live source just gave may be handed out: a source that repeats a rejected token is passed over for a
    /// minute, and believed after that. A resolution that ran while the app was invalidated is dead too.
    pub fn of_live(&self, key: &Key, lease: &Lease, fingerprint: Fingerprint, now: Timestamp) -> Verdict {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        let cut = graves.cutoffs.get(key).is_some_and(|cutoff| lease.provenance.sequence <= cutoff.sequence);
        let recent = graves.grave(key, fingerprint).is_some_and(|grave| now.since(grave.at) < PASSED_OVER && now >= grave.at);
        if cut || recent { Verdict::Dead } else { Verdict::Alive }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        graves.tokens.len() + graves.cutoffs.len()
    }
}

impl Graves {
    fn grave(&self, key: &Key, fingerprint: Fingerprint) -> Option<&TokenGrave> {
        self.tokens.get(&(key.app.clone(), fingerprint)).filter(|grave| grave.kind.is_none_or(|kind| kind == key.kind))
    }
}

enum Grave {
    Token(AppName, Fingerprint, TokenGrave),
    Cutoff(Key, Cutoff),
}

fn parse(name: &str, bytes: &[u8]) -> Option<Grave> {
    let mut parts = name.splitn(3, '/');
    let (what, app, rest) = (parts.next()?, AppName::parse(parts.next()?).ok()?, parts.next()?);
    match what {
        "token" => Some(Grave::Token(app, rest.parse().ok()?, rmp_serde::from_slice(bytes).ok()?)),
        "cutoff" => Some(Grave::Cutoff(Key { app, kind: rest.parse().ok()? }, rmp_serde::from_slice(bytes).ok()?)),
        _ => None,
    }
}

/// How long a live source that repeats a rejected token is passed over.
const PASSED_OVER: Duration = Duration::from_secs(60);

/// A tombstone outlives its token by this much, so that a clock that is set back a little does not raise the token.
const MARGIN: Duration = Duration::from_hours(1);

/// How long a tombstone is kept when nobody knows the token's end.
const LONGEST: Duration = Duration::from_hours(24 * 400);
