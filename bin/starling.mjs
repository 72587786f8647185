#!/usr/bin/env node
// What `npx starling` and `npm start` run: the built program, or one sentence about why it is not there.

import { existsSync } from 'node:fs';

const built = new URL('../dist/bin/starling.js', import.meta.url);
if (!existsSync(built)) {
  process.stderr.write('starling: not built yet. Run `npm start` once (or `npm run build`).\n');
  process.exit(1);
}
await import(built);
