//! `wasi:sockets`: TCP to granted destinations, and a lookup that answers granted names only.
//!
//! The engine's own sockets ask [`may`] about each address. Its lookup is not used: it would answer any name. Ours takes its place in the
//! linker.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    vec,
};

use tokio::task::JoinHandle;
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource, ResourceTable, ResourceType},
};
use wasmtime_wasi::{
    async_trait,
    p2::{
        DynPollable, Network, Pollable,
        bindings::sockets::{
            ip_name_lookup::ResolveAddressStream,
            network::{ErrorCode, IpAddress, IpAddressFamily},
            tcp::TcpSocket,
            udp::UdpSocket,
        },
        subscribe,
    },
    sockets::SocketAddrUse,
};

use crate::{
    network::{LookupFailure, Sockets, to_allow},
    plain,
    runtime::{
        state::State,
        trace::{Tracer, Use},
    },
};

/// Whether a socket may be used in this way.
pub(in crate::runtime) fn may(sockets: &Sockets, address: SocketAddr, purpose: SocketAddrUse, trace: &Tracer) -> bool {
    match purpose {
        SocketAddrUse::TcpConnect => {
            let step = trace.step(|| format!("sockets.connect {address}"));
            trace.uses(|| Use::Socket(address.ip().to_string()));
            let may = sockets.may_connect(address);
            step.end(|| if may { "allowed".into() } else { "denied".into() });
            may
        }
        // What every connection begins with; a port of one's own is for those who listen.
        SocketAddrUse::TcpBind if address.ip().is_unspecified() && address.port() == 0 => true,
        SocketAddrUse::TcpBind | SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => {
            sockets.deny_use("to listen for connections");
            false
        }
        SocketAddrUse::UdpBind | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
            sockets.deny_use("for UDP");
            false
        }
    }
}

/// A lookup, and what came of it.
pub(in crate::runtime) enum Lookup {
    Pending(JoinHandle<Result<Vec<IpAddr>, LookupFailure>>),
    Done(Result<vec::IntoIter<IpAddr>, LookupFailure>),
}

impl Lookup {
    fn start(sockets: Arc<Sockets>, name: String) -> Self {
        Self::Pending(tokio::spawn(async move { sockets.lookup(&name).await }))
    }

    /// The next address; none after the last.
    fn next(&mut self) -> Result<Option<IpAddress>, ErrorCode> {
        match self {
            Self::Pending(_) => Err(ErrorCode::WouldBlock),
            Self::Done(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
            Self::Done(Err(failure)) => Err(error_code(*failure)),
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        if let Self::Pending(lookup) = self {
            lookup.abort();
        }
    }
}

#[async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        if let Self::Pending(lookup) = self {
            let found = lookup.await.unwrap_or(Err(LookupFailure::Unresolved));
            *self = Self::Done(found.map(Vec::into_iter));
        }
    }
}

fn error_code(failure: LookupFailure) -> ErrorCode {
    match failure {
        LookupFailure::Invalid => ErrorCode::InvalidArgument,
        LookupFailure::Denied => ErrorCode::AccessDenied,
        LookupFailure::Unresolved => ErrorCode::NameUnresolvable,
        LookupFailure::TimedOut => ErrorCode::TemporaryResolverFailure,
    }
}

/// What answers a lookup: the destinations, and the table that its handle goes into.
pub(in crate::runtime) struct LookupView<'a> {
    /// The destinations; none only if the host linked the lookup and then lends none.
    pub(in crate::runtime) sockets: Option<&'a Arc<Sockets>>,
    /// Where handles go.
    pub(in crate::runtime) table: &'a mut ResourceTable,
    /// Where it is written down.
    pub(in crate::runtime) trace: Tracer,
}

impl LookupView<'_> {
    fn resolve(&mut self, name: String) -> wasmtime::Result<Result<Resource<Lookup>, ErrorCode>> {
        let Some(sockets) = self.sockets else { return Ok(Err(ErrorCode::AccessDenied)) };
        self.trace.step(|| format!("sockets.look-up {}", plain::line(&name))).end(|| "begun".into());
        self.trace.uses(|| Use::Socket(name.clone()));
        Ok(Ok(self.table.push(Lookup::start(Arc::clone(sockets), name))?))
    }
}

/// Has sockets that no grant allows refused before there is one, and noted: UDP, and TCP and lookups where no destination is granted.
pub(in crate::runtime) fn add_refusals_to_linker(linker: &mut Linker<State>, granted: bool) -> wasmtime::Result<()> {
    type Call<'a> = StoreContextMut<'a, State>;
    fn deny<T>(call: &Call<'_>, what: &str) -> Result<T, ErrorCode> {
        call.data().denials().note(format!("asked for {what}"));
        Err(ErrorCode::AccessDenied)
    }
    linker.allow_shadowing(true);
    linker.instance(CREATE_UDP)?.func_wrap("create-udp-socket", |call: Call<'_>, (_family,): (IpAddressFamily,)| {
        Ok((deny::<Resource<UdpSocket>>(&call, "UDP, which no grant allows"),))
    })?;
    if !granted {
        linker.instance(CREATE_TCP)?.func_wrap("create-tcp-socket", |call: Call<'_>, (_family,): (IpAddressFamily,)| {
            Ok((deny::<Resource<TcpSocket>>(&call, &format!("a TCP socket; {}", to_allow("HOST:PORT"))),))
        })?;
        linker.instance(LOOKUP)?.func_wrap("resolve-addresses", |call: Call<'_>, (_network, name): (Resource<Network>, String)| {
            let what = format!("the addresses of `{}`; {}", plain::line(&name), to_allow("HOST:PORT"));
            Ok((deny::<Resource<ResolveAddressStream>>(&call, &what),))
        })?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// Puts our lookup in the place of the engine's. Written by hand: the engine's own trait for it has the engine's own lookup in its types.
pub(in crate::runtime) fn add_lookup_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Call<'a> = StoreContextMut<'a, State>;
    linker.allow_shadowing(true);
    let mut interface = linker.instance(LOOKUP)?;
    interface.resource("resolve-address-stream", ResourceType::host::<Lookup>(), |mut call: Call<'_>, handle| {
        drop(call.data_mut().lookups().table.delete(Resource::<Lookup>::new_own(handle))?);
        Ok(())
    })?;
    interface.func_wrap("resolve-addresses", |mut call: Call<'_>, (_network, name): (Resource<Network>, String)| {
        Ok((call.data_mut().lookups().resolve(name)?,))
    })?;
    interface.func_wrap("[method]resolve-address-stream.resolve-next-address", |mut call: Call<'_>, (lookup,): (Resource<Lookup>,)| {
        Ok((call.data_mut().lookups().table.get_mut(&lookup)?.next(),))
    })?;
    interface.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut call: Call<'_>, (lookup,): (Resource<Lookup>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(call.data_mut().lookups().table, lookup)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The interfaces, in the version that the engine offers: another one would stand beside it, not in its place.
const LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const CREATE_TCP: &str = "wasi:sockets/tcp-create-socket@0.2.12";
const CREATE_UDP: &str = "wasi:sockets/udp-create-socket@0.2.12";
