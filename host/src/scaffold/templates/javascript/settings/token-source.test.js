import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from './token-source.js';

const request = { app: 'web' };
const host = (settings) => ({ setting: (key) => settings[key], settingKeys: () => Object.keys(settings), seal: (text) => ({ sealed: text }) });

test('the setting is the token', () => {
  assert.deepEqual(resolve(request, host({ token: 'fm2_x' })), { token: { sealed: 'fm2_x' }, expiry: { tag: 'unknown' } });
});

test('without it there is nothing', () => {
  assert.throws(() => resolve(request, host({})), { tag: 'absent' });
});

test('a setting that nobody knows is named', () => {
  assert.throws(() => resolve(request, host({ tokne: 'x' })), { tag: 'misconfigured', val: 'there is no setting `tokne`; known is `token`' });
});
