// The listener for connection requests (TR-069 §3.2.2): one HTTP server can serve many CPEs, each under a path of its own. The gate of a
// CPE challenges, checks the digest and limits the rate; what an accepted request leads to is the CPE's business.

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { LIMITS } from '../../base/limits.ts';
import type { Traits } from './behaviour.ts';
import { type Credentials, parseChallenges, verifyDigest } from './http-auth.ts';
import type { Timers } from './timers.ts';

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** One listening port shared by any number of CPEs. */
export class ConnectionRequestHub {
  readonly #handlers = new Map<string, Handler>();
  readonly #server: http.Server;
  readonly #host: string;
  #port = 0;

  constructor(host = '127.0.0.1') {
    this.#host = host;
    this.#server = http.createServer((request, response) => {
      const handler = this.#handlers.get((request.url ?? '').split('?')[0]!);
      if (handler !== undefined) return handler(request, response);
      response.writeHead(404).end();
    });
  }

  /** Opens the port; 0 takes a free one. */
  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, this.#host, resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Serves `path` from now on and returns its URL. */
  register(path: string, handler: Handler): string {
    this.#handlers.set(path, handler);
    const host = this.#host.includes(':') ? `[${this.#host}]` : this.#host;
    return `http://${host}:${this.#port}${path}`;
  }

  unregister(path: string): void {
    this.#handlers.delete(path);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export interface GateOptions {
  traits: Traits;
  timers: Timers;
  /** Credentials in force now; an empty user name accepts everyone. */
  credentials: () => Credentials;
  /** False while the CPE is switched off or rebooting: the connection is dropped. */
  isUp: () => boolean;
  accepted: () => void;
  /** Requests accepted per minute; beyond, 503 (TR-069 §3.2.2). */
  perMinuteMax: number;
}

/** Decides about the connection requests to one CPE. */
export class ConnectionRequestGate {
  readonly #options: GateOptions;
  /** Nonces given out and not used yet, with their time: each is good for one request (CWMP R3). */
  readonly #nonces = new Map<string, number>();
  #acceptedAtMs: number[] = [];
  /** Requests by outcome, for tests. */
  readonly counts = { challenged: 0, accepted: 0, refused: 0, busy: 0 };

  constructor(options: GateOptions) {
    this.#options = options;
  }

  handle(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { traits, timers, credentials, isUp, accepted, perMinuteMax } = this.#options;
    if (!isUp()) {
      request.socket.destroy();
      return;
    }
    if (request.method !== 'GET') {
      response.writeHead(405, { allow: 'GET' }).end();
      return;
    }
    const wanted = traits.connectionRequestCredentials ?? credentials();
    if (wanted.username !== '' && !this.#isAuthorised(request, wanted)) {
      const nonce = randomBytes(12).toString('hex');
      this.#nonces.set(nonce, timers.now());
      if (this.#nonces.size > LIMITS.fleetNoncesMax) this.#nonces.delete(this.#nonces.keys().next().value!);
      if (request.headers.authorization === undefined) this.counts.challenged++;
      else this.counts.refused++;
      const challenge = traits.connectionRequestChallenge('Simulated CPE', nonce);
      response.writeHead(401, { 'www-authenticate': challenge, 'content-length': '0' });
      response.end(() => {
        if (traits.connectionRequestClosesAfterChallenge) request.socket.destroy();
      });
      return;
    }
    this.#acceptedAtMs = this.#acceptedAtMs.filter((atMs) => atMs > timers.now() - 60_000);
    if (this.#acceptedAtMs.length >= perMinuteMax || traits.connectionRequestStatus === 503) {
      this.counts.busy++;
      response.writeHead(503, { 'retry-after': '60', 'content-length': '0' }).end();
      return;
    }
    this.#acceptedAtMs.push(timers.now());
    this.counts.accepted++;
    if (traits.connectionRequestStatus === 204) response.writeHead(204).end();
    else response.writeHead(200, { 'content-length': '0' }).end();
    accepted();
  }

  #isAuthorised(request: http.IncomingMessage, wanted: Credentials): boolean {
    const given = parseChallenges([request.headers.authorization ?? '']).find((one) => one.scheme === 'digest');
    if (given === undefined) return false;
    const nonce = given.params['nonce'] ?? '';
    const givenAtMs = this.#nonces.get(nonce);
    this.#nonces.delete(nonce);
    if (givenAtMs === undefined || this.#options.timers.now() - givenAtMs > 300_000) return false;
    return verifyDigest(given, request.method ?? '', wanted);
  }
}
