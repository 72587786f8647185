// gzip and deflate of CPEs, bounded against bombs (CWMP H9). A CPE that compresses gets its answer compressed the same way (FIELD 8).

import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate, inflateRaw } from 'node:zlib';
import { LIMITS } from '../base/limits.ts';

export type ContentEncoding = 'identity' | 'gzip' | 'deflate';

const unpack = { gzip: promisify(gunzip), deflate: promisify(inflate), raw: promisify(inflateRaw) };
const pack = { gzip: promisify(gzip), deflate: promisify(deflate) };

/** The encoding named by a Content-Encoding header; null for one we do not speak (415). */
export function contentEncodingOf(header: string): ContentEncoding | null {
  switch (header.trim().toLowerCase()) {
    case '':
    case 'identity':
      return 'identity';
    case 'gzip':
    case 'x-gzip':
      return 'gzip';
    case 'deflate':
      return 'deflate';
    default:
      return null;
  }
}

export type Unpacked = { type: 'ok'; bytes: Uint8Array } | { type: 'too-large' | 'corrupt' | 'busy' };

/**
 * Inflates the bodies of one thread, few at a time: a bomb is a thousandth of what it becomes, so the bound on bytes received is none here.
 * Others wait in the order they came, within bounds.
 */
export class BodyUnpacker {
  #running = 0;
  #waitingBytes = 0;
  #waiting: (() => void)[] = [];

  /**
   * Inflates a body up to LIMITS.bodyBytesMax. `deflate` is zlib by RFC 9110 and raw by some CPEs; both are taken.
   * @returns 'busy' when too much waits: the CPE is told to come again.
   */
  async unpack(encoding: 'gzip' | 'deflate', body: Uint8Array): Promise<Unpacked> {
    if (this.#running < LIMITS.inflatesMax) this.#running++;
    else {
      const bytes = this.#waitingBytes + body.length;
      if (this.#waiting.length >= LIMITS.inflatesWaitingMax || bytes > LIMITS.inflatesWaitingBytesMax) {
        return { type: 'busy' };
      }
      this.#waitingBytes = bytes;
      // Whoever ends hands its place over: #running stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#waitingBytes -= body.length;
    }
    try {
      return await unpackBody(encoding, body);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

async function unpackBody(encoding: 'gzip' | 'deflate', body: Uint8Array): Promise<Unpacked> {
  const options = { maxOutputLength: LIMITS.bodyBytesMax };
  try {
    return { type: 'ok', bytes: await unpack[encoding](body, options) };
  } catch (error) {
    if (isTooLarge(error)) return { type: 'too-large' };
    if (encoding !== 'deflate') return { type: 'corrupt' };
  }
  try {
    return { type: 'ok', bytes: await unpack.raw(body, options) };
  } catch (error) {
    return isTooLarge(error) ? { type: 'too-large' } : { type: 'corrupt' };
  }
}

export function packBody(encoding: 'gzip' | 'deflate', text: string): Promise<Buffer> {
  return pack[encoding](text);
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
}
