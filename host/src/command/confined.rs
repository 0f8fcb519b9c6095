//! What a granted program is kept from, beyond its private folder and built environment.
//!
//! It gains no privileges, whatever it executes; it writes in its own folder and to `/dev/null`, and nowhere else; it sends signals to
//! what it started, and to nobody else; it leaves no core behind. Reading and the network stay as they are: it has to find its libraries
//! and to reach its service. Where the kernel has no Landlock, or only an old one, what that cannot do is left out.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use rustix::process::{Resource, Rlimit};

use crate::{
    confine::{self, Reach},
    system::Environment,
};

/// Starts a program that is kept from all of that; it may write in `folders` alone.
///
/// The kernel keeps threads apart here, and what one starts inherits from it: so the program starts from a thread that ends with it.
pub(super) fn spawn(command: &mut Command, folders: &[&Path]) -> io::Result<Child> {
    let confined = std::thread::scope(|scope| {
        let start = || {
            confine::this_thread(Reach::WritesIn, folders)?;
            command.spawn()
        };
        std::thread::Builder::new().spawn_scoped(scope, start).map(std::thread::ScopedJoinHandle::join)
    });
    confined?.unwrap_or_else(|_| Err(io::Error::other("the thread that starts programs broke down")))
}

/// Bounds what each process from here on may take, this one included.
pub(super) fn limit_this_process() {
    for (resource, most) in LIMITS {
        let own = rustix::process::getrlimit(resource);
        let lower = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
        // What is lower already stays so; to lower it further is always allowed.
        let _ = rustix::process::setrlimit(resource, Rlimit { current: lower(own.current), maximum: lower(own.maximum) });
    }
}

/// In a debug build, and only there, the folder that `FLYTOKEN_TEST_WRITES` names may be written to as well: there stand-ins note how they
/// were called. A release build does not know the variable.
pub(super) fn also_writable(environment: &Environment) -> Option<PathBuf> {
    environment.var("FLYTOKEN_TEST_WRITES").filter(|_| cfg!(debug_assertions)).map(PathBuf::from)
}

/// Files of a program that only asks for a token, each and in number; no process is to leave its memory behind. Address space is left
/// alone, of which Go's runtime sets aside far more than it uses, and so are processes, which are counted over all of the user's.
const LIMITS: [(Resource, u64); 3] = [(Resource::Core, 0), (Resource::Nofile, 4096), (Resource::Fsize, 256 << 20)];
