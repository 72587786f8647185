// Sends part of a file as a body, at the pace of whoever reads it: one chunk in memory, the next read from the disk when the last is
// taken. Knows uWebSockets.js only as the four calls of ByteSink.

import type { FileHandle } from 'node:fs/promises';
import { LIMITS } from '../base/limits.ts';
import type { Timers } from '../base/timers.ts';

/** The part of a response this needs, with the meaning uWebSockets.js gives it. */
export interface ByteSink {
  /**
   * Offers the next bytes of a body of `totalBytes`. `ok` false: only the bytes up to getWriteOffset() were taken, none are kept, and
   * onWritable comes when more fit. `done`: the response is complete.
   */
  tryEnd(chunk: Uint8Array, totalBytes: number): [ok: boolean, done: boolean];
  /** Bytes of the body taken so far. */
  getWriteOffset(): number;
  /** Replaces the handler; it returns false to be called again. */
  onWritable(handler: (offset: number) => boolean): void;
  cork(run: () => void): void;
}

export type StreamOutcome = 'sent' | 'aborted' | 'stalled' | 'short';

/**
 * Streams `bytes` bytes from `start`; status and headers are already written.
 * @param aborted settles the transfer when the CPE closes the connection; the sink is not touched afterwards.
 * @returns 'stalled' after LIMITS.fileStallMs without a byte taken, 'short' when the file ends too early: the caller closes then.
 */
export async function streamFile(
  file: FileHandle,
  start: number,
  bytes: number,
  sink: ByteSink,
  aborted: AbortSignal,
  timers: Timers,
): Promise<StreamOutcome> {
  const buffer = Buffer.allocUnsafe(Math.min(LIMITS.fileChunkBytes, bytes));
  for (let sent = 0; sent < bytes; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, bytes - sent), start + sent);
    if (aborted.aborted) return 'aborted';
    if (bytesRead === 0) return 'short';
    const outcome = await offer(buffer.subarray(0, bytesRead), bytes, sink, aborted, timers);
    if (outcome !== 'taken') return outcome;
    sent += bytesRead;
  }
  return 'sent';
}

/** Resolves when the sink has taken all of `chunk`, so that its memory may be used again. */
function offer(
  chunk: Uint8Array,
  totalBytes: number,
  sink: ByteSink,
  aborted: AbortSignal,
  timers: Timers,
): Promise<'taken' | 'aborted' | 'stalled'> {
  const from = sink.getWriteOffset();
  let taken = false;
  sink.cork(() => {
    taken = sink.tryEnd(chunk, totalBytes).includes(true);
  });
  if (taken) return Promise.resolve('taken');
  return new Promise((resolve) => {
    let settled = false;
    const settle = (outcome: 'taken' | 'aborted' | 'stalled'): void => {
      settled = true;
      cancelStall();
      aborted.removeEventListener('abort', onAbort);
      resolve(outcome);
    };
    const watch = (): (() => void) => timers.after(LIMITS.fileStallMs, () => settle('stalled'));
    const onAbort = (): void => settle('aborted');
    let cancelStall = watch();
    aborted.addEventListener('abort', onAbort);
    sink.onWritable((offset) => {
      if (settled) return true; // A late call, between two chunks.
      cancelStall();
      cancelStall = watch();
      const [ok, done] = sink.tryEnd(chunk.subarray(offset - from), totalBytes);
      if (ok || done) settle('taken');
      return ok || done;
    });
  });
}
