//! What sources asked for without a grant.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{app::AppName, config::SourceName, kind::Kind};

/// Something that a source asked for without its grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What it was, to be read after the source's name, and the line that would allow it.
    pub text: String,
    /// How often.
    pub times: u64,
}

/// What one call was denied. Clones share it: whatever can deny has one.
#[derive(Debug, Clone, Default)]
pub struct Denials(Arc<Mutex<Vec<Denial>>>);

impl Denials {
    /// Takes note of one. The text may hold what the source made up, secrets included: it is cleaned before anybody reads it.
    pub fn note(&self, text: impl Into<String>) {
        let (mut noted, text) = (held(&self.0), text.into());
        let is_known = noted.iter().any(|denial| denial.text == text);
        let text = if is_known || noted.len() < MOST_DIFFERENT { text } else { OTHERS.into() };
        match noted.iter_mut().find(|denial| denial.text == text) {
            Some(denial) => denial.times = denial.times.saturating_add(1),
            None => noted.push(Denial { text, times: 1 }),
        }
    }

    /// The first one.
    pub fn first(&self) -> Option<String> {
        held(&self.0).first().map(|denial| denial.text.clone())
    }

    /// All of them, in their order. There are none afterwards.
    pub fn take(&self) -> Vec<Denial> {
        std::mem::take(&mut *held(&self.0))
    }
}

/// A denial, and whose it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedCall {
    /// The source.
    pub source: SourceName,
    /// The app that it was asked for.
    pub app: AppName,
    /// What the token was for.
    pub kind: Kind,
    /// What it was denied; capped, escaped, without any secret.
    pub denial: Denial,
}

/// Denials of all sources that wait to be put on record.
#[derive(Debug, Default)]
pub struct DeniedCalls {
    waiting: Mutex<VecDeque<DeniedCall>>,
    /// Held by whoever puts them on record.
    draining: Mutex<()>,
    /// Wakes whoever puts them on record.
    arrived: Arc<Notify>,
}

impl DeniedCalls {
    /// Whoever waits for `arrived` is told of each.
    pub fn new(arrived: Arc<Notify>) -> Self {
        Self { waiting: Mutex::default(), draining: Mutex::default(), arrived }
    }

    /// Has it logged, and put on record.
    pub fn add(&self, call: DeniedCall) {
        let DeniedCall { source, app, kind, denial } = &call;
        tracing::warn!(%source, %app, %kind, times = denial.times, "denied: {}", denial.text);
        let mut waiting = held(&self.waiting);
        if waiting.len() < MOST_WAITING {
            waiting.push_back(call);
        } else if let Some(last) = waiting.back_mut() {
            // The disk takes nothing, and the log has them all.
            last.denial.times = last.denial.times.saturating_add(call.denial.times);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Hands each to `record`, until that fails for one: this one and what is behind it are kept for the next time. When this returns, all that
    /// were there when it began were handed over, by whomever; so it may block.
    ///
    /// # Errors
    /// What `record` failed with.
    pub fn drain<E>(&self, mut record: impl FnMut(&DeniedCall) -> Result<(), E>) -> Result<(), E> {
        let _one = held(&self.draining);
        loop {
            // Recording may take its time, and sources go on meanwhile.
            let Some(call) = held(&self.waiting).pop_front() else { return Ok(()) };
            if let Err(error) = record(&call) {
                held(&self.waiting).push_front(call);
                return Err(error);
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Different denials of one call that are told apart; a source may think of a billion.
const MOST_DIFFERENT: usize = 16;

/// What stands for all others.
const OTHERS: &str = "asked for more that is not granted than is told one by one";

/// Denials that wait at most.
const MOST_WAITING: usize = 1024;

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    fn call(text: &str) -> DeniedCall {
        DeniedCall {
            source: SourceName::parse("corp").unwrap(),
            app: AppName::parse("web").unwrap(),
            kind: Kind::Deploy,
            denial: Denial { text: text.into(), times: 1 },
        }
    }

    #[test]
    fn the_same_is_counted_and_more_than_a_few_are_lumped_together() {
        let denials = Denials::default();
        for at in 0..100 {
            denials.clone().note(format!("asked for {}", at % 20));
        }
        assert_eq!(denials.first().as_deref(), Some("asked for 0"));
        let taken = denials.take();
        assert_eq!(taken.len(), MOST_DIFFERENT + 1);
        assert_eq!((taken[15].text.as_str(), taken[15].times), ("asked for 15", 5));
        assert_eq!((taken[16].text.as_str(), taken[16].times), (OTHERS, 20));
        assert_eq!(denials.take(), []);
    }

    #[test]
    fn what_could_not_be_recorded_waits_in_its_place() {
        let calls = DeniedCalls::default();
        for text in ["a", "b", "c"] {
            calls.add(call(text));
        }
        let mut seen = Vec::new();
        let mut record = |call: &DeniedCall| {
            seen.push(call.denial.text.clone());
            if call.denial.text == "b" && seen.len() == 2 { Err("the disk is full") } else { Ok(()) }
        };
        assert_eq!(calls.drain(&mut record), Err("the disk is full"));
        assert_eq!(calls.drain(&mut record), Ok(()));
        assert_eq!(seen, ["a", "b", "b", "c"]);
    }

    #[test]
    fn whoever_drains_waits_for_what_another_is_putting_on_record() {
        let (calls, recorded) = (Arc::new(DeniedCalls::default()), Arc::new(Mutex::new(Vec::new())));
        calls.add(call("a"));
        let (begun, has_begun) = mpsc::channel();
        let (go, goes) = mpsc::channel::<()>();
        let slow = {
            let (calls, recorded) = (Arc::clone(&calls), Arc::clone(&recorded));
            thread::spawn(move || {
                calls.drain(|call| {
                    begun.send(()).unwrap();
                    goes.recv().unwrap();
                    held(&recorded).push(call.denial.text.clone());
                    Ok::<_, ()>(())
                })
            })
        };
        has_begun.recv().unwrap();
        let second = {
            let (calls, recorded) = (Arc::clone(&calls), Arc::clone(&recorded));
            thread::spawn(move || {
                calls.drain(|_| Ok::<_, ()>(())).unwrap();
                held(&recorded).push("the answer".into());
            })
        };
        while !second.is_finished() && calls.draining.try_lock().is_ok() {
            thread::yield_now();
        }
        go.send(()).unwrap();
        slow.join().unwrap().unwrap();
        second.join().unwrap();
        assert_eq!(*held(&recorded), ["a", "the answer"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let calls = DeniedCalls::default();
        for _ in 0..MOST_WAITING + 10 {
            calls.add(call("asked"));
        }
        let (mut count, mut times) = (0, 0);
        calls
            .drain(|call| {
                (count, times) = (count + 1, times + call.denial.times);
                Ok::<_, ()>(())
            })
            .unwrap();
        assert_eq!((count, times), (MOST_WAITING, MOST_WAITING as u64 + 10));
    }
}
