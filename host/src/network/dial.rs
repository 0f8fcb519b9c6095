//! A connection to a destination: its name is resolved once, every address is judged, and one of those is connected to.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    address::{Checked, Prohibited, Terms},
    host::Host,
    resolve::Resolve,
};

/// Resolves `host` and judges every address there is. One that is prohibited spoils all: an honest name has no such address beside others.
///
/// # Errors
/// [`DialError`] if there is no address, or one that is prohibited.
pub async fn checked(resolver: &dyn Resolve, host: &Host, port: u16, private: bool) -> Result<Vec<Checked>, DialError> {
    let addresses = match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => timeout(LOOKUP, resolver.resolve(name))
            .await
            .map_err(|_elapsed| DialError::LookupTimedOut)?
            .map_err(|error| DialError::Unresolved(error.to_string()))?,
    };
    if addresses.is_empty() {
        return Err(DialError::Unresolved("it has no address".into()));
    }
    let terms = Terms { private, literal: host.is_literal() };
    let judged = addresses.into_iter().map(|address| terms.check(SocketAddr::new(address, port)));
    judged.collect::<Result<_, _>>().map_err(DialError::Prohibited)
}

/// Connects to one of these addresses, in their order, within `patience` in all.
///
/// # Errors
/// [`DialError`] of the address that was tried last.
pub async fn connect(addresses: &[Checked], patience: Duration) -> Result<TcpStream, DialError> {
    let deadline = Instant::now() + patience;
    let mut failed = DialError::TimedOut;
    let tried = &addresses[..addresses.len().min(MOST_TRIED)];
    for (index, address) in tried.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        // Who is silent leaves time for who comes after.
        let share = left / u32::try_from(tried.len() - index).unwrap_or(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address.address())).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => failed = DialError::Refused,
            Ok(Err(error)) => failed = DialError::Unreachable(error.to_string()),
            Err(_elapsed) => failed = DialError::TimedOut,
        }
    }
    Err(failed)
}

/// Why there is no connection. The texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Unresolved(String),
    /// The resolver kept silent.
    #[error("the name was not resolved in time")]
    LookupTimedOut,
    /// It leads where its grant does not reach.
    #[error("the name leads to {0}")]
    Prohibited(Prohibited),
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// There is no way there.
    #[error("the address cannot be reached: {0}")]
    Unreachable(String),
    /// Nobody answered.
    #[error("no connection was made in time")]
    TimedOut,
}

/// How long a lookup may take: a resolver that is asked twice in vain.
const LOOKUP: Duration = Duration::from_secs(10);

/// How long it may take until there is a connection, TLS included.
pub const CONNECT: Duration = Duration::from_secs(10);

/// Of a name with a hundred addresses most are tried by nobody.
const MOST_TRIED: usize = 4;

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::net::TcpListener;

    use super::*;
    use crate::runtime::BoxFuture;

    /// Answers with one list after another, and with the last for ever.
    struct Rebinding {
        answers: Vec<Vec<&'static str>>,
        asked: AtomicUsize,
    }

    impl Rebinding {
        fn new(answers: &[&[&'static str]]) -> Self {
            Self { answers: answers.iter().map(|answer| answer.to_vec()).collect(), asked: AtomicUsize::new(0) }
        }
    }

    impl Resolve for Rebinding {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            let index = self.asked.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1);
            let addresses = self.answers[index].iter().map(|address| address.parse().unwrap()).collect();
            Box::pin(async { Ok(addresses) })
        }
    }

    fn host() -> Host {
        Host::parse("vault.example").unwrap()
    }

    #[tokio::test]
    async fn a_name_that_turns_private_after_it_was_public_is_refused_then() {
        let resolver = Rebinding::new(&[&["93.184.215.14"], &["127.0.0.1"]]);
        let first = checked(&resolver, &host(), 443, false).await.unwrap();
        assert_eq!(first[0].address(), "93.184.215.14:443".parse().unwrap());
        let second = checked(&resolver, &host(), 443, false).await.unwrap_err();
        assert_eq!(second.to_string(), "the name leads to 127.0.0.1, which is loopback");
    }

    #[tokio::test]
    async fn one_prohibited_address_among_others_spoils_all() {
        for (answer, private, allowed) in [
            (["93.184.215.14", "10.0.0.1"], false, false),
            (["10.0.0.1", "93.184.215.14"], false, false),
            (["93.184.215.14", "::ffff:127.0.0.1"], false, false),
            (["93.184.215.14", "169.254.169.254"], true, false),
            (["93.184.215.14", "0.0.0.0"], true, false),
            (["93.184.215.14", "10.0.0.1"], true, true),
            (["93.184.215.14", "2606:4700::1"], false, true),
        ] {
            let resolver = Rebinding::new(&[&answer]);
            let judged = checked(&resolver, &host(), 443, private).await;
            assert_eq!(judged.is_ok(), allowed, "{answer:?} {private}: {judged:?}");
        }
    }

    #[tokio::test]
    async fn the_connection_goes_to_the_address_that_was_checked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Were the name resolved again for the connection, it would lead elsewhere.
        let resolver = Rebinding::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let addresses = checked(&resolver, &host(), port, true).await.unwrap();
        let stream = connect(&addresses, CONNECT).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[0].address());
        assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_address_that_refuses_leaves_the_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let resolver = Rebinding::new(&[&["127.0.0.2", "127.0.0.1"], &["127.0.0.3"]]);
        let addresses = checked(&resolver, &host(), port, true).await.unwrap();
        assert!(connect(&addresses, CONNECT).await.is_ok());
        let addresses = checked(&resolver, &host(), port, true).await.unwrap();
        assert_eq!(connect(&addresses, CONNECT).await.unwrap_err(), DialError::Refused);
    }
}
