// One connection request: an HTTP GET to an address that the guard has checked, first without credentials, then with what the CPE asks
// for (CWMP R1–R3). HTTP servers of CPEs are odd, so the parser is lenient and the answer's body is never waited for longer than needed.
// No redirects, no retries over time (http-waker.ts makes those), no decision whether the CPE may be called.

import { randomBytes } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { LIMITS } from '../base/limits.ts';
import type { AllowedTarget } from './connection-request-guard.ts';
import { digestAlgorithm, digestResponse } from './digest.ts';
import { type AuthPart, encodeBasic, param, parseAuthHeader, quoted } from './http-auth-header.ts';

export interface Credentials {
  username: string;
  password: string;
}

export interface ConnectionRequestResult {
  /** accepted: the CPE will inform; busy: later; unauthorized: none of the credentials; unreachable: no answer, or none we understand. */
  outcome: 'accepted' | 'busy' | 'unauthorized' | 'unreachable';
  /** One phrase for a person. */
  why: string;
}

export interface ConnectionRequestOptions {
  /** Answer a Basic challenge. It sends the password in clear to whoever answers at the address. */
  allowBasic: boolean;
  /** For both rounds and all credentials together. */
  timeoutMs?: number;
  /** Ends the request early, as unreachable. */
  signal?: AbortSignal;
}

interface Reply {
  status: number;
  challenges: AuthPart[];
}

/**
 * Asks a CPE to start a session.
 * @param credentials tried in order, each after the CPE's challenge (FIELD 40).
 * @returns an outcome in every case; it never throws for what the CPE does.
 */
export async function requestConnection(
  target: AllowedTarget,
  credentials: readonly Credentials[],
  options: ConnectionRequestOptions,
): Promise<ConnectionRequestResult> {
  const timeoutMs = options.timeoutMs ?? LIMITS.connectionRequestMs;
  const timeout = AbortSignal.timeout(timeoutMs);
  const deadline = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const agent = agentFor(target);
  try {
    let reply = await ask(target, agent, deadline, null);
    let challenges = reply.challenges;
    let understood = true;
    let tried = 0;
    for (const credential of credentials.slice(0, LIMITS.connectionRequestCredentialsMax)) {
      // Twice only when the nonce was stale: then the credential itself was not judged.
      for (let round = 0; round < 2 && reply.status === 401; round++) {
        const authorization = answerChallenge(challenges, credential, target.path, options.allowBasic);
        understood = authorization !== null;
        if (authorization === null) break;
        tried++;
        reply = await ask(target, agent, deadline, authorization);
        if (reply.challenges.length > 0) challenges = reply.challenges;
        if (!isStale(reply.challenges)) break;
      }
      if (reply.status !== 401 || !understood) break;
    }
    if (reply.status === 200 || reply.status === 204) return { outcome: 'accepted', why: `HTTP ${reply.status}` };
    if (reply.status === 503) return { outcome: 'busy', why: 'HTTP 503' };
    if (reply.status !== 401) return { outcome: 'unreachable', why: `unexpected answer HTTP ${reply.status}` };
    if (credentials.length === 0)
      return { outcome: 'unauthorized', why: 'the CPE asks for credentials and none are known' };
    if (!understood)
      return {
        outcome: 'unauthorized',
        why: `no usable challenge: ${challenges.map((c) => c.scheme).join(', ') || 'none at all'}`,
      };
    return {
      outcome: 'unauthorized',
      why: tried === 1 ? 'wrong user name or password' : `none of ${tried} answers was accepted`,
    };
  } catch (error) {
    return { outcome: 'unreachable', why: timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error) };
  } finally {
    agent.destroy();
  }
}

/** One round on the connection of the last one; once more on a new one when the CPE has closed that after its 401 (FIELD 38). */
async function ask(
  target: AllowedTarget,
  agent: HttpAgent,
  deadline: AbortSignal,
  authorization: string | null,
): Promise<Reply> {
  try {
    return await exchange(target, agent, deadline, authorization);
  } catch (error) {
    if (!(error instanceof ClosedConnection) || deadline.aborted) throw error;
    return exchange(target, agent, deadline, authorization);
  }
}

/** The kept connection was gone before an answer came. */
class ClosedConnection extends Error {}

