// A CPE on a slow uplink: writes at a rate, in real time, because what is tested are the time-outs of real sockets.

import { setTimeout as pause } from 'node:timers/promises';
import type { WireCpe } from '../conformance/wire.test-helper.ts';

const STEP_MS = 250;

/** Writes one POST whose body leaves at `bytesPerSecond`; stops when the connection closes. Resolves with the bytes written. */
export async function writeAt(cpe: WireCpe, body: Buffer, bytesPerSecond: number): Promise<number> {
  const head = [
    'POST / HTTP/1.1\r\nHost: acs\r\nContent-Type: text/xml; charset="utf-8"\r\nSOAPAction: \r\n',
    `Content-Length: ${body.length}\r\n`,
    cpe.cookie === '' ? '' : `Cookie: ${cpe.cookie}\r\n`,
    '\r\n',
  ];
  cpe.wire.write(head.join(''));
  return trickle(cpe, body, bytesPerSecond);
}

/** Writes bytes at a rate, whatever they are. Resolves with how many left before the connection closed. */
export async function trickle(cpe: WireCpe, bytes: Buffer, bytesPerSecond: number): Promise<number> {
  const startedAt = performance.now();
  let at = 0;
  while (at < bytes.length && cpe.wire.isOpen) {
    // By the clock and not by the step, so that a busy machine does not slow the line further.
    const due = Math.min(
      bytes.length,
      Math.floor(((performance.now() - startedAt + STEP_MS) * bytesPerSecond) / 1_000),
    );
    if (due > at) cpe.wire.write(bytes.subarray(at, due));
    at = Math.max(at, due);
    await pause(STEP_MS);
  }
  return at;
}
