//! The rules by which what is seen of the login becomes what is known about it. No clock, no file: a state and its transitions.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    time::Timestamp,
    token::{ApiToken, Fingerprint},
};

use super::{
    Generation, Login, LoginOrigin,
    identity::{Identity, Remembered},
    look::{Found, Reading},
};

/// How long the login must stay gone to count as a logout: `flyctl` empties the file while it logs in, and others replace files.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

/// What is known about the login.
#[derive(Debug, Clone)]
pub(super) struct Tracker {
    origin: LoginOrigin,
    /// Whose login it is; none before the first sight of one.
    known: Option<Remembered>,
    /// The last good reading in this process.
    login: Option<Arc<Login>>,
    /// When the generation in force began, if it began in this process.
    began: Option<Duration>,
    /// What was seen last, if it has to stay so before it counts, and since when.
    pending: Option<(Pending, Duration)>,
    problem: Option<String>,
    revision: u64,
}

/// What has to stay so before it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pending {
    /// The login is gone.
    Logout,
    /// Another login, in a file that may be half written.
    Other(BTreeSet<Fingerprint>, Option<Timestamp>),
}

/// What a sight changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// Nothing.
    Same,
    /// Nothing: the sight does not count, or not yet.
    Kept,
    /// The same login has another content.
    Revised,
    /// Another login than before.
    Began,
    /// The user logged out.
    Ended,
}

impl Tracker {
    /// Starts from what an earlier process knew.
    pub(super) fn new(origin: LoginOrigin, known: Option<Remembered>) -> Self {
        Self { origin, known, login: None, began: None, pending: None, problem: None, revision: 0 }
    }

    /// The same state with `known` in place of what was known.
    pub(super) fn knowing(self, known: Option<Remembered>) -> Self {
        Self { known, ..self }
    }

    /// Takes in a sight at `now`, a time that never goes back. `settled`: it is known to have been so for [`SETTLE`] already.
    /// `fresh` makes a new generation.
    pub(super) fn observe(&mut self, found: &Found, now: Duration, settled: bool, fresh: &mut dyn FnMut() -> Generation) -> Transition {
        match found {
            Found::Unclear(problem) => {
                self.pending = None;
                self.keep(problem.clone())
            }
            Found::Nothing(why) => self.observe_nothing(why, now, settled),
            Found::Token(reading) => self.observe_token(reading, now, settled, fresh),
        }
    }

    fn observe_nothing(&mut self, why: &str, now: Duration, settled: bool) -> Transition {
        if self.identity().is_none() {
            self.trust();
            return Transition::Same;
        }
        if !settled && !self.stayed(Pending::Logout, now) {
            return self.keep(format!("{why}; it counts as a logout once it stayed so for {} s", SETTLE.as_secs()));
        }
        self.trust();
        self.known = Some(Remembered::Out);
        self.login = None;
        self.began = None;
        Transition::Ended
    }

    fn observe_token(&mut self, reading: &Reading, now: Duration, settled: bool, fresh: &mut dyn FnMut() -> Generation) -> Transition {
        let Reading { items, last_login, doubt, .. } = reading;
        let young = self.began.is_some_and(|began| now.saturating_sub(began) < SETTLE);
        let Some(identity) = self.identity() else { return self.begin(reading, now, fresh()) };
        if let Some(doubt) = doubt
            && self.is_cut_off(identity, reading)
        {
            self.pending = None;
            return self.keep(doubt.clone());
        }
        if identity.covers(*last_login, items, young) {
            let generation = identity.generation;
            return self.revise(reading, generation);
        }
        if let Some(doubt) = doubt
            && !settled
            && !self.stayed(Pending::Other(items.clone(), *last_login), now)
        {
            return self.keep(format!("{doubt}; it counts as another login once it stayed so for {} s", SETTLE.as_secs()));
        }
        self.begin(reading, now, fresh())
    }

    /// Whether a doubtful reading is recognisably the first part of what was there before.
    fn is_cut_off(&self, identity: &Identity, reading: &Reading) -> bool {
        // `last_login` stands behind the token in what flyctl writes.
        let lost_its_time = identity.last_login.is_some() && reading.last_login.is_none() && identity.shares_an_item(&reading.items);
        let (new, old) = (reading.token.expose(), self.login.as_ref().map_or("", |login| login.token.expose()));
        lost_its_time || (new.len() < old.len() && old.starts_with(new))
    }

    /// Whether `pending` was seen at every look for [`SETTLE`] until `now`.
    fn stayed(&mut self, pending: Pending, now: Duration) -> bool {
        match &self.pending {
            Some((before, since)) if *before == pending => now.saturating_sub(*since) >= SETTLE,
            _ => {
                self.pending = Some((pending, now));
                false
            }
        }
    }

    fn begin(&mut self, reading: &Reading, now: Duration, generation: Generation) -> Transition {
        self.began = Some(now);
        self.login = None;
        self.revise(reading, generation);
        Transition::Began
    }

    fn revise(&mut self, reading: &Reading, generation: Generation) -> Transition {
        self.trust();
        let identity = Identity { generation, last_login: reading.last_login, items: reading.items.clone() };
        self.known = Some(Remembered::In(identity));
        let same = |login: &Arc<Login>| login.generation == generation && same_text(&login.token, &reading.token);
        if self.login.as_ref().is_some_and(same) {
            return Transition::Same;
        }
        self.revision += 1;
        let (token, revision, origin) = (Arc::clone(&reading.token), self.revision, self.origin.clone());
        self.login = Some(Arc::new(Login { token, generation, revision, origin }));
        Transition::Revised
    }

    /// The sight counts: what was wrong before is over.
    fn trust(&mut self) {
        self.pending = None;
        self.problem = None;
    }

    fn keep(&mut self, problem: String) -> Transition {
        self.problem = Some(problem);
        Transition::Kept
    }

    /// When a sight that has to stay so will have stayed long enough.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.pending.as_ref().map(|(_, since)| *since + SETTLE)
    }

    /// Whose login it is, or that the user logged out; none before the first sight of a login.
    pub(super) fn known(&self) -> Option<&Remembered> {
        self.known.as_ref()
    }

    /// Whose login it is, if somebody is logged in.
    pub(super) fn identity(&self) -> Option<&Identity> {
        match &self.known {
            Some(Remembered::In(identity)) => Some(identity),
            Some(Remembered::Out) | None => None,
        }
    }

    /// The last good reading.
    pub(super) fn login(&self) -> Option<&Arc<Login>> {
        self.login.as_ref()
    }

    /// Why the last sight did not count.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

fn same_text(one: &ApiToken, other: &ApiToken) -> bool {
    one.expose() == other.expose()
}

#[cfg(test)]
mod tests;
