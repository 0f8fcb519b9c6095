//! What the agent's own process gives up and takes before it holds any token.

use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, getrlimit, setrlimit, umask},
};

/// Keeps tokens out of core dumps and other processes' reach, makes new files the owner's alone, and takes as many descriptors as a
/// full house of clients needs.
pub fn harden() {
    umask(Mode::RWXG | Mode::RWXO);
    // Each of these is a second line of defence: a system that refuses one is no reason not to serve.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // What a unit gives this process, such as looking at others, no program gets that it starts.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::clear_ambient_capability_set();
    let descriptors = getrlimit(Resource::Nofile);
    let wanted = descriptors.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if descriptors.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: descriptors.maximum });
    }
}

/// Six for each connection, five of which hold its process and who called that; and as many again as a third of those for sources, commands and
/// files.
const DESCRIPTORS: u64 = 8192;
