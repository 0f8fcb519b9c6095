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
    /// Something new, in a file that may be half written.
    Doubtful(BTreeSet<Fingerprint>, Option<Timestamp>),
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
        let Some(identity) = self.identity() else { return self.begin(reading, now, fresh()) };
        let generation = identity.generation;
        let young = self.began.is_some_and(|began| now.saturating_sub(began) < SETTLE);
        let covered = identity.covers(*last_login, items, young);
        // `last_login` stands behind the token in what `flyctl` writes, which takes no login without it.
        let lost_its_time = !covered && last_login.is_none() && identity.shares_an_item(items);
        let doubt = match doubt {
            // It is recognisably the first half of what was there before.
            Some(doubt) if lost_its_time || self.is_beginning(reading) => {
                self.pending = None;
                return self.keep(doubt.clone());
            }
            Some(doubt) => Some(doubt.clone()),
            // A half that happens to end with a line, or somebody's edit.
            None => lost_its_time.then(|| format!("`{}` has lost its `last_login`, and may be half written", self.origin)),
        };
        // Before the first good reading there is nothing better to go on with.
        let news = !covered || self.login.as_ref().is_some_and(|login| !same_text(&login.token, &reading.token));
        if let Some(doubt) = doubt
            && news
            && !settled
            && !self.stayed(Pending::Doubtful(items.clone(), *last_login), now)
        {
            return self.keep(format!("{doubt}; it counts once it stayed so for {} s", SETTLE.as_secs()));
        }
        if covered { self.revise(reading, generation) } else { self.begin(reading, now, fresh()) }
    }

    /// Whether a reading's token is the first part of the one that was there before.
    fn is_beginning(&self, reading: &Reading) -> bool {
        let (new, old) = (reading.token.expose(), self.login.as_ref().map_or("", |login| login.token.expose()));
        new.len() < old.len() && old.starts_with(new)
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
