// The connection to NATS: opened with the right credentials, refused when the server is not one we can rely on, and open again for ever
// after. What uses it asks for a `Link`, which holds exactly as long as one connection does.
//
//   away ─connected─▶ checking ─as it must be─▶ linked ─lost─▶ away
//                        └──not as it must be: refused (at start) or a problem that is looked at again──▶ away

import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import {
  AuthorizationError,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  InvalidArgumentError,
  type NatsConnection,
  nkeyAuthenticator,
  PermissionViolationError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node';
import { BusError, ConfigError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { systemTimers } from '../base/timers.ts';
import type { NatsMetrics } from './nats-metrics.ts';
import { makeStreams, mendAllConsumers, type StreamName } from './nats-streams.ts';
import { inboxOf } from './subjects.ts';

export interface NatsOptions {
  /** One or more, with commas between: `nats://` or `tls://`, user and password in it when the server wants them. */
  url: string;
  /** Files, as the nats tools make them; null when there is none. */
  credentials: string | null;
  nkey: string | null;
  ca: string | null;
  certificate: string | null;
  key: string | null;
  /** JetStream domain of the hub; null when the server we connect to has the streams itself. */
  domain: string | null;
  /** Control makes and checks the streams, in so many replicas; an edge leaves them alone: null. */
  replicas: number | null;
  /** Who connects, in tokens of a subject: answers to its questions arrive below `inboxOf` it. */
  name: string;
}

/** A connection that was checked. */
export interface Link {
  nats: NatsConnection;
  jsm: JetStreamManager;
  /** What every subject of JetStream's API begins with. */
  api: string;
  /** Of control: the number of the last message of each stream when the connection was new; empty on an edge. */
  lastStored: ReadonlyMap<StreamName, number>;
  /** Bytes of one message. */
  bytesMax: number;
  /** Aborted when the connection is lost: what was asked on it is never answered. */
  lost: AbortSignal;
}

/** Room for subject, id and headers beside the bytes of a message. */
const HEAD_BYTES = 1_024;
const VERSION_MIN = [2, 9] as const;

export class NatsRoad {
  readonly #o: NatsOptions;
  readonly #log: Log;
  readonly #metrics: NatsMetrics;
  readonly #connect: ConnectionOptions;
  readonly #listeners = new Set<() => void>();
  #nats: NatsConnection | null = null;
  #link: { link: Link; lose: AbortController } | null = null;
  /** Raised when a connection comes or goes: a check of an older one is over. */
  #epoch = 0;
  /** Why there is no link, or what was forbidden on it; null while all is well. */
  #problem: string | null = 'NATS is not connected yet';
  #closed = false;
  /** Settles with the first link, or with why there will be none; until then the start waits for it. */
  readonly #first: Promise<void>;
  #started: () => void = () => {};
  #refused: (error: ConfigError) => void = () => {};
  #starting = true;

  /** Reads the files; throws ConfigError `nats-file` or `nats-url` naming the one that cannot be used. */
  private constructor(options: NatsOptions, log: Log, metrics: NatsMetrics) {
    this.#o = options;
    this.#log = log;
    this.#metrics = metrics;
    this.#connect = connectionOptions(options);
    this.#first = new Promise((resolve, reject) => {
      this.#started = resolve;
      this.#refused = reject;
    });
  }

  /**
   * Connects. A server that does not answer is waited for a moment and then tried for ever in the background: an edge starts without the centre.
   * @throws ConfigError when what answers cannot be used: credentials, TLS, version, size of messages, JetStream, a stream that was changed.
   */
  static async open(options: NatsOptions, log: Log, metrics: NatsMetrics): Promise<NatsRoad> {
    const road = new NatsRoad(options, log, metrics);
    void road.#run();
    const cancel = systemTimers.after(LIMITS.natsStartMs, () => road.#started());
    try {
      await road.#first;
    } catch (error) {
      await road.close();
      throw error;
    } finally {
      cancel();
      road.#starting = false;
    }
    if (road.link() === null) log.warn({ why: road.#problem }, 'started without NATS; it is tried again for ever');
    return road;
  }

  link(): Link | null {
    return this.#link?.link ?? null;
  }

  /** Resolves with a link within `ms`; rejects with BusError. */
  async whenLinked(ms: number): Promise<Link> {
    const now = this.link();
    if (now !== null) return now;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const link = this.link();
        if (link === null && !this.#closed) return;
        cancel();
        this.#listeners.delete(look);
        if (link === null) reject(closed());
        else resolve(link);
      };
      const cancel = systemTimers.after(ms, () => {
        this.#listeners.delete(look);
        reject(new BusError('not-taken', `There is no way over NATS: ${this.#problem}.`));
      });
      this.#listeners.add(look);
      look();
    });
  }

  /** Runs `look` whenever a link came, or the end. Returns how to stop. */
  onChange(look: () => void): () => void {
    this.#listeners.add(look);
    return () => this.#listeners.delete(look);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  problems(): string[] {
    return this.#problem === null ? [] : [this.#problem];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const nats = this.#nats;
    const linked = this.#link !== null;
    // Acknowledgements are messages too: those under way leave before the connection does.
    if (nats !== null && linked) await Promise.race([nats.flush().catch(() => {}), pause(LIMITS.natsCloseMs)]);
    this.#lose();
    await nats?.close();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        const nats = await connect(this.#connect);
        if (this.#closed) return await nats.close();
        this.#nats = nats;
        await this.#follow(nats);
      } catch (error) {
        this.#trouble(readable(error));
      }
      if (!this.#closed) await pause(reconnectMs());
    }
  }

  /** Lives as long as the client does, which connects again by itself: until it is closed. */
  async #follow(nats: NatsConnection): Promise<void> {
    void this.#check(nats);
    for await (const status of nats.status()) {
      switch (status.type) {
        case 'disconnect':
          this.#lose();
          if (!this.#closed) this.#trouble(new BusError('not-taken', `NATS at ${status.server} is away`));
          break;
        case 'reconnect':
          this.#metrics.reconnects.inc();
          void this.#check(nats);
          break;
        case 'error':
          if (status.error instanceof PermissionViolationError) {
            this.#problem = `NATS forbids this user to ${verb(status.error)} ${status.error.subject}: see deploy/nats`;
          }
          this.#log.error({ err: status.error }, 'NATS refused something');
          break;
      }
    }
    this.#lose();
  }

  /** Until this connection is as it must be, or gone. */
  async #check(nats: NatsConnection): Promise<void> {
    const epoch = ++this.#epoch;
    while (epoch === this.#epoch && !this.#closed) {
      try {
        const link = await this.#examine(nats);
        if (epoch !== this.#epoch || this.#closed) return;
        const lose = new AbortController();
        // Every partition waits for its end.
        setMaxListeners(0, lose.signal);
        this.#link = { link: { ...link, lost: lose.signal }, lose };
        this.#problem = null;
        this.#metrics.connected = 1;
        const { version, server_name: server } = nats.info ?? {};
        this.#log.info({ server, version }, 'NATS connected');
        this.#started();
        for (const look of [...this.#listeners]) look();
        if (this.#o.replicas !== null) this.#mendNowAndThen(this.#link.link);
        return;
      } catch (error) {
        this.#trouble(readable(error));
      }
      await pause(LIMITS.natsCheckAgainMs);
    }
  }

  async #examine(nats: NatsConnection): Promise<Omit<Link, 'lost'>> {
    const { domain, replicas } = this.#o;
    const { version = '', max_payload: payloadMax = 0, jetstream = false } = nats.info ?? {};
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
      throw new ConfigError('nats-version', `This is nats-server ${version}; Starling needs 2.9 or newer.`);
    }
    if (payloadMax < LIMITS.natsMessageBytesMax) {
      const text = `The NATS server takes messages of ${payloadMax} bytes; Starling needs ${LIMITS.natsMessageBytesMax}. Set max_payload: 8MB.`;
      throw new ConfigError('nats-payload', text);
    }
    if (domain === null && !jetstream) {
      const text =
        'This NATS server has no JetStream. Switch it on (jetstream { } in its configuration), or name the domain of the hub behind it with STARLING_NATS_DOMAIN.';
      throw new ConfigError('nats-jetstream', text);
    }
    const api = domain === null ? '$JS.API' : `$JS.${domain}.API`;
    const jsm = await jetstreamManager(nats, {
      apiPrefix: api,
      checkAPI: false,
      timeout: LIMITS.natsAnswerMs,
    });
    const lastStored = replicas === null ? new Map<StreamName, number>() : await makeStreams(jsm, replicas);
    return { nats, jsm, api, lastStored, bytesMax: LIMITS.natsMessageBytesMax - HEAD_BYTES };
  }

  #mendNowAndThen({ jsm, lost }: Link): void {
    const timer = setInterval(() => {
      mendAllConsumers(jsm).catch((error: unknown) => {
        if (!lost.aborted) this.#log.warn({ err: error }, 'the consumers at the hub could not be looked at');
      });
    }, LIMITS.natsMendMs);
    timer.unref();
    lost.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  #lose(): void {
    this.#epoch++;
    this.#metrics.connected = 0;
    const link = this.#link;
    this.#link = null;
    link?.lose.abort();
    if (this.#closed) for (const look of [...this.#listeners]) look();
  }

  /** Says what is wrong once for as long as it stays the same; at start what will not pass ends the start. */
  #trouble(error: Error): void {
    const text = error.message.replace(/\.$/, '');
    if (this.#starting && error instanceof ConfigError) this.#refused(error);
    if (this.#problem !== text && !this.#starting) this.#log.warn({ err: error }, 'NATS cannot be used now');
    this.#problem = text;
  }
}

export function closed(): BusError {
  return new BusError('closed', 'The bus is closed: this process is stopping.');
}

function verb({ operation }: PermissionViolationError): string {
  return operation === 'publish' ? 'publish on' : 'subscribe to';
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** Spread, because all edges lose a hub in the same moment. */
function reconnectMs(): number {
  return LIMITS.natsReconnectMsMin + Math.random() * (LIMITS.natsReconnectMsMax - LIMITS.natsReconnectMsMin);
}

function connectionOptions(options: NatsOptions): ConnectionOptions {
  const { url, credentials, nkey, ca, certificate, key, name } = options;
  const urls = url.split(',').map((text) => parseUrl(text.trim()));
  const encrypted = urls.some(({ protocol }) => protocol === 'tls:') || ca !== null || certificate !== null;
  // The client compares the certificate of an address with `localhost`: it would fail, with a reason nobody understands.
  if (encrypted && urls.some(({ hostname }) => isIP(hostname.replace(/^\[|\]$/g, '')) !== 0)) {
    throw new ConfigError(
      'nats-url',
      'With TLS name the host of NATS in STARLING_NATS_URL, not its address: the certificate is of a name.',
    );
  }
  const { username, password } = urls[0]!;
  const authenticator = [];
  if (credentials !== null) authenticator.push(credsAuthenticator(read(credentials, 'STARLING_NATS_CREDENTIALS')));
  if (nkey !== null) {
    // Tools write seeds with a line break behind them.
    const seed = read(nkey, 'STARLING_NATS_NKEY').toString('utf8').trim();
    authenticator.push(nkeyAuthenticator(Buffer.from(seed)));
  }
  return {
    servers: urls.map(({ host }) => host),
    name: `starling ${name}`,
    inboxPrefix: inboxOf(name),
    ...(username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(authenticator.length === 0 ? {} : { authenticator }),
    ...(encrypted
      ? {
          tls: {
            ...(ca === null ? {} : { ca: read(ca, 'STARLING_NATS_CA').toString('utf8') }),
            ...(certificate === null ? {} : { cert: read(certificate, 'STARLING_NATS_CERTIFICATE').toString('utf8') }),
            ...(key === null ? {} : { key: read(key, 'STARLING_NATS_KEY').toString('utf8') }),
          },
        }
      : {}),
    timeout: LIMITS.natsAnswerMs,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: reconnectMs,
    pingInterval: LIMITS.natsPingMs,
  };
}

function parseUrl(text: string): URL {
  let url: URL | null = null;
  try {
    url = new URL(/^[a-z]+:\/\//.test(text) ? text : `nats://${text}`);
  } catch {
    // Said below; the text may hold a password.
  }
  if (url !== null && url.hostname !== '' && (url.protocol === 'nats:' || url.protocol === 'tls:')) return url;
  throw new ConfigError(
    'nats-url',
    'STARLING_NATS_URL must be nats://host:4222 or tls://host:4222, several with commas between.',
  );
}

function read(file: string, option: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('nats-file', `The file of ${option} cannot be read: ${why}.`, { cause });
  }
}

/** What the client threw, as something that says what to do when it will not pass by itself. */
function readable(error: unknown): Error {
  if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) {
    const text = `The NATS server does not let us in (${error.message}): check STARLING_NATS_URL, _CREDENTIALS or _NKEY.`;
    return new ConfigError('nats-credentials', text, { cause: error });
  }
  if (error instanceof InvalidArgumentError || isTls(error)) {
    const why = error instanceof Error ? error.message : String(error);
    const text = `NATS cannot be reached by TLS: ${why}. Check STARLING_NATS_URL, _CA, _CERTIFICATE and _KEY.`;
    return new ConfigError('nats-tls', text, { cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}

function isTls(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    // The client has no class of its own for a server without TLS.
    if (at.message === "server does not support 'tls'") return true;
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && /CERT|TLS|SSL|SIGNATURE/.test(code)) return true;
  }
  return false;
}
