//! From names to addresses, as the machine has it.

use std::{
    io,
    net::{IpAddr, ToSocketAddrs as _},
};

use tokio::task::spawn_blocking;

use crate::runtime::BoxFuture;

/// Asks for the addresses of names.
pub trait Resolve: Send + Sync {
    /// The addresses of `name`, the one to prefer first.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver: `/etc/hosts`, DNS, whatever else it was told to ask.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            // It blocks, and cannot be interrupted: who asked goes on without it when their time is up.
            let lookup = spawn_blocking(move || Ok((name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect()));
            lookup.await.unwrap_or_else(|_| Err(io::Error::other("the lookup failed")))
        })
    }
}
