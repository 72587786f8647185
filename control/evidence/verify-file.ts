// An export in a file, verified as it is read: a part of it is in memory at a time.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ConfigError } from '../../base/errors.ts';
import { type Broken, ExportVerifier, type Verified } from './verify.ts';

const CHUNK_BYTES = 1024 * 1024;
/** Longest line: a record has some thousand characters, and what is no export must not fill the memory. */
const LINE_BYTES_MAX = 16 * CHUNK_BYTES;
const LINE_END = 10;

/**
 * Reads a file to its end, or to the first thing that is wrong.
 * @param key fingerprint of the key that must have signed it; null for the one it names.
 * @param read called now and then with how much of it is read, 1 in the end.
 * @throws ConfigError `no-file` when it cannot be read.
 */
export async function verifyFile(
  file: string,
  key: string | null,
  read: (part: number) => void = () => {},
): Promise<Verified | Broken> {
  const size = await stat(file).then(
    (found) => found.size,
    (cause: unknown) => {
      throw new ConfigError('no-file', `${file} cannot be read.`, { cause });
    },
  );
  const verifier = new ExportVerifier(key);
  let rest: Buffer = Buffer.alloc(0);
  let bytesRead = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let begin = 0;
    for (let end = bytes.indexOf(LINE_END); end >= 0; end = bytes.indexOf(LINE_END, begin)) {
      const broken = verifier.take(bytes.subarray(begin, end));
      if (broken !== null) return broken;
      begin = end + 1;
    }
    rest = bytes.subarray(begin);
    if (rest.length > LINE_BYTES_MAX)
      return { line: 1, seq: null, why: 'this is no export of evidence: a line has no end' };
    bytesRead += chunk.length;
    read(bytesRead / size);
  }
  return (rest.length === 0 ? null : verifier.take(rest)) ?? verifier.end();
}
