// A session thread: one event loop with its own listening socket on the shared CWMP port and its own writer of the store. This file wires
// HTTP, authentication, sessions and files together; each of them is elsewhere.

import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { openLog } from '../base/log.ts';
import { deriveKey } from '../base/secret-file.ts';
import { Admission } from './admission.ts';
import { type AuthPolicy, DEFAULT_AUTH, type Identity, type LookUp } from './auth.ts';
import { AuthThrottle, authenticateThrottled } from './auth-throttle.ts';
import { BigPosts } from './big-posts.ts';
import { contentEncodingOf } from './content-encoding.ts';
import { readCredentials } from './credentials.ts';
import { SessionMetrics } from './edge-metrics.ts';
import { FileServer } from './file-server.ts';
import { openFileStore } from './files.ts';
import { frontOf } from './fronts.ts';
import {
  BODY_FAILURES,
  type CwmpExchange,
  type HttpExchange,
  type HttpHandler,
  type HttpReply,
  type HttpServer,
  openHttp,
} from './http.ts';
import { NO_CONTENT, shed } from './replies.ts';
import { wantsCertificate } from './session-cookie.ts';
import { openSessionParts } from './session-parts.ts';
import { SessionTable } from './session-table.ts';
import type { FromThread, ThreadData, ToThread } from './thread-protocol.ts';
import { Verified } from './verified.ts';
import { type Waits, WaitWatch } from './wait-watch.ts';

const data = workerData as ThreadData;
const { config } = data;
const port = parentPort;
if (port === null) throw new Error('session-thread.ts runs as a worker thread only');
const tell = (message: FromThread): void => port.postMessage(message);

const log = openLog(config.logLevel).child({ thread: data.lane });
let server: HttpServer | null = null;
let draining = false;
let openConnections = 0;
/** POSTs whose answer waits for the disk, for the pool or for control. */
let beingAnswered = 0;

const metrics: SessionMetrics = new SessionMetrics({
  openConnections: () => openConnections,
  // Quiet ones are counted for all threads at once, so one of them tells it.
  openSessions: () => sessions.openSessions() + (data.lane === 1 ? sessions.openQuietSessions() : 0),
  bodiesHeldBytes: () => server?.bodiesHeldBytes() ?? 0,
  bars: () => admission.bars,
  waits: () => lastWaits,
  bigWaiting: () => big.waiting,
});
const nudged = { pending: false, at: 0 };
const nudge = (): void => {
  if (nudged.pending) return;
  nudged.pending = true;
  const tellNow = (): void => {
    nudged.pending = false;
    nudged.at = performance.now();
    tell({ type: 'nudge' });
  };
  // One message for all that happens in this turn of the loop, and under load for that of several: the relay takes hundreds at once.
  if (performance.now() - nudged.at >= LIMITS.nudgeGapMs) setImmediate(tellNow);
  else setTimeout(tellNow, LIMITS.nudgeGapMs);
};
const waits = new WaitWatch(
  () => performance.now(),
  () => performance.eventLoopUtilization().idle,
);
const unproven = (exchange: CwmpExchange): HttpReply | null =>
  config.cpeAuth === 'none' ? null : prove(exchange as HttpExchange);
const big = new BigPosts({ data: { ...data, lane: data.lane + config.edgeThreads }, unproven, nudge });
const table = new SessionTable(data.sessionMemory);
const admission: Admission = new Admission({
  shed: metrics.sessionsShed,
  isExpected: (cpeId) => table.isExpected(cpeId, Math.floor(systemClock.now() / 1_000)),
  random: Math.random,
});
let lastWaits: Waits = { loopMs: 0, diskMs: 0 };
const provesIdentity = config.cpeAuth !== 'none';
const ofThread = { metrics, log, admission, waits, big, nudge, provesIdentity, unproven };
const { secret, stamps, store, sessions, lastContacts, fileUrls, cwmp, claims } = openSessionParts(
  data,
  table,
  ofThread,
);
setInterval(() => {
  const look = waits.tick();
  lastWaits = look;
  admission.measured(look);
}, LIMITS.admissionTickMs).unref();
const files = new FileServer({
  store: openFileStore(data.filesDir),
  urls: fileUrls,
  clock: systemClock,
  log,
  counted: (kind, outcome) => metrics.transfers.inc(`${kind}-${outcome}`),
  uploaded: (upload) => cwmp.uploaded(upload),
});

