// Memory under bad input: two hundred rounds of the largest bodies at a whole Starling, each of another kind, several at once. The resident
// memory of its process is read from /proc, so the test is Linux's.

import { existsSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { namesResponse } from '../../bench/reference-inform.ts';
import { envelope, value, valueList, WireCpe } from '../conformance/wire.test-helper.ts';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';
import { residentMiB } from './memory.test-helper.ts';

const ROUNDS = 200;
/** CPEs that send at once. */
const AT_ONCE = 4;
/**
 * What the process may grow by: AT_ONCE bodies of up to 32 MiB, as received, put together or inflated, and as text of two bytes a character,
 * are 512 MiB; half as much again is what the collector has not taken yet. A leak of every body would be 5 GB.
 */
const GROWTH_MIB_MAX = 768;

const linux = existsSync('/proc/self/status');
if (!linux) console.log('skipped: resident memory is read from /proc, which this machine does not have');

let starling: TestStarling;
beforeAll(async () => {
  if (linux) starling = await startStarling({ STARLING_LOG_LEVEL: 'fatal' });
});
afterAll(async () => {
  if (!linux) return;
  await starling.stop();
  starling.clean();
});

const MIB = 1024 * 1024;
const CWMP = 'urn:dslforum-org:cwmp-1-2';
const text = (size: number): string =>
  envelope(
    CWMP,
    '1',
    `<cwmp:GetParameterValuesResponse>${valueList(value('Device.X', 'v'.repeat(size)))}</cwmp:GetParameterValuesResponse>`,
  );

const BODIES: [what: string, body: Buffer, headers: Record<string, string>, status: number][] = [
  ['31 MB of blanks and no envelope', Buffer.concat([Buffer.alloc(31 * MIB, ' '), Buffer.from('<a/>')]), {}, 400],
  ['40 MB', Buffer.alloc(40 * MIB, 'x'), {}, 413],
  ['a gzip bomb', gzipSync(Buffer.alloc(LIMITS.bodyBytesMax * 2)), { 'Content-Encoding': 'gzip' }, 413],
  [
    'a deflate bomb just within the bound',
    deflateSync(Buffer.alloc(LIMITS.bodyBytesMax - 1, 'x')),
    { 'Content-Encoding': 'deflate' },
    400,
  ],
  ['a million elements deep', Buffer.from(envelope(CWMP, '1', `<cwmp:Kicked>${'<x>'.repeat(1_000_000)}`)), {}, 400],
  ['one text of 30 MB', Buffer.from(text(30 * MIB)), {}, 413],
  [
    '4 MB that are not well-formed, for the second reader',
    Buffer.from(text(4 * MIB - 2_000).replace('</ParameterList>', '</Wrong>')),
    {},
    400,
  ],
  ['a good answer of 3 MB without a session', namesResponse(20_000), {}, 400],
];

test.skipIf(!linux)(
  'bad input: memory stays within its bound over 200 rounds of large bodies',
  { timeout: 240_000 },
  async () => {
    const port = Number(new URL(starling.cwmpUrl).port);
    const before = residentMiB(starling.process.pid!);
    let round = 0;
    let peak = before;
    const worker = async (): Promise<void> => {
      const cpe = new WireCpe(port);
      cpe.cookie = 'sid=nobody';
      while (round < ROUNDS) {
        const [what, body, headers, status] = BODIES[round++ % BODIES.length]!;
        const reply = await cpe.post(body, headers);
        expect(reply.status, what).toBe(status);
        peak = Math.max(peak, residentMiB(starling.process.pid!));
      }
      cpe.close();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    console.log(
      `resident: ${before} MiB before, ${peak} MiB at most, ${residentMiB(starling.process.pid!)} MiB after ${ROUNDS} rounds`,
    );
    expect(peak - before).toBeLessThan(GROWTH_MIB_MAX);
    // It still does what it is for.
    const cpe = new WireCpe(port);
    expect((await cpe.inform()).status).toBe(200);
    cpe.close();
  },
);
