//! Looks at processes, as far as somebody wants to know.

#[cfg(target_os = "linux")]
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Attested, Peer, Wanted};
#[cfg(target_os = "linux")]
use super::{
    Executable, Facts,
    ancestry::Ancestor,
    attested::Hold,
    cgroup::Place,
    digests::Digests,
    executable::{ROOT, Running},
    lookup::Lookup,
    peer::PeerHandle,
    process::{Process, lives},
};
#[cfg(target_os = "linux")]
use crate::programs;

/// Looks at processes. Clones share what they know of executables.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone)]
pub struct Attestor {
    own: Option<Arc<Own>>,
    digests: Arc<Digests>,
}

/// Looks at processes: here, at nothing beyond what comes with the connection.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Clone, Default)]
pub struct Attestor;

#[cfg(not(target_os = "linux"))]
impl Attestor {
    /// The one of this process.
    pub fn new() -> Self {
        Self
    }

    /// What comes with the connection, which is there at once.
    pub fn look_at_once(&self, peer: Peer, wanted: Wanted) -> Option<Attested> {
        Some(self.look(peer, wanted))
    }

    /// What comes with the connection: the system tells no more in a way that could be relied on.
    pub fn look(&self, peer: Peer, wanted: Wanted) -> Attested {
        Attested::unseen(peer.facts, wanted)
    }
}

/// flytoken's own programs: the one of this process, and where both lie.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Own {
    running: Running,
    places: Vec<PathBuf>,
}

#[cfg(target_os = "linux")]
impl Own {
    fn of_this_process() -> io::Result<Self> {
        let process = Process::open(std::process::id())?;
        let running = Running::of(&process)?;
        let path = running.place(process.executable_path()?, Lookup::Waiting)?.path;
        Ok(Self::new(running, path.as_deref()))
    }

    fn new(running: Running, path: Option<&Path>) -> Self {
        Self { running, places: path.map(programs::places).into_iter().flatten().collect() }
    }

    /// Whether what runs, which the kernel calls `name`, is flytoken: the same file, or what is at the place of one of the two by now, as after an
    /// upgrade. In a folder that others can write to as well, not what they put there.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if that has to be waited for.
    pub(super) fn is(&self, running: &Running, name: Option<&Path>, lookup: Lookup) -> io::Result<bool> {
        if self.running.identity == running.identity {
            return Ok(true);
        }
        match name.filter(|name| self.places.iter().any(|place| place == name)) {
            Some(path) if [self.running.owner, ROOT].contains(&running.owner) => running.lies_at(path, lookup),
            Some(_) | None => Ok(false),
        }
    }
}

#[cfg(target_os = "linux")]
impl Attestor {
    /// The one of this process. Made at its start: later its executable may have been replaced.
    pub fn new() -> Self {
        Self { own: Own::of_this_process().ok().map(Arc::new), digests: Arc::default() }
    }

    /// Looks at a peer. May wait for file systems, and for as long as reading its executable takes.
    ///
    /// What cannot be found out is none, so that no rule which asks for it fits. A process that is gone, or runs something else at the end than
    /// at the beginning, is changed from the outset.
    pub fn look(&self, peer: Peer, wanted: Wanted) -> Attested {
        let facts = peer.facts.clone();
        // Who waits is told all there is.
        self.look_by(peer, wanted, Lookup::Waiting).unwrap_or_else(|_| Attested::unclear(facts, wanted))
    }

    /// The same by what the kernel has in memory, which it has of a program that runs, and a digest that is known. None if that is not enough.
    pub fn look_at_once(&self, peer: Peer, wanted: Wanted) -> Option<Attested> {
        self.look_by(peer, wanted, Lookup::AtOnce).ok()
    }

