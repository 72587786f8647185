// Lists of networks in CIDR form, and whether an address is in one: for trusted fronts and for where connection requests may go.
// Addresses only; names are never resolved here.

import { BlockList, isIP, isIPv4 } from 'node:net';
import { ConfigError } from './errors.ts';

export interface Network {
  address: string;
  prefix: number;
}

/**
 * Reads `192.0.2.0/24`, `2001:db8::/32` or a single address.
 * @throws ConfigError `bad-network` naming the entry.
 */
export function parseNetwork(text: string): Network {
  const [host = '', bits, ...rest] = text.trim().split('/');
  const address = plainAddress(host);
  const bitsMax = isIPv4(address) ? 32 : 128;
  const prefix = bits === undefined ? bitsMax : Number(bits);
  const fits = isIP(address) !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits ?? '0') && prefix <= bitsMax;
  if (!fits)
    throw new ConfigError('bad-network', `"${text}" is not a network: write it like 192.0.2.0/24 or 2001:db8::/32.`);
  return { address, prefix };
}

/** A set of networks that answers for both address families. */
export class Networks {
  readonly #list = new BlockList();

  /** Throws as parseNetwork does. */
  constructor(networks: readonly string[]) {
    for (const { address, prefix } of networks.map(parseNetwork)) {
      this.#list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6');
    }
  }

  /** False for text that is no address. */
  has(text: string): boolean {
    const address = plainAddress(text);
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** One spelling per address: brackets and zone go, an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is IPv4 again. */
export function plainAddress(text: string): string {
  const bare = text
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '')
    .toLowerCase();
  if (isIP(bare) !== 6) return bare;
  // The URL parser spells every IPv6 address in its one canonical way, ::ffff:127.0.0.1 as ::ffff:7f00:1.
  const canonical = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const high = Number.parseInt(mapped[1] ?? '', 16);
  const low = Number.parseInt(mapped[2] ?? '', 16);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
