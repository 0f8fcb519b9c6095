//! Where a source may connect to: names are resolved here, every address is judged, and a connection goes to an address that was.

mod address;
mod dial;
mod host;
mod resolve;
mod sockets;

pub use self::{
    address::{Checked, Prohibited, Terms},
    dial::{CONNECT, DialError, checked, connect},
    host::{Host, HostError, port},
    resolve::{Resolve, SystemResolver},
    sockets::{LookupFailure, SocketGrant, Sockets, to_allow},
};
