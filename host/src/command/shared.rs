//! Equal runs, done once: who asks for what is already running waits for that.

use std::{
    collections::HashMap,
    ffi::OsString,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::outcome::{Failure, Output};

/// What a shared run came to, the same for everybody who waited.
pub(super) type Shared = Result<Arc<Output>, Failure>;

/// What two runs have in common that obtain the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Source, grants and login, in the asker's own words.
    pub(super) asker: String,
    /// The command but for what differs from run to run.
    pub(super) command: Vec<OsString>,
}

/// The runs that others can join. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, Flight>>>);

type Flight = watch::Receiver<Option<Shared>>;

impl Flights {
    /// Waits for the run of this key that is under way, or for `run`.
    ///
    /// The run lives in a task of its own: it goes on whoever leaves. If all have left when it succeeds, its output waits a while for
    /// the next asker, since what was obtained cannot be obtained again for free.
    pub(super) async fn join(&self, key: Key, run: impl Future<Output = Result<Output, Failure>> + Send + 'static) -> Shared {
        let mut flight = self.board(&key, run);
        let landed = flight.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        // Whoever reads it first takes it out: the next asker wants something newer.
        self.forget(&key, &flight);
        landed.unwrap_or_else(|| Err(Failure::Failed("the run of the program broke off".to_owned())))
    }

    fn board(&self, key: &Key, run: impl Future<Output = Result<Output, Failure>> + Send + 'static) -> Flight {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key).filter(|flight| is_alive(flight)) {
            return flight.clone();
        }
        let (landing, flight) = watch::channel(None);
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        tokio::spawn(self.clone().fly(key.clone(), landing, run));
        flight
    }

    async fn fly(self, key: Key, landing: watch::Sender<Option<Shared>>, run: impl Future<Output = Result<Output, Failure>>) {
        let result = run.await.map(Arc::new);
        let is_worth_keeping = result.as_ref().is_ok_and(|output| output.code == Some(0));
        landing.send_replace(Some(result));
        if is_worth_keeping {
            // Everybody has left once it was read and taken out of the table.
            let _ = tokio::time::timeout(UNCLAIMED, landing.closed()).await;
        }
        self.forget(&key, &landing.subscribe());
    }

    /// Takes this very flight out of the table; a newer one may have its place.
    fn forget(&self, key: &Key, flight: &Flight) {
        let mut flights = self.lock();
        if flights.get(key).is_some_and(|present| present.same_channel(flight)) {
            flights.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Flight>> {
        // Nothing that could panic happens while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the run goes on or has landed; one that panicked has done neither.
fn is_alive(flight: &Flight) -> bool {
    flight.borrow().is_some() || flight.has_changed().is_ok()
}

/// How long an output waits for somebody who wants it: about as long as a person needs to try again.
const UNCLAIMED: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;
    use zeroize::Zeroizing;

    use super::*;

    fn key(app: &str) -> Key {
        Key { asker: "cli".to_owned(), command: vec![app.into()] }
    }

    fn output(code: i32) -> Output {
        Output { code: Some(code), stdout: Zeroizing::default(), stderr: Zeroizing::default(), unique: String::new() }
    }

    /// Counts its runs, each of which ends when told to.
    #[derive(Clone, Default)]
    struct Program {
        runs: Arc<AtomicUsize>,
        go: Arc<Notify>,
    }

    impl Program {
        fn run(&self, result: Result<Output, Failure>) -> impl Future<Output = Result<Output, Failure>> + Send + 'static {
            let this = self.clone();
            async move {
                this.runs.fetch_add(1, Ordering::SeqCst);
                this.go.notified().await;
                result
            }
        }

        fn count(&self) -> usize {
            self.runs.load(Ordering::SeqCst)
        }
    }

    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_thousand_askers_make_one_run_also_when_it_fails() {
        for result in [Ok(0), Err(Failure::TimedOut)] {
            let (flights, program) = (Flights::default(), Program::default());
            let mut askers = tokio::task::JoinSet::new();
            for _ in 0..1000 {
                let (flights, run) = (flights.clone(), program.run(result.clone().map(output)));
                askers.spawn(async move { flights.join(key("web"), run).await });
            }
            settle().await;
            program.go.notify_one();
            while let Some(shared) = askers.join_next().await {
                assert_eq!(shared.unwrap().map(|output| output.code), result.clone().map(Some));
            }
            assert_eq!(program.count(), 1);
            assert!(flights.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn other_keys_and_later_askers_run_on_their_own() {
        let (flights, program) = (Flights::default(), Program::default());
        for app in ["web", "api", "web"] {
            program.go.notify_one();
            assert!(flights.join(key(app), program.run(Ok(output(0)))).await.is_ok());
        }
        assert_eq!(program.count(), 3);
    }

    #[tokio::test]
    async fn who_started_it_may_leave() {
        let (flights, program) = (Flights::default(), Program::default());
        let first = tokio::spawn({
            let (flights, run) = (flights.clone(), program.run(Ok(output(0))));
            async move { flights.join(key("web"), run).await }
        });
        settle().await;
        let second = tokio::spawn({
            let (flights, run) = (flights.clone(), program.run(Err(Failure::TimedOut)));
            async move { flights.join(key("web"), run).await }
        });
        settle().await;
        first.abort();
        settle().await;
        program.go.notify_one();
        assert_eq!(second.await.unwrap().unwrap().code, Some(0));
        assert_eq!(program.count(), 1);
    }

    async fn abandon(flights: &Flights, program: &Program, result: Result<Output, Failure>) {
        let asker = tokio::spawn({
            let (flights, run) = (flights.clone(), program.run(result));
            async move { flights.join(key("web"), run).await }
        });
        settle().await;
        asker.abort();
        settle().await;
        program.go.notify_one();
        settle().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_all_have_left_waits_for_the_next_asker_once_and_not_for_ever() {
        let (flights, program) = (Flights::default(), Program::default());
        abandon(&flights, &program, Ok(output(0))).await;
        let next = flights.join(key("web"), program.run(Err(Failure::TimedOut))).await;
        assert_eq!((next.unwrap().code, program.count()), (Some(0), 1));
        assert!(flights.lock().is_empty());

        abandon(&flights, &program, Ok(output(0))).await;
        tokio::time::sleep(UNCLAIMED + Duration::from_secs(1)).await;
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_failure_waits_for_nobody() {
        for result in [Ok(1), Err(Failure::TimedOut)] {
            let (flights, program) = (Flights::default(), Program::default());
            abandon(&flights, &program, result.map(output)).await;
            assert!(flights.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn a_run_that_panics_fails_and_makes_room() {
        let flights = Flights::default();
        let broken = flights.join(key("web"), async { panic!("expected") }).await;
        assert!(matches!(broken, Err(Failure::Failed(_))));
        assert!(flights.join(key("web"), async { Ok(output(0)) }).await.is_ok());
    }
}
