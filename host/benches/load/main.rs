//! An agent of its own process under load for ten minutes, or for as many seconds as the first argument says.
//!
//! 10,000 apps, 1,000 connections, every kind of request, leases of two minutes, a source that is down half of the time, a configuration
//! that is rewritten ten times a second. Prints what was asked and answered, how long it took, what the agent took of the machine over
//! time, and what it held before and after. Ends with 1 if there was an error that no source made, if memory grew after the warm-up, or
//! if anything the agent held is still there.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's own clock")]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

#[path = "../../../tests/harness/fixture.rs"]
mod fixture;
#[path = "../home/mod.rs"]
mod home;
mod report;
mod samples;
mod scenario;

use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::{
    home::{Home, Running},
    samples::Samples,
    scenario::{Bound, Load, Resources, World},
};

fn main() -> ExitCode {
    let lasting = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).map_or(Duration::from_mins(10), Duration::from_secs);
    if let Err(missing) = raise_descriptors() {
        println!("{missing}");
        return ExitCode::FAILURE;
    }
    let home = Home::new("");
    let world = World {
        config: home.path("home/.config/flytoken/config.yaml"),
        fly: home.fly(),
        lease: (lasting / 5).clamp(SHORTEST_LEASE, LEASE),
    };
    world.set_up(fixture::fixture());
    let (agent, socket) = (Running::agent(&home), home.socket());
    let runtime = socket.ancestors().nth(2).unwrap();

    let folders: [(&str, PathBuf); 3] =
        [("state", home.path("home/.local/state/flytoken")), ("compiled code", home::cache()), ("temp folder", runtime.into())];
    let look = || Resources::of(agent.pid(), &socket, &folders);
    scenario::begin(&socket);
    rest(look);
    let before = Resources::steady(look);

    let load =
        Load { socket: socket.clone(), apps: APPS, connections: CONNECTIONS, bound: Bound::Time { lasting, per_second: PER_SECOND } };
    println!("{APPS} apps, {CONNECTIONS} connections, {PER_SECOND} requests a second for {} s", lasting.as_secs());
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut samples = Samples::of(&agent);
    let tally = tokio.block_on(load.run(&world, |tally| samples.take(&agent, tally)));
    // The connections close with it.
    drop(tokio);

    let more = [("tombstones", tally.tombstones())];
    let (after, differences) = Resources::settle(&before, &more, SETTLE, look);
    let flat = report::print(&tally, &samples, lasting, &before, &after, &differences);
    let well = tally.wrongs == 0 && differences.is_empty() && flat;
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits until nobody is at work and only what `fly` minted is cached.
fn rest(look: impl Fn() -> Resources) {
    for _ in 0..SETTLE.as_secs() {
        let held = look();
        if held.0["owners"] == 0 && held.0["supervisors"] == 0 && held.0["cached leases"] == 1 {
            return;
        }
        thread::sleep(Duration::from_secs(1));
    }
    panic!("the agent does not come to rest: {:?}", look());
}

/// Takes as many descriptors as the connections need.
fn raise_descriptors() -> Result<(), String> {
    let wanted = u64::try_from(CONNECTIONS).unwrap() + 100;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
        .map_err(|error| format!("{wanted} file descriptors are needed and {maximum:?} are all there are: {error}"))
}

const APPS: usize = 10_000;

const CONNECTIONS: usize = 1_000;

/// What leaves a machine with two cores room for whoever asks.
const PER_SECOND: u32 = 3_000;

/// How long leases live. Short, so that renewals happen all the time; in a short run shorter yet.
const LEASE: Duration = Duration::from_mins(2);

const SHORTEST_LEASE: Duration = Duration::from_secs(10);

/// Longer than the last lease lives, and is shown after that.
const SETTLE: Duration = Duration::from_mins(5);
