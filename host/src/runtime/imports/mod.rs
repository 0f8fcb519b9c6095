//! What the host offers to a source: one file an interface. Each is answered by the smallest thing that can, never by the whole state of a
//! call, so that its type bounds what it can reach.

pub(super) mod types;

pub(super) mod secrets;
pub(super) mod settings;

pub(super) mod command;
pub(super) mod files;
pub(super) mod http;
pub(super) mod login;
pub(super) mod records;
pub(super) mod sockets;

#[cfg(test)]
pub(super) mod fixtures;
