import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from './token-source.js';

const request = { app: 'web' };
const url = 'https://tokens.example/fly/{app}';

function host(settings, status, json) {
  const asked = [];
  const answer = (url) => (asked.push(url), { status, json });
  return { asked, setting: (key) => settings[key], settingKeys: () => Object.keys(settings), seal: (text) => ({ sealed: text }), httpJson: answer };
}

test('the field of the answer is the token', () => {
  const service = host({ url }, 200, { token: 'fm2_x', expires_at: 2000 });
  assert.deepEqual(resolve(request, service), { token: { sealed: 'fm2_x' }, expiry: { tag: 'at', val: 2000n } });
  assert.deepEqual(service.asked, ['https://tokens.example/fly/web']);
});

test('everything else is a refusal', () => {
  for (const [service, tag] of [
    [host({}), 'misconfigured'],
    [host({ url, feild: 'x' }), 'misconfigured'],
    [host({ url }, 404), 'absent'],
    [host({ url }, 503), 'unavailable'],
    [host({ url }, 200, ['fm2_x']), 'misconfigured'],
    [host({ url }, 200, { token: 7 }), 'misconfigured'],
  ]) {
    assert.throws(() => resolve(request, service), { tag });
  }
});
