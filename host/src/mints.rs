//! The ledger that names every mint, and the budget that bounds them. Both lie in the `kept` database: they survive restarts, and agents
//! and commands that share a home share them.
//!
//! A mint is charged, and its name committed, before anything starts: a crash leaves no token that nobody can name, and a time-out counts.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    app::AppName,
    config::SourceName,
    kind::Kind,
    store::{Change, Store, StoreError, Table},
    system::Clock,
    time::Timestamp,
};

/// How many mints there may be in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For one app.
    pub per_app: usize,
    /// In all.
    pub total: usize,
}

/// One mint, as it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mint {
    /// The app it is for.
    pub app: AppName,
    /// What the token is for.
    pub kind: Kind,
    /// The source that minted.
    pub source: SourceName,
    /// When it was begun.
    pub at: Timestamp,
    /// When what it yields ends, as far as it was asked for.
    pub until: Timestamp,
    /// What came of revoking it, if that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Attempt>,
}

/// What came of revoking a mint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// It is known to be good no longer.
    Succeeded {
        /// Since when.
        at: Timestamp,
    },
    /// It may still be good.
    Failed {
        /// When it was tried last.
        at: Timestamp,
        /// Why; fit to be shown.
        why: String,
    },
}

impl Mint {
    /// Since when it is revoked.
    pub fn revoked(&self) -> Option<Timestamp> {
        match self.revocation {
            Some(Attempt::Succeeded { at }) => Some(at),
            Some(Attempt::Failed { .. }) | None => None,
        }
    }

    /// Whether it is revoked.
    pub fn is_revoked(&self) -> bool {
        self.revoked().is_some()
    }
}

/// The ledger and the budget.
pub struct Mints {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Mints {
    /// Those of this store. What ended long ago is struck out of the ledger.
    pub fn open(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        let mints = Self { store, clock };
        if let Err(error) = mints.clean(mints.clock.now()) {
            tracing::debug!(%error, "the ledger was not tidied up");
        }
        mints
    }

    /// Strikes out of the ledger what had ended long before `then`.
    ///
    /// # Errors
    /// When the disk fails; it is struck out another time.
    pub fn clean(&self, then: Timestamp) -> Result<(), StoreError> {
        let long_ago = then.before(REMEMBERED);
        let outdated = |_: &str, bytes: &[u8]| decode::<Mint>(bytes).is_some_and(|mint| mint.until < long_ago);
        self.store.kept().remove_where(Table::Ledger, outdated).map(drop)
    }

    /// Charges one mint and writes it down under `name`; on disk when this returns.
    ///
    /// # Errors
    /// [`NoMint`]; then it must not begin.
    pub fn begin(&self, name: &str, mint: &Mint, budget: Budget) -> Result<(), NoMint> {
        self.store.kept().transaction(|transaction| -> Result<_, StoreError> {
            let now = self.clock.now();
            let Some(mut charges) = transaction.load(Table::Meta, RECENT)?.map_or(Some(Vec::new()), |bytes| decode::<Vec<Charge>>(&bytes))
            else {
                return Ok(Err(NoMint::Unreadable));
            };
            charges.retain_mut(|charge| {
                // Made before somebody set the clock back: it counts from now on, for an hour and no longer.
                charge.at = charge.at.min(now);
                now.since(charge.at) < HOUR
            });
            charges.sort_by_key(|charge| charge.at);
            let denied = over(&charges, mint, budget, now);
            if denied.is_none() {
                charges.push(Charge { app: mint.app.clone(), at: now });
                transaction.save(Table::Ledger, name, &encode(mint))?;
            }
            transaction.save(Table::Meta, RECENT, &encode(&charges))?;
            Ok(denied.map_or(Ok(()), Err))
        })?
    }

    /// The mint that is written down under `name`.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn find(&self, name: &str) -> Result<Option<Mint>, StoreError> {
        Ok(self.store.kept().load(Table::Ledger, name)?.and_then(|bytes| decode(&bytes)))
    }

