// A session of a CPE as cheap as it can be: a plain socket, prebuilt bytes out, and of what comes back only status, length, cookie and, when
// the ACS asks for something, its request. Objects are used again; nothing waits on a promise. It keeps no timer: its owner asks for
// `deadlineAt` and calls `timedOut`.
//
//   connecting ─▶ informing ─▶ (completing) ─▶ asking ─204─▶ over: served
//        │            │                        │  ▲ └─RPC─▶ answered
//        │            └─503─▶ over: shed       │  └──────────┘
//        └─ refused, reset, silent, cut short, any other answer ─▶ over: failed

import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { type HttpTarget, headOf, type InformRequests } from './cpe-bytes.ts';
import { answerRpc, type Held, transferComplete } from './rpc-answers.ts';
import { type ClassName, SAYINGS, type Saying } from './scenarios.ts';

export type Outcome = 'served' | 'shed' | 'failed';
/** Why a session failed: a few words, so that they can be counted. */
export type FailureName =
  | 'connection refused'
  | 'connect timed out'
  | 'no free port'
  | 'connection reset'
  | 'closed before an answer'
  | 'half an answer'
  | 'no answer in time'
  | 'shed in mid-session'
  | 'another answer'
  | 'the run ended';

export interface Patience {
  connectMs: number;
  answerMs: number;
}

/** What all sessions of a generator share. */
export interface SessionContext {
  host: string;
  port: number;
  target: HttpTarget;
  requests: InformRequests;
  patience: Patience;
  now(): number;
  /** A session is over: read what it has recorded, it may begin another one at once. */
  over(session: LightSession): void;
}

/** Who begins a session, as far as it shows in the Inform. */
export interface Who {
  name: ClassName;
  n: number;
  address: number;
  build: number;
  retryCount: number;
  /** Where it connects from; undefined leaves that to the system. */
  localAddress: string | undefined;
  /** Values it was given; null for one whose values nobody asks for once the session is over. */
  held: Held | null;
}

type Phase = 'connecting' | 'informing' | 'completing' | 'asking' | 'over';

/** Received bytes of all sessions pass through one buffer: they are looked at before the next are read. */
const RECEIVED = Buffer.allocUnsafe(64 * 1024);
/** Bytes of an answer that are waited for; more is another answer. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const SOCKET_ERRORS: Record<string, FailureName> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'connect timed out',
  EADDRNOTAVAIL: 'no free port',
  EMFILE: 'no free port',
};

/** A socket that knows whose it is; null once the session no longer cares for it. */
class CpeSocket extends Socket {
  session: LightSession | null = null;
}

function onConnect(this: CpeSocket): void {
  this.session?.connected();
}

function onError(this: CpeSocket, error: NodeJS.ErrnoException): void {
  this.session?.broken(SOCKET_ERRORS[error.code ?? ''] ?? 'connection reset');
}

function onClose(this: CpeSocket): void {
  this.session?.broken(null);
}

export class LightSession {
  /** Place among the CPEs of its owner. */
  id = -1;
  /** Who begins it: set before `begin`, and left alone until it is over. */
  readonly who: Who = {
    name: 'periodic',
    n: 0,
    address: 0,
    build: 0,
    retryCount: 0,
    localAddress: undefined,
    held: null,
  };
  /** Of the session in hand, or of the last one. */
  outcome: Outcome = 'failed';
  failure: FailureName | null = null;
  retryAfterSeconds = 0;
  /** Requests of the ACS that were answered. */
  rpcs = 0;
  /** When it began, was connected, had its InformResponse, and was over; 0 for what has not been. */
  startedAt = 0;
  connectedAt = 0;
  informedAt = 0;
  endedAt = 0;
  /** When the owner has to call `timedOut`. */
  deadlineAt = 0;
  readonly #context: SessionContext;
  /** Node takes `onread` here; its typings know it of `connect` alone. */
  readonly #socketOptions: SocketConstructorOpts & Pick<ConnectOpts, 'onread'>;
  readonly #connectOptions: { host: string; port: number; family: 4; autoSelectFamily: false; localAddress?: string };
  readonly #head: string;
  #socket: CpeSocket | null = null;
  #phase: Phase = 'over';
  #cookie = '';
  /** A POST that waits for a new connection, after the ACS closed the one before. */
  #waiting = '';
  /** What was received of an answer that is not whole yet. */
  #partial = '';

