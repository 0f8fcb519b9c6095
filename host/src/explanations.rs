//! How the last resolution of each app and kind went.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    cache::Key,
    protocol::{StepOutcome, StepReport},
    time::Timestamp,
};

/// One run of the chain, as it was.
#[derive(Debug)]
pub struct Account {
    /// When it ended.
    pub at: Timestamp,
    /// Whether it was to renew a lease.
    pub renewal: bool,
    /// The login's generation it ran under, in hexadecimal digits.
    pub generation: Option<String>,
    /// Every step in chain order.
    pub steps: Vec<StepReport>,
}

impl Account {
    /// Why no token was found, if none was: the reason of the last step that had more to say than that it has nothing.
    pub fn error(&self) -> Option<String> {
        let found = self.steps.iter().any(|step| step.outcome == StepOutcome::Lease);
        let telling = self.steps.iter().rfind(|step| !matches!(step.outcome, StepOutcome::Absent | StepOutcome::Skipped))?;
        (!found).then(|| format!("{}: {}", telling.source, telling.text))
    }
}

/// The last account of each app and kind, bounded: a client that asks for ever new names costs no ever growing memory.
#[derive(Debug, Default)]
pub struct Explanations(Mutex<Accounts>);

#[derive(Debug, Default)]
struct Accounts {
    last: HashMap<Key, Arc<Account>>,
    /// Keys in the order in which they came to be, oldest first.
    order: VecDeque<Key>,
}

impl Explanations {
    /// Files an account in place of the one before, which it returns.
    pub fn file(&self, key: &Key, account: Account) -> Option<Arc<Account>> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = accounts.last.insert(key.clone(), Arc::new(account));
        if before.is_none() {
            accounts.order.push_back(key.clone());
            if accounts.order.len() > MOST_ACCOUNTS
                && let Some(oldest) = accounts.order.pop_front()
            {
                accounts.last.remove(&oldest);
            }
        }
        before
    }

    /// What failed when it was resolved last, and why, the newest first.
    pub fn failed(&self) -> Vec<(Key, Arc<Account>, String)> {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = accounts.last.iter().filter_map(|(key, account)| Some((key.clone(), Arc::clone(account), account.error()?)));
        let mut failed: Vec<_> = failed.collect();
        failed.sort_by(|(a, of_a, _), (b, of_b, _)| of_b.at.cmp(&of_a.at).then_with(|| a.cmp(b)));
        failed
    }

    /// The last account, unless it was pushed out by newer ones.
    pub fn last(&self, key: &Key) -> Option<Arc<Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.get(key).cloned()
    }
}

/// Accounts kept: more apps than one person looks into, at about a kilobyte each.
const MOST_ACCOUNTS: usize = 2_000;
