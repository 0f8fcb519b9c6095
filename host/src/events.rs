//! What happened last: runs down a chain, what was changed by hand, and what was denied. Answers from the cache are no events: there are
//! thousands of them in a second.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    app::AppName,
    cache::Key,
    kind::Kind,
    owner::Intent,
    policy::Verb,
    protocol::{Event, FailureCode, StepReport},
    time::Timestamp,
};

/// The last events, bounded.
#[derive(Debug, Default)]
pub struct Events(Mutex<VecDeque<Event>>);

impl Events {
    /// A run down a chain ended at this moment, after these steps.
    pub fn ran(&self, at: Timestamp, key: &Key, intent: Intent, steps: &[StepReport], failure: Option<FailureCode>, took: Duration) {
        let telling = match failure {
            None => steps.last(),
            // That nobody has one is nobody's in particular.
            Some(FailureCode::NoToken) => None,
            Some(code) => steps.iter().rfind(|step| step.outcome.code() == code),
        };
        self.add(Event {
            at,
            what: if intent.is_renewal() { "renew" } else { "resolve" }.into(),
            app: Some(key.app.clone()),
            kind: Some(key.kind),
            source: telling.map(|step| step.source.clone()),
            failure,
            micros: Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            times: 1,
        });
    }

    /// A client was answered. An event if it changed something or was denied.
    pub fn asked(
        &self,
        now: impl FnOnce() -> Timestamp,
        verb: Verb,
        subject: (Option<AppName>, Option<Kind>),
        failure: Option<FailureCode>,
    ) {
        let changes = matches!(verb, Verb::Set | Verb::Unset | Verb::Invalidate | Verb::Revoke);
        if changes || failure == Some(FailureCode::Denied) {
            let (app, kind) = subject;
            self.add(Event { at: now(), what: verb.as_str().into(), app, kind, source: None, failure, micros: None, times: 1 });
        }
    }

    /// All of them, the newest first.
    pub fn newest_first(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    fn add(&self, event: Event) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody who is denied again and again pushes out nothing else.
        if let Some(last) = events.back_mut().filter(|last| is_the_same(last, &event)) {
            let times = last.times.saturating_add(1);
            *last = Event { times, ..event };
            return;
        }
        if events.len() == MOST_EVENTS {
            events.pop_front();
        }
        events.push_back(event);
    }
}

fn is_the_same(a: &Event, b: &Event) -> bool {
    let facts = |event: &Event| (event.what.clone(), event.app.clone(), event.kind, event.source.clone(), event.failure);
    facts(a) == facts(b)
}

/// As many as fit a screen, at some two hundred bytes each in every status.
pub const MOST_EVENTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::StepOutcome;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_run_is_told_with_the_source_that_decided_it() {
        let key = Key { app: AppName::parse("web").unwrap(), kind: Kind::Deploy };
        let step = |source: &str, outcome| StepReport { source: source.into(), outcome, text: String::new(), command: None, micros: 1 };
        let events = Events::default();
        let steps = [step("storage", StepOutcome::Absent), step("cli", StepOutcome::NeedsHuman), step("manual", StepOutcome::Absent)];
        events.ran(at(1), &key, Intent::Resolve, &steps, Some(FailureCode::NeedsHuman), Duration::from_micros(9));
        events.ran(
            at(2),
            &key,
            Intent::Renew,
            &[step("storage", StepOutcome::Absent), step("cli", StepOutcome::Lease)],
            None,
            Duration::ZERO,
        );
        let told = events.newest_first();
        let facts: Vec<_> = told.iter().map(|event| (event.what.as_str(), event.source.as_deref(), event.failure)).collect();
        assert_eq!(facts, [("renew", Some("cli"), None), ("resolve", Some("cli"), Some(FailureCode::NeedsHuman))]);
    }

    #[test]
    fn what_changes_nothing_is_no_event_unless_it_was_denied_and_the_same_is_counted() {
        let events = Events::default();
        events.asked(|| at(1), Verb::Get, (None, None), None);
        events.asked(|| at(2), Verb::Get, (None, None), Some(FailureCode::NoToken));
        events.asked(|| at(3), Verb::Set, (None, None), None);
        for second in 4..1_000 {
            events.asked(|| at(second), Verb::Get, (None, None), Some(FailureCode::Denied));
        }
        let told = events.newest_first();
        let facts: Vec<_> = told.iter().map(|event| (event.what.as_str(), event.times, event.at)).collect();
        assert_eq!(facts, [("get", 996, at(999)), ("set", 1, at(3))]);
    }

    #[test]
    fn the_oldest_make_room() {
        let events = Events::default();
        for second in 0..100 {
            events.asked(|| at(second), if second % 2 == 0 { Verb::Set } else { Verb::Unset }, (None, None), None);
        }
        let told = events.newest_first();
        assert_eq!((told.len(), told[0].at), (MOST_EVENTS, at(99)));
    }
}
