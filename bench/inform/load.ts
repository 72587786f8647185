// The load of the Inform bench: whole sessions over plain sockets, some at once, as cheap as they can be, so that the server and not this
// side is measured. A session opens a connection, informs, POSTs empty (and answers what it is asked), and ends with 204.

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import {
  answerRpc,
  BIG_VALUES,
  basicLine,
  bigAnswer,
  type CpeAuth,
  DigestAnswer,
  head,
  Informs,
  type Traffic,
} from './cpe.ts';

export interface Load {
  host: string;
  port: number;
  tls: boolean;
  auth: CpeAuth;
  traffic: Traffic;
  /** Device numbers: session i is of device first + (seed + i × step) modulo devices. `first` is 0 unless said otherwise. */
  devices: number;
  seed: number;
  first?: number;
  step?: number;
  keepAlive: boolean;
  atOnce: number;
  /** Ends after this time, sessions that are open first; or after so many sessions. */
  seconds: number;
  sessions?: number;
  /** Sessions begun per second; absent: the next begins when one ends. */
  ratePerSecond?: number;
  /** Parameters of a big document; BIG_VALUES unless said otherwise. */
  values?: number;
}

export interface LoadResult {
  sessions: number;
  errors: number;
  /** What was wrong, the first few. */
  why: string[];
  seconds: number;
  /** RPCs of the ACS that were answered. */
  rpcs: number;
  /** Microseconds from the last byte of a POST to the last of its answer, sampled. */
  informUs: number[];
  emptyUs: number[];
  /** To the answer of the Inform from when its session was due, where sessions come at a rate: whatever was late is in it. */
  dueUs: number[];
}

const STEP = 7_919;
const SAMPLES_MAX = 50_000;
const ERRORS_MAX = 5;

/** Runs the load; resolves with what was done. Sessions that fail are counted, never thrown. */
export function runLoad(load: Load): Promise<LoadResult> {
  return new Promise((resolve) => new Run(load, resolve).start());
}

class Run {
  readonly load: Load;
  readonly informs: Informs;
  readonly result: LoadResult = {
    ...{ sessions: 0, errors: 0, why: [], seconds: 0, rpcs: 0 },
    ...{ informUs: [], emptyUs: [], dueUs: [] },
  };
  readonly #done: (result: LoadResult) => void;
  readonly #startedAt = performance.now();
  #begun = 0;
  #open = 0;
  #pace: NodeJS.Timeout | null = null;

  constructor(load: Load, done: (result: LoadResult) => void) {
    this.load = load;
    this.informs = new Informs(load.traffic);
    this.#done = done;
  }

