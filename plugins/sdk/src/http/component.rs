//! A request as a component sends it, over the generated `wasi:http`.

use std::time::Duration;

use super::{HttpError, HttpRequest, HttpResponse, url};
use crate::bindings::http::{
    outgoing_handler,
    streams::StreamError,
    types::{
        ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
        http_error_code,
    },
};

/// Sends a request and reads its answer.
pub(crate) fn send(request: &HttpRequest) -> Result<HttpResponse, HttpError> {
    let outgoing = outgoing(request)?;
    let body = if request.body.is_empty() { None } else { Some(outgoing.body().map_err(|()| failed("the request takes no body"))?) };
    let answer = outgoing_handler::handle(outgoing, request.patience.map(options)).map_err(|code| told(&code))?;
    if let Some(body) = body {
        write(body, &request.body);
    }
    read(&response(&answer)?)
}

fn outgoing(request: &HttpRequest) -> Result<OutgoingRequest, HttpError> {
    let url = url::parse(&request.url).ok_or_else(|| failed("the URL has no scheme or no host"))?;
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    if !request.body.is_empty() {
        headers.push(("content-length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|error| failed(&format!("a header cannot be sent: {error}")))?;
    let outgoing = OutgoingRequest::new(headers);
    let method = if request.method == "GET" { Method::Get } else { Method::Other(request.method.clone()) };
    let scheme = match url.scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    outgoing.set_method(&method).map_err(|()| failed("this is no method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| failed("this is no scheme"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| failed("this is no host"))?;
    outgoing.set_path_with_query(Some(&url.target)).map_err(|()| failed("this is no path"))?;
    Ok(outgoing)
}

fn options(patience: Duration) -> RequestOptions {
    let nanoseconds = Some(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX));
    let options = RequestOptions::new();
    // A host that does not take one of them keeps to its own.
    let _ = options.set_connect_timeout(nanoseconds);
    let _ = options.set_first_byte_timeout(nanoseconds);
    let _ = options.set_between_bytes_timeout(nanoseconds);
    options
}

/// Writes the body as far as it is taken. Why it was not taken further, the answer says.
fn write(body: OutgoingBody, bytes: &[u8]) {
    if let Ok(stream) = body.write() {
        // As much as the interface takes at once.
        let all = bytes.chunks(4096).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok());
        drop(stream);
        if all {
            drop(OutgoingBody::finish(body, None));
        }
    }
}

fn response(answer: &FutureIncomingResponse) -> Result<IncomingResponse, HttpError> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(response)) => response.map_err(|code| told(&code)),
        Some(Err(())) | None => Err(failed("there is no answer")),
    }
}

fn read(response: &IncomingResponse) -> Result<HttpResponse, HttpError> {
    let headers = response.headers().entries().into_iter();
    let headers = headers.filter_map(|(name, value)| Some((name, String::from_utf8(value).ok()?))).collect();
    let incoming = response.consume().map_err(|()| failed("the answer has no body"))?;
    let stream = incoming.stream().map_err(|()| failed("the answer has no body"))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).map_or_else(|| failed("the answer broke off"), |code| told(&code)));
            }
        }
    }
    drop(stream);
    Ok(HttpResponse { status: response.status(), headers, body })
}

fn told(code: &ErrorCode) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied => HttpError::Denied("the request is not granted (HTTP-request-denied)".to_owned()),
        ErrorCode::DestinationIpProhibited => {
            HttpError::Denied("the address that it leads to is not granted (destination-IP-prohibited)".to_owned())
        }
        ErrorCode::DnsTimeout | ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            HttpError::TimedOut
        }
        ErrorCode::HttpResponseBodySize(_) => HttpError::TooLong,
        other => failed(&format!("the request failed: {other}")),
    }
}

fn failed(text: &str) -> HttpError {
    HttpError::Failed(text.to_owned())
}

/// How much is read at once, in bytes.
const READ_BYTES: u64 = 64 << 10;