const policy: AuthPolicy = {
  ...DEFAULT_AUTH,
  mode: config.cpeAuth,
  nonceKey: deriveKey(secret, 'cpe-nonce'),
  algorithms: config.cpeDigestAlgorithms,
  basicInDigestMode: config.cpeBasicInDigest,
};
const throttle = new AuthThrottle();
const verified = new Verified(() => stamps.settingsRevision());
const lookUp: LookUp = (username) => {
  const own = store.findByUsername(username);
  if (own !== undefined) return own;
  const shared = username === config.cpeUsername ? config.cpePassword : null;
  return shared === null ? null : { password: shared, cpeId: null };
};

const handler: HttpHandler = {
  head(exchange) {
    if (exchange.path.startsWith('/files/')) {
      files.take(exchange);
      return { type: 'taken' };
    }
    if (exchange.method !== 'POST') {
      metrics.refused.inc('method');
      return refuse({
        status: '405 Method Not Allowed',
        body: 'CWMP is spoken by POST.\n',
        headers: [['Allow', 'POST']],
      });
    }
    if (contentEncodingOf(exchange.contentEncoding) === null) {
      metrics.refused.inc('content-encoding');
      return refuse({
        status: '415 Unsupported Media Type',
        body: 'Content-Encoding must be gzip, deflate or absent.\n',
      });
    }
    const refusing = store.refusing();
    if (refusing !== null) {
      // Nothing could be acknowledged: better said before the CPE tells anything.
      metrics.refused.inc(refusing);
      return refuse({ status: '503 Service Unavailable', body: '', headers: [['Retry-After', retryAfter()]] });
    }
    // Later POSTs of a session are known by their cookie; credentials that come along are checked all the same (CWMP A3), and so are
    // certificates, which come with every POST.
    const byCookie = mayComeByCookie && exchange.authorization === '' && exchange.certificate === '';
    const live = byCookie || draining ? sessions.isLive(exchange) : null;
    if (draining && live === null) {
      return refuse({
        status: '503 Service Unavailable',
        body: '',
        headers: [['Retry-After', retryAfter()]],
        close: true,
      });
    }
    if (config.cpeAuth === 'none') return READ;
    if (live !== null && byCookie && !wantsCertificate(live)) return READ;
    const refusal = prove(exchange);
    if (refusal === null) return READ;
    if (admission.isOpen || exchange.contentLength === 0) return refuse(refusal);
    // Whether there is room for its session is told first: a challenge would bring it back at once.
    exchange.note = new Unproven(refusal);
    return READ;
  },
  post(exchange, body) {
    if (exchange.note instanceof Unproven) {
      const retryAfter = admission.judge(body, 'loop');
      return counted(retryAfter === null ? exchange.note.refusal : shed(retryAfter));
    }
    const started = performance.now();
    const reply = cwmp.post(exchange, exchange.note as Identity | null, body);
    if (reply instanceof Promise) {
      beingAnswered++;
      return reply.then(
        (value) => {
          beingAnswered--;
          metrics.seconds.observe(STORED, (performance.now() - started) / 1_000);
          return counted(value);
        },
        (error: unknown) => {
          beingAnswered--;
          throw error;
        },
      );
    }
    metrics.seconds.observe(QUIET, (performance.now() - started) / 1_000);
    return counted(reply);
  },
  hasRoom: () => big.hasRoom,
  bodyArriving(exchange) {
    if (!(exchange.note instanceof Unproven)) sessions.keepOpen(exchange, exchange.note as Identity | null);
  },
  bodyFailed(exchange, why) {
    metrics.bodiesFailed.inc(why);
    if (why !== 'aborted') metrics.responses.inc(BODY_FAILURES[why].slice(0, 3));
    log.info({ address: exchange.address, why }, 'a request body did not arrive whole');
  },
  connection(change) {
    if (change === 'opened') metrics.connectionsOpened.inc();
    openConnections += change === 'opened' ? 1 : -1;
  },
  failed(exchange, error) {
    log.error({ err: error, address: exchange.address }, 'answering a CPE failed');
    // What was not stored was not acknowledged: the CPE keeps its events and retries (TR-069 §3.2.1.1).
    return counted({
      status: '503 Service Unavailable',
      body: '',
      headers: [['Retry-After', retryAfter()]],
      close: true,
    });
  },
};

const READ = { type: 'read' } as const;
const mayComeByCookie = config.cpeAuth !== 'none' && config.cpeAuth !== 'certificate-header';
/** Kinds of metrics.seconds. */
const QUIET = 0;
const STORED = 1;
const DRAIN_LOOK_MS = 50;

