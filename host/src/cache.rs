//! The in-memory cache: one checked lease per app and kind, with the moments at which it is renewed.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use crate::{
    app::AppName,
    kind::Kind,
    lease::{Expiry, Lease},
    protocol::{LeaseFacts, LeaseState},
    time::Timestamp,
    token::Fingerprint,
};

/// What leases, tombstones and records are filed under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The app.
    pub app: AppName,
    /// What the token is for.
    pub kind: Kind,
}

/// A lease in the cache. Its moments were drawn once, when it was put in: renewals of many apps spread instead of marching in step.
#[derive(Debug)]
pub struct Cached {
    /// The lease.
    pub lease: Lease,
    /// Names its token.
    pub fingerprint: Fingerprint,
    /// From here on a newer one is fetched in the background.
    pub soft: Option<Timestamp>,
    /// From here on callers wait for a newer one.
    pub hard: Option<Timestamp>,
    /// From here on it is not handed out; none if never.
    pub end: Option<Timestamp>,
    /// What the configuration says of it.
    pub terms: Terms,
    /// How long its token is good for, also where that is longer than it is cached; none if for ever. An unknown expiry counts as `ttl`.
    pub good_until: Option<Timestamp>,
    /// The reading of the login that its token was taken out of, by its revision; none if it is anything but the login.
    pub copy_of: Option<u64>,
}

/// What decides a lease's moments besides its own times.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// How long a lease of unknown expiry is trusted, from when it was obtained.
    pub ttl: Duration,
    /// How long its source takes at the 99th percentile, so that a slow one is asked in time.
    pub p99: Duration,
    /// Drawn evenly from `[0, 1)`.
    pub draw: f64,
    /// At most this long from now, whatever the lease says: a manual token must not hide a better source.
    pub at_most: Option<Timestamp>,
}

/// What the configuration says of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which configuration: under another one it has to be checked again.
    pub revision: u64,
    /// Whether it may leave as it is: no `deliver` rule says otherwise.
    pub leaves_whole: bool,
}

impl Cached {
    /// Draws the moments of a checked lease.
    pub fn new(lease: Lease, fingerprint: Fingerprint, moments: Moments, terms: Terms) -> Self {
        let good_until = match lease.expiry {
            Expiry::At(at) => Some(at),
            Expiry::Unknown => Some(lease.provenance.obtained.after(moments.ttl)),
            Expiry::Never => None,
        };
        let (soft, hard) = good_until.map_or((None, None), |end| {
            let lifetime = end.since(lease.provenance.obtained);
            let share = SOFT_SHARE.0 + moments.draw * (SOFT_SHARE.1 - SOFT_SHARE.0);
            let soft_floor = SOFT_LEAD.0.max(moments.p99 * 3);
            // The lifetime is bounded and not the lead: leases of a day, obtained together, would else all be due at the same moment.
            let soft_lead = lifetime.min(SOFT_LEAD.1.div_f64(SOFT_SHARE.1)).mul_f64(share).max(soft_floor);
            let hard_lead = lifetime.mul_f64(HARD_SHARE).clamp(HARD_LEAD.0, HARD_LEAD.1);
            (Some(end.before(soft_lead.max(hard_lead))), Some(end.before(hard_lead)))
        });
        let end = match (good_until, moments.at_most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (end, None) | (None, end) => end,
        };
        Self { lease, fingerprint, soft, hard, end, terms, good_until, copy_of: None }
    }

    /// The same as a part of this reading of the login.
    #[must_use]
    pub fn copied_from(self, revision: Option<u64>) -> Self {
        Self { copy_of: revision, ..self }
    }

    /// Where in its life the lease is.
    pub fn state(&self, now: Timestamp) -> LeaseState {
        let reached = |moment: Option<Timestamp>| moment.is_some_and(|moment| now >= moment);
        if reached(self.end) {
            LeaseState::Expired
        } else if reached(self.hard) {
            LeaseState::Ending
        } else if reached(self.soft) {
            LeaseState::Renewing
        } else {
            LeaseState::Fresh
        }
    }

    /// What may be told of it.
    pub fn facts(&self, key: &Key) -> LeaseFacts {
        LeaseFacts {
            app: key.app.clone(),
            kind: key.kind,
            source: self.lease.provenance.source.to_string(),
            expiry: self.lease.expiry,
            obtained: self.lease.provenance.obtained,
            fingerprint: self.fingerprint,
        }
    }
}

