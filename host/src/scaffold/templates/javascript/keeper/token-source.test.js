import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forget, keep, resolve } from './token-source.js';

const request = { app: 'web' };

function host() {
  let kept;
  return { load: () => kept, save: (lease) => (kept = lease), remove: () => (kept = undefined) };
}

test('what was kept is the answer until it is forgotten', () => {
  const records = host();
  keep('lease', records);
  assert.equal(resolve(request, records), 'lease');
  forget(records);
  assert.throws(() => resolve(request, records), { tag: 'absent' });
});
