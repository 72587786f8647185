// The waker of one edge, put together: the store says where a CPE listens and with which secret, the guard whether it may be called, and
// each outcome becomes a fact in the outbox. It decides nothing by itself.

import { lookup } from 'node:dns/promises';
import type { Registry } from 'prom-client';
import { systemClock, systemElapsed } from '../base/clock.ts';
import type { Config } from '../base/config.ts';
import type { CpeId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { gauge, Tally } from '../base/metrics.ts';
import { systemTimers } from '../base/timers.ts';
import { requestConnection } from './connection-request.ts';
import { connectionRequestGuard } from './connection-request-guard.ts';
import { HttpWaker, type WakeResult, type WakeTarget } from './http-waker.ts';
import { type EdgeStore, isExpired } from './store/store.ts';

export interface OpenWaker {
  store: Pick<EdgeStore, 'getDevice' | 'getSettings' | 'getSession' | 'workOf' | 'appendFacts'>;
  /** Of SessionTable: another number after each session of the CPE began. */
  contactMark: (cpeId: CpeId) => number;
  /** The outcome of a connection request lies in the outbox. */
  nudge(): void;
  config: Pick<
    Config,
    | 'connectionRequestNetworks'
    | 'connectionRequestUsername'
    | 'connectionRequestPassword'
    | 'connectionRequestBasic'
    | 'popShared'
  >;
  log: Log;
  registry: Registry;
}

/** Throws ConfigError `bad-network` when a configured network is none. */
export function openWaker({ store, contactMark, nudge, config, log, registry }: OpenWaker): HttpWaker {
  const resolve = async (name: string): Promise<string[]> =>
    (await lookup(name, { all: true })).map(({ address }) => address);
  const judge = connectionRequestGuard({ networks: config.connectionRequestNetworks, lowPorts: [] }, resolve);
  const wakes = new Tally(registry, 'starling_wakes_total', 'Connection requests, by outcome.', 'outcome');

  const waker = new HttpWaker({
    target(cpeId) {
      const device = store.getDevice(cpeId);
      if (device === undefined) return null;
      const credentials = [...((device.settings ?? store.getSettings(cpeId))?.connectionRequest ?? [])];
      const { connectionRequestUsername: username, connectionRequestPassword: password } = config;
      if (username !== null && password !== null) credentials.push({ username, password });
      return { url: device.connectionRequestUrl, address: device.cpe.address, credentials };
    },
    inSession(cpeId) {
      const session = store.getSession(cpeId);
      return session !== undefined && !isExpired(session, systemClock.now());
    },
    hasWork: (cpeId) =>
      store.workOf(cpeId).some((record) => record.phase !== 'waiting' || record.untilMs <= systemClock.now()),
    contactMark,
    mayComeElsewhere: config.popShared,
    async request(target: WakeTarget, signal: AbortSignal): Promise<WakeResult> {
      const verdict = await judge(target.url, target.address);
      if (verdict.type === 'refused') return { outcome: 'refused', why: verdict.text };
      return requestConnection(verdict, target.credentials, { allowBasic: config.connectionRequestBasic, signal });
    },
    settled(wake) {
      wakes.inc(wake.outcome);
      log.debug({ cpeId: wake.cpeId, outcome: wake.outcome, durationMs: wake.durationMs }, wake.why);
      store.appendFacts([{ type: 'wake', body: wake }], systemClock.now()).durable.then(nudge, (error: unknown) => {
        log.error({ err: error, cpeId: wake.cpeId }, 'the outcome of a connection request could not be stored');
      });
    },
    elapsed: systemElapsed,
    timers: systemTimers,
  });
  gauge(
    registry,
    'starling_connection_requests_in_flight',
    'Connection requests under way.',
    () => waker.load.inFlight,
  );
  gauge(
    registry,
    'starling_connection_requests_waiting',
    'CPEs that wait for a connection request.',
    () => waker.load.waiting,
  );
  return waker;
}
