// The source itself. It knows nothing of components, so that its test runs anywhere.

// The token for `request.app`, sealed, and when it ends: `{ tag: 'at', val: 2000n }` in unix seconds, or unknown if only the token itself can say.
export function resolve(request, host) {
  // By the name that the file has under `grants.files`: no source names a path.
  return { token: host.file(host.setting('file') ?? 'token'), expiry: { tag: 'unknown' } };
}
