// What a batch looks like inside a NATS message, and back. Pure, but for zlib's threads.
//
//   01  deflate-raw of the JSON of [[id, payload], …], with lane and sequence of `after` behind where there is one
//   02  a part: 16 bytes naming its whole, 2 of its index, 2 of how many there are, then its bytes of the whole
//
// The first byte is version and coding in one. A reader that does not know it hands the message on as it came: see `garbage`.

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { LIMITS } from '../base/limits.ts';
import type { BusMessage } from './transport.ts';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

const DEFLATED = 1;
const PART = 2;
const PART_HEAD_BYTES = 1 + 16 + 2 + 2;

export interface Part {
  /** The same for all parts of one whole, and for no other whole. */
  whole: string;
  index: number;
  count: number;
  bytes: Uint8Array;
}

export async function encode(messages: BusMessage[]): Promise<Uint8Array> {
  const packed = await deflate(
    JSON.stringify(
      messages.map(({ id, payload, after }) =>
        after === undefined ? [id, payload] : [id, payload, after.lane, after.sequence],
      ),
    ),
  );
  const bytes = new Uint8Array(packed.length + 1);
  bytes[0] = DEFLATED;
  bytes.set(packed, 1);
  return bytes;
}

/** The batch in a message; null when it is none. */
export async function decode(bytes: Uint8Array): Promise<BusMessage[] | null> {
  if (bytes[0] !== DEFLATED) return null;
  let list: unknown;
  try {
    const unpacked = await inflate(bytes.subarray(1), { maxOutputLength: LIMITS.busUnpackedBytesMax });
    list = JSON.parse(unpacked.toString('utf8'));
  } catch {
    return null;
  }
  if (!Array.isArray(list)) return null;
  const messages: BusMessage[] = [];
  for (const entry of list) {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string') return null;
    const [id, payload, lane, sequence] = entry;
    const isBehind = Number.isSafeInteger(lane) && Number.isSafeInteger(sequence);
    messages.push(isBehind ? { id, payload, after: { lane, sequence } } : { id, payload });
  }
  return messages;
}

/** Stands in place of a batch that cannot be read: text that is no message of ours, so that it is parked by whoever takes it. */
export function garbage(id: string, bytes: Uint8Array): BusMessage[] {
  return [{ id, payload: `not to be read, ${bytes.length} bytes: ${Buffer.from(bytes).toString('base64')}` }];
}

/**
 * Id for JetStream's window of duplicates, which is one for all subjects of a stream: a digest of all, because a batch that is read again
 * may begin and end as before and hold more. `round`: see BusTransport.publish.
 */
export function storeId(subject: string, bytes: Uint8Array, round = 0): string {
  return createHash('sha256').update(`${subject} ${round} `).update(bytes).digest('base64url').slice(0, 22);
}

/** Cuts what is too large for one message. The same bytes give the same parts. */
export function cut(whole: Uint8Array, bytesMax: number): Uint8Array[] {
  const room = bytesMax - PART_HEAD_BYTES;
  const count = Math.ceil(whole.length / room);
  const name = digest(whole);
  return Array.from({ length: count }, (_, index) => {
    const slice = whole.subarray(index * room, (index + 1) * room);
    const part = Buffer.alloc(PART_HEAD_BYTES + slice.length);
    part[0] = PART;
    name.copy(part, 1, 0, 16);
    part.writeUInt16BE(index, 17);
    part.writeUInt16BE(count, 19);
    part.set(slice, PART_HEAD_BYTES);
    return part;
  });
}

/** The part in a message; null when it is none. */
export function readPart(bytes: Uint8Array): Part | null {
  if (bytes[0] !== PART || bytes.length < PART_HEAD_BYTES) return null;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [index, count] = [view.readUInt16BE(17), view.readUInt16BE(19)];
  if (index >= count || count > LIMITS.busPartsMax) return null;
  return { whole: view.toString('hex', 1, 17), index, count, bytes: bytes.subarray(PART_HEAD_BYTES) };
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
