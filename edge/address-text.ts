// A source address as text, from the bytes of the socket, and back, from what a TLS front tells: what facts, log and the address keys of
// sessions name a CPE's address by. One address has one text.

import { isIPv4, isIPv6 } from 'node:net';

/** Text of a 4- or 16-byte address; IPv4-mapped IPv6 becomes IPv4. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) return '';
  let mapped = bytes[10] === 0xff && bytes[11] === 0xff;
  for (let i = 0; mapped && i < 10; i++) mapped = bytes[i] === 0;
  if (mapped) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16));
  // The longest run of zero groups is written '::' (RFC 5952 §4.2).
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === '0') j++;
    if (j - i > bestLength) [best, bestLength] = [i, j - i];
    if (j > i) i = j;
  }
  if (best < 0) return groups.join(':');
  return `${groups.slice(0, best).join(':')}::${groups.slice(best + bestLength).join(':')}`;
}

/** Bytes of an IPv4 or IPv6 address in any spelling, 4 or 16; null for what is none. */
export function addressBytes(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  // A zone (fe80::1%eth0) means something on one host only.
  if (!isIPv6(text) || text.includes('%')) return null;
  // The last 32 bits may be written as IPv4 (RFC 4291 §2.2).
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0] ?? null;
  const [a = 0, b = 0, c = 0, d = 0] = (dotted ?? '').split('.').map(Number);
  const plain = dotted === null ? text : `${text.slice(0, -dotted.length)}${hex(a, b)}:${hex(c, d)}`;
  const [head = '', tail = ''] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return Uint8Array.from(groups.flatMap((group) => pair(Number.parseInt(group, 16))));
}

function hex(high: number, low: number): string {
  return ((high << 8) | low).toString(16);
}

function pair(group: number): [number, number] {
  return [group >> 8, group & 255];
}
