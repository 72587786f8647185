// The one door to uWebSockets.js: sockets in, exchanges out. Collects bodies under bounds, keeps slow uplinks alive and sheds the
// slower-than-possible ones, answers corked. Knows nothing of CWMP.
//
// uWebSockets.js closes a body slower than 16 kB/s after about 12 s unless the socket is re-armed by pause() and resume(); it is, every few
// seconds, as long as the body keeps to the pace of LIMITS (ECOSYSTEM, first section).

import {
  App,
  type HttpRequest,
  type HttpResponse,
  SSLApp,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
} from 'uWebSockets.js';
import { LIMITS } from '../base/limits.ts';
import { addressBytes, addressText } from './address-text.ts';
import { BodyBuffer } from './body-buffer.ts';
import { BodyPace } from './body-pace.ts';

/** What is read of the requests to the CWMP port: each header costs what a look into the store costs, so the others are not read. */
export interface HttpWants {
  /** Authorization, and the target that a Digest signs: nobody looks at them where CPEs need not prove who they are. */
  credentials: boolean;
  /** What a trusted TLS front says; null where none is waited for. */
  front: HttpFront | null;
}

/** Headers of a TLS front, believed when the connection itself comes from one. Names in lower case, '' for those not read. */
export interface HttpFront {
  certificateHeader: string;
  addressHeader: string;
  isTrusted(peer: Uint8Array): boolean;
}

/** A certificate and its key, PEM files: connections are TLS then. */
export interface HttpTls {
  certificateFile: string;
  keyFile: string;
}

/** What a handler sees of a request. Strings are '' where the header is absent, or not among what is wanted. */
export class HttpExchange {
  readonly res: HttpResponse;
  method = 'POST';
  /** Path without the query, and the query without '?'; of a CWMP POST where the credentials speak of it. */
  path = '';
  query = '';
  cookie = '';
  authorization = '';
  contentType = '';
  contentEncoding = '';
  /** From Content-Length; -1 when absent or not a number. */
  contentLength = -1;
  /** What a trusted front says of the client certificate; '' from anybody else. */
  certificate = '';
  /** Of requests for files alone. */
  range = '';
  ifRange = '';
  contentRange = '';
  /** True once the CPE closed the connection, and once it was answered: nothing can be sent. */
  aborted = false;
  /** The body handed to `post` has memory of its own, which may be given away. */
  bodyIsOwned = false;
  /** What `head` found out and `post` needs; the server does not look at it. */
  note: unknown = null;
  /** While true the library writes the answer out by itself: it is answered within the library's own call. */
  corked = true;
  #address: string | null = null;
  #addressBytes: Uint8Array | null = null;

  constructor(res: HttpResponse) {
    this.res = res;
  }

  /** Source address of the CPE, 4 or 16 bytes; none of a connection that is gone and was not asked before. */
  get addressBytes(): Uint8Array {
    if (this.#addressBytes === null) {
      this.#addressBytes = this.aborted ? EMPTY : new Uint8Array(this.res.getRemoteAddress());
    }
    return this.#addressBytes;
  }

  /** The connection is that of a front, which told where the CPE is. */
  cameFrom(bytes: Uint8Array): void {
    this.#addressBytes = bytes;
  }

  /** The same in text, IPv4 or IPv6. A system call, so it is asked for when somebody wants it. */
  get address(): string {
    this.#address ??= addressText(this.addressBytes);
    return this.#address;
  }
}

/** What CWMP wants to know of it; a thread without sockets has it too. */
export type CwmpExchange = Pick<
  HttpExchange,
  'cookie' | 'contentType' | 'contentEncoding' | 'address' | 'addressBytes' | 'aborted' | 'bodyIsOwned'
>;

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
  /** False while large bodies are better left in their sockets: as many as can be dealt with soon were handed to `post`. */
  hasRoom(): boolean;
  /** Every few seconds of a body that is still arriving at a bearable pace. */
  bodyArriving(exchange: HttpExchange): void;
  /** A body that did not arrive whole, and the status it is answered with; 'aborted' ones cannot be answered. */
  bodyFailed(exchange: HttpExchange, why: BodyFailure): void;
  /** A connection was opened or closed: requests that the library refuses by itself (400, 431, 505) show here alone. */
  connection(change: 'opened' | 'closed'): void;
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

