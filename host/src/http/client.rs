//! One call's way to its granted origins.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use zeroize::Zeroizing;

use super::{
    body::{Bounded, REQUEST_BYTES, RESPONSE_BYTES},
    failure::Failure,
    grant::{HeaderValueFrom, HttpGrant},
    header::{are_alike, is_the_hosts},
    origin::{Origin, Scheme},
    tls,
};
use crate::{
    denials::Denials,
    granted_files::FileForm,
    network::{self, CONNECT, DialError, Resolve, checked},
    runtime::{BoxFuture, FilesAccess},
    token::ApiToken,
};

/// What one call may send. Each request is a connection of its own.
pub struct Client {
    grants: Vec<HttpGrant>,
    files: Option<Arc<dyn FilesAccess>>,
    login: Option<Arc<ApiToken>>,
    resolver: Arc<dyn Resolve>,
    slots: Arc<Semaphore>,
    denials: Denials,
    /// What the host wrote into headers: a server may send it back.
    written: Mutex<Vec<Arc<ApiToken>>>,
}

/// How long a source waits for what; never longer than the host does.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until there is a connection, TLS included; the lookup of its name is not counted.
    pub connect: Duration,
    /// From then until the answer begins.
    pub first_byte: Duration,
    /// From one part of the answer's body to the next.
    pub between_bytes: Duration,
}

impl Patience {
    /// What a source asks for, as far as the host goes along.
    pub fn new(connect: Option<Duration>, first_byte: Option<Duration>, between_bytes: Option<Duration>) -> Self {
        let at_most = |asked: Option<Duration>, most: Duration| asked.map_or(most, |asked| asked.min(most));
        Self {
            connect: at_most(connect, CONNECT),
            first_byte: at_most(first_byte, FIRST_BYTE),
            between_bytes: at_most(between_bytes, BETWEEN_BYTES),
        }
    }
}

/// An answer, and what has to run for as long as its body is read.
pub struct Answer {
    /// The answer.
    pub response: Response<UnsyncBoxBody<Bytes, Failure>>,
    /// The connection.
    pub connection: BoxFuture<'static, Result<(), Failure>>,
}

impl Client {
    /// For one call. `files` and `login` are where the host takes the values of headers from. What is denied goes into `denials`.
    pub fn new(
        grants: Vec<HttpGrant>,
        files: Option<Arc<dyn FilesAccess>>,
        login: Option<Arc<ApiToken>>,
        resolver: Arc<dyn Resolve>,
        denials: Denials,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(AT_A_TIME));
        Self { grants, files, login, resolver, slots, denials, written: Mutex::default() }
    }

    /// What the host wrote into headers so far.
    pub fn written(&self) -> Vec<Arc<ApiToken>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request to its origin, if that is granted. To drop the future, or the answer, ends the connection.
    ///
    /// # Errors
    /// [`Failure`] says why there is no answer; of a denial, what was noted says which line to add.
    pub async fn send<B>(&self, request: Request<B>, patience: Patience) -> Result<Answer, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Failure>,
    {
        let (grant, request) = self.granted(request)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Failure::TooMany)?;
        let request = self.with_headers(grant, request).await?;
        let Origin { scheme, host, port } = &grant.origin;
        let addresses = checked(&*self.resolver, host, *port, grant.private).await.inspect_err(|error| self.note(grant, error))?;
        let deadline = Instant::now() + patience.connect;
        let stream = network::connect(&addresses, patience.connect).await?;
        match scheme {
            Scheme::Http => exchange(stream, request, patience, slot).await,
            Scheme::Https => {
                let secured = timeout_at(deadline, tls::handshake(stream, host, grant.ca.as_deref())).await;
                exchange(secured.map_err(|_elapsed| DialError::TimedOut)??, request, patience, slot).await
            }
        }
    }

    /// The grant that a request falls under, and the request as it is sent: to the origin's own path.
    fn granted<B>(&self, request: Request<B>) -> Result<(&HttpGrant, Request<Bounded<B>>), Failure> {
        let (mut parts, body) = request.into_parts();
        let scheme = match parts.uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(Failure::Invalid("its scheme is neither https nor http")),
        };
        let authority = parts.uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let origin = Origin::of(scheme, authority).map_err(|_| Failure::Invalid("its authority is not a host and a port"))?;
        let Some(grant) = self.grants.iter().find(|grant| grant.origin == origin) else {
            self.denials.note(format!(
                "sent a request to `{origin}`, which is not granted; to allow it, add to the source's `grants.http`: `- {{ origin: \"{origin}\" }}`"
            ));
            return Err(Failure::Denied);
        };
        if !METHODS.contains(&parts.method.as_str()) {
            return Err(Failure::Method);
        }
        if parts.uri.path_and_query().is_some_and(|path| path.as_str().len() > TARGET_BYTES) {
            return Err(Failure::RequestHead);
        }
        // Set once by the source's side of the interface, and again here from what was granted.
        parts.headers.remove(header::HOST);
        if parts.headers.keys().any(is_the_hosts) {
            return Err(Failure::Invalid("it has a header that is about the connection"));
        }
        let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > REQUEST_HEAD_BYTES {
            return Err(Failure::RequestHead);
        }
        // What is announced need not be begun.
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > REQUEST_BYTES) {
            return Err(Failure::RequestBody);
        }
        for own in grant.headers.keys() {
            if let Ok(own) = own.parse()
                && parts.headers.keys().any(|name| are_alike(name, &own))
            {
                self.denials.note(format!("set the header `{own}` of `{origin}` itself, which the host sets there"));
                return Err(Failure::Denied);
            }
        }
        let host = HeaderValue::from_str(&origin.authority()).map_err(|_| Failure::Invalid("its host"))?;
        parts.headers.insert(header::HOST, host);
        let target = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri = Uri::from(target);
        parts.version = http::Version::HTTP_11;
        Ok((grant, Request::from_parts(parts, Bounded::request(body))))
    }

    /// Sets the headers that the operator wants set.
    async fn with_headers<B>(&self, grant: &HttpGrant, mut request: Request<B>) -> Result<Request<B>, Failure> {
        for (name, from) in &grant.headers {
            let secret = match from {
                HeaderValueFrom::Login => {
                    self.login.clone().ok_or_else(|| Failure::Header(format!("`{name}` takes the login, and nobody is logged in")))?
                }
                HeaderValueFrom::File(file) => self.of_file(name, file).await?,
            };
            let mut value = HeaderValue::from_str(secret.expose().trim())
                .map_err(|_| Failure::Header(format!("what is in store for `{name}` is not one line of text")))?;
            value.set_sensitive(true);
            self.written.lock().unwrap_or_else(PoisonError::into_inner).push(secret);
            let name = name.parse::<http::HeaderName>().map_err(|_| Failure::Header(format!("`{name}` is no header")))?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    async fn of_file(&self, name: &str, file: &str) -> Result<Arc<ApiToken>, Failure> {
        let files = self.files.as_ref().ok_or_else(|| Failure::Header(format!("`{name}` takes a file, and none is granted")))?;
        let bytes = files
            .read(file, FileForm::Secret)
            .await
            .map_err(|failure| Failure::Header(format!("`{name}` takes the file `{file}`: {failure}")))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Failure::Header(format!("the file `{file}` is not text")))?;
        Ok(Arc::new(ApiToken::new(Zeroizing::new(text.trim().to_owned()))))
    }

    fn note(&self, grant: &HttpGrant, error: &DialError) {
        let (DialError::Prohibited(prohibited), HttpGrant { origin, .. }) = (error, grant) else { return };
        let line = format!("- {{ origin: \"{origin}\", private: true }}");
        let more = if prohibited.needs_private() { format!("; to allow it, write into `grants.http`: `{line}`") } else { String::new() };
        self.denials.note(format!("sent a request to `{origin}`, which leads to {prohibited}{more}"));
    }
}

