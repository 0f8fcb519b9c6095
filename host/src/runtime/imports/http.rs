//! `wasi:http`: the interface is the engine's, what is sent and to whom is decided in [`crate::http`].

use std::sync::Arc;

use http_body_util::BodyExt as _;
use wasmtime::{
    StoreContextMut,
    component::{HasData, Linker, Resource, ResourceTable},
};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    p2::bindings::{
        LinkOptions,
        http::{outgoing_handler, types},
    },
};

use crate::{
    http::{Client, Failure, Patience, REQUEST_HEAD_BYTES, is_the_hosts},
    network::DialError,
    runtime::{
        state::State,
        trace::{Tracer, Use},
    },
    token::ApiToken,
};

/// What one call may send.
pub(in crate::runtime) struct Http {
    context: WasiHttpCtx,
    sender: Sender,
}

impl Http {
    /// Sends through `client`; none only if the host linked `wasi:http` and then lends none.
    pub(in crate::runtime) fn new(client: Option<Arc<Client>>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS_BYTES);
        Self { context, sender: Sender { client, trace: Tracer::default() } }
    }

    /// The same, written down.
    pub(in crate::runtime) fn traced(mut self, trace: &Tracer) -> Self {
        self.sender.trace = trace.clone();
        self
    }

    /// Lends it to the engine's interface, with the table that its handles lie in.
    pub(in crate::runtime) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.sender, table, ctx: &mut self.context }
    }

    /// What the host wrote into headers, and a server may have sent back.
    pub(in crate::runtime) fn written(&self) -> Vec<Arc<ApiToken>> {
        self.sender.client.as_ref().map(|client| client.written()).unwrap_or_default()
    }
}

/// Lets the linker borrow an [`Http`], and nothing else but the table of handles, out of a call.
struct HasHttp;

impl HasData for HasHttp {
    type Data<'a> = WasiHttpCtxView<'a>;
}

/// Stands in the place of the engine's own sender, which would connect to whatever a name leads to.
struct Sender {
    client: Option<Arc<Client>>,
    trace: Tracer,
}

type Sent<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