export type BodyFailure = keyof typeof BODY_FAILURES | 'aborted';

/** Status of a body that was not read to its end. */
export const BODY_FAILURES = {
  'too-large': '413 Payload Too Large',
  'too-slow': '408 Request Timeout',
  'no-room': '503 Service Unavailable',
} as const;

/** A body being received, watched by the pace timer. */
interface Pending {
  exchange: HttpExchange;
  startedAt: number;
  /** Received so far. */
  bytes: number;
  /** What is kept of it; null while nothing is, and when it is dropped. */
  kept: BodyBuffer | null;
  /** Since when we keep it waiting, 0 while we do not, and for how long we did before: that is not the CPE's pace. */
  pausedAt: number;
  pausedMs: number;
  /** Its failure is counted already. */
  failed: boolean;
  /**
   * Not null while the body is read only to be dropped: what it is answered with after its last byte. An answer before that would close the
   * connection under a CPE that still writes, and the reset would take the answer with it.
   */
  dropFor: HttpReply | null;
}

const EMPTY = new Uint8Array(0);
/** Slow bodies are re-armed this often: three times within what uWebSockets.js allows. */
export const REARM_MS = 4_000;
const TOO_LARGE: HttpReply = {
  status: BODY_FAILURES['too-large'],
  body: `The request body is larger than ${LIMITS.bodyBytesMax} bytes.\n`,
  contentType: 'text/plain',
};
const NO_ROOM: HttpReply = { status: BODY_FAILURES['no-room'], body: '', headers: [['Retry-After', '30']] };

/**
 * Opens the server; several threads may listen on the same port (SO_REUSEPORT).
 * @throws Error when the port cannot be listened on, or the certificate not used.
 */