    /// Writes down what came of revoking a mint. What was revoked stays so.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn note(&self, name: &str, attempt: Attempt) -> Result<(), StoreError> {
        self.store.kept().update(Table::Ledger, name, |bytes| {
            Ok(match bytes.and_then(decode::<Mint>) {
                Some(mint) if !mint.is_revoked() => Change::Put(encode(&Mint { revocation: Some(attempt), ..mint }).into()),
                _ => Change::Keep,
            })
        })
    }

    /// Every mint that is written down, by name, the newest first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn all(&self) -> Result<Vec<(String, Mint)>, StoreError> {
        let records = self.store.kept().scan(Table::Ledger, "")?;
        let mut mints: Vec<_> = records.into_iter().filter_map(|(name, bytes)| Some((name, decode::<Mint>(&bytes)?))).collect();
        mints.sort_by_key(|(_, mint)| std::cmp::Reverse(mint.at));
        Ok(mints)
    }

    /// How many mints of the last hour count against the budget in all.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn charged(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let charges = self.store.kept().load(Table::Meta, RECENT)?.and_then(|bytes| decode::<Vec<Charge>>(&bytes)).unwrap_or_default();
        Ok(charges.iter().filter(|charge| now.since(charge.at.min(now)) < HOUR).count())
    }
}

/// Why there may be no other mint than these, if so.
fn over(charges: &[Charge], mint: &Mint, budget: Budget, now: Timestamp) -> Option<NoMint> {
    let of_app: Vec<Timestamp> = charges.iter().filter(|charge| charge.app == mint.app).map(|charge| charge.at).collect();
    let all: Vec<Timestamp> = charges.iter().map(|charge| charge.at).collect();
    // Once this one is an hour old there is room for another.
    let wait = |charges: &[Timestamp], most: usize| {
        let oldest = charges.get(charges.len().checked_sub(most)?)?;
        Some(HOUR.saturating_sub(now.since(*oldest)))
    };
    let of_app = wait(&of_app, budget.per_app).map(|wait| NoMint::OfApp { app: mint.app.clone(), most: budget.per_app, wait });
    of_app.or_else(|| wait(&all, budget.total).map(|wait| NoMint::InAll { most: budget.total, wait }))
}

/// One mint of the last hour.
#[derive(Serialize, Deserialize)]
struct Charge {
    app: AppName,
    at: Timestamp,
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("names and numbers can be written")
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    rmp_serde::from_slice(bytes).ok()
}

/// Why a mint may not begin.
#[derive(Debug, thiserror::Error)]
pub enum NoMint {
    /// The app's budget is used up.
    #[error("the budget of {most} mints an hour for `{app}` is used up; the next is allowed in {}", minutes(*wait))]
    OfApp {
        /// The app.
        app: AppName,
        /// The budget.
        most: usize,
        /// How long until the next is allowed.
        wait: Duration,
    },
    /// The budget for all apps is used up.
    #[error("the budget of {most} mints an hour in all is used up; the next is allowed in {}", minutes(*wait))]
    InAll {
        /// The budget.
        most: usize,
        /// How long until the next is allowed.
        wait: Duration,
    },
    /// What is written down of the last hour cannot be read.
    #[error("nobody can tell how many mints there were in the last hour: the record is not one that this version wrote")]
    Unreadable,
    /// It cannot be written down, so that nobody could name it after a crash.
    #[error("the mint cannot be written down: {0}")]
    Store(#[from] StoreError),
}

/// Rounded up: nobody who waits as long as this comes too early.
fn minutes(wait: Duration) -> String {
    match wait.as_secs().div_ceil(60) {
        0 | 1 => "a minute".into(),
        minutes => format!("{minutes} min"),
    }
}

/// The budget's window.
const HOUR: Duration = Duration::from_hours(1);

/// What a mint yielded is named for this long after its end.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// The record of the mints of the last hour.
const RECENT: &str = "recent-mints";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{TestClock, timestamp};

