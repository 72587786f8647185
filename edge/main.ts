// The edge as a process tree: one store, session threads on one port, a relay, a waker. Wires them, starts them, drains them; decides nothing.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { AggregatorRegistry, Registry } from 'prom-client';
import { systemClock } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import { entryUrl } from '../base/entries.ts';
import { ConfigError } from '../base/errors.ts';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { loadInstallationSecret } from '../base/secret-file.ts';
import { answerFiles } from '../bus/file-chunks.ts';
import { claimsOf, uploadsOf } from '../bus/subjects.ts';
import type { BusQuestions, BusTransport } from '../bus/transport.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import { secretsOfAny } from '../profiles/resolve.ts';
import { answerClaims } from './claims/asking.ts';
import { ClaimKeeper } from './claims/keeper.ts';
import { type TakenPort, takePort } from './cwmp-port.ts';
import { FileFetcher, filesOnDisk } from './file-fetcher.ts';
import { openFileStore } from './files.ts';
import { RecordingKeeper } from './recording/keeper.ts';
import { Relay } from './relay.ts';
import { createSessionMemory, SessionTable } from './session-table.ts';
import { openEdgeStore } from './store/lmdb-store.ts';
import { storeKeyOf } from './store/seal.ts';
import { Stamps } from './store/stamps.ts';
import type { FromThread, ThreadData, ToThread } from './thread-protocol.ts';
import { openWaker } from './waker.ts';

export interface Edge {
  /** The CWMP port, also when the configured one was 0. */
  port: number;
  filesDir: string;
  /** Prometheus text of relay, store and all session threads. */
  metrics(): Promise<string>;
  /** What is wrong, one sentence each; empty when healthy. */
  health(): string[];
  /** Stops accepting, lets sessions finish, drains the outbox as far as control takes it, closes. */
  close(): Promise<void>;
}

export interface EdgeParts {
  /** Where control is asked for files, and asks for uploads; null when both share a data folder. */
  questions?: BusQuestions | null;
  /** A bench's own, which puts one beside the other. */
  inlineBytesMax?: number;
}

/** How long a thread may take to say its metrics before they are left out of a scrape. */
const METRICS_WAIT_MS = 2_000;
const BROKEN_CHECK_MS = 1_000;

/**
 * Starts the edge on `config.dataDir`/edge.
 * @throws ConfigError when the port is taken, or the folder or the certificate unusable.
 */
export async function startEdge(
  config: Config,
  transport: BusTransport,
  log: Log,
  version: string,
  parts: EdgeParts = {},
): Promise<Edge> {
  checkCertificate(config);
  const taken = await takePort(config.cwmpHost, config.cwmpPort);
  try {
    return await startOn(taken, config, transport, log, version, parts);
  } catch (error) {
    taken.release();
    throw error;
  }
}

async function startOn(
  { port, release }: TakenPort,
  config: Config,
  transport: BusTransport,
  log: Log,
  version: string,
  { questions = null, inlineBytesMax = LIMITS.inlineBytesMax }: EdgeParts,
): Promise<Edge> {
  const storeDir = join(config.dataDir, 'edge');
  const filesDir = join(config.dataDir, 'files');
  const threadCount = config.edgeThreads;
  const files = openFileStore(filesDir);
  await files.removeLeftovers(performance.timeOrigin);
  const stamps = Stamps.forNewStart(storeDir);
  const ackedMemory = new SharedArrayBuffer(8 * (2 * threadCount + 1));
  const profiles = loadProfiles(config.profilesDir);
  const store = openEdgeStore({
    ...{ dir: storeDir, edgeId: config.edgeId, pop: config.pop, lane: 0, stamps },
    ...{ key: storeKeyOf(loadInstallationSecret(config.dataDir)), isSecret: secretsOfAny(profiles.values()) },
  });
  const registry = new Registry();
  const sessionMemory = createSessionMemory();
  const table = new SessionTable(sessionMemory);
  const contactMark = (cpeId: CpeId): number => table.mark(cpeId);
  const waker = openWaker({ store, contactMark, nudge: () => relay.nudge(), config, log, registry });
  const { edgeId, pop } = config;
  const fetcher =
    questions === null
      ? null
      : new FileFetcher({ questions, store: files, pop, edgeId, log, registry, clock: systemClock });
  const uploads = questions === null ? null : answerFiles(questions, uploadsOf(pop, edgeId), files);
  const bucket = config.popShared ? transport.bucket(claimsOf(pop)) : null;
  const me = { edgeId, incarnation: stamps.incarnation };
  const claims = bucket === null ? null : new ClaimKeeper({ bucket, store, me, clock: systemClock, log, registry });
  const claimsName = claims === null ? null : `starling claims ${randomUUID()}`;
  // Threads of pools have the lanes behind those of session threads.
  const stopAnswering =
    claims === null || claimsName === null ? () => {} : answerClaims(claims, claimsName, 2 * threadCount);
  const recordings = new RecordingKeeper({ store, files, storeDir, edgeId, pop, version, clock: systemClock, log });
  const relay = new Relay({
    store, transport, log, registry, acked: new BigInt64Array(ackedMemory), clock: systemClock,
    edgeId: config.edgeId, pop: config.pop, threads: threadCount, version,
    expect: (cpeId) => table.expect(cpeId, Math.ceil(systemClock.now() / 1_000) + LIMITS.expectedSeconds),
    files: fetcher ?? filesOnDisk(files), claims, recordings,
    waker, profiles: new ProfileChooser(profiles),
  }); // biome-ignore format: a plain list

  const threads: SessionThread[] = [];
  const base = {
    config,
    storeDir,
    filesDir,
    incarnation: stamps.incarnation,
    stampMemory: stamps.memory,
    ackedMemory,
    fetchesFiles: questions !== null,
    claims: claimsName,
  };
  const scheme = config.cwmpTlsCertificate === null ? 'http' : 'https';
  const publicUrl = config.cwmpPublicUrl ?? `${scheme}://${urlHost(config.cwmpHost)}:${port}`;
  if (config.cwmpPublicUrl === null && isWildcard(config.cwmpHost)) {
    log.warn({ publicUrl }, 'STARLING_CWMP_PUBLIC_URL is not set: CPEs elsewhere cannot fetch files from this URL');
  }
  for (let lane = 1; lane <= threadCount; lane++) {
    const data = { ...base, sessionMemory, lane, port, publicUrl, inlineBytesMax };
    threads.push(new SessionThread(data, () => relay.nudge(), log));
  }
  await claims?.start();
  await Promise.all(threads.map((thread) => thread.listening));
  relay.start();
  // A store that failed a write acknowledges nothing any more and may have a damaged heap (edge/store/environment.ts): start anew.
  const watch = setInterval(() => {
    if (store.refusing() !== 'broken') return;
    log.fatal('the edge store could not be written; this process ends so that its supervisor starts it anew');
    log.flush();
    process.exit(70);
  }, BROKEN_CHECK_MS);
  watch.unref();
  log.info({ port, threads: threadCount, edgeId: config.edgeId }, 'edge ready');

  return {
    port,
    filesDir,
    async metrics() {
      const parts = await Promise.all(threads.map((thread) => thread.metrics()));
      parts.push(await registry.getMetricsAsJSON());
      return AggregatorRegistry.aggregate(parts as never[]).metrics();
    },
    health: () => [...threads.flatMap((thread) => thread.problems()), ...relay.problems()],
    async close() {
      clearInterval(watch);
      await Promise.all(threads.map((thread) => thread.drain(config.drainSeconds * 1_000)));
      waker.close();
      await uploads?.close();
      fetcher?.close();
      await relay.close();
      await claims?.close();
      stopAnswering();
      await store.close();
      release();
      log.info('edge closed');
    },
  };
}