function exchange(
  target: AllowedTarget,
  agent: HttpAgent,
  deadline: AbortSignal,
  authorization: string | null,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const send = target.tls ? httpsRequest : httpRequest;
    const request = send({
      method: 'GET',
      host: target.address,
      port: target.port,
      path: target.path,
      servername: target.serverName,
      agent,
      signal: deadline,
      setHost: false,
      headers: {
        Host: target.host,
        'User-Agent': 'Starling',
        ...(authorization === null ? {} : { Authorization: authorization }),
      },
      insecureHTTPParser: true,
      maxHeaderSize: LIMITS.connectionRequestBytesMax,
    });
    request.once('error', (error) => {
      // A connection that was fresh and failed says something about the CPE; a kept one only that it was closed meanwhile.
      reject(request.reusedSocket && !deadline.aborted ? new ClosedConnection('closed', { cause: error }) : error);
    });
    request.once('response', (response) => {
      const reply: Reply = { status: response.statusCode ?? 0, challenges: challengesOf(response) };
      if (reply.status !== 401) {
        // Decided. Whatever follows, however long, is not read.
        response.destroy();
        resolve(reply);
        return;
      }
      drain(response, () => resolve(reply));
    });
    request.end();
  });
}

/**
 * Reads the body of a 401 to its end, so that its connection can serve the next round. A body that is too long, or that neither ends nor
 * tells its length, costs the connection instead.
 */
function drain(response: IncomingMessage, done: () => void): void {
  let bytes = 0;
  const timer = setTimeout(() => response.destroy(), LIMITS.connectionRequestBodyMs);
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LIMITS.connectionRequestBytesMax) response.destroy();
  });
  response.on('error', () => {}); // A body cut short: the status is all we came for. 'close' follows.
  response.once('close', () => {
    clearTimeout(timer);
    done();
  });
}

function agentFor(target: AllowedTarget): HttpAgent {
  const options = { keepAlive: true, maxSockets: 1 };
  if (!target.tls) return new HttpAgent(options);
  // Certificates of CPEs are self-signed and their TLS is old (FIELD 49). The digest protects the password; what the guard checked is the
  // address, and nothing secret is carried.
  return new HttpsAgent({ ...options, rejectUnauthorized: false, minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
}

function challengesOf(response: IncomingMessage): AuthPart[] {
  const parts: AuthPart[] = [];
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    if (response.rawHeaders[i]?.toLowerCase() === 'www-authenticate')
      parts.push(...parseAuthHeader(response.rawHeaders[i + 1] ?? ''));
  }
  return parts;
}

function isStale(challenges: readonly AuthPart[]): boolean {
  return challenges.some((part) => part.scheme === 'digest' && param(part, 'stale')?.toLowerCase() === 'true');
}

/**
 * The Authorization value for the first challenge we can answer; Digest before Basic whatever their order. null: none.
 * Algorithm and opaque are echoed only when the CPE sent them, in its spelling, because some compare bytes (FIELD 41).
 */
export function answerChallenge(
  challenges: readonly AuthPart[],
  credential: Credentials,
  path: string,
  allowBasic: boolean,
  cnonce: string = randomBytes(8).toString('hex'),
): string | null {
  for (const part of challenges) {
    if (part.scheme !== 'digest') continue;
    const named = param(part, 'algorithm');
    const algorithm = digestAlgorithm(named);
    const nonce = param(part, 'nonce');
    const offered =
      param(part, 'qop')
        ?.toLowerCase()
        .split(/[\s,]+/)
        .filter((quality) => quality !== '') ?? [];
    // A CPE that offers auth-int alone wants the body of a GET hashed; nobody has seen one.
    if (algorithm === null || nonce === null || (offered.length > 0 && !offered.includes('auth'))) continue;
    const qop = offered.length > 0 ? 'auth' : null;
    const realm = param(part, 'realm') ?? '';
    const response = digestResponse({
      ...credential,
      algorithm,
      realm,
      method: 'GET',
      uri: path,
      nonce,
      nc: '00000001',
      cnonce,
      qop,
    });
    const fields = [
      `username=${quoted(credential.username)}`,
      `realm="${part.params.get('realm')?.raw ?? ''}"`,
      `nonce="${part.params.get('nonce')?.raw ?? ''}"`,
      `uri="${path}"`,
      `response="${response}"`,
    ];
    if (named !== null && named !== '') fields.push(`algorithm=${named}`);
    const opaque = part.params.get('opaque');
    if (opaque !== undefined) fields.push(`opaque="${opaque.raw}"`);
    if (qop !== null) fields.push('qop=auth', 'nc=00000001');
    if (qop !== null || algorithm.endsWith('-sess')) fields.push(`cnonce="${cnonce}"`);
    return `Digest ${fields.join(', ')}`;
  }
  const basic = allowBasic && challenges.some((part) => part.scheme === 'basic');
  return basic ? `Basic ${encodeBasic(credential.username, credential.password)}` : null;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof ClosedConnection ? error.cause : error;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'connection refused: nothing listens at that port';
  if (code === 'ECONNRESET') return 'the connection was closed without an answer';
  if (code?.startsWith('HPE_')) return `the answer is not HTTP (${code})`;
  return code ?? message;
}
