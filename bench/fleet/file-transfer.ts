// Fetching and putting files over HTTP as a CPE does (CWMP 1.14): own connection, credentials answered when challenged, a broken download
// resumed with Range. Outcomes are values: bytes or a fault code of TransferComplete.

import { createHash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import {
  basic,
  CONFORMING_ALGORITHMS,
  type Credentials,
  chooseChallenge,
  DigestAnswers,
  parseChallenges,
} from './http-auth.ts';

export type TransferOutcome =
  | { ok: true; bytes: number; sha256: string; head: Buffer; requests: number; times: TransferTimes }
  | { ok: false; code: number; text: string };

/** Measuring points in ms since 1970, as TR-143 names them. */
export interface TransferTimes {
  requestMs: number;
  connectedMs: number;
  firstByteMs: number;
  endMs: number;
}

export interface FetchOptions {
  url: string;
  credentials: Credentials;
  /** Longest time for one connection without a byte. */
  timeoutMs: number;
  bytesMax: number;
  /** Closes the first connection after this many bytes, to show whether the server can resume; null never does. */
  breakAfterBytes: number | null;
  signal: AbortSignal;
}

/** Bytes of the beginning of a file that are kept for looking into. */
const HEAD_BYTES = 64 * 1024;
/** Tries to go on with a broken download before it is 9017. */
const RESUMES_MAX = 3;

/** GETs a file. Faults: 9012 refused credentials, 9013 protocol, 9015 no contact, 9016 not found, 9017 not completed. */
export async function fetchFile(options: FetchOptions): Promise<TransferOutcome> {
  const url = parseUrl(options.url);
  if (url === null) return { ok: false, code: 9013, text: 'Unsupported protocol for file transfer' };
  const hash = createHash('sha256');
  const head: Buffer[] = [];
  let headBytes = 0;
  let received = 0;
  let requests = 0;
  let authorization: string | null = null;
  let breakAt = options.breakAfterBytes;
  let begun: TransferTimes | undefined;
  for (let resumes = 0; resumes <= RESUMES_MAX; ) {
    requests++;
    const got: GetResult = await getOnce(url, authorization, received, breakAt, options, (chunk) => {
      hash.update(chunk);
      received += chunk.length;
      if (headBytes < HEAD_BYTES) head.push(chunk.subarray(0, HEAD_BYTES - headBytes));
      headBytes += Math.min(chunk.length, HEAD_BYTES - headBytes);
    });
    if (got.type === 'unreachable')
      return { ok: false, code: 9015, text: `Cannot contact the file server: ${got.why}` };
    if (got.type === 'challenged') {
      authorization = authorization === null ? answer(got.header, options.credentials, 'GET', url) : null;
      if (authorization === null) return { ok: false, code: 9012, text: 'File server authentication failure' };
      continue;
    }
    if (got.type === 'status') {
      const code = got.status === 404 || got.status === 403 || got.status === 410 ? 9016 : 9010;
      return { ok: false, code, text: `The file server answered ${got.status}` };
    }
    begun ??= got.times;
    const times: TransferTimes = { ...begun, endMs: got.times.endMs };
    if (got.type === 'complete') {
      return { ok: true, bytes: received, sha256: hash.digest('hex'), head: Buffer.concat(head), requests, times };
    }
    if (options.signal.aborted || received > options.bytesMax) break;
    resumes++;
    breakAt = null;
    if (authorization?.startsWith('Digest')) authorization = null; // Its nonce was for the request before.
  }
  return { ok: false, code: 9017, text: 'The download could not be completed' };
}

type GetResult =
  | { type: 'complete' | 'broken'; times: TransferTimes }
  | { type: 'unreachable'; why: string }
  | { type: 'challenged'; header: string }
  | { type: 'status'; status: number };

function getOnce(
  url: URL,
  authorization: string | null,
  from: number,
  breakAt: number | null,
  options: FetchOptions,
  take: (chunk: Buffer) => void,
): Promise<GetResult> {
  const headers: Record<string, string> = {};
  if (authorization !== null) headers['authorization'] = authorization;
  if (from > 0) headers['range'] = `bytes=${from}-`;
  const times: TransferTimes = { requestMs: Date.now(), connectedMs: 0, firstByteMs: 0, endMs: 0 };
  return new Promise((resolve) => {
    const module = url.protocol === 'https:' ? https : http;
    const request = module.get(url, { headers, agent: false, signal: options.signal });
    request.setTimeout(options.timeoutMs, () => request.destroy(new Error('no byte in time')));
    request.on('socket', (socket) => socket.once('connect', () => (times.connectedMs = Date.now())));
    request.on('error', (error) => {
      times.endMs = Date.now();
      resolve(times.firstByteMs > 0 ? { type: 'broken', times } : { type: 'unreachable', why: error.message });
    });
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      // A server that ignores Range begins anew: the bytes already taken are passed over.
      let skip = status === 200 ? from : 0;
      if (status !== 200 && status !== 206) {
        response.resume();
        resolve(
          status === 401
            ? { type: 'challenged', header: response.headers['www-authenticate'] ?? '' }
            : { type: 'status', status },
        );
        return;
      }
      times.firstByteMs = Date.now();
      let seen = 0;
      response.on('data', (chunk: Buffer) => {
        const useful = skip > 0 ? chunk.subarray(Math.min(skip, chunk.length)) : chunk;
        skip -= chunk.length - useful.length;
        const wanted = breakAt === null ? useful : useful.subarray(0, Math.max(0, breakAt - seen));
        seen += wanted.length;
        if (wanted.length > 0) take(wanted);
        if (breakAt !== null && seen >= breakAt) request.destroy(new Error('broken on purpose'));
      });
      response.on('close', () => {
        times.endMs = Date.now();
        resolve({ type: response.complete ? 'complete' : 'broken', times });
      });
      response.on('error', () => undefined); // `close` follows and says it.
    });
  });
}