    fn look_by(&self, peer: Peer, wanted: Wanted, lookup: Lookup) -> Result<Attested, WouldWait> {
        let Peer { mut facts, handle, groups } = peer;
        let pidfd = match handle {
            PeerHandle::Pidfd(pidfd) => Some(pidfd),
            PeerHandle::Unknown => None,
            PeerHandle::Gone => return Ok(Attested::changed(facts, wanted)),
            PeerHandle::Unclear => return Ok(Attested::unclear(facts, wanted)),
        };
        // Of whoever has the number now. Whether that is the peer shows below.
        let process = facts.pid.filter(|pid| *pid != 0).and_then(|pid| Process::open(pid).ok());
        let mut hold = Hold { pidfd, process, running: None, ancestor: None };
        let knows_groups = groups.is_some();
        if wanted.groups {
            facts.groups = groups.unwrap_or_default();
        }
        if let Some(process) = &hold.process {
            hold.running = Running::of(process).ok();
            let look = Look { process, running: hold.running.as_ref(), wanted, lookup };
            match self.note(&look, &mut facts, &mut hold.ancestor) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(WouldWait),
                Err(_) => return Ok(Attested::changed(facts, wanted)),
            }
        }
        let is_peer = match (&hold.pidfd, &hold.process) {
            // The peer lives, so that the number was its own all the time.
            (Some(pidfd), _) => lives(pidfd),
            // Without a descriptor of the peer, a process that took its number between its connecting and now passes for it if it is of the
            // same user. Kernels from 6.5 on leave no such gap.
            (None, Some(process)) => process.user().is_ok_and(|user| user == Some(facts.uid)),
            (None, None) => false,
        };
        Ok(if !is_peer || !hold.holds() {
            Attested::changed(facts, wanted)
        } else if wanted.groups && !knows_groups {
            // An empty list would be taken for one: a rule that denies a group has to deny in doubt.
            Attested::unclear(facts, wanted)
        } else {
            Attested::held(facts, wanted, hold)
        })
    }

    fn note(&self, look: &Look<'_>, facts: &mut Facts, ancestor: &mut Option<Ancestor>) -> io::Result<()> {
        let Look { process, running, wanted, lookup } = *look;
        if wanted.cgroup {
            // Its own also if it is flytoken: a child is where its parent was, but what a service manager starts is not where that is.
            let place = process.cgroups().map(|text| Place::read(&text)).unwrap_or_default();
            (facts.cgroup, facts.unit) = (place.cgroup, place.unit);
        }
        if !(wanted.executable || wanted.sha256) {
            return Ok(());
        }
        let Some(running) = running else { return Ok(()) };
        let name = process.executable_path().ok();
        if let Some(own) = &self.own
            && own.is(running, name.as_deref(), lookup)?
        {
            facts.via_flytoken = true;
            *ancestor = Ancestor::nearest(process, own, lookup)?;
            if let Some(Ancestor { process, running: Some(running) }) = ancestor {
                let look = Look { process, running: Some(running), wanted, lookup };
                facts.executable = Some(self.executable(&look, running, process.executable_path().ok())?);
            }
        } else {
            facts.executable = Some(self.executable(look, running, name)?);
        }
        Ok(())
    }

    fn executable(&self, look: &Look<'_>, running: &Running, name: Option<PathBuf>) -> io::Result<Executable> {
        let sha256 = match look.lookup {
            _ if !look.wanted.sha256 => None,
            Lookup::AtOnce => Some(self.digests.known(running).ok_or(io::ErrorKind::WouldBlock)?),
            Lookup::Waiting => self.digests.of(look.process, running),
        };
        let place = name.map(|name| running.place(name, look.lookup)).transpose()?.unwrap_or_default();
        Ok(Executable { sha256, ..place })
    }
}

/// A process that is looked at, and how.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
struct Look<'a> {
    process: &'a Process,
    running: Option<&'a Running>,
    wanted: Wanted,
    lookup: Lookup,
}

/// What has to be known cannot be told without waiting.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct WouldWait;

#[cfg(target_os = "linux")]
impl Default for Attestor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::*;
    use crate::programs::{CLIENT, WHOLE};

    #[test]
    fn flytokens_own_is_what_lies_at_the_place_of_either_program_and_is_nobody_elses() {
        let home = tempfile::tempdir().unwrap();
        let [client, whole, other] = [CLIENT, WHOLE, "other"].map(|name| fs::canonicalize(home.path()).unwrap().join(name));
        let put = |path: &Path| fs::write(path, "").unwrap();
        put(&whole);
        put(&other);
        let mut own = Own::new(Running::at(&whole).unwrap(), Some(&whole));
        let is = |own: &Own, running: &Running, name: &Path| own.is(running, Some(name), Lookup::Waiting).unwrap();
        let is_at = |path: &Path| is(&own, &Running::at(path).unwrap(), path);
        put(&client);
        assert!(is_at(&whole) && is_at(&client) && !is_at(&other));
        assert!(!is(&own, &Running::at(&other).unwrap(), &client), "its name alone makes it none");
        for path in [&client, &whole] {
            fs::rename(path, home.path().join("older")).unwrap();
            put(path);
            assert!(is_at(path), "as after an upgrade");
        }
        own.running.owner = 1000;
        for (owner, expected) in [(1000, true), (ROOT, true), (1001, false)] {
            let running = Running { owner, ..Running::at(&client).unwrap() };
            assert_eq!(is(&own, &running, &client), expected, "{owner}");
        }
    }
}
