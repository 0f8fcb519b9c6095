//! Looks at processes, as far as somebody wants to know.

#[cfg(target_os = "linux")]
use std::{path::PathBuf, sync::Arc};

use super::{Attested, Peer, Wanted};
#[cfg(target_os = "linux")]
use super::{
    Executable, Facts,
    ancestry::Ancestor,
    attested::Hold,
    cgroup::Place,
    digests::Digests,
    executable::Running,
    peer::PeerHandle,
    process::{Process, lives},
};

/// Looks at processes. Clones share what they know of executables.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone)]
pub struct Attestor {
    own: Arc<Own>,
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

    /// What comes with the connection: the system tells no more in a way that could be relied on.
    pub fn look(&self, peer: Peer, wanted: Wanted) -> Attested {
        Attested::unseen(peer.facts, wanted)
    }
}

/// This process's own executable.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
pub(super) struct Own {
    running: Option<Running>,
    path: Option<PathBuf>,
}

#[cfg(target_os = "linux")]
impl Own {
    /// Whether a process is flytoken: the same file, or what is at the same place by now, as after an upgrade.
    pub(super) fn is(&self, running: &Running, process: &Process) -> bool {
        if self.running.as_ref().is_some_and(|own| own.identity == running.identity) {
            return true;
        }
        let Some(path) = &self.path else { return false };
        process.executable_path().is_ok_and(|theirs| theirs == *path) && running.lies_at(path)
    }
}

#[cfg(target_os = "linux")]
impl Attestor {
    /// The one of this process. Made at its start: later its executable may have been replaced.
    pub fn new() -> Self {
        let own = Process::open(std::process::id()).and_then(|process| {
            let running = Running::of(&process)?;
            let path = running.place(&process).path;
            Ok(Own { running: Some(running), path })
        });
        Self { own: Arc::new(own.unwrap_or_default()), digests: Arc::default() }
    }

    /// Looks at a peer. May wait for file systems, and for as long as reading its executable takes.
    ///
    /// What cannot be found out is none, so that no rule which asks for it fits. A process that is gone, or runs something else at the end than
    /// at the beginning, is changed from the outset.
    pub fn look(&self, peer: Peer, wanted: Wanted) -> Attested {
        let Peer { mut facts, handle } = peer;
        let pidfd = match handle {
            PeerHandle::Pidfd(pidfd) => Some(pidfd),
            PeerHandle::Unknown => None,
            PeerHandle::Gone => return Attested::changed(facts, wanted),
            PeerHandle::Unclear => return Attested::unclear(facts, wanted),
        };
        // Of whoever has the number now. Whether that is the peer shows below.
        let process = facts.pid.filter(|pid| *pid != 0).and_then(|pid| Process::open(pid).ok());
        let mut hold = Hold { pidfd, process, running: None, ancestor: None };
        let mut knows_groups = false;
        if let Some(process) = &hold.process {
            if wanted.groups
                && let Ok(Some(groups)) = process.groups(&facts)
            {
                (facts.groups, knows_groups) = (groups, true);
            }
            hold.running = Running::of(process).ok();
            if self.note(process, hold.running.as_ref(), wanted, &mut facts, &mut hold.ancestor).is_err() {
                return Attested::changed(facts, wanted);
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
        if !is_peer || !hold.holds() {
            Attested::changed(facts, wanted)
        } else if wanted.groups && !knows_groups {
            // An empty list would be taken for one: a rule that denies a group has to deny in doubt.
            Attested::unclear(facts, wanted)
        } else {
            Attested::held(facts, wanted, hold)
        }
    }

    fn note(
        &self,
        process: &Process,
        running: Option<&Running>,
        wanted: Wanted,
        facts: &mut Facts,
        ancestor: &mut Option<Ancestor>,
    ) -> std::io::Result<()> {
        if wanted.cgroup {
            // Its own also if it is flytoken: a child is where its parent was, but what a service manager starts is not where that is.
            let place = process.cgroups().map(|text| Place::read(&text)).unwrap_or_default();
            (facts.cgroup, facts.unit) = (place.cgroup, place.unit);
        }
        if !(wanted.executable || wanted.sha256) {
            return Ok(());
        }
        let Some(running) = running else { return Ok(()) };
        facts.via_flytoken = self.own.is(running, process);
        if facts.via_flytoken {
            *ancestor = Ancestor::nearest(process, &self.own)?;
            if let Some(Ancestor { process, running: Some(running) }) = ancestor {
                facts.executable = Some(self.executable(process, running, wanted));
            }
        } else {
            facts.executable = Some(self.executable(process, running, wanted));
        }
        Ok(())
    }

    fn executable(&self, process: &Process, running: &Running, wanted: Wanted) -> Executable {
        let place = running.place(process);
        let sha256 = if wanted.sha256 { self.digests.of(process, running) } else { None };
        Executable { sha256, ..place }
    }
}

#[cfg(target_os = "linux")]
impl Default for Attestor {
    fn default() -> Self {
        Self::new()
    }
}
