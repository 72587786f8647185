// May we call this URL? A ConnectionRequestURL is what a CPE told us, so it is hostile input: without this guard any CPE could send our
// requests, credentials and all, into our own network (CWMP R4). Resolves a name once and hands the checked address on, so that a second
// resolution cannot differ. It opens no connection.

import { isIP } from 'node:net';
import { Networks, parseNetwork, plainAddress } from '../base/networks.ts';

/** Addresses that a broad configured network such as 0.0.0.0/0 does not open; only a network that lies wholly within one of these does. */
const SPECIAL = [
  '0.0.0.0/8', // This host (RFC 1122 §3.2.1.3).
  '127.0.0.0/8', // Loopback.
  '169.254.0.0/16', // Link-local; metadata services of clouds live here.
  '224.0.0.0/3', // Multicast, reserved, broadcast.
  '::/127', // Unspecified and loopback.
  'fe80::/10',
  'ff00::/8',
];
const LOOPBACK = new Networks(['127.0.0.0/8', '::1']);
const SPECIAL_NETWORKS = new Networks(SPECIAL);

export interface GuardRules {
  /** Networks besides the CPE's own address, as `192.0.2.0/24`. Throws ConfigError `bad-network` when one is not. */
  networks: readonly string[];
  /** Ports below 1024 besides 80 and 443 that may be called. */
  lowPorts: readonly number[];
}

/** Where to connect, and what to say there. */
export interface AllowedTarget {
  tls: boolean;
  /** An IP literal, checked. */
  address: string;
  port: number;
  /** Of the Host header: as in the URL, with brackets, and with the port unless it is the scheme's own. */
  host: string;
  /** Server name for TLS; '' for an IP literal. */
  serverName: string;
  /** Path and query; at least '/'. It is also the digest's `uri`. */
  path: string;
}

export type GuardVerdict =
  | ({ type: 'allowed' } & AllowedTarget)
  | { type: 'refused'; reason: 'bad-url' | 'scheme' | 'user-info' | 'port' | 'address' | 'unresolved'; text: string };

/** Addresses of a host name; rejects when there are none. */
export type Resolve = (name: string) => Promise<string[]>;

/**
 * Builds the guard of one edge.
 * @param resolve called at most once per judgement, only for host names.
 * @returns a function of the URL and of the CPE's last source address (null when unknown). It never throws.
 */
export function connectionRequestGuard(
  rules: GuardRules,
  resolve: Resolve,
): (url: string, cpeAddress: string | null) => Promise<GuardVerdict> {
  const special = new Networks(rules.networks.filter(isSpecial));
  const ordinary = new Networks(rules.networks.filter((network) => !isSpecial(network)));

  const mayCall = (address: string, cpeAddress: string | null): boolean => {
    // Whoever informs from loopback is on this machine already: a simulator, or a CPE behind a local front.
    if (LOOPBACK.has(address)) return special.has(address) || (cpeAddress !== null && LOOPBACK.has(cpeAddress));
    if (SPECIAL_NETWORKS.has(address)) return special.has(address);
    return (cpeAddress !== null && plainAddress(cpeAddress) === address) || ordinary.has(address);
  };

  return async (text, cpeAddress) => {
    const url = parseUrl(text);
    if (url === null) return refused('bad-url', `The ConnectionRequestURL "${text.slice(0, 256)}" is not a URL.`);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      return refused(
        'scheme',
        `The ConnectionRequestURL has the scheme ${url.protocol} Only http: and https: are called.`,
      );
    }
    if (url.username !== '' || url.password !== '') {
      return refused('user-info', 'The ConnectionRequestURL holds a user name or password, which CWMP forbids.');
    }
    const tls = url.protocol === 'https:';
    const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
    if (port === 0 || (port < 1_024 && port !== 80 && port !== 443 && !rules.lowPorts.includes(port))) {
      return refused('port', `Port ${port} is not called: it belongs to other services.`);
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const literal = isIP(host) !== 0;
    let addresses: string[];
    try {
      addresses = (literal ? [host] : await resolve(host)).map(plainAddress).filter((address) => isIP(address) !== 0);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'no answer';
      return refused('unresolved', `The host ${host} of the ConnectionRequestURL could not be resolved (${code}).`);
    }
    const address = addresses.find((candidate) => mayCall(candidate, cpeAddress));
    if (address === undefined) {
      // The usual honest cause is NAT between us and the CPE (CWMP R5).
      const from = cpeAddress ?? 'nowhere yet';
      const shown = literal ? host : `${host} (${addresses.join(', ') || 'no address'})`;
      const advice = 'If CPEs can be reached there, add the network to STARLING_CONNECTION_REQUEST_NETWORKS.';
      return refused(
        'address',
        `${shown} is neither the address the CPE informs from (${from}) nor in an allowed network. ${advice}`,
      );
    }
    const serverName = literal ? '' : host;
    return { type: 'allowed', tls, address, port, host: url.host, serverName, path: url.pathname + url.search };
  };
}

/** True for a network that lies wholly inside one of SPECIAL: its own prefix is then at least as long. */
function isSpecial(text: string): boolean {
  const network = parseNetwork(text);
  return SPECIAL.some(
    (range) => network.prefix >= parseNetwork(range).prefix && new Networks([range]).has(network.address),
  );
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text.trim());
  } catch {
    return null;
  }
}

function refused(reason: Extract<GuardVerdict, { type: 'refused' }>['reason'], text: string): GuardVerdict {
  return { type: 'refused', reason, text };
}
