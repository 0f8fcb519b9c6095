//! What is said of a panic: where and why, and no token.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io,
    os::fd::AsFd,
    panic::{self, PanicHookInfo},
    thread,
};

use super::screen;
use crate::plain;

/// Has panics told in the log, or on stderr where there is none. The standard library quotes in them what could not be cut, parsed or
/// unwrapped, which may be a token, so they are told as any text from elsewhere.
pub fn init_panics() {
    panic::set_hook(Box::new(|panic| {
        // Else it would be told on a screen that is gone in a moment.
        screen::give_back();
        let told = told(panic);
        if tracing::dispatcher::has_been_set() {
            tracing::error!("{told}");
        } else {
            // Nobody is left to be told that this cannot be written.
            let _ = super::write_all(io::stderr().as_fd(), format!("error: {told}\n").as_bytes());
        }
        // For whoever sets RUST_BACKTRACE. It names functions and files, no values.
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = super::write_all(io::stderr().as_fd(), format!("{backtrace}\n").as_bytes());
        }
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
    let thread = thread::current();
    let reason = panic.payload_as_str().unwrap_or("no reason given");
    format!("flytoken panicked{place} in thread `{}`: {}", thread.name().unwrap_or("unnamed"), plain::line(reason))
}
