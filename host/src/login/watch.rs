//! The agent's view of the login: read once at the start, then followed.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    select,
    sync::{Notify, mpsc, oneshot, watch},
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};

use crate::{system::Clock, token::FingerprintKey};

use super::{
    IdentityMemory, LoginOrigin, LoginState, Place,
    events::Events,
    follow::Follower,
    look::{Sight, look},
};

/// The login as it is now. Cheap to clone; the watching ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct LoginWatch {
    states: watch::Receiver<Arc<LoginState>>,
    asks: mpsc::Sender<Ask>,
}

/// Somebody waits for the state after a look that begins later than the question.
type Ask = oneshot::Sender<Arc<LoginState>>;

impl LoginWatch {
    /// Reads the login at `place`, and returns it with the task that follows it, for the caller to spawn.
    ///
    /// The first look is done here: it takes well under a millisecond, or a quarter of a second if a writer is stuck. Like a
    /// one-shot's, it takes an absence for a logout if the file is older than 2 s.
    pub fn start(
        place: Place,
        clock: &dyn Clock,
        key: Arc<FingerprintKey>,
        memory: Arc<dyn IdentityMemory>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let wake = Arc::new(Notify::new());
        let mut events = place.file().map(|file| Events::new(&file, Arc::clone(&wake)));
        let follower = Follower::new(place.origin(), place.file(), &*memory);
        let eye = move || {
            // What comes from a systemd credential does not change.
            let sure = events.as_mut().is_none_or(Events::arm);
            (look(&place, &key), if sure { SELDOM } else { OFTEN })
        };
        Self::following(follower, eye, clock, memory, wake)
    }

    /// Looks once, and again only for who asks: a one-shot's login. The task, for the caller to spawn, answers those.
    pub fn on_demand(mut look: impl FnMut() -> LoginState + Send + 'static) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let state = look();
        // This process's own variables do not change.
        let settled = state.login.as_ref().is_some_and(|login| matches!(login.origin, LoginOrigin::Variable(_)));
        let (sender, states) = watch::channel(Arc::new(state));
        let (asks, mut inbox) = mpsc::channel::<Ask>(ASKS);
        let answering = async move {
            while !settled && let Some(ask) = inbox.recv().await {
                let looked = spawn_blocking(move || (look(), look));
                let Ok((state, returned)) = looked.await else { return };
                look = returned;
                let state = Arc::new(state);
                sender.send_replace(Arc::clone(&state));
                // Whoever asked may have left.
                let _ = ask.send(state);
            }
        };
        (Self { states, asks }, answering)
    }

    /// The same over any way of looking, which says as well how long it may be until the next look.
    pub(super) fn following(
        follower: Follower,
        eye: impl FnMut() -> (Sight, Duration) + Send + 'static,
        clock: &dyn Clock,
        memory: Arc<dyn IdentityMemory>,
        wake: Arc<Notify>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let mut observer = Observer { follower, eye: Box::new(eye), pause: OFTEN, memory, begun: Instant::now() };
        let state = observer.observe(|sight| sight.is_settled(clock.now()));
        let (sender, states) = watch::channel(Arc::new(state));
        let (asks, inbox) = mpsc::channel(ASKS);
        (Self { states, asks }, follow(observer, sender, inbox, wake))
    }

    /// The state after the last look.
    pub fn state(&self) -> Arc<LoginState> {
        Arc::clone(&self.states.borrow())
    }

    /// Reads the state after the last look in passing. `read` must not wait for anything.
    pub fn with_state<T>(&self, read: impl FnOnce(&LoginState) -> T) -> T {
        read(&self.states.borrow())
    }

    /// Waits until the state is another than at the last call on this handle, and returns it; none once the watching has ended.
    /// May be cancelled.
    pub async fn changed(&mut self) -> Option<Arc<LoginState>> {
        self.states.changed().await.ok()?;
        Some(Arc::clone(&self.states.borrow_and_update()))
    }