/// Every cached lease. Belongs to the agent, not to the tasks that fill it: a task that panics takes nothing with it.
#[derive(Debug, Default)]
pub struct Cache {
    leases: RwLock<HashMap<Key, Arc<Cached>>>,
}

impl Cache {
    /// The lease for `key`, whatever its state.
    pub fn find(&self, key: &Key) -> Option<Arc<Cached>> {
        self.leases.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Puts a lease in, in place of the one before.
    pub fn put(&self, key: Key, cached: Arc<Cached>) {
        self.leases.write().unwrap_or_else(PoisonError::into_inner).insert(key, cached);
    }

    /// Takes out every lease that `unwanted` says so of, and returns what was taken.
    pub fn take_where(&self, mut unwanted: impl FnMut(&Key, &Cached) -> bool) -> Vec<(Key, Arc<Cached>)> {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        leases.extract_if(|key, cached| unwanted(key, cached)).collect()
    }

    /// Takes out the lease for `key` if `unwanted` says so.
    pub fn take(&self, key: &Key, unwanted: impl FnOnce(&Cached) -> bool) -> Option<Arc<Cached>> {
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        if unwanted(leases.get(key)?) { leases.remove(key) } else { None }
    }

    /// Takes out every lease that had ended at `then`. Looked for first, since whoever reads need not wait for that.
    pub fn let_go(&self, then: Timestamp) {
        let ended = |cached: &Cached| cached.end.is_some_and(|end| end <= then);
        let keys: Vec<Key> = {
            let leases = self.leases.read().unwrap_or_else(PoisonError::into_inner);
            leases.iter().filter(|(_, cached)| ended(cached)).map(|(key, _)| key.clone()).collect()
        };
        for key in keys {
            self.take(&key, ended);
        }
        let mut leases = self.leases.write().unwrap_or_else(PoisonError::into_inner);
        if leases.capacity() > SPARE && leases.len() < leases.capacity() / 8 {
            leases.shrink_to_fit();
        }
    }

    /// Every key of one app that has a lease.
    pub fn kinds_of(&self, app: &AppName) -> Vec<Kind> {
        let leases = self.leases.read().unwrap_or_else(PoisonError::into_inner);
        Kind::ALL.into_iter().filter(|kind| leases.contains_key(&Key { app: app.clone(), kind: *kind })).collect()
    }

    /// A copy of the list, ordered by app and kind.
    pub fn all(&self) -> Vec<(Key, Arc<Cached>)> {
        let mut all: Vec<_> = {
            let leases = self.leases.read().unwrap_or_else(PoisonError::into_inner);
            leases.iter().map(|(key, cached)| (key.clone(), Arc::clone(cached))).collect()
        };
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

/// Room for so many leases is kept although there are far fewer.
const SPARE: usize = 1_000;

/// The share of its lifetime at which a lease is renewed early; drawn from this range.
const SOFT_SHARE: (f64, f64) = (0.20, 0.35);

/// The least and the most that a background renewal leads the end by.
const SOFT_LEAD: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));

/// The share of its lifetime from which callers wait for a renewal.
const HARD_SHARE: f64 = 0.05;

/// The least and the most that waiting leads the end by.
const HARD_LEAD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_support::{lease, timestamp};

    const TERMS: Terms = Terms { revision: 0, leaves_whole: true };

    fn cached(lifetime: Duration, draw: f64) -> Cached {
        let obtained = timestamp(1_000_000);
        let lease = lease("token", Expiry::At(obtained.after(lifetime)), obtained);
        Cached::new(
            lease,
            "0000000000000000".parse().unwrap(),
            Moments { ttl: Duration::from_hours(24), p99: Duration::ZERO, draw, at_most: None },
            TERMS,
        )
    }

