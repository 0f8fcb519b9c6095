//! How each source has been doing: who is not asked for a while, and why.
//!
//! Per source, app and kind: `unavailable` backs off, `needs-human` is remembered for moments, `misconfigured` until the source is another.
//! Per source: three traps, limits or denials in a row open its breaker. Time is counted from the machine's own start, not by the wall
//! clock, so that setting the clock neither prolongs nor skips a wait.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{cache::Key, config::SourceName, refusal::Refusal, system::Draw};

/// What is remembered of every source.
pub struct Health {
    memories: Mutex<Memories>,
    draw: Draw,
}

#[derive(Debug, Default)]
struct Memories {
    rests: HashMap<(SourceName, Key), Rest>,
    breakers: HashMap<SourceName, Breaker>,
}

/// Why a source is not asked for one app and kind.
#[derive(Debug)]
struct Rest {
    refusal: Refusal,
    /// Until then; none is until the source is another than this.
    until: Option<Instant>,
    /// What the source was; none where what is remembered is over in moments anyway.
    digest: Option<[u8; 32]>,
    /// How often in a row it was unavailable.
    failures: u32,
}

/// Counts what a source breaks in a row.
#[derive(Debug, Default)]
struct Breaker {
    in_a_row: u32,
    open_until: Option<Instant>,
}

/// That a source is not asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// What it said, or why its breaker is open.
    pub refusal: Refusal,
    /// How long it rests yet; none if until its settings, component or grants are others.
    pub left: Option<Duration>,
}

impl Resting {
    /// What a step says of it: the same as before, and when it is asked again.
    pub fn into_refusal(self) -> Refusal {
        let again = match self.left {
            Some(left) => format!("not asked again for {} s", left.as_secs_f64().ceil()),
            None => "not asked again before its settings, component or program change, or a `flytoken refresh`".into(),
        };
        let with = |text: String| format!("{text} ({again})");
        match self.refusal {
            Refusal::Absent(text) => Refusal::Absent(with(text)),
            Refusal::Unavailable(text) => Refusal::Unavailable(with(text)),
            Refusal::Misconfigured(text) => Refusal::Misconfigured(with(text)),
            Refusal::Denied(text) => Refusal::Denied(with(text)),
            Refusal::NeedsHuman { text, command, url } => Refusal::NeedsHuman { text: with(text), command, url },
        }
    }
}

