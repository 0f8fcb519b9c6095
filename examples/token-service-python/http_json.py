"""HTTP with JSON over `wasi:http`: `requests` and `urllib` need sockets of their own, which a source does not have.

The host looks up the name, connects, and speaks TLS, for granted origins alone. It adds the headers that the grant lists.
"""

import json
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler, wasi_http_types as http
from wit_world.imports.streams import StreamError_Closed

from refused import Refused

METHODS = {"GET": http.Method_Get, "POST": http.Method_Post, "PUT": http.Method_Put, "DELETE": http.Method_Delete}


def http_json(url, method="GET", body=None, headers=()):
    """Sends a request; answers with its status and the JSON in its body, None if it is no JSON. `headers` are pairs of text."""
    try:
        return _exchange(urlsplit(url), method, body, headers)
    except Err as failure:
        raise _refusal(failure.value) from None


def _exchange(url, method, body, headers):
    content = None if body is None else json.dumps(body).encode()
    fields = [("accept", b"application/json"), *((name, value.encode()) for name, value in headers)]
    if content is not None:
        fields += [("content-type", b"application/json"), ("content-length", str(len(content)).encode())]
    request = http.OutgoingRequest(http.Fields.from_list(fields))
    request.set_method(METHODS[method]())
    request.set_scheme(http.Scheme_Https() if url.scheme == "https" else http.Scheme_Http())
    request.set_authority(url.netloc)
    request.set_path_with_query((url.path or "/") + (f"?{url.query}" if url.query else ""))
    sending = None if content is None else request.body()
    coming = outgoing_handler.handle(request, None)
    if sending is not None:
        with sending.write() as stream:
            # As much as the interface takes at once.
            for start in range(0, len(content), 4096):
                stream.blocking_write_and_flush(content[start : start + 4096])
        http.OutgoingBody.finish(sending, None)
    with coming.subscribe() as there:
        there.block()
    match coming.get():
        case Ok(Ok(response)):
            return response.status(), _json(_read(response))
        case Ok(Err() as failed):
            raise failed
    raise Refused("unavailable", "the request has no answer")


def _read(response):
    read = bytearray()
    with response.consume() as body, body.stream() as stream:
        while True:
            try:
                read += stream.blocking_read(65536)
            except Err as ended:
                if isinstance(ended.value, StreamError_Closed):
                    return bytes(read)
                raise


def _json(content):
    try:
        return json.loads(content)
    except ValueError:
        return None


def _refusal(error):
    # The host's own words, with the line to add, are put on record there and told in place of these.
    if isinstance(error, (http.ErrorCode_HttpRequestDenied, http.ErrorCode_DestinationIpProhibited)):
        return Refused("misconfigured", "the request is not granted: see `grants.http`")
    return Refused("unavailable", f"the request failed: {type(error).__name__.removeprefix('ErrorCode_')}")
