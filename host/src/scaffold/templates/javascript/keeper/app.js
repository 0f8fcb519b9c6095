// The component: what flytoken calls, and what token-source.js reaches of flytoken.
import { load, remove, save } from 'flytoken:source/records@{{contract}}';
import { absent, unavailable } from './refused.js';
import * as remembering from './token-source.js';

// What the source may use. A test hands in another.
const host = {
  load: () => told(load),
  save: (lease) => told(() => save(lease)),
  remove: () => told(remove),
};

export const source = { resolve: (request) => remembering.resolve(request, host) };

export const keeper = {
  keep: (request, lease) => remembering.keep(lease, host),
  forget: () => remembering.forget(host),
};

// What a record that cannot be read or written means.
function told(work) {
  try {
    return work();
  } catch (failure) {
    const { tag, val } = failure.payload ?? {};
    throw tag === 'unavailable' ? unavailable(val) : tag === 'refused' ? absent(val) : failure;
  }
}
