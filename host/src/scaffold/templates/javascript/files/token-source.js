// The source itself. It knows nothing of components, so that its test runs anywhere.
import { misconfigured } from './refused.js';

const settings = ['file'];

// The token for `request.app`, sealed, and when it ends: `{ tag: 'at', val: 2000n }` in unix seconds, or unknown if only the token itself can say.
export function resolve(request, host) {
  const unknown = host.settingKeys().find((key) => !settings.includes(key));
  if (unknown !== undefined) {
    throw misconfigured(`there is no setting \`${unknown}\`; known is \`${settings[0]}\``);
  }
  // By the name that the file has under `grants.files`: no source names a path.
  return { token: host.file(host.setting('file') ?? 'token'), expiry: { tag: 'unknown' } };
}