/** Stands in the note of a request whose sender did not prove who it is, and holds what it is told when there is room. */
class Unproven {
  readonly refusal: HttpReply;

  constructor(refusal: HttpReply) {
    this.refusal = { contentType: 'text/plain; charset="utf-8"', ...refusal };
  }
}

/** Puts who the request comes from into `note`, or returns the answer to somebody who did not prove it. */
function prove(exchange: HttpExchange): HttpReply | null {
  const { method, certificate } = exchange;
  // Beside a certificate credentials do not count.
  const authorization = certificate === '' ? exchange.authorization : '';
  let who = verified.basic(authorization);
  const given = who === undefined && authorization !== '' ? readCredentials(authorization) : null;
  const uri = exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`;
  const nowMs = systemClock.now();
  if (given !== null && given.digest !== null) who = verified.digest(given.digest, method, uri, nowMs);
  if (who !== undefined) {
    metrics.auth.inc('ok');
    exchange.note = who;
    return null;
  }
  const tlsHeader = certificate === '' ? null : certificate;
  const request = { method, uri, authorization: given, isGiven: authorization !== '', tlsHeader, nowMs };
  const result = authenticateThrottled(throttle, exchange, policy, request, lookUp);
  switch (result.type) {
    case 'ok': {
      metrics.auth.inc('ok');
      const { scheme, username, cpeId, proof } = result;
      const identity: Identity = { scheme, username, cpeId };
      exchange.note = identity;
      if (scheme === 'basic') verified.keepBasic(authorization, identity);
      else if (proof !== null && given !== null && given.digest !== null)
        verified.keepDigest(given.digest, proof, identity);
      return null;
    }
    case 'challenge':
      metrics.auth.inc(result.reason);
      return {
        status: '401 Unauthorized',
        body: '',
        headers: result.headers.map((value) => ['WWW-Authenticate', value] as const),
      };
    case 'denied': {
      metrics.auth.inc(result.reason);
      const after = result.retryAfterSeconds;
      return {
        status: result.status === 403 ? '403 Forbidden' : '503 Service Unavailable',
        body: `${result.text}\n`,
        headers: after === null ? [] : [['Retry-After', String(after)]],
      };
    }
  }
}

function refuse(reply: HttpReply): { type: 'discard'; reply: HttpReply } {
  return { type: 'discard', reply: counted({ contentType: 'text/plain; charset="utf-8"', ...reply }) };
}

function counted(reply: HttpReply): HttpReply {
  waits.answered(reply.status === NO_CONTENT.status);
  metrics.responded(reply.status);
  return reply;
}

/** 20 to 60 s: a herd that comes back together comes back spread. */
function retryAfter(): string {
  return String(20 + Math.floor(Math.random() * 41));
}

port.on('message', (message: ToThread) => {
  if (message.type === 'metrics') {
    void Promise.all([metrics.read(), big.metrics()]).then((parts) =>
      tell({ type: 'metrics', id: message.id, metrics: parts.flat() }),
    );
  } else void drain(message.ms);
});

/** Stop accepting, let open sessions, answers and file transfers finish within `ms`, flush, close, say so (SIGTERM). */
async function drain(ms: number): Promise<void> {
  draining = true;
  server?.stopListening();
  const until = Date.now() + ms;
  // A POST that is being answered may be of a session another thread counts as its own; its answer must not lose its socket and its store.
  const isBusy = (): boolean =>
    sessions.openSessions() + sessions.openQuietSessions() + beingAnswered + files.transfers > 0;
  while (isBusy() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
  lastContacts.flush();
  const left = sessions.openSessions() + (data.lane === 1 ? sessions.openQuietSessions() : 0);
  // A worker that ends while its App still listens takes the process with it: the App is closed first (ECOSYSTEM).
  server?.close();
  await big.close();
  // A disk that takes nothing must not keep the end from coming; what was not stored was not acknowledged.
  await store
    .flushed()
    .catch((error: unknown) => log.error({ err: error }, 'the store could not be flushed at the end'));
  await store.close();
  claims?.close();
  tell({ type: 'drained', openSessions: left });
}

try {
  const wants = { credentials: config.cpeAuth !== 'none', front: frontOf(config) };
  const { cwmpTlsCertificate: certificateFile, cwmpTlsKey: keyFile } = config;
  const tls = certificateFile === null || keyFile === null ? null : { certificateFile, keyFile };
  server = await openHttp(config.cwmpHost, data.port, wants, handler, tls);
  tell({ type: 'listening', port: server.port });
} catch (error) {
  tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
}
