// The one door to uWebSockets.js: sockets in, exchanges out. Collects bodies under bounds, keeps slow uplinks alive and sheds the
// slower-than-possible ones, answers corked. Knows nothing of CWMP.
//
// uWebSockets.js closes a body slower than 16 kB/s after about 12 s unless the socket is re-armed by pause() and resume(); it is, on every
// chunk and every few seconds, as long as the body keeps to the pace of LIMITS (ECOSYSTEM, first section).

import { App, type HttpRequest, type HttpResponse, us_listen_socket_close, us_socket_local_port, type us_listen_socket } from 'uWebSockets.js';
import { LIMITS } from '../base/limits.ts';

/** What a handler sees of a request. Strings are '' where the header is absent. */
export interface HttpExchange {
  method: string;
  /** Path without the query, and the query without '?'. */
  path: string;
  query: string;
  cookie: string;
  authorization: string;
  contentType: string;
  contentEncoding: string;
  /** From Content-Length; -1 when absent or not a number. */
  contentLength: number;
  /** Value of the header that a trusted TLS front sets; '' unless configured. */
  frontHeader: string;
  range: string;
  ifRange: string;
  contentRange: string;
  /** Source address in text, IPv4 or IPv6. */
  address: string;
  /** True once the CPE closed the connection: nothing can be sent. */
  aborted: boolean;
  /** What `head` found out and `post` needs; the server does not look at it. */
  note: unknown;
  readonly res: HttpResponse;
}

export interface HttpReply {
  /** E.g. '200 OK'. */
  status: string;
  body: string | Uint8Array;
  contentType?: string;
  setCookie?: string;
  headers?: readonly (readonly [string, string])[];
  /** Ends the connection after this response; every HTTP client obeys `Connection: close`. */
  close?: boolean;
}

export interface HttpHandler {
  /**
   * Called when the headers are read. 'read' collects the body for `post`; 'discard' reads it and then sends the reply; 'taken' means the
   * handler reads and answers by itself (file transfers).
   */
  head(exchange: HttpExchange): { type: 'read' } | { type: 'discard'; reply: HttpReply } | { type: 'taken' };
  /** The whole body. `body` is only valid until the first await. */
  post(exchange: HttpExchange, body: Uint8Array): HttpReply | Promise<HttpReply>;
  /** A body that was not collected to its end. */
  bodyFailed(exchange: HttpExchange, why: 'too-large' | 'too-slow' | 'aborted' | 'no-room'): void;
  /** A handler threw: our mistake. */
  failed(exchange: HttpExchange, error: unknown): HttpReply;
}

export interface HttpServer {
  port: number;
  /** Stops accepting; open connections go on. */
  stopListening(): void;
  /** Closes everything. */
  close(): void;
  bodiesHeldBytes(): number;
}

/** A body being received, watched by the pace timer. */
interface Pending {
  exchange: HttpExchange;
  startedAt: number;
  bytes: number;
}

const EMPTY = new Uint8Array(0);
const PACE_TIMER_MS = 4_000;

/**
 * Opens the server; several threads may listen on the same port (SO_REUSEPORT).
 * @param frontHeaderName lower-case header to read into `frontHeader`, or ''.
 * @throws Error when the port cannot be listened on.
 */
