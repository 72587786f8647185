// Identity of a CPE and of everything we number. cpeId is OUI-ProductClass-SerialNumber, escaped once so that the same text
// is a NATS token, an LMDB key and a URL path segment without any further escaping.

import { randomBytes } from 'node:crypto';

export type CpeId = string;

export interface DeviceIdStruct {
  Manufacturer: string;
  OUI: string;
  ProductClass: string;
  SerialNumber: string;
}

const SAFE = /^[A-Za-z0-9_]*$/;
const encoder = new TextEncoder();

/** Escapes one part: every UTF-8 byte outside [A-Za-z0-9_] becomes ~XX. `~` needs no escaping in a URL (RFC 3986 §2.3). */
export function escapePart(part: string): string {
  if (SAFE.test(part)) return part;
  let out = '';
  for (const byte of encoder.encode(part)) {
    const plain =
      (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95;
    out += plain ? String.fromCharCode(byte) : `~${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** The inverse of escapePart. Text that escapePart cannot have made comes back with its odd escapes left in place. */
export function unescapePart(part: string): string {
  const bytes = Buffer.from(
    part.replace(/~([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  return bytes.toString('utf8');
}

/** TR-069 identity: OUI + ProductClass + SerialNumber, OUI upper-cased; an empty ProductClass leaves OUI-SerialNumber (A.3.3.1). */
export function cpeIdOf(device: DeviceIdStruct): CpeId {
  const oui = escapePart(device.OUI.toUpperCase());
  const serial = escapePart(device.SerialNumber);
  return device.ProductClass === '' ? `${oui}-${serial}` : `${oui}-${escapePart(device.ProductClass)}-${serial}`;
}

/** A sortable unique id: 48 bits of time, 80 random bits, 26 characters of Crockford base32 (the ULID form). */
export function newId(nowMs: number = Date.now()): string {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  let time = '';
  let rest = nowMs;
  for (let i = 0; i < 10; i++) {
    time = alphabet[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (const byte of randomBytes(16)) random += alphabet[byte & 31];
  return time + random;
}
