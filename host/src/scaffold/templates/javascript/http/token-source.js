// The source itself. It knows nothing of components, so that its test runs anywhere.
import { absent, misconfigured, unavailable } from './refused.js';

const settings = ['url', 'field'];

// The token for `request.app`, sealed, and when it ends: `{ tag: 'at', val: 2000n }` in unix seconds, or unknown if only the token itself can say.
export function resolve(request, host) {
  const unknown = host.settingKeys().find((key) => !settings.includes(key));
  if (unknown !== undefined) {
    throw misconfigured(`there is no setting \`${unknown}\`; known are \`${settings.join('`, `')}\``);
  }
  const url = host.setting('url');
  if (!url) {
    throw misconfigured('say what to ask: `settings: { url: "https://tokens.example/fly/{app}" }`');
  }
  const field = host.setting('field') ?? 'token';
  const { status, json } = host.httpJson(url.replaceAll('{app}', request.app));
  if (status === 404) {
    throw absent(`the token service knows nothing of \`${request.app}\``);
  }
  if (status !== 200) {
    throw unavailable(`the token service answers with status ${status}`);
  }
  if (typeof json?.[field] !== 'string') {
    throw misconfigured(`the token service answers without a text \`${field}\`: see the setting \`field\``);
  }
  const endsAt = json.expires_at;
  const expiry = Number.isSafeInteger(endsAt) ? { tag: 'at', val: BigInt(endsAt) } : { tag: 'unknown' };
  return { token: host.seal(json[field]), expiry };
}