/// One request and its answer.
async fn exchange<S, B>(stream: S, request: Request<Bounded<B>>, patience: Patience, slot: OwnedSemaphorePermit) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Failure>,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(RESPONSE_HEAD_BYTES).max_headers(RESPONSE_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let mut connection = Box::pin(connection);
    let head = request.method() == Method::HEAD;
    let mut sending = Box::pin(timeout(patience.first_byte, sender.send_request(request)));
    let mut ended = false;
    let response = loop {
        tokio::select! {
            response = &mut sending => break response.map_err(|_elapsed| Failure::FirstByte)??,
            // The answer may be in its hands already: `sending` says so next.
            over = &mut connection, if !ended => match over {
                Ok(()) => ended = true,
                Err(error) => return Err(error.into()),
            },
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::Upgrade);
    }
    // The connection's own bound is a little generous: it is looked at between two reads.
    let size: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > RESPONSE_HEAD_BYTES {
        return Err(Failure::ResponseHead);
    }
    if !head && response.body().size_hint().lower() > RESPONSE_BYTES as u64 {
        return Err(Failure::ResponseBody);
    }
    let response = response.map(|body| UnsyncBoxBody::new(Bounded::response(body, patience.between_bytes, slot)));
    let connection: BoxFuture<'static, Result<(), Failure>> = Box::pin(async move {
        // Who holds the sender holds the connection open.
        drop(sender);
        if ended { Ok(()) } else { connection.await.map_err(Failure::from) }
    });
    Ok(Answer { response, connection })
}

/// The methods of requests that have answers, and Vault's own. Neither CONNECT, which asks for something else than an answer, nor TRACE,
/// which asks for the headers back.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "LIST"];

/// Requests of one call at a time, answers that are still read among them.
const AT_A_TIME: usize = 4;

/// Headers of a request, in bytes, without those that the host sets.
pub const REQUEST_HEAD_BYTES: usize = 16 << 10;

/// Path and query of a request, in bytes: as much as most servers take.
const TARGET_BYTES: usize = 8 << 10;

/// Headers of an answer, in bytes and in number: as much as most clients take.
const RESPONSE_HEAD_BYTES: usize = 64 << 10;
const RESPONSE_HEADERS: usize = 100;

/// How long an answer may take to begin.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// How long an answer may be silent in its middle.
const BETWEEN_BYTES: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
