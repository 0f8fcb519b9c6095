//! The process at the other end of a socket: whoever connected it.

use std::os::fd::AsFd;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

use super::Facts;
#[cfg(target_os = "linux")]
use super::groups::peer_groups;

/// Whoever connected a socket, as the kernel noted it at that moment.
#[derive(Debug)]
pub struct Peer {
    /// What comes with the connection: process, user and group.
    pub(super) facts: Facts,
    /// The process itself, rather than its number.
    #[cfg(target_os = "linux")]
    pub(super) handle: PeerHandle,
    /// The other groups that it was in then; none if the kernel does not tell.
    #[cfg(target_os = "linux")]
    pub(super) groups: Option<Vec<u32>>,
}

/// A descriptor of the process that connected.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) enum PeerHandle {
    /// The kernel gave one. It stands for this one process for ever, also once its number is another's.
    Pidfd(OwnedFd),
    /// The kernel is older than 6.5 and knows the number alone.
    Unknown,
    /// The process is gone.
    Gone,
    /// It cannot be held: there are no descriptors left.
    Unclear,
}

impl Peer {
    /// The peer of a socket, of which `facts` are known already.
    #[cfg(target_os = "linux")]
    pub fn of(socket: impl AsFd, facts: Facts) -> Self {
        use nix::{
            errno::Errno,
            sys::socket::{getsockopt, sockopt::PeerPidfd},
        };

        let handle = match getsockopt(&socket, PeerPidfd) {
            Ok(pidfd) => PeerHandle::Pidfd(pidfd),
            Err(Errno::ENOPROTOOPT | Errno::ENODATA) => PeerHandle::Unknown,
            Err(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => PeerHandle::Unclear,
            Err(_) => PeerHandle::Gone,
        };
        Self { facts, handle, groups: peer_groups(socket).ok() }
    }

    /// The peer of a socket, of which `facts` are known already.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_: impl AsFd, facts: Facts) -> Self {
        Self { facts }
    }

    /// This process itself, as if it had connected.
    pub fn this_process() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let facts = Facts { pid: Some(std::process::id()), uid, gid, ..Facts::default() };
        Self {
            facts,
            #[cfg(target_os = "linux")]
            handle: PeerHandle::Unknown,
            #[cfg(target_os = "linux")]
            groups: rustix::process::getgroups().ok().map(|groups| groups.into_iter().map(rustix::process::Gid::as_raw).collect()),
        }
    }

    /// What comes with the connection.
    pub fn into_facts(self) -> Facts {
        self.facts
    }
}
