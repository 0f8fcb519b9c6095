// The component: what flytoken calls, and what token-source.js reaches of flytoken.
import { seal } from 'flytoken:source/files@{{contract}}';
import { get, keys } from 'flytoken:source/settings@{{contract}}';
import { absent, misconfigured, unavailable } from './refused.js';
import { resolve } from './token-source.js';

// What the source may use. A test hands in another.
const host = {
  setting: (key) => get(key),
  settingKeys: () => keys(),
  // A granted file as a secret, which nobody here reads.
  file(name) {
    try {
      return seal(name);
    } catch (failure) {
      switch (failure.payload?.tag) {
        case 'absent':
          throw absent(`the file \`${name}\` is not there`);
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
