// Builds token-file.wasm from app.js and what it imports.
import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'app.js',
  witPath: 'wit',
  worldName: 'token-file',
  // The runtime would import `wasi:http` for `fetch`, used or not, and that needs a grant.
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile('token-file.wasm', component);
console.log(`token-file.wasm: ${component.length} bytes`);