export function openHttp(
  host: string,
  port: number,
  wants: HttpWants,
  handler: HttpHandler,
  tls: HttpTls | null = null,
): Promise<HttpServer> {
  const pending = new Set<Pending>();
  let heldBytes = 0;
  const pace = new BodyPace<Pending>({
    now: () => performance.now(),
    hasRoom: () => handler.hasRoom(),
    afterReading: setImmediate,
    pause(watch) {
      watch.pausedAt = Date.now();
      watch.exchange.res.pause();
    },
    resume(watch) {
      watch.pausedMs += Date.now() - watch.pausedAt;
      watch.pausedAt = 0;
      if (!watch.exchange.aborted) watch.exchange.res.resume();
    },
  });
  const app = tls === null ? App() : SSLApp({ cert_file_name: tls.certificateFile, key_file_name: tls.keyFile });

  // POSTs to anywhere are CWMP, but for the files; what else comes is read in full and refused or served by the handler.
  app.post('/files/*', (res: HttpResponse, req: HttpRequest) => take(readWhole(res, req, wants)));
  app.post('/*', (res: HttpResponse, req: HttpRequest) => take(readPost(res, req, wants)));
  app.any('/*', (res: HttpResponse, req: HttpRequest) => take(readWhole(res, req, wants)));
  app.filter((_res, change) => handler.connection(change > 0 ? 'opened' : 'closed'));

  function take(exchange: HttpExchange): void {
    let head: ReturnType<HttpHandler['head']>;
    try {
      head = handler.head(exchange);
    } catch (error) {
      send(exchange, { ...handler.failed(exchange, error), close: true });
      return;
    }
    if (head.type === 'taken') {
      exchange.corked = false;
      return;
    }
    if (exchange.contentLength === 0) {
      // The library tells no end of a body of announced length 0 when the headers came in several segments: there is nothing to wait for.
      if (head.type === 'discard') send(exchange, head.reply);
      else answer(exchange, EMPTY);
      if (!exchange.aborted) watchAbort(exchange);
    } else {
      // Asked while the connection is surely there: what fails later is told with it.
      void exchange.addressBytes;
      const watch = watchBody(exchange);
      if (head.type === 'discard') watch.dropFor = head.reply;
      else if (exchange.contentLength > LIMITS.bodyBytesMax) refuseBody(watch, 'too-large');
      receive(watch);
      if (exchange.contentLength > LIMITS.inlineBytesMax) pace.begin(watch);
    }
    exchange.corked = false;
  }

  function receive(watch: Pending): void {
    const { exchange } = watch;
    const { res } = exchange;
    res.onAborted(() => {
      exchange.aborted = true;
      if (!pending.has(watch)) return;
      letGo(watch);
      if (!watch.failed) handler.bodyFailed(exchange, 'aborted');
    });
    res.onData((chunk, isLast) => {
      if (exchange.aborted) return;
      exchange.corked = true;
      received(watch, chunk, isLast);
      exchange.corked = false;
    });
  }

  function received(watch: Pending, chunk: ArrayBuffer, isLast: boolean): void {
    const { exchange } = watch;
    const isPaced = pace.has(watch);
    watch.bytes += chunk.byteLength;
    if (watch.dropFor === null) collect(watch, chunk, isLast);
    if (watch.dropFor !== null && (isLast || watch.bytes > LIMITS.bodyBytesDroppedMax)) {
      letGo(watch);
      send(exchange, isLast ? watch.dropFor : { ...watch.dropFor, close: true });
      return;
    }
    // Its last piece counts as well; it has ended by then, and is not paused.
    if (isPaced) pace.took(watch, chunk.byteLength);
    else if (!isLast && watch.bytes > LIMITS.inlineBytesMax) pace.begin(watch);
  }

  /** Keeps a chunk, and answers with the last one; a body that grows beyond the bounds is dropped from here on. */
  function collect(watch: Pending, chunk: ArrayBuffer, isLast: boolean): void {
    if (isLast && watch.kept === null) {
      letGo(watch);
      answer(watch.exchange, chunk.byteLength === 0 ? EMPTY : new Uint8Array(chunk));
      return;
    }
    if (watch.bytes > LIMITS.bodyBytesMax) {
      refuseBody(watch, 'too-large');
      return;
    }
    // The library tells an empty piece when the headers fill a segment by themselves.
    if (chunk.byteLength > 0 && !hold(watch, chunk)) return;
    if (!isLast) return;
    const whole = watch.kept?.whole() ?? EMPTY;
    watch.exchange.bodyIsOwned = true;
    letGo(watch);
    answer(watch.exchange, whole);
  }

  /** Keeps a copy of a piece, which is only valid during the call; false when there is no room and the body was refused. */
  function hold(watch: Pending, chunk: ArrayBuffer): boolean {
    watch.kept ??= new BodyBuffer(watch.exchange.contentLength);
    const { kept } = watch;
    const more = kept.costWith(chunk.byteLength) - kept.cost;
    if (heldBytes + more > LIMITS.bodyBytesHeldMax) {
      refuseBody(watch, 'no-room');
      return false;
    }
    heldBytes += more;
    kept.add(new Uint8Array(chunk));
    return true;
  }

  /** Counts a body as failed and drops the rest of it; the answer follows its last byte. */
  function refuseBody(watch: Pending, why: 'too-large' | 'no-room'): void {
    handler.bodyFailed(watch.exchange, why);
    drop(watch);
    watch.failed = true;
    watch.dropFor = why === 'too-large' ? TOO_LARGE : NO_ROOM;
  }

  /** The bytes of a body are no longer held, and its pace no longer watched. */
  function letGo(watch: Pending): void {
    pending.delete(watch);
    pace.end(watch);
    drop(watch);
  }

  function drop(watch: Pending): void {
    heldBytes -= watch.kept?.cost ?? 0;
    watch.kept = null;
  }

  function watchBody(exchange: HttpExchange): Pending {
    const watch: Pending = {
      exchange,
      startedAt: Date.now(),
      bytes: 0,
      kept: null,
      pausedAt: 0,
      pausedMs: 0,
      failed: false,
      dropFor: null,
    };
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
      const paused = watch.pausedMs + (watch.pausedAt === 0 ? 0 : now - watch.pausedAt);
      const age = now - watch.startedAt - paused;
      if (watch.exchange.aborted) {
        letGo(watch);
      } else if (!keepsPace(age, watch.bytes)) {
        // A slowloris, or a body shorter than its Content-Length.
        letGo(watch);
        if (!watch.failed) handler.bodyFailed(watch.exchange, 'too-slow');
        send(watch.exchange, {
          status: BODY_FAILURES['too-slow'],
          body: 'The request body did not arrive in time.\n',
          close: true,
        });
      } else {
        if (watch.pausedAt === 0) rearm(watch.exchange.res);
        else watch.exchange.res.pause();
        if (watch.dropFor === null) handler.bodyArriving(watch.exchange);
      }
    }
  }, REARM_MS);

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
          pace.close();
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
  if (exchange.corked) write(exchange, reply);
  else exchange.res.cork(() => write(exchange, reply));
}

