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
    tokens: HashMap<Rejected, TokenGrave>,
    cutoffs: HashMap<Key, Cutoff>,
    /// Mints by the name that their leases carry: also one that a running resolution has not brought yet.
    mints: HashMap<String, TokenGrave>,
}

/// One token that was rejected for one kind, or for all. A token may be rejected for several kinds, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rejected {
    app: AppName,
    fingerprint: Fingerprint,
    kind: Option<Kind>,
}

impl Rejected {
    /// What its record is called.
    fn record(&self) -> String {
        let Self { app, fingerprint, kind } = self;
        kind.map_or_else(|| format!("token/{app}/{fingerprint}"), |kind| format!("token/{app}/{fingerprint}/{kind}"))
    }
}

/// Since when a token is rejected, and for how long.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct TokenGrave {
    /// When it was rejected.
    at: Timestamp,
    /// From here on the token is dead by itself and the tombstone can go.
    until: Timestamp,
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
    /// The mint of this name, whichever token it yields, and when that dies by itself.
    pub mint: Option<(String, Option<Timestamp>)>,
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
                Some(Grave::Token(rejected, grave)) if grave.until > now => drop(graves.tokens.insert(rejected, grave)),
                Some(Grave::Mint(name, grave)) if grave.until > now => drop(graves.mints.insert(name, grave)),
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
            let grave = |end: Option<Timestamp>| {
                let until = end.map_or_else(|| now.after(LONGEST), |end| end.after(MARGIN));
                TokenGrave { at: now, until }
            };
            if let Some((name, end)) = &burial.mint {
                records.push((format!("mint/{}/{name}", burial.app), rmp_serde::to_vec_named(&grave(*end)).unwrap_or_default()));
                graves.mints.insert(name.clone(), grave(*end));
            }
            for (fingerprint, end) in &burial.tokens {
                let grave = grave(*end);
                let rejected = Rejected { app: burial.app.clone(), fingerprint: *fingerprint, kind: burial.kind };
                records.push((rejected.record(), rmp_serde::to_vec_named(&grave).unwrap_or_default()));
                graves.tokens.insert(rejected, grave);
            }
            for kind in burial.cutoff.into_iter().flat_map(|_| Kind::ALL).filter(|kind| burial.kind.is_none_or(|wanted| wanted == *kind)) {
                let cutoff = Cutoff { at: now, sequence: burial.cutoff.unwrap_or(0) };
                graves.cutoffs.insert(Key { app: burial.app.clone(), kind }, cutoff);
                records.push((format!("cutoff/{}/{kind}", burial.app), rmp_serde::to_vec_named(&cutoff).unwrap_or_default()));
            }
            graves.tokens.retain(|_, grave| grave.until > now);
            graves.mints.retain(|_, grave| grave.until > now);
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
        let is_meant = |rejected: &Rejected| rejected.app == *app && rejected.fingerprint == fingerprint;
        let known: Vec<Rejected> = self
            .graves
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tokens
            .keys()
            .filter(|rejected| is_meant(rejected))
            .cloned()
            .collect();
        if !known.is_empty() {
            self.store.kept().transaction(|changes| {
                known.iter().try_for_each(|rejected| changes.remove(Table::Tombstones, &rejected.record()).map(drop))
            })?;
            self.graves.write().unwrap_or_else(PoisonError::into_inner).tokens.retain(|rejected, _| !is_meant(rejected));
        }
        Ok(())
    }

    /// Drops from memory what had served its time at `then`.
    pub fn let_go(&self, then: Timestamp) {
        let mut graves = self.graves.write().unwrap_or_else(PoisonError::into_inner);
        graves.tokens.retain(|_, grave| grave.until > then);
        graves.mints.retain(|_, grave| grave.until > then);
        graves.cutoffs.retain(|_, cutoff| then.since(cutoff.at) < LONGEST);
    }

    /// Drops from the disk what had served its time at `then`.
    ///
    /// # Errors
    /// When the disk fails; it is dropped another time.
    pub fn clean(&self, then: Timestamp) -> Result<(), StoreError> {
        let over = |name: &str, bytes: &[u8]| match parse(name, bytes) {
            Some(Grave::Token(_, grave) | Grave::Mint(_, grave)) => grave.until <= then,
            Some(Grave::Cutoff(_, cutoff)) => then.since(cutoff.at) >= LONGEST,
            // Of another version, which may come back.
            None => false,
        };
        self.store.kept().remove_where(Table::Tombstones, over).map(drop)
    }

    /// Whether a lease that something remembered may be handed out.
    pub fn of_remembered(&self, key: &Key, lease: &Lease, fingerprint: Fingerprint) -> Verdict {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        if graves.tokens.is_empty() && graves.cutoffs.is_empty() && graves.mints.is_empty() {
            return Verdict::Alive;
        }
        let cut = graves.cutoffs.get(key).is_some_and(|cutoff| lease.provenance.sequence <= cutoff.sequence);
        if cut || graves.is_revoked(lease) || graves.grave(key, fingerprint).is_some() { Verdict::Dead } else { Verdict::Alive }
    }

    /// Whether a lease that a live source just gave may be handed out: a source that repeats a rejected token is passed over for a
    /// minute, and believed after that. A resolution that ran while the app was invalidated is dead too.
    pub fn of_live(&self, key: &Key, lease: &Lease, fingerprint: Fingerprint, now: Timestamp) -> Verdict {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        let cut = graves.cutoffs.get(key).is_some_and(|cutoff| lease.provenance.sequence <= cutoff.sequence);
        let recent = graves.grave(key, fingerprint).is_some_and(|grave| now.since(grave.at) < PASSED_OVER && now >= grave.at);
        if cut || recent || graves.is_revoked(lease) { Verdict::Dead } else { Verdict::Alive }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let graves = self.graves.read().unwrap_or_else(PoisonError::into_inner);
        graves.tokens.len() + graves.cutoffs.len() + graves.mints.len()
    }
}

