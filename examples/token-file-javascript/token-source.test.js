import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from './token-source.js';

const host = (content, settings = {}) => ({
  setting: (key) => settings[key],
  settingKeys: () => Object.keys(settings),
  file: (name) => (name === (settings.file ?? 'tokens') ? content : assert.fail(name)),
  seal: (text) => ({ sealed: text }),
});
const asked = (app, kind, ...about) => resolve({ app, kind }, host(...about));
const tokens = JSON.stringify({ web: 'fm2_x', api: { deploy: 'fm2_y' }, odd: 7 });

test('an app has one token for all kinds, or one for each', () => {
  assert.deepEqual(asked('web', 'readonly', tokens).token, { sealed: 'fm2_x' });
  assert.deepEqual(asked('api', 'deploy', tokens, { file: 'mine' }).token, { sealed: 'fm2_y' });
});

test('everything else is a refusal, without a word of what is in the file', () => {
  for (const [app, content, settings, tag] of [
    ['api', tokens, {}, 'absent'],
    ['other', tokens, {}, 'absent'],
    ['constructor', tokens, {}, 'absent'],
    ['odd', tokens, {}, 'misconfigured'],
    ['web', '{"web": "fm2_x"', {}, 'misconfigured'],
    ['web', '["fm2_x"]', {}, 'misconfigured'],
    ['web', tokens, { flie: 'tokens' }, 'misconfigured'],
  ]) {
    assert.throws(
      () => asked(app, 'readonly', content, settings),
      (refused) => refused.tag === tag && !refused.val.includes('fm2_'),
    );
  }
});
