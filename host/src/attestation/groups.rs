//! The groups that a peer was in when it connected, as the kernel noted them.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use nix::libc;

/// The supplementary groups of whoever connected this socket, since Linux 4.13.
///
/// They are noted with its user and group, at that moment, and so are of the peer for certain, whoever has its number by now. To look
/// them up in `/proc` instead costs twenty times as much.
pub(super) fn peer_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; USUAL];
    loop {
        let room = groups.len() * size_of::<libc::gid_t>();
        let mut length = libc::socklen_t::try_from(room).map_err(|_| io::ErrorKind::OutOfMemory)?;
        #[expect(unsafe_code, reason = "no library has this option with a list that is as long as it happens to be")]
        // SAFETY: the list is as long as `length` says, the kernel writes no further, and whatever bytes it writes are numbers.
        let result = unsafe {
            let list = groups.as_mut_ptr().cast();
            libc::getsockopt(socket.as_fd().as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERGROUPS, list, &raw mut length)
        };
        let count = usize::try_from(length).unwrap_or_default() / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // Then it says how many there are.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MOST {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// More than most people are in.
const USUAL: usize = 64;

/// As many as Linux lets a process be in.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn the_groups_of_a_peer_are_all_of_them_and_of_what_is_no_peer_none_are_known() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut own: Vec<_> = rustix::process::getgroups().unwrap().into_iter().map(rustix::process::Gid::as_raw).collect();
        let mut told = peer_groups(&ours).unwrap();
        own.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, own);
        assert!(peer_groups(TcpListener::bind("127.0.0.1:0").unwrap()).is_err());
    }
}