/** PUTs a file. Faults: 9011 upload failure, 9012, 9013, 9015. */
export async function putFile(
  target: string,
  body: Buffer,
  credentials: Credentials,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TransferOutcome> {
  const url = parseUrl(target);
  if (url === null) return { ok: false, code: 9013, text: 'Unsupported protocol for file transfer' };
  let authorization: string | null = null;
  for (let requests = 1; requests <= 2; requests++) {
    const got = await putOnce(url, body, authorization, timeoutMs, signal);
    if (got.type === 'unreachable')
      return { ok: false, code: 9015, text: `Cannot contact the file server: ${got.why}` };
    if (got.type === 'done') {
      const sha256 = createHash('sha256').update(body).digest('hex');
      return { ok: true, bytes: body.length, sha256, head: body.subarray(0, HEAD_BYTES), requests, times: got.times };
    }
    if (got.type === 'status') return { ok: false, code: 9011, text: `The file server answered ${got.status}` };
    authorization = answer(got.header, credentials, 'PUT', url);
    if (authorization === null) break;
  }
  return { ok: false, code: 9012, text: 'File server authentication failure' };
}

type PutResult =
  | { type: 'done'; times: TransferTimes }
  | { type: 'unreachable'; why: string }
  | { type: 'challenged'; header: string }
  | { type: 'status'; status: number };

function putOnce(
  url: URL,
  body: Buffer,
  authorization: string | null,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<PutResult> {
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'content-length': String(body.length),
  };
  if (authorization !== null) headers['authorization'] = authorization;
  const times: TransferTimes = { requestMs: Date.now(), connectedMs: 0, firstByteMs: 0, endMs: 0 };
  return new Promise((resolve) => {
    const module = url.protocol === 'https:' ? https : http;
    const request = module.request(url, { method: 'PUT', headers, agent: false, signal });
    request.setTimeout(timeoutMs, () => request.destroy(new Error('no answer in time')));
    request.on('socket', (socket) =>
      socket.once('connect', () => {
        times.connectedMs = Date.now();
        times.firstByteMs = times.connectedMs; // The first byte leaves as soon as there is a connection.
      }),
    );
    request.on('error', (error) => resolve({ type: 'unreachable', why: error.message }));
    request.on('response', (response) => {
      response.resume();
      times.endMs = Date.now();
      const status = response.statusCode ?? 0;
      if (status === 401) resolve({ type: 'challenged', header: response.headers['www-authenticate'] ?? '' });
      else resolve(status >= 200 && status < 300 ? { type: 'done', times } : { type: 'status', status });
    });
    request.end(body);
  });
}

function parseUrl(text: string): URL | null {
  try {
    const url = new URL(text);
    // A.3.2.8: user information in the URL is forbidden.
    return /^https?:$/.test(url.protocol) && url.username === '' ? url : null;
  } catch {
    return null;
  }
}

function answer(header: string, credentials: Credentials, method: string, url: URL): string | null {
  if (credentials.username === '') return null;
  const chosen = chooseChallenge(parseChallenges([header]), ['digest', 'basic'], CONFORMING_ALGORITHMS);
  if (chosen === null) return null;
  return chosen.scheme === 'basic'
    ? basic(credentials)
    : new DigestAnswers(chosen, credentials).header(method, `${url.pathname}${url.search}`);
}
