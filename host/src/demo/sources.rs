//! Act 1: each of the four built-in sources answers.

use super::{
    act::{Act, CACHE, now},
    configuration, failed, fly,
    forged::Forged,
};
use crate::{
    kind::Kind,
    protocol::{Failure, Reply, Request},
};

/// The app that the stand-in `fly` knows.
pub(super) const WEB: &str = "web";

/// Its number at Fly.
pub(super) const WEB_ID: u64 = 42;

/// The app that it does not know.
const LEGACY: &str = "legacy";

pub(super) fn play(act: &mut Act) -> Result<(), Failure> {
    let (login, mint, manual) = (Forged::login(now()), Forged::deploy(WEB_ID, now()), Forged::deploy(7, now()));
    act.stage.write_in_place(super::login::FILE, &super::login::file(&login, "2026-01-01T10:00:00Z"))?;
    install_fly(act, &mint)?;
    act.stage.write(configuration::MAIN, configuration::main(), 0o600)?;

    act.heading("Four sources, asked in order: storage, config, cli, manual")?;
    act.show.meanwhile("compiling the built-in sources");
    let took = act.stage.start_agent()?;
    act.timed("the agent starts and compiles them", took)?;
    let minted = act.expect("web: the login is too wide, so `fly` mints", WEB, Kind::Deploy, "cli", &mint)?;
    act.expect("web again: from memory, nobody is asked", WEB, Kind::Deploy, CACHE, &mint)?;
    act.stage.stop_agent()?;
    let took = act.stage.start_agent()?;
    act.timed("the agent is restarted", took)?;
    let kept = act.expect("web: kept, sealed on disk; `fly` is not asked", WEB, Kind::Deploy, "storage", &mint)?;
    if kept.fingerprint != minted.fingerprint || mints(act)? != 1 {
        return Err(failed("`fly` was asked although the token was kept"));
    }
    act.expect("web, to look only: a read-only copy of the login", WEB, Kind::Readonly, "config", &login)?;
    act.stage.run(&["set", LEGACY], &manual.text)?;
    act.expect("legacy: `fly` does not know it, a person set it", LEGACY, Kind::Deploy, "manual", &manual)?;
    explain(act)
}

/// How often the stand-in was asked to mint.
pub(super) fn mints(act: &Act) -> Result<usize, Failure> {
    match act.stage.ask(Request::Minted)? {
        Reply::Minted { mints, .. } => Ok(mints.len()),
        _ => Err(failed("the answer does not belong to the request")),
    }
}

/// Puts the stand-in in its place.
pub(super) fn install_fly(act: &Act, mint: &Forged) -> Result<(), Failure> {
    act.stage.write("bin/fly", fly::script(WEB, mint), 0o700)
}

/// What a user types to see all of that.
fn explain(act: &Act) -> Result<(), Failure> {
    let arguments = ["explain", LEGACY, "--kind", "deploy"];
    let text = act.stage.run(&arguments, "")?;
    if !text.contains("resolved by manual") {
        return Err(failed(format!("`explain` does not name the source:\n{text}")));
    }
    act.show.quote(&format!("$ flytoken {}\n{text}", arguments.join(" ")))
}
