//! What sources send over HTTP: to granted origins alone, over connections to checked addresses, with headers that the host sets.
//!
//! Redirects are the source's business: who follows one makes a new request, and that is held against the grants like the first. Proxy
//! variables count for nothing. One request is one connection, which ends with the call at the latest.

mod body;
mod client;
mod failure;
mod grant;
mod header;
mod origin;
mod tls;

pub use self::{
    body::{Bounded, REQUEST_BYTES, RESPONSE_BYTES},
    client::{Answer, Client, Patience, REQUEST_HEAD_BYTES},
    failure::Failure,
    grant::{HeaderValueFrom, HttpGrant},
    header::{HeaderError, header_name, is_the_hosts},
    origin::{Origin, OriginError, Scheme},
};
