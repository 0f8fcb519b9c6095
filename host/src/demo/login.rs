//! Act 2: another account logs in, and what was obtained with the one before is gone.

use tokio::time::Instant;

use super::{
    act::{Act, now},
    failed,
    forged::Forged,
    sources::{WEB, WEB_ID, calls, install_fly},
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
    let (login, mint) = (Forged::login(now()), Forged::deploy(WEB_ID, now()));
    install_fly(act, &mint)?;
    let before = calls(act);
    act.stage.write_in_place(FILE, &file(&login, "2026-01-02T10:00:00Z"))?;
    let written = Instant::now();
    let delivered = act.stage.wait_for("the new login", || {
        let delivered = act.get(WEB, Kind::Readonly).ok()?;
        login.is_behind(&delivered).is_ok().then_some(delivered)
    })?;
    let took = written.elapsed();
    act.show_answer("web, to look only: the new account's, after", delivered, took, "config", &login)?;
    act.expect("web: nothing of the old account is left, minted anew", WEB, Kind::Deploy, "cli", &mint)?;
    if calls(act) == before + 1 { Ok(()) } else { Err(failed("`fly` was not asked once for the new login")) }
}
