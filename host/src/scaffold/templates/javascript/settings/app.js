// The component: what flytoken calls, and what token-source.js reaches of flytoken.
import { Secret } from 'flytoken:source/secrets@{{contract}}';
import { get, keys } from 'flytoken:source/settings@{{contract}}';
import { resolve } from './token-source.js';

// What the source may use. A test hands in another.
const host = {
  setting: (key) => get(key),
  settingKeys: () => keys(),
  seal: (text) => Secret.seal(text),
};

export const source = { resolve: (request) => resolve(request, host) };