function write({ res, method }: HttpExchange, reply: HttpReply): void {
  const { status } = reply;
  // What the library writes by itself.
  if (status !== '200 OK') res.writeStatus(status);
  if (reply.contentType !== undefined) res.writeHeader('Content-Type', reply.contentType);
  if (reply.setCookie !== undefined) res.writeHeader('Set-Cookie', reply.setCookie);
  if (reply.headers !== undefined) for (const [name, value] of reply.headers) res.writeHeader(name, value);
  // A 204 carries neither body nor Content-Length (CWMP H3), the answer to HEAD no body. Without a length handed in, none is written.
  if (status.startsWith('204') || method === 'HEAD') res.endWithoutBody();
  // uWS writes `Connection: close` itself when asked to close.
  else res.end(reply.body, reply.close === true);
}

/** Marks an exchange whose answer is still to come when its connection closes. */
function watchAbort(exchange: HttpExchange): void {
  exchange.res.onAborted(() => {
    exchange.aborted = true;
  });
}

/** Starts the time-out of uWebSockets.js afresh: about 12 s, compiled in, in either direction. */
export function rearm(res: HttpResponse): void {
  res.pause();
  res.resume();
}

const BASIC = /^basic /i;

/** A CWMP POST: the few headers that count. */
function readPost(res: HttpResponse, req: HttpRequest, { credentials, front }: HttpWants): HttpExchange {
  const exchange = new HttpExchange(res);
  const length = req.getHeader('content-length');
  if (length === '0') exchange.contentLength = 0;
  else {
    if (length !== '') exchange.contentLength = Number(length);
    exchange.contentType = req.getHeader('content-type');
    exchange.contentEncoding = req.getHeader('content-encoding');
  }
  exchange.cookie = req.getHeader('cookie');
  if (credentials) {
    const given = req.getHeader('authorization');
    exchange.authorization = given;
    // What was asked for is signed in Digest.
    if (given !== '' && !BASIC.test(given)) {
      exchange.path = req.getUrl();
      exchange.query = req.getQuery() ?? '';
    }
  }
  if (front !== null) readFront(exchange, req, front);
  return exchange;
}

/** What the front says counts, if it is one; in front of any other decision, for who the CPE is and where it is come from here. */
function readFront(exchange: HttpExchange, req: HttpRequest, front: HttpFront): void {
  if (!front.isTrusted(exchange.addressBytes)) return;
  if (front.certificateHeader !== '') exchange.certificate = req.getHeader(front.certificateHeader);
  if (front.addressHeader === '') return;
  // What is no address leaves the front's own: a request of the front itself, or of one that sets no such header.
  const told = addressBytes(req.getHeader(front.addressHeader));
  if (told !== null) exchange.cameFrom(told);
}

/** Anything else, which is rare. */
function readWhole(res: HttpResponse, req: HttpRequest, wants: HttpWants): HttpExchange {
  const exchange = readPost(res, req, wants);
  exchange.method = req.getCaseSensitiveMethod();
  exchange.path = req.getUrl();
  exchange.query = req.getQuery() ?? '';
  exchange.authorization = req.getHeader('authorization');
  exchange.contentEncoding = req.getHeader('content-encoding');
  exchange.range = req.getHeader('range');
  exchange.ifRange = req.getHeader('if-range');
  exchange.contentRange = req.getHeader('content-range');
  watchAbort(exchange);
  return exchange;
}