export function openHttp(host: string, port: number, frontHeaderName: string, handler: HttpHandler): Promise<HttpServer> {
  const pending = new Set<Pending>();
  let heldBytes = 0;
  const app = App();

  app.any('/*', (res: HttpResponse, req: HttpRequest) => {
    const exchange = readHead(res, req, frontHeaderName);
    res.onAborted(() => {
      exchange.aborted = true;
    });
    let head: ReturnType<HttpHandler['head']>;
    try {
      head = handler.head(exchange);
    } catch (error) {
      send(exchange, { ...handler.failed(exchange, error), close: true });
      return;
    }
    if (head.type === 'taken') return;
    if (exchange.contentLength > LIMITS.bodyBytesMax) {
      handler.bodyFailed(exchange, 'too-large');
      send(exchange, tooLarge());
      return;
    }
    if (head.type === 'discard') discard(exchange, head.reply);
    else collect(exchange);
  });

  /** Reads and drops the body, then answers: an unread body would be taken for the next request. */
  function discard(exchange: HttpExchange, reply: HttpReply): void {
    const watch = watchBody(exchange);
    exchange.res.onData((chunk, isLast) => {
      if (exchange.aborted) return;
      watch.bytes += chunk.byteLength;
      if (isLast) {
        pending.delete(watch);
        send(exchange, reply);
      } else if (watch.bytes > LIMITS.bodyBytesMax) {
        pending.delete(watch);
        send(exchange, { ...reply, close: true });
      }
    });
  }

  function collect(exchange: HttpExchange): void {
    let chunks: Uint8Array[] | null = null;
    let watch: Pending | null = null;
    const letGo = (): void => {
      if (watch !== null) {
        pending.delete(watch);
        if (chunks !== null) heldBytes -= watch.bytes;
        chunks = null;
      }
    };
    const { res } = exchange;
    res.onAborted(() => {
      exchange.aborted = true;
      if (watch !== null && pending.has(watch)) {
        letGo();
        handler.bodyFailed(exchange, 'aborted');
      }
    });
    res.onData((chunk, isLast) => {
      if (exchange.aborted) return;
      if (isLast && chunks === null) {
        if (watch !== null) pending.delete(watch);
        answer(exchange, chunk.byteLength === 0 ? EMPTY : new Uint8Array(chunk));
        return;
      }
      if (watch === null) {
        watch = watchBody(exchange);
        chunks = [];
      }
      if (chunks === null) return; // Already answered with an error; the rest is dropped.
      watch.bytes += chunk.byteLength;
      heldBytes += chunk.byteLength;
      if (watch.bytes > LIMITS.bodyBytesMax) {
        letGo();
        handler.bodyFailed(exchange, 'too-large');
        send(exchange, tooLarge());
        return;
      }
      if (heldBytes > LIMITS.bodyBytesHeldMax) {
        letGo();
        handler.bodyFailed(exchange, 'no-room');
        send(exchange, { status: '503 Service Unavailable', body: '', headers: [['Retry-After', '30']], close: true });
        return;
      }
      // The chunk is only valid during this call.
      chunks.push(new Uint8Array(chunk.slice(0)));
      if (!isLast) {
        rearm(res);
        return;
      }
      const whole = Buffer.concat(chunks, watch.bytes);
      letGo();
      answer(exchange, whole);
    });
  }

  function watchBody(exchange: HttpExchange): Pending {
    const watch: Pending = { exchange, startedAt: Date.now(), bytes: 0 };
    pending.add(watch);
    return watch;
  }

  function answer(exchange: HttpExchange, body: Uint8Array): void {
    let reply: HttpReply | Promise<HttpReply>;
    try {
      reply = handler.post(exchange, body);
    } catch (error) {
      reply = handler.failed(exchange, error);
    }
    if (reply instanceof Promise) {
      reply.then(
        (value) => send(exchange, value),
        (error: unknown) => send(exchange, handler.failed(exchange, error)),
      );
    } else send(exchange, reply);
  }

  const timer = setInterval(() => {
    const now = Date.now();
    for (const watch of pending) {
      const age = now - watch.startedAt;
      if (watch.exchange.aborted) {
        pending.delete(watch);
      } else if (!keepsPace(age, watch.bytes)) {
        // A slowloris, or a body shorter than its Content-Length.
        pending.delete(watch);
        handler.bodyFailed(watch.exchange, 'too-slow');
        send(watch.exchange, { status: '408 Request Timeout', body: 'The request body did not arrive in time.\n', close: true });
      } else rearm(watch.exchange.res);
    }
  }, PACE_TIMER_MS);

  return new Promise((resolve, reject) => {
    let socket: us_listen_socket | null = null;
    app.listen(host, port, (listening) => {
      if (!listening) {
        clearInterval(timer);
        reject(new Error(`cannot listen on ${host}:${port}`));
        return;
      }
      socket = listening;
      const stopListening = (): void => {
        if (socket) us_listen_socket_close(socket);
        socket = null;
      };
      resolve({
        port: us_socket_local_port(listening as never),
        stopListening,
        close() {
          clearInterval(timer);
          socket = null;
          app.close();
        },
        bodiesHeldBytes: () => heldBytes,
      });
    });
  });
}

/** True while a body of `bytes` after `ageMs` is within the pace LIMITS asks for. */
export function keepsPace(ageMs: number, bytes: number): boolean {
  if (ageMs > LIMITS.bodyMsMax) return false;
  return ageMs < LIMITS.bodyGraceMs || (bytes * 1_000) / ageMs >= LIMITS.bodyBytesPerSecondMin;
}

/** Sends a reply, corked; does nothing on a connection that is gone. */
export function send(exchange: HttpExchange, reply: HttpReply): void {
  if (exchange.aborted) return;
  exchange.aborted = true; // Answered: uWS forbids touching the response again.
  const { res } = exchange;
  res.cork(() => {
    res.writeStatus(reply.status);
    if (reply.contentType !== undefined) res.writeHeader('Content-Type', reply.contentType);
    if (reply.setCookie !== undefined) res.writeHeader('Set-Cookie', reply.setCookie);
    if (reply.headers !== undefined) for (const [name, value] of reply.headers) res.writeHeader(name, value);
    // uWS writes `Connection: close` itself when asked to close. A 204 carries neither body nor Content-Length (CWMP H3).
    if (reply.status.startsWith('204')) res.endWithoutBody(undefined, reply.close === true);
    else res.end(reply.body, reply.close === true);
  });
}

function rearm(res: HttpResponse): void {
  res.pause();
  res.resume();
}

function tooLarge(): HttpReply {
  const body = `The request body is larger than ${LIMITS.bodyBytesMax} bytes.\n`;
  return { status: '413 Payload Too Large', body, contentType: 'text/plain', close: true };
}

function readHead(res: HttpResponse, req: HttpRequest, frontHeaderName: string): HttpExchange {
  const length = req.getHeader('content-length');
  return {
    method: req.getCaseSensitiveMethod(),
    path: req.getUrl(),
    query: req.getQuery() ?? '',
    cookie: req.getHeader('cookie'),
    authorization: req.getHeader('authorization'),
    contentType: req.getHeader('content-type'),
    contentEncoding: req.getHeader('content-encoding'),
    contentLength: length === '' ? -1 : Number(length),
    frontHeader: frontHeaderName === '' ? '' : req.getHeader(frontHeaderName),
    range: req.getHeader('range'),
    ifRange: req.getHeader('if-range'),
    contentRange: req.getHeader('content-range'),
    address: addressText(new Uint8Array(res.getRemoteAddress())),
    aborted: false,
    note: null,
    res,
  };
}

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