  constructor(context: SessionContext) {
    this.#context = context;
    this.#head = headOf(context.target);
    const callback = (length: number): boolean => {
      this.#received(RECEIVED.toString('latin1', 0, length));
      return true;
    };
    this.#socketOptions = { onread: { buffer: RECEIVED, callback } };
    // Told in full, so that Node looks nothing up and tries no second family.
    this.#connectOptions = { host: context.host, port: context.port, family: 4, autoSelectFamily: false };
  }

  /** Begins a session; `over` of the context is called exactly once for it, never within this call. */
  begin(id: number): void {
    this.id = id;
    this.#phase = 'connecting';
    this.#cookie = '';
    this.#waiting = '';
    this.#partial = '';
    this.outcome = 'failed';
    this.failure = null;
    this.retryAfterSeconds = 0;
    this.rpcs = 0;
    this.connectedAt = 0;
    this.informedAt = 0;
    this.endedAt = 0;
    this.startedAt = this.#context.now();
    this.#connect();
  }

  /** The deadline is over and nothing has come. */
  timedOut(): void {
    this.#end('failed', this.#phase === 'connecting' ? 'connect timed out' : 'no answer in time');
  }

  /** Ends a session that is under way: the run is over. */
  cut(): void {
    this.#end('failed', 'the run ended');
  }

  /** The socket is connected. For the socket alone. */
  connected(): void {
    const now = this.#context.now();
    this.deadlineAt = now + this.#context.patience.answerMs;
    if (this.#phase === 'connecting') {
      const { name, n, address, build, retryCount } = this.who;
      this.connectedAt = now;
      this.#phase = 'informing';
      // Written in one piece at once, so the bytes are free for the next Inform afterwards.
      this.#socket!.write(this.#context.requests.of(name, n, address, build, retryCount));
    } else {
      this.#socket!.write(this.#waiting, 'latin1');
      this.#waiting = '';
    }
  }

  /** The socket failed, or was closed by the other end (null). For the socket alone. */
  broken(failure: FailureName | null): void {
    this.#end('failed', failure ?? (this.#partial === '' ? 'closed before an answer' : 'half an answer'));
  }