/// What came of asking a source, as far as it bears on asking it again.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It answered, with a lease or that it has none.
    Answered,
    /// It refused.
    Refused(&'a Refusal),
    /// It trapped, ran into a limit or was denied a call.
    Broke(&'a Refusal),
}

impl Health {
    /// Nothing yet. Waits are spread by what `draw` gives.
    pub fn new(draw: Draw) -> Self {
        Self { memories: Mutex::default(), draw }
    }

    /// Whether `source` rests for `key`. What it is now is asked for only if something is remembered of it: another source than that is
    /// tried. A breaker whose time is over lets one call through.
    pub fn resting(&self, source: &SourceName, digest: impl FnOnce() -> [u8; 32], key: &Key) -> Option<Resting> {
        let now = Instant::now();
        let mut memories = self.lock();
        if let Some(breaker) = memories.breakers.get_mut(source)
            && let Some(until) = breaker.open_until
        {
            if now < until {
                let text = format!("it broke {} times in a row", breaker.in_a_row);
                return Some(Resting { refusal: Refusal::Unavailable(text), left: Some(until - now) });
            }
            // Half open: whoever comes first tries it, and the others wait for what comes of that.
            breaker.open_until = Some(now + OPEN);
        }
        if memories.rests.is_empty() {
            return None;
        }
        let rest = memories.rests.get(&(source.clone(), key.clone())).filter(|rest| rest.until.is_none_or(|until| until > now))?;
        let resting = Resting { refusal: rest.refusal.clone(), left: rest.until.map(|until| until - now) };
        let remembered = rest.digest;
        // Telling what it is takes a look at files.
        drop(memories);
        remembered.is_none_or(|remembered| digest() == remembered).then_some(resting)
    }

    /// Takes note of what came of asking. What the source is is asked for only if that is to be remembered.
    pub fn note(&self, source: &SourceName, digest: impl FnOnce() -> [u8; 32], key: &Key, outcome: Outcome<'_>) {
        let mut memories = self.lock();
        match outcome {
            Outcome::Broke(_) => {
                let breaker = memories.breakers.entry(source.clone()).or_default();
                breaker.in_a_row += 1;
                if breaker.in_a_row >= IN_A_ROW {
                    breaker.open_until = Some(Instant::now() + OPEN);
                }
            }
            Outcome::Answered | Outcome::Refused(_) => drop(memories.breakers.remove(source)),
        }
        let at = (source.clone(), key.clone());
        let (Outcome::Refused(refusal) | Outcome::Broke(refusal)) = outcome else {
            memories.rests.remove(&at);
            return;
        };
        let failures = memories.rests.get(&at).map_or(0, |rest| rest.failures) + 1;
        let (wait, digest) = match refusal {
            Refusal::Absent(_) => {
                memories.rests.remove(&at);
                return;
            }
            Refusal::Unavailable(_) => (Some(backoff(failures, (self.draw)())), Some(digest())),
            Refusal::NeedsHuman { .. } => (Some(MOMENTS.0 + MOMENTS.1.saturating_sub(MOMENTS.0).mul_f64((self.draw)())), None),
            Refusal::Misconfigured(_) | Refusal::Denied(_) => (None, Some(digest())),
        };
        memories.make_room();
        let rest = Rest { refusal: refusal.clone(), until: wait.map(|wait| Instant::now() + wait), digest, failures };
        memories.rests.insert(at, rest);
    }

    /// Forgets what is remembered for these apps and kinds, and closes every breaker: something changed, and it may work now.
    pub fn forgive(&self, meant: impl Fn(&Key) -> bool) {
        let mut memories = self.lock();
        memories.rests.retain(|(_, key), _| !meant(key));
        memories.breakers.clear();
    }

    /// Every source that rests now, for which app and kind, and what it said.
    pub fn all_resting(&self) -> Vec<(SourceName, Key, Resting)> {
        let now = Instant::now();
        let memories = self.lock();
        let rests = memories.rests.iter().filter(|(_, rest)| rest.until.is_none_or(|until| until > now));
        let mut resting: Vec<_> = rests
            .map(|((source, key), rest)| {
                let left = rest.until.map(|until| until - now);
                (source.clone(), key.clone(), Resting { refusal: rest.refusal.clone(), left })
            })
            .collect();
        resting.sort_by(|(a, of_a, _), (b, of_b, _)| (of_a, a).cmp(&(of_b, b)));
        resting
    }

    /// How long the breaker of `source` is open yet.
    pub fn open(&self, source: &SourceName) -> Option<Duration> {
        let now = Instant::now();
        let memories = self.lock();
        memories.breakers.get(source)?.open_until.filter(|until| *until > now).map(|until| until - now)
    }

    fn lock(&self) -> MutexGuard<'_, Memories> {
        // Nothing that could panic leaves it half changed.
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memories {
    /// A client that asks for ever new names costs no ever growing memory: what rests no longer goes first, then anything.
    fn make_room(&mut self) {
        if self.rests.len() < MOST_RESTS {
            return;
        }
        let now = Instant::now();
        self.rests.retain(|_, rest| rest.until.is_none_or(|until| until > now));
        if self.rests.len() >= MOST_RESTS {
            self.rests.clear();
        }
    }
}

/// How long the wait after so many failures in a row is: a second, doubling, at most five minutes; half of it at least, so that many who
/// failed together do not come back together.
fn backoff(failures: u32, draw: f64) -> Duration {
    let most = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(20)).unwrap_or(u32::MAX)).min(LONGEST);
    most.mul_f64(0.5 + draw / 2.0)
}

/// The first wait of a source that is unavailable.
const FIRST: Duration = Duration::from_secs(1);

/// The longest.
const LONGEST: Duration = Duration::from_mins(5);

/// How long it is remembered that a person has to act: they may be at it.
const MOMENTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// So many broken calls in a row open a source's breaker.
const IN_A_ROW: u32 = 3;

/// How long a breaker stays open.
const OPEN: Duration = Duration::from_secs(30);

