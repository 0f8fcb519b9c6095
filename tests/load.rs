//! An agent under load: nobody is told of anything but what sources say, and what came to be for the load is gone after it.

use std::{path::PathBuf, time::Duration};

use crate::harness::{Agent, Home, components, eventually, user_token};

#[path = "../host/benches/load/scenario/mod.rs"]
mod scenario;

use scenario::{Bound, Load, Resources, World};

/// A home whose configuration, component and `fly` are those of the load, where files may hold tokens.
fn world() -> (Home, World) {
    let mut home = Home::new();
    home.log_in(&user_token());
    let bin = home.outside("secrets/bin");
    std::fs::create_dir_all(&bin).unwrap();
    home.set("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    let world = World { config: home.outside("secrets/config.yaml"), fly: bin.join("fly"), lease: Duration::from_secs(30) };
    home.set("FLYTOKEN_CONFIG", &world.config.display().to_string());
    world.set_up(components::fixture());
    (home, world)
}

/// What the agent holds, and the folders that are its own.
fn held(home: &Home, agent: &Agent) -> Resources {
    let folders: [(&str, PathBuf); 2] = [("state", home.path(".local/state/flytoken")), ("temp folder", home.outside("tmp"))];
    Resources::of(agent.pid(), &agent.socket, &folders)
}

/// Everything that stays comes to be: the databases, the sources' memory, and a supervisor that is warm for longer than the load takes.
fn begin(home: &Home, agent: &Agent) {
    scenario::begin(&agent.socket);
    home.set_clock(3600);
    // Of the leases the one that `fly` minted is left.
    eventually("rest", || Some(held(home, agent).0).filter(|held| held["owners"] == 0 && held["cached leases"] == 1));
}

#[test]
fn under_load_nothing_fails_but_sources_and_afterwards_all_that_was_held_is_let_go() {
    let (home, world) = world();
    let agent = home.agent();
    begin(&home, &agent);
    let before = Resources::steady(|| held(&home, &agent));

    let load = Load { socket: agent.socket.clone(), apps: 400, connections: 40, bound: Bound::Requests(150) };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tally = tokio.block_on(load.run(&world, |_| {}));
    drop(tokio);
    assert_eq!(tally.wrongs, 0, "{:#?}", tally.wrong);
    assert!(tally.failed.values().sum::<usize>() > 0, "the source that is down half of the time never was");
    assert!(tally.tombstones() > 0 && tally.cached.len() > 1_000 && tally.rewrites > 1, "{:?}", tally.answered);

    // What was rejected stays so; leases are let go once they have ended. Everything else is as it was.
    home.set_clock(2 * 3600);
    let (_, differences) = Resources::settle(&before, &[("tombstones", tally.tombstones())], PATIENCE, || held(&home, &agent));
    assert!(differences.is_empty(), "{differences:#?}");
    // Tombstones have their time as well.
    home.set_clock(402 * 24 * 3600);
    eventually("tombstones that are over", || (held(&home, &agent).0["tombstones"] == 0).then_some(()));
    agent.stop();
}

/// Longer than owners, and leases that have ended, stay around.
const PATIENCE: Duration = Duration::from_secs(50);
