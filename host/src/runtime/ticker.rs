//! The clock that interrupts sources: a thread that raises the engine's epoch while a call runs, and sleeps while none does.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::EngineWeak;

/// How often a running source is interrupted, so that others on its thread get their turn and its deadline is looked at.
const TICK: Duration = Duration::from_millis(5);

/// Raises the epoch every 5 ms while a call runs. An idle process is not woken at all. The thread ends when this is dropped.
pub(super) struct Ticker {
    calls: Arc<Calls>,
    thread: Thread,
}

/// What the thread and its owner share.
struct Calls {
    running: AtomicUsize,
    stopped: AtomicBool,
}

/// Keeps the clock going while it is alive.
pub(super) struct Ticking<'a>(&'a Ticker);

impl Ticker {
    /// Starts the thread. The handle on the engine is weak, so that the clock does not keep it alive.
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let calls = Arc::new(Calls { running: AtomicUsize::new(0), stopped: AtomicBool::new(false) });
        let seen = Arc::clone(&calls);
        let thread = thread::Builder::new().name("flytoken-ticks".into()).spawn(move || tick(&engine, &seen))?;
        Ok(Self { calls, thread: thread.thread().clone() })
    }

    /// Makes the clock go until the answer is dropped.
    pub(super) fn ticking(&self) -> Ticking<'_> {
        if self.calls.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
        Ticking(self)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.calls.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.calls.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &EngineWeak, calls: &Calls) {
    while !calls.stopped.load(Ordering::SeqCst) {
        // An unpark between the look and the park is not lost: the park returns at once.
        if calls.running.load(Ordering::SeqCst) == 0 {
            thread::park();
            continue;
        }
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}
