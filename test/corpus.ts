// The messages that readers are tested with: our own, one for each peculiarity (test/corpus), and those of ../shared/corpus on machines
// that have it. It only loads them; what is expected of them is judged by the tests.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { ParsePath } from '../cwmp/read.ts';

export interface OwnMessage {
  file: string;
  peculiarity: string;
  contentType: string | null;
  /** For 'ok' the message with the fields that matter here; the tolerances and the path are complete. */
  expect:
    | { type: 'ok'; message: Record<string, unknown>; tolerances: string[]; parsePath: ParsePath }
    | { type: 'refused'; reason: string; parsePath: ParsePath };
  bytes: Buffer;
}

/** What the lenient reader that made expected.json found in a message. */
export interface SharedExpectation {
  expect?: string;
  id?: string | null;
  cwmpNs?: string[];
  method?: string;
  deviceId?: Record<string, string>;
  events?: [string, string][];
  currentTime?: string;
  retryCount?: string;
  maxEnvelopes?: string;
  params?: [string, string, string | null][];
  paramCount?: number;
  infoCount?: number;
  fault?: { code: string; string: string; spv: [string, string][] };
}

export interface SharedMessage {
  file: string;
  contentType: string | null;
  expect: SharedExpectation;
  bytes: Buffer;
}

/** The folder of the repository, from the sources and from what is built of them into dist. */
function repository(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json is in no folder above this file');
    folder = parent;
  }
  return folder;
}

export const REPOSITORY = repository();

const SHARED = join(REPOSITORY, '../shared/corpus');

export function ownCorpus(): OwnMessage[] {
  const folder = join(REPOSITORY, 'test/corpus');
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Omit<OwnMessage, 'bytes'>[];
  return index.map((row) => ({ ...row, bytes: readFileSync(join(folder, row.file)) }));
}

/** The messages of ../shared/corpus, or null, with one line said, where it is not. */
export function sharedCorpus(): SharedMessage[] | null {
  if (!existsSync(join(SHARED, 'expected.json'))) {
    console.log('skipped: ../shared/corpus is not on this machine');
    return null;
  }
  const expected = JSON.parse(readFileSync(join(SHARED, 'expected.json'), 'utf8')) as Record<string, SharedExpectation>;
  const files = readdirSync(SHARED).filter((file) => /\.xml(\.gz)?$/.test(file));
  return files.map((file) => {
    const expect = expected[file];
    if (expect === undefined) throw new Error(`expected.json has no row for ${file}`);
    const raw = readFileSync(join(SHARED, file));
    return {
      file,
      contentType: contentTypeOf(join(SHARED, file.replace(/\.xml(\.gz)?$/, '.http'))),
      expect,
      bytes: file.endsWith('.gz') ? gunzipSync(raw) : raw,
    };
  });
}

function contentTypeOf(headers: string): string | null {
  if (!existsSync(headers)) return null;
  const match = /^content-type:[ \t]*(.*?)[ \t]*$/im.exec(readFileSync(headers, 'utf8'));
  return match === null ? null : match[1]!;
}