  start(): void {
    const { ratePerSecond, atOnce } = this.load;
    if (ratePerSecond === undefined) {
      for (let i = 0; i < atOnce; i++) this.#next(null);
      return;
    }
    // As many as are due at each tick; a tick that comes late brings more, so that the rate holds.
    this.#pace = setInterval(() => {
      const due = ((performance.now() - this.#startedAt) / 1_000) * ratePerSecond;
      while (this.#begun < due && !this.#isOver()) this.#begin(new Session(this));
      if (this.#isOver()) this.#finish();
    }, 2);
  }

  /** A session ended well; its connection, when it is still open, may carry the next. */
  ended(session: Session, reusable: boolean): void {
    this.result.sessions++;
    this.#open--;
    this.#next(reusable ? session : null);
  }

  failed(why: string): void {
    this.result.errors++;
    if (this.result.why.length < ERRORS_MAX) this.result.why.push(why);
    this.#open--;
    // A server that refuses everything must not be asked as fast as it can refuse.
    setTimeout(() => this.#next(null), 10);
  }

  device(): number {
    const { seed, devices, first = 0, step = STEP } = this.load;
    return first + ((seed + this.#begun * step) % devices);
  }

  sample(into: number[], us: number): void {
    if (into.length < SAMPLES_MAX) into.push(us);
  }

  #next(kept: Session | null): void {
    if (this.#isOver()) {
      kept?.drop();
      this.#finish();
    } else if (this.#pace === null) this.#begin(kept ?? new Session(this));
    else kept?.drop();
  }

  #begin(session: Session): void {
    const { ratePerSecond } = this.load;
    const dueAt = ratePerSecond === undefined ? null : this.#startedAt + (this.#begun / ratePerSecond) * 1_000;
    const device = this.device();
    this.#begun++;
    this.#open++;
    session.begin(device, dueAt);
  }

  #isOver(): boolean {
    const { sessions, seconds } = this.load;
    return sessions === undefined ? performance.now() - this.#startedAt >= seconds * 1_000 : this.#begun >= sessions;
  }

  #finish(): void {
    if (this.#open > 0) return;
    if (this.#pace !== null) clearInterval(this.#pace);
    this.result.seconds = (performance.now() - this.#startedAt) / 1_000;
    this.#done(this.result);
  }
}

/** Received bytes pass through one buffer: they are looked at before the next are read. */
const RECEIVED = Buffer.allocUnsafe(64 * 1024);
const SESSION_CACHE_OFF: ConnectionOptions = { rejectUnauthorized: false };
/** A CPE waits longer; here a server that does not answer is to be seen. */
const ANSWER_MS = 20_000;

class Session {
  readonly #run: Run;
  #socket: Socket | null = null;
  #device = 0;
  /** null where sessions do not come at a rate. */
  #dueAt: number | null = null;
  #phase: 'inform' | 'challenged' | 'empty' | 'over' = 'over';
  #cookie = '';
  #digest: DigestAnswer | null = null;
  readonly #held = { value: 'old' };
  /** What was received of an answer that is not whole yet. */
  #partial = '';
  #sentAt = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  begin(device: number, dueAt: number | null): void {
    this.#device = device;
    this.#dueAt = dueAt;
    this.#phase = 'inform';
    this.#cookie = '';
    this.#digest = null;
    this.#held.value = 'old';
    if (this.#socket === null) this.#connect();
    else this.#inform();
  }

  /** Closes a kept connection. */
  drop(): void {
    this.#phase = 'over';
    this.#socket?.destroy();
    this.#socket = null;
  }

  #connect(): void {
    const { host, port, tls } = this.#run.load;
    const onread = {
      buffer: RECEIVED,
      callback: (length: number, buffer: Uint8Array) => {
        this.#received((buffer as Buffer).toString('latin1', 0, length));
        return true;
      },
    };
    const socket = tls
      ? connectTls({ ...SESSION_CACHE_OFF, host, port })
      : connect({ host, port, noDelay: true, onread });
    this.#socket = socket;
    if (tls) socket.on('data', (chunk: Buffer) => this.#received(chunk.toString('latin1')));
    socket.setTimeout(ANSWER_MS, () => this.#fail(`no answer within ${ANSWER_MS} ms`));
    socket.once(tls ? 'secureConnect' : 'connect', () => this.#inform());
    socket.once('error', (error) => this.#fail(error.message));
    socket.once('close', () => this.#fail('closed in mid-session'));
  }

  #inform(): void {
    const body = this.#run.informs.of(this.#device);
    this.#post(body.length, body.toString('latin1'));
  }

  #post(length: number, body: string): void {
    this.#sentAt = performance.now();
    this.#socket!.write(head(length, this.#cookie + this.#authorization()) + body, 'latin1');
  }

  #authorization(): string {
    const { auth } = this.#run.load;
    if (auth === 'basic') return basicLine(this.#device);
    return this.#digest === null ? '' : this.#digest.line();
  }

  #received(text: string): void {
    if (this.#phase === 'over') return;
    const whole = this.#partial + text;
    this.#partial = '';
    const headEnd = whole.indexOf('\r\n\r\n');
    if (headEnd < 0 || whole.length < headEnd + 4 + lengthIn(whole, headEnd)) {
      this.#partial = whole;
      return;
    }
    try {
      this.#answer(whole);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #answer(text: string): void {
    const now = performance.now();
    const us = (now - this.#sentAt) * 1_000;
    const run = this.#run;
    const status = text.slice(9, 12);
    if (this.#phase === 'inform' && status === '401' && run.load.auth === 'digest') {
      this.#phase = 'challenged';
      this.#digest = new DigestAnswer(this.#device, text);
      this.#inform();
    } else if (this.#phase === 'inform' || this.#phase === 'challenged') {
      if (status !== '200') {
        this.#fail(`an Inform was answered ${text.slice(9, 200)}`);
        return;
      }
      run.sample(run.result.informUs, us);
      if (this.#dueAt !== null) run.sample(run.result.dueUs, (now - this.#dueAt) * 1_000);
      this.#phase = 'empty';
      this.#cookie = `Cookie: ${cookieIn(text)}\r\n`;
      this.#post(0, '');
    } else if (status === '200' && run.load.traffic === 'action') {
      run.result.rpcs++;
      const body = answerRpc(text, this.#held);
      this.#post(Buffer.byteLength(body), body);
    } else if (status === '200' && run.load.traffic === 'big') {
      run.result.rpcs++;
      const pieces = bigAnswer(text, run.load.values ?? BIG_VALUES);
      this.#post(
        pieces.reduce((sum, { length }) => sum + length, 0),
        '',
      );
      for (const piece of pieces) this.#socket!.write(piece);
    } else if (status === '204') {
      run.sample(run.result.emptyUs, us);
      this.#end();
    } else this.#fail(`an empty POST was answered ${text.slice(9, 200)}`);
  }

  #end(): void {
    this.#phase = 'over';
    const keep = this.#run.load.keepAlive;
    if (!keep) {
      this.#socket!.end();
      this.#socket = null;
    }
    this.#run.ended(this, keep);
  }

  #fail(why: string): void {
    if (this.#phase === 'over') return;
    this.drop();
    this.#partial = '';
    this.#run.failed(why);
  }
}

/** Content-Length among the headers; 0 when there is none. */
function lengthIn(text: string, headEnd: number): number {
  let at = text.indexOf('ontent-Length: ');
  if (at < 0) at = text.indexOf('ontent-length: ');
  return at < 0 || at > headEnd ? 0 : Number.parseInt(text.slice(at + 15, at + 25), 10);
}

/** The first cookie that is set, name and value. */
function cookieIn(text: string): string {
  let at = text.indexOf('et-Cookie: ');
  if (at < 0) at = text.indexOf('et-cookie: ');
  if (at < 0) return '';
  at += 11;
  const line = text.slice(at, text.indexOf('\r\n', at));
  const end = line.indexOf(';');
  return end < 0 ? line : line.slice(0, end);
}
