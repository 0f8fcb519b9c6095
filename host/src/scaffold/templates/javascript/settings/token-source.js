// The source itself. It knows nothing of components, so that its test runs anywhere.
import { absent, misconfigured } from './refused.js';

const settings = ['token'];

// The token for `request.app`, sealed, and when it ends: `{ tag: 'at', val: 2000n }` in unix seconds, or unknown if only the token itself can say.
export function resolve(request, host) {
  const unknown = host.settingKeys().find((key) => !settings.includes(key));
  if (unknown !== undefined) {
    throw misconfigured(`there is no setting \`${unknown}\`; known is \`${settings[0]}\``);
  }
  const token = host.setting('token');
  if (!token) {
    throw absent(`the setting \`token\` is not set, so there is nothing for \`${request.app}\``);
  }
  return { token: host.seal(token), expiry: { tag: 'unknown' } };
}