/// Memories kept: more than one person's apps, at some hundred bytes each.
const MOST_RESTS: usize = 20_000;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{app::AppName, kind::Kind};

    const DIGEST: [u8; 32] = [1; 32];

    fn health() -> Health {
        Health::new(std::sync::Arc::new(crate::system::draw))
    }

    fn key(app: &str) -> Key {
        Key { app: AppName::parse(app).unwrap(), kind: Kind::Readonly }
    }

    fn source() -> SourceName {
        SourceName::parse("cli").unwrap()
    }

    fn down() -> Refusal {
        Refusal::Unavailable("down".into())
    }

    fn wait(health: &Health) -> Option<Duration> {
        health.resting(&source(), || DIGEST, &key("web")).and_then(|resting| resting.left)
    }

    #[test]
    fn a_wait_doubles_up_to_five_minutes_and_is_drawn_from_its_upper_half() {
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        for (failures, seconds) in (1..).zip(expected) {
            assert_eq!(backoff(failures, 1.0), Duration::from_secs(seconds));
            assert_eq!(backoff(failures, 0.0), Duration::from_secs(seconds) / 2);
        }
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unavailable_rests_longer_each_time_until_it_answers() {
        let health = health();
        let mut longest = Duration::ZERO;
        for failures in 1..=10 {
            health.note(&source(), || DIGEST, &key("web"), Outcome::Refused(&down()));
            let wait = wait(&health).unwrap();
            assert!(wait <= backoff(failures, 1.0) && wait >= backoff(failures, 0.0), "{failures}: {wait:?}");
            longest = longest.max(wait);
            assert_eq!(health.resting(&source(), || DIGEST, &key("api")), None, "other apps go on");
            advance(wait).await;
            assert_eq!(health.resting(&source(), || DIGEST, &key("web")), None);
        }
        assert!(longest > Duration::from_secs(140));
        health.note(&source(), || DIGEST, &key("web"), Outcome::Answered);
        health.note(&source(), || DIGEST, &key("web"), Outcome::Refused(&down()));
        assert!(wait(&health).unwrap() <= FIRST, "an answer begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_is_asked_again_in_moments_and_a_mistake_stays_until_the_source_is_another() {
        let health = health();
        let person = Refusal::NeedsHuman { text: "log in".into(), command: None, url: None };
        health.note(&source(), || DIGEST, &key("web"), Outcome::Refused(&person));
        assert!((MOMENTS.0..=MOMENTS.1).contains(&wait(&health).unwrap()));
        let mistake = Refusal::Misconfigured("no such setting".into());
        health.note(&source(), || DIGEST, &key("web"), Outcome::Refused(&mistake));
        advance(Duration::from_hours(24)).await;
        let resting = health.resting(&source(), || DIGEST, &key("web")).unwrap();
        assert_eq!(resting, Resting { refusal: mistake, left: None });
        assert_eq!(health.resting(&source(), || [2; 32], &key("web")), None, "other settings are tried");
        health.forgive(|key| key.app.as_str() == "web");
        assert_eq!(health.resting(&source(), || DIGEST, &key("web")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn three_broken_calls_open_the_breaker_for_all_apps_and_one_call_tries_it_again() {
        let health = health();
        let broken = Refusal::Unavailable("trapped".into());
        for app in ["a", "b", "c"] {
            assert_eq!(health.resting(&source(), || DIGEST, &key(app)), None);
            health.note(&source(), || DIGEST, &key(app), Outcome::Broke(&broken));
        }
        let resting = health.resting(&source(), || DIGEST, &key("d")).unwrap();
        assert_eq!((resting.refusal.text(), resting.left), ("it broke 3 times in a row", Some(OPEN)));
        advance(OPEN).await;
        assert_eq!(health.resting(&source(), || DIGEST, &key("d")), None, "half open: one tries");
        assert!(health.resting(&source(), || DIGEST, &key("e")).is_some(), "the others do not");
        health.note(&source(), || DIGEST, &key("d"), Outcome::Broke(&broken));
        assert!(health.open(&source()).is_some(), "open again at once");
        advance(OPEN).await;
        assert_eq!(health.resting(&source(), || DIGEST, &key("f")), None);
        health.note(&source(), || DIGEST, &key("f"), Outcome::Answered);
        assert_eq!(health.resting(&source(), || DIGEST, &key("e")), None, "closed");
        assert_eq!(health.open(&source()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let health = health();
        for number in 0..MOST_RESTS + 10 {
            health.note(&source(), || DIGEST, &key(&format!("app-{number}")), Outcome::Refused(&down()));
        }
        assert!(health.lock().rests.len() <= MOST_RESTS);
    }
}
