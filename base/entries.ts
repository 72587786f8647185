// Where the built entry files of threads and pools lie. Node 20 does not load TypeScript, so a thread started from a test run by
// vitest takes its entry from dist/ as well; `npm test` builds before it runs.

import { existsSync } from 'node:fs';
import { AssertionError } from './assert.ts';

const ENTRIES = {
  'session-thread': 'edge/session-thread.js',
  'big-post-worker': 'edge/big-post-worker.js',
} as const;

export type EntryName = keyof typeof ENTRIES;

/** URL of the built entry. Throws AssertionError when the build is missing. */
export function entryUrl(name: EntryName): URL {
  const fromSource = import.meta.url.endsWith('.ts');
  const url = new URL(`${fromSource ? '../dist/' : '../'}${ENTRIES[name]}`, import.meta.url);
  if (!existsSync(url)) throw new AssertionError(`${url.pathname} is missing: run \`npm run build\` first.`);
  return url;
}
