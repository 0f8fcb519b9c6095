// HTTP with JSON over `wasi:http`, without `fetch`: a call of a source is synchronous, and ends with its answer.
//
// The host looks up the name, connects, and speaks TLS, for granted origins alone. It adds the headers that the grant lists.
import { handle } from 'wasi:http/outgoing-handler@{{wasi}}';
import { Fields, OutgoingBody, OutgoingRequest } from 'wasi:http/types@{{wasi}}';
import { misconfigured, unavailable } from './refused.js';

// Sends a request; answers with its status and the JSON in its body, undefined if it is no JSON. `headers` is an object of text.
export function httpJson(url, { method = 'GET', body, headers = {} } = {}) {
  try {
    return exchange(parts(url), method, body, headers);
  } catch (failure) {
    throw refusal(failure);
  }
}

function exchange(url, method, body, headers) {
  const content = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
  const all = { accept: 'application/json', ...headers };
  if (content) {
    Object.assign(all, { 'content-type': 'application/json', 'content-length': `${content.length}` });
  }
  const fields = Object.entries(all).map(([name, value]) => [name, new TextEncoder().encode(value)]);
  const request = new OutgoingRequest(Fields.fromList(fields));
  request.setMethod({ tag: 'other', val: method });
  request.setScheme({ tag: url.scheme === 'https' ? 'HTTPS' : 'HTTP' });
  request.setAuthority(url.authority);
  request.setPathWithQuery(url.target);
  const sending = content && request.body();
  const coming = handle(request, undefined);
  if (sending) {
    const stream = sending.write();
    // As much as the interface takes at once.
    for (let start = 0; start < content.length; start += 4096) {
      stream.blockingWriteAndFlush(content.subarray(start, start + 4096));
    }
    stream[Symbol.dispose]();
    OutgoingBody.finish(sending, undefined);
  }
  coming.subscribe().block();
  const answer = coming.get();
  if (answer?.tag !== 'ok' || answer.val.tag !== 'ok') {
    throw { payload: answer?.val?.val };
  }
  const response = answer.val.val;
  return { status: response.status(), json: json(read(response)) };
}

function parts(url) {
  const [, scheme, authority, target] = /^(https?):\/\/([^/?#]+)([^#]*)/.exec(url) ?? [];
  if (!scheme) {
    throw misconfigured('this is no URL: it begins with https:// and a host');
  }
  return { scheme, authority, target: target.startsWith('/') ? target : `/${target}` };
}

function read(response) {
  const stream = response.consume().stream();
  const chunks = [];
  for (;;) {
    try {
      chunks.push(stream.blockingRead(65536n));
    } catch (ended) {
      if (ended.payload?.tag === 'closed') {
        return joined(chunks);
      }
      throw ended;
    }
  }
}

function joined(chunks) {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function json(content) {
  try {
    return JSON.parse(new TextDecoder().decode(content));
  } catch {
    return undefined;
  }
}

function refusal(failure) {
  if (['absent', 'unavailable', 'misconfigured'].includes(failure?.tag)) {
    return failure;
  }
  const code = failure?.payload?.tag ?? failure?.message ?? 'no answer';
  // The host's own words, with the line to add, are put on record there and told in place of these.
  return ['HTTP-request-denied', 'destination-IP-prohibited'].includes(code)
    ? misconfigured('the request is not granted: see `grants.http`')
    : unavailable(`the request failed: ${code}`);
}
