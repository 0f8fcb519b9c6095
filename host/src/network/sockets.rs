//! The grant `sockets`: TCP connections to destinations that the operator listed.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

use super::{
    address::Terms,
    dial::{DialError, checked},
    host::Host,
    resolve::Resolve,
};
use crate::denials::Denials;

/// A destination that a source may connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SocketGrant {
    /// Its name or address.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// Whether it may lie on this machine or in a private network.
    pub private: bool,
}

impl fmt::Display for SocketGrant {
    /// As it is written in a configuration file, without what goes with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What one call may connect to. An address counts once a granted name led to it in this very call.
pub struct Sockets {
    grants: Vec<SocketGrant>,
    resolver: Arc<dyn Resolve>,
    resolved: Mutex<BTreeSet<SocketAddr>>,
    denials: Denials,
}

impl Sockets {
    /// For one call. What is denied goes into `denials`.
    pub fn new(grants: Vec<SocketGrant>, resolver: Arc<dyn Resolve>, denials: Denials) -> Self {
        Self { grants, resolver, resolved: Mutex::default(), denials }
    }

    /// The addresses of a name; only of granted ones.
    ///
    /// # Errors
    /// [`LookupFailure`] if it is not granted, leads where its grant does not reach, or has no address.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupFailure> {
        let bracketed = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        let host = Host::parse(&bracketed).map_err(|_| LookupFailure::Invalid)?;
        let granted: Vec<_> = self.grants.iter().filter(|grant| grant.host == host).collect();
        // Whichever of them allows less: the addresses are the same for all.
        let Some(first) = granted.first() else {
            self.denials.note(format!("looked up `{host}`, which is not granted; {}", to_allow(&format!("{host}:PORT"))));
            return Err(LookupFailure::Denied);
        };
        let private = granted.iter().all(|grant| grant.private);
        let addresses = checked(&*self.resolver, &host, first.port, private).await.map_err(|error| match error {
            DialError::Prohibited(prohibited) => {
                let more = if prohibited.needs_private() { "; to allow it, write `private: true` beside it" } else { "" };
                self.denials.note(format!("looked up `{host}`, which leads to {prohibited}{more}"));
                LookupFailure::Denied
            }
            DialError::LookupTimedOut => LookupFailure::TimedOut,
            _ => LookupFailure::Unresolved,
        })?;
        let addresses: Vec<_> = addresses.into_iter().map(|address| address.address().ip()).collect();
        let all = granted.iter().flat_map(|grant| addresses.iter().map(|address| SocketAddr::new(*address, grant.port)));
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
        Ok(addresses)
    }

    /// Whether a connection to this address may be made.
    pub fn may_connect(&self, address: SocketAddr) -> bool {
        let address = SocketAddr::new(address.ip(), address.port());
        let literal = |grant: &SocketGrant| {
            let terms = Terms { private: grant.private, literal: true };
            grant.host == Host::Address(address.ip()) && grant.port == address.port() && terms.check(address).is_ok()
        };
        let allowed = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).contains(&address) || self.grants.iter().any(literal);
        if !allowed {
            self.denials.note(format!("asked for a connection to {address}, which is not granted; {}", to_allow(&address.to_string())));
        }
        allowed
    }

    /// Remembers that something else than a granted connection was asked for.
    pub fn deny_use(&self, what: &str) {
        self.denials.note(format!("asked {what}, which no grant allows"));
    }
}

/// What to write so that a destination is granted.
pub fn to_allow(destination: &str) -> String {
    format!("to allow it, add to the source's `grants.sockets`: `- \"{destination}\"`")
}

/// Why there are no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupFailure {
    /// It is no name.
    Invalid,
    /// It is not granted, or not what it leads to.
    Denied,
    /// It has none.
    Unresolved,
    /// Nobody answered.
    TimedOut,
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::runtime::BoxFuture;

    /// Answers for any name.
    struct Everywhere(&'static [&'static str]);

    impl Resolve for Everywhere {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            let addresses = self.0.iter().map(|address| address.parse().unwrap()).collect();
            Box::pin(async { Ok(addresses) })
        }
    }

    fn sockets(grants: &[(&str, u16, bool)], addresses: &'static [&'static str]) -> Sockets {
        let grant =
            |(host, port, private): &(&str, u16, bool)| SocketGrant { host: Host::parse(host).unwrap(), port: *port, private: *private };
        Sockets::new(grants.iter().map(grant).collect(), Arc::new(Everywhere(addresses)), Denials::default())
    }

    #[tokio::test]
    async fn an_address_counts_once_a_granted_name_led_to_it_and_on_its_port_alone() {
        let address = |port| SocketAddr::new("93.184.215.14".parse().unwrap(), port);
        let call = || sockets(&[("db.example", 5432, false)], &["93.184.215.14"]);
        let before = call();
        assert!(!before.may_connect(address(5432)));
        assert!(before.denials.first().unwrap().contains("- \"93.184.215.14:5432\""));
        let after = call();
        assert_eq!(after.lookup("DB.example").await.unwrap().len(), 1);
        assert!(after.may_connect(address(5432)));
        assert_eq!(after.denials.first(), None);
        assert!(!after.may_connect(address(22)));
    }

    #[tokio::test]
    async fn other_names_are_not_answered_and_the_message_names_the_line() {
        let call = sockets(&[("db.example", 5432, false)], &["93.184.215.14"]);
        assert_eq!(call.lookup("evil.example").await, Err(LookupFailure::Denied));
        assert!(call.denials.first().unwrap().contains("`grants.sockets`: `- \"evil.example:PORT\"`"), "{:?}", call.denials.first());
        for name in ["a b", "", "db.example.", "127.1"] {
            assert_eq!(call.lookup(name).await, Err(LookupFailure::Invalid), "{name}");
        }
    }

    #[tokio::test]
    async fn a_private_address_needs_private_and_a_name_never_leads_to_a_metadata_service() {
        for (address, private, allowed) in
            [("10.0.0.1", false, false), ("10.0.0.1", true, true), ("169.254.169.254", true, false), ("::ffff:10.0.0.1", false, false)]
        {
            let addresses: &'static [&'static str] = Box::leak(Box::new([address]));
            let call = sockets(&[("db.example", 80, private)], addresses);
            assert_eq!(call.lookup("db.example").await.is_ok(), allowed, "{address} {private}");
            assert_eq!(call.denials.first().is_none(), allowed, "{address} {private}");
            assert_eq!(call.may_connect(SocketAddr::new(address.parse().unwrap(), 80)), allowed, "{address} {private}");
        }
    }

    #[test]
    fn an_address_that_was_granted_itself_needs_no_lookup() {
        let call = sockets(&[("127.0.0.1", 5432, true), ("10.0.0.1", 5432, false), ("[::1]", 80, true)], &[]);
        for (address, allowed) in [("127.0.0.1:5432", true), ("[::1]:80", true), ("127.0.0.1:80", false), ("10.0.0.1:5432", false)] {
            assert_eq!(call.may_connect(address.parse().unwrap()), allowed, "{address}");
        }
    }
}
