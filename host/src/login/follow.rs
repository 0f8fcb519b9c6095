//! From sights to states: the rules, and what other processes remember.

use std::{path::PathBuf, time::Duration};

use super::{
    Generation, LoginOrigin, LoginState,
    identity::{IdentityMemory, Remembered},
    look::Sight,
    tracker::Tracker,
};

/// Follows one login, and keeps what other processes remember of it up to date.
pub(super) struct Follower {
    tracker: Tracker,
    file: Option<PathBuf>,
    stored: Stored,
}

/// What other processes remember, as far as this one knows.
enum Stored {
    /// This, if nobody changed it since.
    Known(Option<Remembered>),
    /// It could not be recalled. Nothing is written over what may be there.
    Unreadable(String),
}

/// What came of remembering.
enum Saved {
    /// Other processes know what this one does.
    Yes,
    /// Another process had remembered this meanwhile.
    Outrun(Option<Remembered>),
}

impl Follower {
    /// Starts from what is remembered. A memory that cannot be read now is left alone for good: this login is then known in this
    /// process only.
    pub(super) fn new(origin: LoginOrigin, file: Option<PathBuf>, memory: &dyn IdentityMemory) -> Self {
        let (known, stored) = match memory.recall() {
            Ok(known) => (known.clone(), Stored::Known(known)),
            Err(problem) => (None, Stored::Unreadable(format!("the login of earlier runs is unknown: {problem}"))),
        };
        Self { tracker: Tracker::new(origin, known), file, stored }
    }

    /// Whether there is a login that an absence would end.
    pub(super) fn is_logged_in(&self) -> bool {
        self.tracker.identity().is_some()
    }

    /// When a look is due because something will have stayed so for long enough; in the time of `now` below.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.tracker.deadline()
    }

    /// Takes in a sight at `now`, a time that never goes back, and returns the state after it. `settled` as for the tracker.
    pub(super) fn follow(&mut self, sight: &Sight, now: Duration, settled: bool, memory: &dyn IdentityMemory) -> LoginState {
        for _ in 0..RACES {
            let before = self.tracker.clone();
            self.tracker.observe(&sight.found, now, settled, &mut Generation::fresh);
            match self.store(memory) {
                Ok(Saved::Yes) => return self.state(None),
                // Another process was first: what it decided holds, and this sight is judged again in that light.
                Ok(Saved::Outrun(theirs)) => self.tracker = before.knowing(theirs),
                Err(trouble) => return self.state(Some(trouble)),
            }
        }
        self.tracker.observe(&sight.found, now, settled, &mut Generation::fresh);
        self.state(Some(unsaved("other processes keep changing it")))
    }

    /// Lets other processes know what the tracker knows.
    fn store(&mut self, memory: &dyn IdentityMemory) -> Result<Saved, String> {
        let stored = match &mut self.stored {
            Stored::Known(stored) => stored,
            Stored::Unreadable(problem) => return Err(problem.clone()),
        };
        let Some(known) = self.tracker.known().filter(|known| stored.as_ref() != Some(*known)) else { return Ok(Saved::Yes) };
        if memory.remember(stored.as_ref(), known).map_err(|problem| unsaved(&problem))? {
            *stored = Some(known.clone());
            return Ok(Saved::Yes);
        }
        let theirs = memory.recall().map_err(|problem| unsaved(&problem))?;
        stored.clone_from(&theirs);
        Ok(Saved::Outrun(theirs))
    }

    fn state(&self, trouble: Option<String>) -> LoginState {
        let identity = self.tracker.identity();
        LoginState {
            login: self.tracker.login().cloned(),
            generation: identity.map(|identity| identity.generation),
            problem: self.tracker.problem().map(str::to_owned).or(trouble),
            file: self.file.clone(),
            last_login: identity.and_then(|identity| identity.last_login),
            remembered: matches!(self.stored, Stored::Known(_)) && self.tracker.known().is_some(),
        }
    }
}

fn unsaved(problem: &str) -> String {
    format!("the login could not be remembered for later runs: {problem}")
}

