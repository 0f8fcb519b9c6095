// The component: what flytoken calls, and what token-source.js reaches of flytoken.
import { read } from 'flytoken:source/files@0.1.1';
import { Secret } from 'flytoken:source/secrets@0.1.1';
import { get, keys } from 'flytoken:source/settings@0.1.1';
import { misconfigured, unavailable } from './refused.js';
import { resolve } from './token-source.js';

// What the source may use. A test hands in another.
const host = {
  setting: (key) => get(key),
  settingKeys: () => keys(),
  seal: (text) => Secret.seal(text),
  file(name) {
    try {
      return new TextDecoder().decode(read(name));
    } catch (failure) {
      switch (failure.payload?.tag) {
        case 'absent':
          throw unavailable(`the file \`${name}\` is not there`);
        case 'denied':
          throw misconfigured(failure.payload.val);
        case 'failed':
          throw unavailable(failure.payload.val);
        default:
          throw failure;
      }
    }
  },
};

export const source = { resolve: (request) => resolve(request, host) };