    /// Looks now and returns the state after it. To be called where an old state would be a mistake that cannot be undone.
    /// Callers at the same time share a look.
    pub async fn look_now(&self) -> Arc<LoginState> {
        let (ask, answer) = oneshot::channel();
        // If the watching has ended, the last state is all there is.
        if self.asks.send(ask).await.is_err() {
            return self.state();
        }
        answer.await.unwrap_or_else(|_| self.state())
    }
}

/// What a look needs. It travels to a thread that may block and back.
struct Observer {
    follower: Follower,
    eye: Box<dyn FnMut() -> (Sight, Duration) + Send>,
    /// Until the next look, unless something happens.
    pause: Duration,
    memory: Arc<dyn IdentityMemory>,
    begun: Instant,
}

impl Observer {
    fn observe(&mut self, settled: impl FnOnce(&Sight) -> bool) -> LoginState {
        let (sight, pause) = (self.eye)();
        self.pause = pause;
        let settled = settled(&sight);
        self.follower.follow(&sight, self.begun.elapsed(), settled, &*self.memory)
    }

    /// When to look again if nothing happens.
    fn next_look(&self) -> Instant {
        let regular = Instant::now() + self.pause;
        self.follower.deadline().map_or(regular, |deadline| regular.min(self.begun + deadline))
    }
}

/// Looks when a file event, a caller or the clock says so, until nobody holds a handle.
async fn follow(mut observer: Observer, states: watch::Sender<Arc<LoginState>>, mut asks: mpsc::Receiver<Ask>, wake: Arc<Notify>) {
    let mut next = observer.next_look();
    loop {
        let mut waiting = Vec::new();
        select! {
            ask = asks.recv() => match ask {
                Some(ask) => waiting.push(ask),
                None => return,
            },
            () = sleep_until(next) => {}
            // One rewrite is several events. A caller does not wait for the rest of them.
            () = wake.notified() => select! {
                ask = asks.recv() => match ask {
                    Some(ask) => waiting.push(ask),
                    None => return,
                },
                () = sleep(DEBOUNCE) => {}
            },
        }
        while let Ok(ask) = asks.try_recv() {
            waiting.push(ask);
        }
        // Modification times are for the first look alone: later on, what stays so is what was seen to stay so.
        let looked = spawn_blocking(move || {
            let state = observer.observe(|_| false);
            (observer, state)
        });
        let state = match looked.await {
            Ok((returned, state)) => {
                observer = returned;
                state
            }
            // The runtime shuts down.
            Err(error) if error.is_cancelled() => return,
            Err(_) => {
                let problem = "looking at the login crashed, and it is no longer followed: restart the agent";
                states.send_modify(|state| Arc::make_mut(state).problem = Some(problem.to_owned()));
                return;
            }
        };
        next = observer.next_look();
        let state = Arc::new(state);
        states.send_if_modified(|current| {
            let news = differs(current, &state);
            if news {
                *current = Arc::clone(&state);
            }
            news
        });
        for ask in waiting {
            // Whoever asked may have left.
            let _ = ask.send(Arc::clone(&state));
        }
    }
}

/// Whether a reader could tell the two states apart.
fn differs(one: &LoginState, other: &LoginState) -> bool {
    let revision = |state: &LoginState| state.login.as_ref().map(|login| (login.generation, login.revision));
    let rest = |state: &LoginState| (state.generation, state.last_login, state.remembered);
    revision(one) != revision(other) || rest(one) != rest(other) || one.problem != other.problem
}

/// Time between two looks without a file event where events do not tell of everything: some file systems have none.
const OFTEN: Duration = Duration::from_secs(5);

/// The same where they do: what is mounted over a directory is no event.
const SELDOM: Duration = Duration::from_mins(2);

/// How long the rest of a rewrite's events is waited for.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Callers of `look_now` that may queue before they have to wait for their turn.
const ASKS: usize = 64;

#[cfg(test)]
mod tests;
