//! Sources against a real nginx, and a real client of Docker's registry: over TLS on loopback, with certificates made by openssl.
//!
//! Apart from the other behaviours since it needs their programs; `.ci/run` installs them and runs it:
//! `cargo test --test servers`.

#![expect(
    clippy::unwrap_used,
    reason = "a behaviour that cannot be set up has failed; clippy allows it in test functions, but not in what they share"
)]

#[path = "../harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "most of what behaviours share is for others")]
mod harness;

mod http;
mod machine;
mod nginx;
mod registry;
mod sockets;
mod source;
mod vault;
