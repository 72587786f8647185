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

export type Unpacked = { type: 'ok'; bytes: Uint8Array } | { type: 'too-large' } | { type: 'corrupt' };

/** Inflates a body up to LIMITS.bodyBytesMax. `deflate` is zlib by RFC 9110 and raw by some CPEs; both are taken. */
export async function unpackBody(encoding: 'gzip' | 'deflate', body: Uint8Array): Promise<Unpacked> {
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