impl WasiHttpHooks for Sender {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| is_the_hosts(name) || DEFAULT_FORBIDDEN_HEADERS.contains(name))
    }

    /// The engine runs it in a task of its own, off the source's stack, and ends it with the call.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Sent<()>,
    ) -> Sent<(http::Response<WasiBody>, Sent<()>)> {
        let client = self.client.clone();
        let options = options.unwrap_or_default();
        let step = self.trace.step(|| format!("http {} {}", request.method(), without_secrets(request.uri())));
        self.trace.uses(|| Use::Http(origin(request.uri())));
        let patience = Patience::new(options.connect_timeout, options.first_byte_timeout, options.between_bytes_timeout);
        Box::new(async move {
            let client = client.ok_or(Error::HttpRequestDenied)?;
            // What broke it off, the source knows: it writes it.
            let request = request.map(|body| body.map_err(|_| Failure::RequestBroken).boxed_unsync());
            let sent = client.send(request, patience).await;
            step.end_with(&sent, |answer| format!("status {}", answer.response.status().as_u16()), ToString::to_string);
            let answer = sent.map_err(|failure| told(&failure))?;
            let response = answer.response.map(|body| body.map_err(|failure| told(&failure)).boxed_unsync());
            let connection = answer.connection;
            let connection: Sent<()> = Box::new(async move {
                // How it ended shows in the body.
                drop(connection.await);
                Ok(())
            });
            Ok((response, connection))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

/// Scheme and authority, without a user's name in it.
fn origin(uri: &http::Uri) -> String {
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}", uri.scheme_str().unwrap_or("https"))
}

/// An address as it may be told: whoever puts secrets into one puts them behind the path.
fn without_secrets(uri: &http::Uri) -> String {
    format!("{}{}{}", origin(uri), uri.path(), if uri.query().is_some() { "?…" } else { "" })
}

/// Adds the interface to the linker.
pub(in crate::runtime) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    outgoing_handler::add_to_linker::<_, HasHttp>(linker, State::http)?;
    types::add_to_linker::<_, HasHttp>(linker, &(&options).into(), State::http)?;
    // The engine's own looks for another type than the one that its bodies fail with, so that a source would not be told why one ended.
    linker.allow_shadowing(true);
    linker.instance(TYPES)?.func_wrap(
        "http-error-code",
        |mut call: StoreContextMut<'_, State>, (error,): (Resource<types::IoError>,)| {
            Ok((call.data_mut().http().table.get(&error)?.downcast_ref().and_then(error_code),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a body may fail with, among those that [`told`] names.
fn error_code(error: &Error) -> Option<types::ErrorCode> {
    Some(match error {
        Error::HttpRequestBodySize(bytes) => types::ErrorCode::HttpRequestBodySize(*bytes),
        Error::HttpResponseBodySize(bytes) => types::ErrorCode::HttpResponseBodySize(*bytes),
        Error::ConnectionReadTimeout => types::ErrorCode::ConnectionReadTimeout,
        Error::HttpResponseIncomplete => types::ErrorCode::HttpResponseIncomplete,
        Error::HttpProtocolError => types::ErrorCode::HttpProtocolError,
        _ => return None,
    })
}

/// What the source is told. The log of the host has more words for it.
fn told(failure: &Failure) -> Error {
    tracing::debug!("a request of a source failed: {failure}");
    match failure {
        Failure::Denied => Error::HttpRequestDenied,
        Failure::Invalid(_) => Error::HttpRequestUriInvalid,
        Failure::Method => Error::HttpRequestMethodInvalid,
        Failure::RequestHead => Error::HttpRequestHeaderSectionSize(u32::try_from(REQUEST_HEAD_BYTES).ok()),
        Failure::RequestBody => Error::HttpRequestBodySize(Some(crate::http::REQUEST_BYTES as u64)),
        Failure::RequestBroken | Failure::Protocol => Error::HttpProtocolError,
        Failure::Header(_) | Failure::Roots(_) => Error::ConfigurationError,
        Failure::TooMany => Error::ConnectionLimitReached,
        Failure::Dial(DialError::Unresolved(_)) => Error::DnsError { rcode: None, info_code: None },
        Failure::Dial(DialError::LookupTimedOut) => Error::DnsTimeout,
        Failure::Dial(DialError::Prohibited(_)) => Error::DestinationIpProhibited,
        Failure::Dial(DialError::Refused) => Error::ConnectionRefused,
        Failure::Dial(DialError::TimedOut) => Error::ConnectionTimeout,
        Failure::Dial(_) => Error::DestinationUnavailable,
        Failure::Certificate(_) => Error::TlsCertificateError,
        Failure::Tls(_) => Error::TlsProtocolError,
        Failure::FirstByte => Error::HttpResponseTimeout,
        Failure::BetweenBytes => Error::ConnectionReadTimeout,
        Failure::ResponseHead => Error::HttpResponseHeaderSectionSize(None),
        Failure::ResponseBody => Error::HttpResponseBodySize(Some(crate::http::RESPONSE_BYTES as u64)),
        Failure::Incomplete => Error::HttpResponseIncomplete,
        Failure::Upgrade => Error::HttpUpgradeFailed,
    }
}

/// The interface, in the version that the engine offers: another one would stand beside it, not in its place.
const TYPES: &str = "wasi:http/types@0.2.12";

/// What a source may collect in one list of headers, in bytes, as the engine counts it.
const FIELDS_BYTES: usize = 32 << 10;

/// What a source may write of a body at once, in bytes: less than one call into the host may bring along.
const CHUNK_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_may_hold_of_a_secret_is_not_told() {
        for (uri, told) in [
            ("https://vault.example/v1/fly?token=hvs.canary", "https://vault.example/v1/fly?…"),
            ("https://user:hvs.canary@vault.example:8200/v1", "https://vault.example:8200/v1"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80/"),
        ] {
            assert_eq!(without_secrets(&uri.parse().expect("an address")), told);
        }
    }
}