impl Graves {
    /// Whether it is a mint that was revoked. No live source can mint that name again.
    fn is_revoked(&self, lease: &Lease) -> bool {
        !self.mints.is_empty() && lease.id.as_deref().is_some_and(|name| self.mints.contains_key(name))
    }

    /// The newer of the tombstones for this kind and for all.
    fn grave(&self, key: &Key, fingerprint: Fingerprint) -> Option<&TokenGrave> {
        let of = |kind| self.tokens.get(&Rejected { app: key.app.clone(), fingerprint, kind });
        [of(None), of(Some(key.kind))].into_iter().flatten().max_by_key(|grave| grave.at)
    }
}

enum Grave {
    Token(Rejected, TokenGrave),
    Cutoff(Key, Cutoff),
    Mint(String, TokenGrave),
}

fn parse(name: &str, bytes: &[u8]) -> Option<Grave> {
    let mut parts = name.splitn(3, '/');
    let (what, app, rest) = (parts.next()?, AppName::parse(parts.next()?).ok()?, parts.next()?);
    match what {
        "token" => {
            let (fingerprint, kind) = rest.split_once('/').map_or((rest, None), |(fingerprint, kind)| (fingerprint, Some(kind)));
            let kind = kind.map(str::parse).transpose().ok()?;
            Some(Grave::Token(Rejected { app, fingerprint: fingerprint.parse().ok()?, kind }, rmp_serde::from_slice(bytes).ok()?))
        }
        "mint" => Some(Grave::Mint(rest.to_owned(), rmp_serde::from_slice(bytes).ok()?)),
        "cutoff" => Some(Grave::Cutoff(Key { app, kind: rest.parse().ok()? }, rmp_serde::from_slice(bytes).ok()?)),
        _ => None,
    }
}

/// How long a live source that repeats a rejected token is passed over.
const PASSED_OVER: Duration = Duration::from_mins(1);

/// A tombstone outlives its token by this much, so that a clock that is set back a little does not raise the token.
const MARGIN: Duration = Duration::from_hours(1);