/// How often another process may be ahead of us before we go on with what we have.
const RACES: usize = 4;

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex, atomic::AtomicBool, atomic::Ordering};

    use super::*;
    use crate::{
        login::{Place, Standing, look::look},
        token::FingerprintKey,
    };

    /// A memory in memory.
    #[derive(Default)]
    pub(in crate::login) struct Notebook {
        pub(in crate::login) page: Mutex<Option<Remembered>>,
        pub(in crate::login) broken: AtomicBool,
    }

    impl IdentityMemory for Notebook {
        fn recall(&self) -> Result<Option<Remembered>, String> {
            if self.broken.load(Ordering::Relaxed) { Err("the disk is full".into()) } else { Ok(self.page.lock().unwrap().clone()) }
        }

        fn remember(&self, before: Option<&Remembered>, now: &Remembered) -> Result<bool, String> {
            let mut page = self.page.lock().unwrap();
            if self.broken.load(Ordering::Relaxed) {
                return Err("the disk is full".into());
            }
            let unchanged = page.as_ref() == before;
            if unchanged {
                *page = Some(now.clone());
            }
            Ok(unchanged)
        }
    }

    struct Home {
        directory: tempfile::TempDir,
        memory: Notebook,
    }

    impl Home {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap(), memory: Notebook::default() }
        }

        fn place(&self) -> Place {
            Place::directory(self.directory.path())
        }

        fn sight(&self, yaml: &str) -> Sight {
            std::fs::write(self.place().file().unwrap(), yaml).unwrap();
            look(&self.place(), &FingerprintKey::new([7; 32].into()))
        }

        fn follower(&self) -> Follower {
            Follower::new(self.place().origin(), self.place().file(), &self.memory)
        }
    }

    const ADA: &str = "access_token: fm2_x,fo1_ada\nlast_login: 2026-08-21T10:00:00Z\n";
    const BOB: &str = "access_token: fo1_bob\nlast_login: 2026-08-22T10:00:00Z\n";

    #[test]
    fn processes_that_see_a_new_login_at_the_same_time_agree_on_its_generation() {
        let home = Home::new();
        let mut first = home.follower();
        let old = first.follow(&home.sight(ADA), Duration::ZERO, false, &home.memory).generation;
        let mut followers: Vec<Follower> = (0..20).map(|_| home.follower()).collect();
        let sight = home.sight(BOB);
        let generations: Vec<_> =
            followers.iter_mut().map(|follower| follower.follow(&sight, Duration::ZERO, false, &home.memory).generation).collect();
        assert!(generations.iter().all(|generation| generation.is_some() && *generation == generations[0] && *generation != old));
        let late = first.follow(&sight, Duration::ZERO, false, &home.memory);
        assert_eq!(late.generation, generations[0]);
        assert_eq!(late.login.map(|login| login.generation), generations[0]);
    }

    #[test]
    fn a_restart_goes_on_with_the_generation_and_a_logout_ends_it_for_good() {
        let home = Home::new();
        let generation = home.follower().follow(&home.sight(ADA), Duration::ZERO, false, &home.memory).generation.unwrap();
        let again = home.follower().follow(&home.sight(&ADA.replace("fm2_x", "fm2_y")), Duration::ZERO, false, &home.memory);
        assert_eq!(again.standing(generation), Standing::Current);
        let out = home.follower().follow(&home.sight("access_token: ''\n"), Duration::ZERO, true, &home.memory);
        assert_eq!((out.login.is_none(), out.standing(generation)), (true, Standing::Void));
        let back = home.follower().follow(&home.sight(ADA), Duration::ZERO, false, &home.memory);
        assert_eq!(back.standing(generation), Standing::Void);
    }

    #[test]
    fn an_unreadable_file_after_a_restart_does_not_end_the_login() {
        let home = Home::new();
        let generation = home.follower().follow(&home.sight(ADA), Duration::ZERO, false, &home.memory).generation.unwrap();
        let state = home.follower().follow(&home.sight("access_token: \"fm2_canary"), Duration::ZERO, true, &home.memory);
        assert_eq!((state.login.is_none(), state.standing(generation)), (true, Standing::Current));
        assert!(state.problem.is_some_and(|problem| problem.contains("config.yml") && !problem.contains("canary")));
    }

    #[test]
    fn a_memory_that_cannot_be_read_is_not_written_over_and_condemns_nothing() {
        let home = Home::new();
        let generation = home.follower().follow(&home.sight(ADA), Duration::ZERO, false, &home.memory).generation.unwrap();
        home.memory.broken.store(true, Ordering::Relaxed);
        let mut follower = home.follower();
        home.memory.broken.store(false, Ordering::Relaxed);
        let state = follower.follow(&home.sight(BOB), Duration::ZERO, false, &home.memory);
        assert_eq!((state.login.is_some(), state.standing(generation)), (true, Standing::Foreign));
        assert!(state.problem.is_some_and(|problem| problem.contains("the disk is full")));
        assert_eq!(home.follower().follow(&home.sight(ADA), Duration::ZERO, false, &home.memory).standing(generation), Standing::Current);
    }

    #[test]
    fn a_memory_that_cannot_be_written_is_tried_again() {
        let home = Home::new();
        let mut follower = home.follower();
        home.memory.broken.store(true, Ordering::Relaxed);
        let sight = home.sight(ADA);
        let state = follower.follow(&sight, Duration::ZERO, false, &home.memory);
        assert!(state.login.is_some() && state.problem.is_some());
        home.memory.broken.store(false, Ordering::Relaxed);
        let state = follower.follow(&sight, Duration::ZERO, false, &home.memory);
        assert_eq!(state.problem, None);
        assert_eq!(home.follower().follow(&sight, Duration::ZERO, false, &home.memory).generation, state.generation);
    }

    #[test]
    fn nobody_logged_in_ever_is_nothing_to_remember() {
        let home = Arc::new(Home::new());
        let state = home.follower().follow(&home.sight("{}\n"), Duration::ZERO, true, &home.memory);
        assert!(state.login.is_none() && state.problem.is_none() && state.generation.is_none());
        assert!(home.memory.page.lock().unwrap().is_none());
    }
}
