import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from './token-source.js';

const request = { app: 'web' };
const host = (settings) => ({ setting: (key) => settings[key], settingKeys: () => Object.keys(settings), file: (name) => ({ sealed: name }) });

test('the granted file holds the token', () => {
  assert.deepEqual(resolve(request, host({})).token, { sealed: 'token' });
});

test('a setting names another', () => {
  assert.deepEqual(resolve(request, host({ file: 'deploy' })).token, { sealed: 'deploy' });
});

test('a setting that nobody knows is named', () => {
  assert.throws(() => resolve(request, host({ flie: 'x' })), { tag: 'misconfigured', val: 'there is no setting `flie`; known is `file`' });
});
