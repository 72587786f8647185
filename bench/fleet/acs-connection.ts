// The HTTP side of one session: POSTs over a connection of its own, cookies, authentication, redirects, one resumption after a broken
// connection. It knows nothing of SOAP.

import http from 'node:http';
import https from 'node:https';
import { LIMITS } from '../../base/limits.ts';
import type { Post, Traits } from './behaviour.ts';
import type { CookieJar } from './cookies.ts';
import { basic, type Credentials, chooseChallenge, DigestAnswers, parseChallenges } from './http-auth.ts';

export interface AcsReply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** Why an exchange has failed; the session fails with it. */
export class ExchangeError extends Error {
  override name = 'ExchangeError';
}

/** What an https ACS is told by and trusted with, as node:tls takes it; absent parts are Node's own. */
export type AcsTls = Pick<https.AgentOptions, 'ca' | 'cert' | 'key'>;

export interface ConnectionOptions {
  url: string;
  credentials: Credentials;
  traits: Traits;
  /** Kept over sessions by CPEs that send stale cookies; others bring an empty one. */
  cookies: CookieJar;
  timeoutMs: number;
  tls: AcsTls;
}

export class AcsConnection {
  /** HTTP statuses of all exchanges, 401 and 302 among them. */
  readonly statuses: number[] = [];
  readonly #options: ConnectionOptions;
  readonly #agent: http.Agent;
  #url: URL;
  #digest: DigestAnswers | null = null;
  #basic = false;
  #plainBodies = false;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
    this.#basic = options.traits.basicUnasked;
    const keepAlive = options.traits.connection !== 'per-request';
    const settings = { keepAlive, maxSockets: 1 };
    this.#agent =
      this.#url.protocol === 'https:' ? new https.Agent({ ...settings, ...options.tls }) : new http.Agent(settings);
  }

  /**
   * POSTs and returns the final answer, whatever its status: authentication, redirection and 415 are dealt with on the way.
   * Throws ExchangeError when there is no answer.
   */
  async send(post: Post): Promise<AcsReply> {
    let redirects = 0;
    let challenges = 0;
    for (;;) {
      const reply = await this.#exchangeResuming(post);
      this.statuses.push(reply.status);
      this.#options.cookies.take(
        reply.headers['set-cookie'] ?? [],
        this.#url,
        this.#options.traits.cookies === 'need-path',
      );
      if (reply.status === 401 && challenges < 2) {
        // A second 401 is worth an answer only when it says that nothing but the nonce was wrong (RFC 7616 §3.3).
        const stale = /stale\s*=\s*"?true/i.test(reply.headers['www-authenticate'] ?? '');
        if ((challenges > 0 && !stale) || !this.#takeChallenge(reply)) return reply;
        challenges++;
        if (this.#options.traits.closesAfterChallenge) this.#agent.destroy();
        continue;
      }
      const { location } = reply.headers;
      const redirected = (reply.status === 302 || reply.status === 307) && location !== undefined;
      if (redirected && redirects < 5 && URL.canParse(location, this.#url.href)) {
        redirects++; // CWMP H14: the same POST again, there; the target is forgotten with the session.
        this.#url = new URL(location, this.#url);
        this.#digest = null;
        continue;
      }
      if (reply.status === 415 && post.headers['content-encoding'] !== undefined && !this.#plainBodies) {
        this.#plainBodies = true;
        return reply; // CWMP H9: the caller repeats uncompressed.
      }
      return reply;
    }
  }

  /** True once the ACS has refused compressed bodies. */
  get plainBodies(): boolean {
    return this.#plainBodies;
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #takeChallenge(reply: AcsReply): boolean {
    const { traits, credentials } = this.#options;
    if (credentials.username === '' && credentials.password === '') return false;
    const offered = parseChallenges([reply.headers['www-authenticate'] ?? '']);
    const chosen = chooseChallenge(offered, traits.schemes, traits.algorithms);
    if (chosen === null) return false;
    this.#basic = chosen.scheme === 'basic';
    this.#digest = chosen.scheme === 'digest' ? new DigestAnswers(chosen, credentials, traits.ncStuck) : null;
    return true;
  }

  async #exchangeResuming(post: Post): Promise<AcsReply> {
    try {
      return await this.#exchange(post);
    } catch (error) {
      // CWMP H12: a connection lost in mid-session is opened again, once, and the session goes on by its cookie.
      if (
        this.#closed ||
        this.statuses.length === 0 ||
        !(error instanceof ExchangeError) ||
        !error.message.startsWith('connection lost')
      )
        throw error;
      return this.#exchange(post);
    }
  }

  #exchange(post: Post): Promise<AcsReply> {
    if (this.#closed) return Promise.reject(new ExchangeError('the CPE has closed the connection'));
    const { traits, timeoutMs } = this.#options;
    const url = this.#url;
    const path = `${url.pathname}${url.search}`;
    const headers: Record<string, string> = { ...post.headers, 'content-length': String(post.body.length) };
    if (traits.connection === 'per-request') headers['connection'] = 'close';
    const cookie = this.#options.cookies.header(url, traits.cookies);
    if (cookie !== null) headers['cookie'] = cookie;
    if (this.#digest !== null) headers['authorization'] = this.#digest.header('POST', path);
    else if (this.#basic) headers['authorization'] = basic(this.#options.credentials);
    if (traits.malformedAuthorization) headers['authorization'] = 'Digest username="half, realm=, nonce';
    // A user name may have any characters; on the wire they are bytes of UTF-8 (RFC 7616 §4).
    if (headers['authorization'] !== undefined)
      headers['authorization'] = Buffer.from(headers['authorization'], 'utf8').toString('latin1');
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(error);
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'POST',
        headers,
        agent: this.#agent,
      });
      request.setTimeout(timeoutMs, () => {
        request.destroy(new ExchangeError(`no answer from the ACS within ${timeoutMs} ms`));
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (error instanceof ExchangeError) return fail(error);
        const lost = error.code === 'ECONNRESET' || error.code === 'EPIPE';
        fail(new ExchangeError(`${lost ? 'connection lost' : 'cannot reach the ACS'}: ${error.message || error.code}`));
      });
      request.on('response', (response) => {
        const { socket } = response; // Given back to the agent, and then null, by the time of `end`.
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > LIMITS.bodyBytesMax) request.destroy(new ExchangeError('the ACS sends more than a CPE can hold'));
          chunks.push(chunk);
        });
        response.on('error', (error) => fail(new ExchangeError(`connection lost: ${error.message}`)));
        response.on('end', () => {
          if (traits.connection === 'closed-after-response') socket.destroy();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      if (traits.slowBody === null) request.end(post.body);
      else writeSlowly(request, post.body, traits.slowBody);
    });
  }
}

/** Real time on purpose: the pauses are between two writes to a real socket. */
function writeSlowly(
  request: http.ClientRequest,
  body: Buffer,
  pace: { bytesPerWrite: number; pauseMs: number },
): void {
  let at = 0;
  const next = (): void => {
    if (request.destroyed) return;
    if (at >= body.length) {
      request.end();
      return;
    }
    request.write(body.subarray(at, at + pace.bytesPerWrite));
    at += pace.bytesPerWrite;
    setTimeout(next, pace.pauseMs);
  };
  next();
}