/** The library only says that it could not listen: whatever is wrong with certificate and key is said here, with its file. */
function checkCertificate({ cwmpTlsCertificate, cwmpTlsKey }: Config): void {
  if (cwmpTlsCertificate === null || cwmpTlsKey === null) return;
  try {
    createSecureContext({ cert: readFileSync(cwmpTlsCertificate), key: readFileSync(cwmpTlsKey) });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const files = `certificate ${cwmpTlsCertificate} and key ${cwmpTlsKey}`;
    throw new ConfigError('bad-certificate', `The ${files} of the CWMP port cannot be used: ${why}.`, { cause });
  }
}

/** A session thread as the main thread sees it. */
class SessionThread {
  readonly listening: Promise<number>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (metrics: object[]) => void>();
  #count = 0;
  #dead: string | null = null;
  #drained: (() => void) | null = null;

  constructor(data: ThreadData, nudge: () => void, log: Log) {
    this.#worker = new Worker(entryUrl('session-thread'), {
      workerData: data,
      // What a POST makes is garbage when it is answered: with little room much of it would be looked at, and copied, while it is in use.
      resourceLimits: { maxYoungGenerationSizeMb: LIMITS.sessionThreadYoungMb },
    });
    this.listening = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromThread) => {
        switch (message.type) {
          case 'listening':
            resolve(message.port);
            break;
          case 'failed':
            reject(new ConfigError('cwmp-port', `The CWMP port cannot be opened: ${message.message}.`));
            break;
          case 'nudge':
            nudge();
            break;
          case 'metrics':
            this.#waiting.get(message.id)?.(message.metrics);
            this.#waiting.delete(message.id);
            break;
          case 'drained':
            if (message.openSessions > 0)
              log.warn({ open: message.openSessions }, 'drained with sessions open; they resume by cookie');
            this.#drained?.();
            break;
        }
      });
      this.#worker.on('error', (error) => {
        this.#dead = `session thread ${data.lane} ended: ${error.message}`;
        log.fatal({ err: error, thread: data.lane }, 'session thread ended');
        reject(error);
        // The other threads hold the port; this one's connections are gone and its memory is not to be trusted. Start anew as a whole.
        if (this.#drained === null) setTimeout(() => process.exit(70), 100);
      });
    });
  }

  metrics(): Promise<object[]> {
    const id = ++this.#count;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        resolve([]);
      }, METRICS_WAIT_MS);
      this.#waiting.set(id, (metrics) => {
        clearTimeout(timer);
        resolve(metrics);
      });
      this.#send({ type: 'metrics', id });
    });
  }

  problems(): string[] {
    return this.#dead === null ? [] : [this.#dead];
  }

  async drain(ms: number): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#send({ type: 'drain', ms });
    await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, ms + 5_000))]);
    await this.#worker.terminate();
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** A host as it stands in a URL: a wildcard address becomes loopback, IPv6 gets its brackets. */
function urlHost(host: string): string {
  if (isWildcard(host)) return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
