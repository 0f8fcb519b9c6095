//! One command at a time for each app and kind, where no agent sees to that: the next one finds what this one obtained, and N at once
//! mint once.

use std::path::Path;

use crate::{
    app::AppName,
    core::PATIENCE,
    kind::Kind,
    protocol::{Failure, FailureCode, Request},
    store::{LockError, LockFile, Patience},
};

/// The right to resolve tokens of one app and kind, until it is dropped.
pub(super) struct Turn(Option<LockFile>);

impl Turn {
    /// Waits for the turn that `request` needs, for as long as a request may take; none if it resolves nothing.
    ///
    /// To be taken before the databases are opened and the login is looked at: what was read before the wait may be history after it.
    pub(super) fn take(state: Option<&Path>, request: &Request) -> Result<Option<Self>, Failure> {
        let (Some((app, kind)), Some(state)) = (resolved_by(request), state) else { return Ok(None) };
        match LockFile::lock_in(&state.join(FOLDER), &format!("{app}.{kind}.lock"), Patience::of(PATIENCE)) {
            Ok(lock) => Ok(Some(Self(Some(lock)))),
            Err(LockError::Busy { .. }) => Err(busy(app, kind)),
            // What cannot be written holds nothing that two commands could share either; who opens the databases says so.
            Err(LockError::File(_)) => Ok(None),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lock) = self.0.take() {
            lock.discard();
        }
    }
}

/// What a request may ask sources for. Without a kind only the default one is in use: nothing is cached yet.
fn resolved_by(request: &Request) -> Option<(&AppName, Kind)> {
    match request {
        Request::Get { app, kind, .. } | Request::Explain { app, kind, resolve: true } => Some((app, *kind)),
        Request::Refresh { app, kind } => Some((app, kind.unwrap_or_default())),
        _ => None,
    }
}

fn busy(app: &AppName, kind: Kind) -> Failure {
    super::failure(
        FailureCode::TryAgain,
        format!("other flytoken commands have been resolving the {kind} token for app `{app}` for {} s", PATIENCE.as_secs()),
        "try again in a moment; an agent answers them all at once: `flytoken agent`",
    )
}

/// Below the state directory.
const FOLDER: &str = "locks";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::protocol::Wish;

    fn get(app: &str, kind: Kind) -> Request {
        Request::Get { app: AppName::parse(app).unwrap(), kind, wish: Wish::default() }
    }

    #[test]
    fn what_resolves_nothing_waits_for_nobody() {
        let state = tempfile::tempdir().unwrap();
        let web = || AppName::parse("web").unwrap();
        for request in [Request::Status, Request::Unset { app: web() }, Request::Explain { app: web(), kind: Kind::Deploy, resolve: false }]
        {
            assert!(Turn::take(Some(state.path()), &request).unwrap().is_none());
        }
    }

    #[test]
    fn each_app_and_kind_has_turns_of_its_own_and_leaves_no_file_behind() {
        let state = tempfile::tempdir().unwrap();
        let take = |request: &Request| Turn::take(Some(state.path()), request).unwrap().unwrap();
        let turns = [get("web", Kind::Readonly), get("web", Kind::Deploy), get("api", Kind::Readonly)].map(|request| take(&request));
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 3);
        drop(turns);
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 0);
        drop(take(&get("web", Kind::Readonly)));
    }

    #[test]
    fn without_a_place_to_share_there_is_nothing_to_wait_for() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        for state in [None, Some(file.as_path())] {
            assert!(Turn::take(state, &get("web", Kind::Readonly)).unwrap().is_none());
        }
    }
}
