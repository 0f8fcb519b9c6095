// The source itself. It knows nothing of components, so that its test runs anywhere.
import { absent, misconfigured } from './refused.js';

// The token for `request.app`, sealed, and when it ends: what only the token itself can say.
export function resolve(request, host) {
  const unknown = host.settingKeys().find((key) => key !== 'file');
  if (unknown !== undefined) throw misconfigured(`there is no setting \`${unknown}\`; known is \`file\``);
  const file = host.setting('file') ?? 'tokens';
  const tokens = parsed(host.file(file), file);
  // An app may have a token for each kind, or one for all.
  const kinds = Object.hasOwn(tokens, request.app) ? tokens[request.app] : undefined;
  const token = typeof kinds === 'object' && kinds !== null ? kinds[request.kind] : kinds;
  if (token === undefined) throw absent(`\`${file}\` has no ${request.kind} token for \`${request.app}\``);
  if (typeof token !== 'string') throw misconfigured(`what \`${file}\` has for \`${request.app}\` is no text`);
  return { token: host.seal(token), expiry: { tag: 'unknown' } };
}

function parsed(text, file) {
  let tokens;
  try {
    tokens = JSON.parse(text);
  } catch {
    // What the parser says may quote the file.
    throw misconfigured(`\`${file}\` is no JSON`);
  }
  if (typeof tokens !== 'object' || tokens === null || Array.isArray(tokens)) throw misconfigured(`\`${file}\` is no JSON object of apps`);
  return tokens;
}