/// How long a tombstone is kept when nobody knows the token's end.
const LONGEST: Duration = Duration::from_hours(24 * 400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lease::Expiry,
        system::Clock,
        test_support::{TestClock, lease, timestamp},
    };

    const REJECTED: &str = "00000000000000aa";

    fn store() -> Arc<Store> {
        let clock: Arc<dyn Clock> = TestClock::at(timestamp(1_000));
        Arc::new(Store::memory(&clock).unwrap())
    }

    fn key(kind: Kind) -> Key {
        Key { app: AppName::parse("web").unwrap(), kind }
    }

    fn reject(tombstones: &Tombstones, kind: Option<Kind>, now: Timestamp) {
        let tokens = vec![(REJECTED.parse().unwrap(), None)];
        tombstones.bury(&Burial { app: key(Kind::Readonly).app, kind, tokens, cutoff: None, mint: None }, now).unwrap();
    }

    fn dead(tombstones: &Tombstones) -> Vec<Kind> {
        let lease = lease("token", Expiry::Never, timestamp(1_000));
        let is_dead = |kind: &Kind| tombstones.of_remembered(&key(*kind), &lease, REJECTED.parse().unwrap()) == Verdict::Dead;
        Kind::ALL.into_iter().filter(is_dead).collect()
    }

    #[test]
    fn a_token_may_be_rejected_for_several_kinds_and_all_of_them_outlive_the_process() {
        let (store, now) = (store(), timestamp(1_000));
        let tombstones = Tombstones::open(Arc::clone(&store), now).unwrap();
        reject(&tombstones, Some(Kind::Readonly), now);
        reject(&tombstones, Some(Kind::Deploy), now);
        assert_eq!(dead(&tombstones), [Kind::Readonly, Kind::Deploy]);
        assert_eq!(dead(&Tombstones::open(store, now).unwrap()), [Kind::Readonly, Kind::Deploy]);
    }

    #[test]
    fn a_token_that_is_set_anew_is_raised_for_every_kind() {
        let (store, now) = (store(), timestamp(1_000));
        let tombstones = Tombstones::open(Arc::clone(&store), now).unwrap();
        reject(&tombstones, Some(Kind::Ssh), now);
        reject(&tombstones, None, now);
        assert_eq!(dead(&tombstones), Kind::ALL);
        tombstones.raise(&key(Kind::Readonly).app, REJECTED.parse().unwrap()).unwrap();
        assert_eq!(dead(&tombstones), []);
        assert_eq!(dead(&Tombstones::open(store, now).unwrap()), []);
    }

    #[test]
    fn a_revoked_mint_is_dead_wherever_it_comes_from_until_it_has_ended_and_no_other_is() {
        let (store, now) = (store(), timestamp(1_000));
        let tombstones = Tombstones::open(Arc::clone(&store), now).unwrap();
        let app = key(Kind::Readonly).app;
        let burial = Burial { app, kind: None, tokens: vec![], cutoff: None, mint: Some(("mint".into(), Some(timestamp(5_000)))) };
        tombstones.bury(&burial, now).unwrap();
        let verdicts = |tombstones: &Tombstones, id: Option<&str>, at: Timestamp| {
            let lease = Lease { id: id.map(str::to_owned), ..lease("token", Expiry::Never, at) };
            let (key, fingerprint) = (key(Kind::Deploy), REJECTED.parse().unwrap());
            [tombstones.of_remembered(&key, &lease, fingerprint), tombstones.of_live(&key, &lease, fingerprint, at)]
        };
        for tombstones in [tombstones, Tombstones::open(Arc::clone(&store), now).unwrap()] {
            assert_eq!(verdicts(&tombstones, Some("mint"), timestamp(4_000)), [Verdict::Dead; 2]);
            for other in [None, Some("mint-2"), Some("min")] {
                assert_eq!(verdicts(&tombstones, other, timestamp(4_000)), [Verdict::Alive; 2]);
            }
        }
        assert_eq!(Tombstones::open(Arc::clone(&store), timestamp(5_001)).unwrap().count(), 1, "the clock may be set back a little");
        assert_eq!(Tombstones::open(store, timestamp(9_000)).unwrap().count(), 0);
    }

    #[test]
    fn what_is_over_is_dropped_from_memory_and_from_the_disk_and_nothing_else() {
        let (store, now) = (store(), timestamp(1_000));
        let tombstones = Tombstones::open(Arc::clone(&store), now).unwrap();
        let app = key(Kind::Readonly).app;
        let tokens = vec![(REJECTED.parse().unwrap(), Some(timestamp(2_000)))];
        tombstones.bury(&Burial { app: app.clone(), kind: None, tokens, cutoff: None, mint: None }, now).unwrap();
        let mint =
            Burial { app: app.clone(), kind: None, tokens: Vec::new(), cutoff: None, mint: Some(("mint".into(), Some(timestamp(2_000)))) };
        tombstones.bury(&mint, now).unwrap();
        let everything = Burial { app, kind: Some(Kind::Readonly), tokens: Vec::new(), cutoff: Some(1), mint: None };
        tombstones.bury(&everything, now).unwrap();
        let over = timestamp(2_000).after(MARGIN);
        for (then, left) in [(over.before(Duration::from_secs(1)), 3), (over, 1), (now.after(LONGEST), 0)] {
            tombstones.let_go(then);
            tombstones.clean(then).unwrap();
            assert_eq!(tombstones.count(), left, "in memory at {then:?}");
            assert_eq!(store.kept().scan(Table::Tombstones, "").unwrap().len(), left, "on disk at {then:?}");
        }
    }

    #[test]
    fn a_live_source_is_believed_again_a_minute_after_the_last_rejection() {
        let now = timestamp(1_000);
        let tombstones = Tombstones::open(store(), now).unwrap();
        reject(&tombstones, None, now);
        reject(&tombstones, Some(Kind::Readonly), timestamp(1_030));
        let lease = lease("token", Expiry::Never, now);
        let verdict = |kind, seconds| tombstones.of_live(&key(kind), &lease, REJECTED.parse().unwrap(), timestamp(seconds));
        for (kind, seconds, expected) in [
            (Kind::Deploy, 1_059, Verdict::Dead),
            (Kind::Deploy, 1_060, Verdict::Alive),
            (Kind::Readonly, 1_089, Verdict::Dead),
            (Kind::Readonly, 1_090, Verdict::Alive),
        ] {
            assert_eq!(verdict(kind, seconds), expected, "{kind} at {seconds}");
        }
    }
}