    fn mint(app: &str, at: Timestamp) -> Mint {
        let source = SourceName::parse("cli").unwrap();
        Mint {
            app: AppName::parse(app).unwrap(),
            kind: Kind::Deploy,
            source,
            at,
            until: at.after(Duration::from_hours(24)),
            revocation: None,
        }
    }

    #[test]
    fn no_hour_has_more_mints_than_the_budget_whatever_the_clock_does() {
        let clock = TestClock::at(timestamp(1_000_000));
        let shared: Arc<dyn Clock> = clock.clone();
        let store = Arc::new(Store::memory(&shared).unwrap());
        let budget = Budget { per_app: 3, total: 5 };
        let begin = |number: usize, app: &str| {
            // Each by another process that shares the database.
            let mints = Mints::open(Arc::clone(&store), Arc::clone(&shared));
            mints.begin(&format!("mint-{number}"), &mint(app, shared.now()), budget).map_err(|error| error.to_string())
        };
        for number in 0..3 {
            begin(number, "web").unwrap();
            clock.advance(Duration::from_mins(10));
        }
        assert_eq!(begin(3, "web").unwrap_err(), "the budget of 3 mints an hour for `web` is used up; the next is allowed in 30 min");
        begin(4, "api").unwrap();
        begin(5, "api").unwrap();
        assert!(begin(6, "job").unwrap_err().contains("in all is used up; the next is allowed in 30 min"));
        // Set back by hours, the charges count from then on: for an hour, and not for longer.
        clock.set(timestamp(1_000_000).before(Duration::from_hours(5)));
        assert!(begin(7, "web").unwrap_err().contains("in 60 min"));
        clock.advance(Duration::from_mins(61));
        begin(8, "web").unwrap();
        let mints = Mints::open(Arc::clone(&store), Arc::clone(&shared));
        assert_eq!((mints.all().unwrap().len(), mints.charged().unwrap()), (6, 1));
    }

    #[test]
    fn what_came_of_a_revocation_is_written_down_and_what_is_revoked_stays_so() {
        let shared: Arc<dyn Clock> = TestClock::at(timestamp(1_000_000));
        let mints = Mints::open(Arc::new(Store::memory(&shared).unwrap()), Arc::clone(&shared));
        mints.begin("mint", &mint("web", shared.now()), Budget { per_app: 3, total: 5 }).unwrap();
        let found = || mints.find("mint").unwrap().unwrap();
        assert_eq!((found().revocation, mints.find("other").unwrap()), (None, None));
        let (failed, succeeded) = (Attempt::Failed { at: timestamp(5), why: "no".into() }, Attempt::Succeeded { at: timestamp(6) });
        for (attempt, is_revoked) in [(&failed, false), (&succeeded, true)] {
            mints.note("mint", attempt.clone()).unwrap();
            assert_eq!((found().revocation.as_ref(), found().is_revoked()), (Some(attempt), is_revoked));
        }
        mints.note("mint", failed).unwrap();
        assert_eq!(found().revoked(), Some(timestamp(6)));
        mints.note("other", succeeded).unwrap();
        assert_eq!(mints.all().unwrap().len(), 1, "what was not minted is not revoked either");
    }

    #[test]
    fn a_record_from_before_there_were_revocations_is_read() {
        #[derive(Serialize)]
        struct Before {
            app: AppName,
            kind: Kind,
            source: SourceName,
            at: Timestamp,
            until: Timestamp,
        }
        let Mint { app, kind, source, at, until, .. } = mint("web", timestamp(1_000));
        let before = encode(&Before { app, kind, source, at, until });
        assert_eq!(decode::<Mint>(&before), Some(mint("web", timestamp(1_000))));
        assert_eq!(encode(&mint("web", timestamp(1_000))), before, "and one that nobody revoked is written as before");
    }
}
