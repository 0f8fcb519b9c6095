//! Act 2: another account logs in, and what was obtained with the one before is gone. The app's number is known from the mint by now, so
//! that the login can be narrowed to it.

use tokio::time::Instant;

use super::{
    act::{Act, now},
    failed,
    forged::Forged,
    sources::{WEB, mints},
};
use crate::{kind::Kind, protocol::Failure};

/// Fly's own file.
pub(super) const FILE: &str = "home/.fly/config.yml";

/// What `fly auth login` writes.
pub(super) fn file(login: &Forged, last_login: &str) -> String {
    format!("access_token: {}\nlast_login: {last_login}\nwire_guard_state: {{}}\n", login.text)
}

pub(super) fn play(act: &mut Act) -> Result<(), Failure> {
    act.heading("The login changes: another account in ~/.fly/config.yml")?;
    let login = Forged::login(now());
    let before = mints(act)?;
    act.stage.write_in_place(FILE, &file(&login, "2026-01-02T10:00:00Z"))?;
    let written = Instant::now();
    let delivered = act.stage.wait_for("the new login", || {
        let delivered = act.get(WEB, Kind::Readonly).ok()?;
        login.is_behind(&delivered).is_ok().then_some(delivered)
    })?;
    let took = written.elapsed();
    act.show_answer("web, to look only: the new account's, after", delivered, took, "config", &login)?;
    act.expect("web, to deploy: the same, narrowed to the app", WEB, Kind::Deploy, "config", &login)?;
    if mints(act)? == before { Ok(()) } else { Err(failed("`fly` was asked although the app's number was known")) }
}
