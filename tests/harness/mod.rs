//! What behaviours share: a home of its own for each, the real binary in it, a stand-in `fly`, and a search for leaked tokens at the end.

mod agent;
pub(crate) mod canary;
mod collector;
pub(crate) mod components;
mod corp;
pub(crate) mod fixture;
mod fly;
mod flyctl;
mod followed;
mod home;
mod http;
mod process;
mod puppet;
mod service_manager;
#[cfg(target_os = "linux")]
mod terminal;
mod tokens;
mod vectors;
mod wire;

pub(crate) use self::{
    agent::Agent,
    collector::{Collector, Manner, Pushed},
    corp::Corp,
    fly::{Fly, LIST, MINT, REVOKE},
    flyctl::{Flyctl, MONDAY, TUESDAY, config},
    followed::Followed,
    home::{Home, Ran},
    http::{Http, Response},
    process::{NOBODY, as_nobody, is_there, wrapped},
    puppet::{Puppet, write_program},
    service_manager::ServiceManager,
    tokens::{ACME, Account, Bundle, Login, discharged, minted, organization, user_token},
    vectors::vectors,
    wire::{Wire, frame, framed, get},
};

#[cfg(target_os = "linux")]
pub(crate) use self::terminal::Terminal;

use std::time::{Duration, Instant};

/// How long something took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "another process's time is no handed-in one")]
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// Waits until `look` finds something: for what another process does in its own time.
///
/// # Panics
/// After a minute: only what fails takes that long.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "another process cannot be waited for in a handed-in time")]
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        #[expect(clippy::disallowed_methods, reason = "another process cannot be waited for in a handed-in time")]
        let over = Instant::now() > deadline;
        assert!(!over, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
