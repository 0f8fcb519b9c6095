// Builds {{wasm}} from app.js and what it imports.
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'app.js',
  witPath: 'wit',
  worldName: '{{world}}',
  // The runtime would import `wasi:http` for `fetch`, used or not, and that needs a grant: requests go through http-json.js instead.
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile('{{wasm}}', component);
console.log(`{{wasm}}: ${component.length} bytes`);
