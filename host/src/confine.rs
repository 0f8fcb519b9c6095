//! Keeping a thread, and every process and thread it starts, from what it has no need to do, for good.
//!
//! By Landlock, as far as the kernel has it; what an older one lacks is left out, and elsewhere than on Linux all of it.

use std::{io, path::Path};

/// What is left to do in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To read and execute whatever the user may, and to write in a few folders: for programs that need their libraries and the network.
    WritesIn,
    /// To read and write in a few folders, and no TCP: for work on what is there already.
    SeesOnly,
}

/// Confines this thread: no privileges are gained by executing anything, signals go to what starts from here on and to nobody else, and
/// of the file system `folders` are in `reach`. Folders that are missing stay out of it.
#[cfg(target_os = "linux")]
pub(crate) fn this_thread(reach: Reach, folders: &[&Path]) -> io::Result<()> {
    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope, path_beneath_rules};

    rustix::thread::set_no_new_privs(true)?;
    let confine = || {
        let ruleset = Ruleset::default().scope(Scope::Signal)?;
        let (ruleset, access) = match reach {
            Reach::WritesIn => (ruleset, AccessFs::from_write(ABI::V3)),
            Reach::SeesOnly => (ruleset.handle_access(AccessNet::from_all(ABI::V4))?, AccessFs::from_all(ABI::V3)),
        };
        let ruleset = ruleset.handle_access(access)?.create()?.add_rules(path_beneath_rules(folders, access))?;
        ruleset.add_rules(path_beneath_rules([NULL], AccessFs::WriteFile | AccessFs::Truncate))?.restrict_self()
    };
    confine().map(drop).map_err(|error| io::Error::other(format!("it cannot be confined: {error}")))
}

/// Confines nothing: there is no means to.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn this_thread(_: Reach, _: &[&Path]) -> io::Result<()> {
    Ok(())
}

/// Where programs write what nobody wants.
#[cfg(target_os = "linux")]
const NULL: &str = "/dev/null";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, net::TcpListener, net::TcpStream, thread};

    use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};

    use super::*;

    /// Whether this kernel has all that is used here.
    fn kernel_confines() -> bool {
        let ruleset = || {
            let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).scope(Scope::Signal)?;
            ruleset.handle_access(AccessNet::from_all(ABI::V4))?.handle_access(AccessFs::from_all(ABI::V3))?.create()
        };
        ruleset().is_ok()
    }

    #[test]
    fn a_thread_that_sees_a_folder_only_reads_and_reaches_nothing_else() {
        if !kernel_confines() {
            return;
        }
        let home = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (home.path().join("inside"), home.path().join("outside"));
        fs::create_dir(&inside).and_then(|()| fs::write(&outside, "x")).expect("files");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        thread::scope(|scope| {
            scope.spawn(|| {
                this_thread(Reach::SeesOnly, &[&inside, Path::new("/no/such/folder")]).expect("it is confined");
                fs::write(inside.join("file"), "x").expect("its own folder");
                assert_eq!(fs::read_to_string(inside.join("file")).expect("its own file"), "x");
                assert!(fs::read(&outside).is_err() && fs::write(&outside, "y").is_err());
                assert!(TcpStream::connect(address).is_err());
            });
        });
        assert!(fs::read(&outside).is_ok() && TcpStream::connect(address).is_ok(), "other threads are as before");
    }
}
