//! The `fly` command that mints tokens.

use super::check::Check;
use crate::{
    command::{self, Failure},
    system::Environment,
};

pub(super) fn check(environment: &Environment) -> Check {
    match command::locate(environment, "fly") {
        Ok(path) => Check::ok("fly", path.display().to_string()),
        Err(Failure::NotFound(_)) => {
            let text = "there is no `fly` in PATH nor where installers put it: no token can be minted";
            Check::warn("fly", text).mended_by("curl -L https://fly.io/install.sh | sh")
        }
        // The text says what to type.
        Err(failure) => Check::fail("fly", failure.to_string()).mended_as(&failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::commands::doctor::check::State;

    #[test]
    fn a_program_is_found_and_one_that_others_may_change_is_a_failure() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::from_iter([("PATH", home.path())]);
        let program = home.path().join("fly");
        fs::write(&program, "").unwrap();
        for (mode, state) in [(0o755, State::Ok), (0o777, State::Fail)] {
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
            let check = check(&environment);
            assert!(check.state == state && check.text.contains("fly"), "{check:?}");
        }
    }
}