  #connect(): void {
    this.deadlineAt = this.#context.now() + this.#context.patience.connectMs;
    const socket = new CpeSocket(this.#socketOptions);
    socket.session = this;
    this.#socket = socket;
    socket.on('connect', onConnect);
    socket.on('error', onError);
    socket.on('close', onClose);
    this.#connectOptions.localAddress = this.who.localAddress;
    socket.connect(this.#connectOptions);
  }

  #received(text: string): void {
    if (this.#phase === 'over') return;
    const whole = this.#partial === '' ? text : this.#partial + text;
    const headEnd = whole.indexOf('\r\n\r\n');
    const status = headEnd < 0 ? 0 : statusOf(whole);
    // Of a 204 the head is all there is (RFC 9112 §6.3).
    const length = headEnd < 0 || status === 204 ? 0 : numberIn(whole, headEnd, 'ontent-', 'ength: ');
    if (headEnd < 0 || whole.length < headEnd + 4 + length) {
      this.#partial = whole;
      if (whole.length > ANSWER_BYTES_MAX) this.#end('failed', 'another answer');
      return;
    }
    this.#partial = '';
    this.#answered(status, whole, headEnd, length);
  }

  #answered(status: number, text: string, headEnd: number, length: number): void {
    if (status === 503 && this.#phase === 'informing') {
      this.retryAfterSeconds = numberIn(text, headEnd, 'etry-', 'fter: ');
      this.#end('shed', null);
    } else if (status === 503) this.#end('failed', 'shed in mid-session');
    else if (this.#phase === 'informing' && status === 200) this.#informed(text, headEnd);
    else if (this.#phase === 'completing' && status === 200) this.#ask('', text, headEnd);
    else if (this.#phase === 'asking' && (status === 204 || (status === 200 && length === 0)))
      this.#end('served', null);
    else if (this.#phase === 'asking' && status === 200) this.#rpc(text, headEnd);
    else this.#end('failed', 'another answer');
  }

  #informed(text: string, headEnd: number): void {
    this.informedAt = this.#context.now();
    const cookie = cookieIn(text, headEnd);
    this.#cookie = cookie === '' ? '' : `Cookie: ${cookie}\r\n`;
    const saying: Saying = SAYINGS[this.who.name];
    if (saying.transferComplete === undefined) this.#ask('', text, headEnd);
    else {
      const key = saying.events.find(([code]) => code === 'M Download')?.[1] ?? '';
      this.#phase = 'completing';
      this.#post(transferComplete(key), text, headEnd);
    }
  }

  #rpc(text: string, headEnd: number): void {
    this.rpcs++;
    this.who.held ??= new Map();
    this.#ask(answerRpc(text.slice(headEnd + 4), this.who.held), text, headEnd);
  }

  /** Gives the turn to the ACS, with the answer to its request or with nothing. */
  #ask(body: string, text: string, headEnd: number): void {
    this.#phase = 'asking';
    this.#post(body, text, headEnd);
  }

  /** @param text the answer that came before, with its head up to `headEnd`: does it close the connection? */
  #post(body: string, text: string, headEnd: number): void {
    // Everything here is ASCII: as many bytes as characters.
    const request = `${this.#head}${this.#cookie}Content-Length: ${body.length}\r\n\r\n${body}`;
    if (closes(text, headEnd)) {
      this.#drop();
      this.#waiting = request;
      this.#connect();
      return;
    }
    this.deadlineAt = this.#context.now() + this.#context.patience.answerMs;
    this.#socket!.write(request, 'latin1');
  }

  #drop(): void {
    const socket = this.#socket!;
    socket.session = null;
    this.#socket = null;
    socket.destroy();
  }

  #end(outcome: Outcome, failure: FailureName | null): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.outcome = outcome;
    this.failure = failure;
    this.endedAt = this.#context.now();
    this.#drop();
    this.#context.over(this);
  }
}

/** Status of an HTTP/1.x answer; 0 when it is none. */
function statusOf(text: string): number {
  const [a, b, c] = [text.charCodeAt(9) - 48, text.charCodeAt(10) - 48, text.charCodeAt(11) - 48];
  return a >= 1 && a <= 5 && b >= 0 && b <= 9 && c >= 0 && c <= 9 ? a * 100 + b * 10 + c : 0;
}

/**
 * The number of a header with two words in its name, 0 when it is absent or none: `ontent-` and `ength: ` are Content-Length, however its
 * initials are written.
 */
function numberIn(text: string, headEnd: number, first: string, second: string): number {
  for (let at = text.indexOf(first); at >= 0 && at < headEnd; at = text.indexOf(first, at + 1)) {
    const from = at + first.length + 1;
    if (!text.startsWith(second, from)) continue;
    let number = 0;
    for (let i = from + second.length; ; i++) {
      const digit = text.charCodeAt(i) - 48;
      if (!(digit >= 0 && digit <= 9)) return number;
      number = number * 10 + digit;
    }
  }
  return 0;
}

/** The cookies that are set, as they are sent back. */
function cookieIn(text: string, headEnd: number): string {
  let cookies = '';
  for (let at = text.indexOf('et-'); at >= 0 && at < headEnd; at = text.indexOf('et-', at + 1)) {
    if (!text.startsWith('ookie: ', at + 4)) continue;
    const from = at + 11;
    let end = from;
    for (let code = text.charCodeAt(end); code !== 59 && code !== 13; code = text.charCodeAt(end)) end++;
    cookies += (cookies === '' ? '' : '; ') + text.slice(from, end);
  }
  return cookies;
}

function closes(text: string, headEnd: number): boolean {
  const at = text.indexOf('onnection: ');
  return at >= 0 && at < headEnd && text.startsWith('lose', at + 12);
}
