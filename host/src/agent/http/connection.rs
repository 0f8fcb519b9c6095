//! One connection over HTTP: one request after another, each answered as one of the frame socket would be.

use std::{
    convert::Infallible,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::sleep,
};

use super::{
    answer::{Body, Refused, response},
    ended,
    guard::Door,
    openapi,
    patient::Patient,
    route::{Asked, route},
};
use crate::{
    agent::{ANSWER_GRACE, Answers, about_to_stop, client::Client},
    attestation::Attested,
    protocol::{Failure, FailureCode},
    runtime::BoxFuture,
};

/// Whoever is at the other end.
pub(super) struct Caller {
    client: Mutex<Client>,
    /// The connection once more, to look at its other end; none where the kernel tells nothing of that.
    socket: Option<OwnedFd>,
}

impl Caller {
    /// The peer of a Unix socket.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub(super) fn peer(stream: impl AsFd, client: Client) -> io::Result<Self> {
        Ok(Self { client: Mutex::new(client), socket: Some(stream.as_fd().try_clone_to_owned()?) })
    }

    /// Whoever shows the bearer.
    pub(super) fn by_bearer(client: Client) -> Self {
        Self { client: Mutex::new(client), socket: None }
    }

    /// The client, looked at as far as it has to be known. Requests of a connection come one after another: nobody else looks meanwhile.
    async fn look(&self, core: &impl Answers) -> Client {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(socket) = &self.socket {
            client.look(socket, core.wanted()).await;
            self.client.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&client);
        }
        client
    }
}

/// Serves one client until it leaves, misbehaves, or the other end of `stopping` is dropped.
pub(super) async fn serve<C: Answers>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    caller: Caller,
    door: Arc<Door>,
    core: C,
    mut stopping: watch::Receiver<()>,
) {
    // Before anything is read: who asks first and becomes somebody else then is found out.
    caller.look(&core).await;
    let context = Arc::new(Context { caller, door, core, stopping: stopping.clone() });
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, Infallible>(context.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(RECEIVE_LIMIT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = ended(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = served {
        tracing::debug!(%cause, "hung up on a client that spoke no HTTP, or was too slow");
    }
}

struct Context<C> {
    caller: Caller,
    door: Arc<Door>,
    core: C,
    stopping: watch::Receiver<()>,
}

impl<C: Answers> Context<C> {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let has_body = !request.body().is_end_stream();
        let (head, _) = request.into_parts();
        let answer = async {
            self.door.check(&head)?;
            if has_body {
                let message = "a request has no body here";
                return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, FailureCode::Usage, message, "put parameters behind the path"));
            }
            match route(&head.method, &head.uri)? {
                Asked::Description => Ok(openapi::body()),
                Asked::Metrics => {
                    let text = self.asking(|client| Box::pin(self.core.metrics(client))).await?;
                    Ok(Body::text("text/plain; version=0.0.4; charset=utf-8", text))
                }
                Asked::Core(request) => {
                    let app = request.subject().1.cloned();
                    let reply = self.asking(|client| Box::pin(self.core.answer(client, request))).await?;
                    Body::of(&reply, app.as_ref())
                }
            }
        };
        let answer = answer.await;
        let ends = has_body || matches!(&answer, Err(refused) if refused.hangs_up);
        let mut response = response(answer);
        if ends {
            response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("close"));
        }
        response
    }

    /// Asks on behalf of the client, and answers it if it still is whom it was asked for.
    async fn asking<T>(&self, ask: impl FnOnce(&Arc<Attested>) -> BoxFuture<'static, Result<T, Failure>>) -> Result<T, Refused> {
        let client = self.caller.look(&self.core).await;
        // What is wrong is left to whoever answers, to be put on record with the request.
        let _ = client.attested().confirm();
        let mut stopping = self.stopping.clone();
        let patience = async {
            ended(&mut stopping).await;
            sleep(ANSWER_GRACE).await;
        };
        let answer = tokio::select! {
            biased;
            answer = ask(client.attested()) => answer,
            () = patience => Err(about_to_stop()),
        };
        let _ = client.attested().confirm();
        client.may_hear(self.core.enforces()).map_err(|failure| Refused::from(failure).and_hang_up())?;
        answer.map_err(Refused::from)
    }
}

/// Bytes of a request's first line and headers. hyper takes no fewer than 8 KiB for its buffer.
const MAX_HEAD: usize = 16 * 1024;

/// Headers of a request.
const MAX_HEADERS: usize = 64;

/// How long a request's head may take, and a connection be idle: one that stalls would hold its place for ever.
const RECEIVE_LIMIT: Duration = Duration::from_secs(10);
