//! The folder of the databases: whose it is, who else may read it, and whether there is room.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, absolute},
};

use super::{Context, check::Check};
use crate::{causes::with_causes, trust::shown};

pub(super) fn check(context: &Context) -> Check {
    let Some(folder) = context.paths.state() else {
        return Check::warn("state", "neither XDG_STATE_HOME nor HOME is set: nothing survives a command").mended_by("export HOME=~");
    };
    let folder = absolute(folder).unwrap_or_else(|_| folder.to_owned());
    of(&folder, rustix::process::geteuid().as_raw())
}

fn of(folder: &Path, uid: u32) -> Check {
    let shown = shown(folder);
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Check::fail("state", format!("{shown} is no folder")).mended_by(format!("mv {shown} {shown}.old")),
        Ok(found) if found.uid() != uid => {
            let text = format!("{shown} belongs to user {}, so that nothing is kept", found.uid());
            Check::fail("state", text).mended_by(format!("sudo chown -R {uid} {shown}"))
        }
        Ok(found) if found.mode() & 0o077 != 0 => {
            Check::fail("state", format!("others may look into {shown}")).mended_by(format!("chmod 700 {shown}"))
        }
        Ok(_) => room(folder, &shown),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Check::ok("state", format!("{shown} is made when something is kept")),
        Err(error) => Check::fail("state", format!("cannot look at {shown}: {}", with_causes(&error))).mended_by(format!("ls -ld {shown}")),
    }
}

fn room(folder: &Path, shown: &str) -> Check {
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_ROOM => {
            Check::warn("state", format!("the disk of {shown} is nearly full: soon nothing can be kept"))
                .mended_by(format!("df -h {shown}"))
        }
        _ => Check::ok("state", shown),
    }
}

/// What the databases grow to together, and a bit.
const LEAST_ROOM: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::commands::doctor::check::State;

    #[test]
    fn what_keeps_it_from_being_used_is_told_with_the_command_that_mends_it() {
        let home = tempfile::tempdir().unwrap();
        let (folder, file) = (home.path().join("state"), home.path().join("file"));
        let own = rustix::process::geteuid().as_raw();
        let told = |path: &Path, uid, state, words: &str, command: Option<&str>| {
            let check = of(path, uid);
            assert!(check.state == state && check.text.contains(words), "{check:?}");
            assert_eq!(check.command.as_deref().map(|text| text.split(' ').next().unwrap()), command);
        };
        told(&folder, own, State::Ok, "is made when", None);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        told(&folder, own, State::Ok, "state", None);
        told(&folder, own + 1, State::Fail, "belongs to user", Some("sudo"));
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        told(&folder, own, State::Fail, "others may look", Some("chmod"));
        fs::write(&file, "").unwrap();
        told(&file, own, State::Fail, "is no folder", Some("mv"));
        told(&file.join("below"), own, State::Fail, "cannot look", Some("ls"));
    }
}