    #[test]
    fn the_moments_follow_the_lifetime() {
        let minute = 60;
        let hour = 60 * minute;
        // lifetime, draw, soft lead, hard lead; all in seconds
        for (lifetime, draw, soft, hard) in [
            (5 * minute, 0.0, 60.0, 15.0),
            (5 * minute, 1.0, 105.0, 15.0),
            (10 * minute, 0.5, 165.0, 30.0),
            (hour, 0.0, 720.0, 60.0),
            (24 * hour, 0.0, 2057.1, 60.0),
            (24 * hour, 1.0, 3600.0, 60.0),
            (20 * 365 * 24 * hour, 0.5, 2828.6, 60.0),
            (10, 0.0, 5.0, 2.0),
            (1, 0.0, 5.0, 2.0),
        ] {
            let cached = cached(Duration::from_secs(lifetime), draw);
            let end = cached.end.unwrap();
            let lead = end.since(cached.soft.unwrap()).as_secs_f64();
            assert!((lead - soft).abs() < 0.1, "soft lead of {lifetime} s at {draw}: {lead} s");
            assert_eq!(end.since(cached.hard.unwrap()), Duration::from_secs_f64(hard), "hard lead of {lifetime} s");
        }
    }

    #[test]
    fn leases_that_are_obtained_together_are_not_due_together_however_long_they_live() {
        for hours in [1, 24, 20 * 365 * 24] {
            let lifetime = Duration::from_hours(hours);
            let due: Vec<Timestamp> = (0..100).map(|draw| cached(lifetime, f64::from(draw) / 100.0).soft.unwrap()).collect();
            for minute in due.windows(10) {
                assert!(minute[0].since(minute[9]) > Duration::from_secs(30), "a tenth of those of {hours} h within half a minute");
            }
        }
    }

    #[test]
    fn a_lease_goes_through_its_states_in_order() {
        let cached = cached(Duration::from_mins(10), 0.0);
        let end = cached.end.unwrap();
        for (before_end, state) in [
            (600, LeaseState::Fresh),
            (121, LeaseState::Fresh),
            (120, LeaseState::Renewing),
            (30, LeaseState::Ending),
            (0, LeaseState::Expired),
        ] {
            assert_eq!(cached.state(end.before(Duration::from_secs(before_end))), state, "{before_end} s before its end");
        }
    }

    #[test]
    fn a_lease_is_let_go_once_it_has_ended() {
        let cache = Cache::default();
        let key = |app: &str| Key { app: crate::app::AppName::parse(app).unwrap(), kind: Kind::Readonly };
        cache.put(key("short"), Arc::new(cached(Duration::from_mins(5), 0.0)));
        cache.put(key("long"), Arc::new(cached(Duration::from_mins(10), 0.0)));
        let end = cache.find(&key("short")).unwrap().end.unwrap();
        cache.let_go(end.before(Duration::from_millis(1)));
        assert_eq!(cache.all().len(), 2);
        cache.let_go(end);
        assert!(cache.find(&key("short")).is_none() && cache.find(&key("long")).is_some());
    }

    #[test]
    fn an_unknown_expiry_counts_as_ttl_and_never_has_no_moments() {
        let obtained = timestamp(1_000_000);
        let moments = Moments { ttl: Duration::from_hours(24), p99: Duration::ZERO, draw: 0.0, at_most: None };
        let fingerprint = "0000000000000000".parse().unwrap();
        let unknown = Cached::new(lease("token", Expiry::Unknown, obtained), fingerprint, moments, TERMS);
        assert_eq!(unknown.end, Some(obtained.after(Duration::from_hours(24))));
        let never = Cached::new(lease("token", Expiry::Never, obtained), fingerprint, moments, TERMS);
        assert_eq!(never.state(obtained.after(Duration::from_hours(24 * 365 * 30))), LeaseState::Fresh);
        let bounded =
            Cached::new(lease("token", Expiry::Never, obtained), fingerprint, Moments { at_most: Some(obtained), ..moments }, TERMS);
        assert_eq!(bounded.state(obtained), LeaseState::Expired);
        assert_eq!([unknown.good_until, never.good_until, bounded.good_until], [unknown.end, None, None]);
    }

    #[test]
    fn a_slow_source_is_asked_in_time() {
        let obtained = timestamp(1_000_000);
        let moments = Moments { ttl: Duration::from_hours(24), p99: Duration::from_secs(10), draw: 0.0, at_most: None };
        let cached = Cached::new(
            lease("token", Expiry::At(obtained.after(Duration::from_mins(1))), obtained),
            "0000000000000000".parse().unwrap(),
            moments,
            TERMS,
        );
        assert_eq!(cached.end.unwrap().since(cached.soft.unwrap()), Duration::from_secs(30));
    }
}
