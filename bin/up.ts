// `starling up`: control and edge over the in-process bus, one data folder, one lock. Wiring and the order of starting and ending, nothing else.

import { Registry } from 'prom-client';
import type { Config } from '../base/config.ts';
import { lockDataFolder } from '../base/data-folder.ts';
import { type Log, openLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { startApi } from '../control/api/server.ts';
import { startControl } from '../control/main.ts';
import type { HealthService } from '../control/services.ts';
import { openFileStore } from '../edge/files.ts';
import { type Edge, startEdge } from '../edge/main.ts';
import { loadProfiles } from '../profiles/load.ts';
import { processMetrics } from './process-metrics.ts';

/**
 * Starts everything and says on standard output where it listens. SIGTERM and SIGINT drain it: no new sessions, open ones finish, the
 * outbox is handed over, the database closes, exit code 0.
 * @throws ConfigError with what to do, before anything listens.
 */
export async function up(config: Config, version: string): Promise<void> {
  const startedAt = performance.now();
  const log = openLog(config.logLevel);
  // What was started, in order: ended the other way round, at the end as after a failed start.
  const started: (() => Promise<void>)[] = [];
  const endAll = async (): Promise<void> => {
    for (let end = started.pop(); end !== undefined; end = started.pop()) await end();
  };
  let ready = false;
  let ending = false;
  const end = async (): Promise<void> => {
    try {
      await endAll();
      log.info('ended');
      log.flush();
      process.exit(0);
    } catch (error) {
      log.fatal({ err: error }, 'draining failed');
      log.flush();
      process.exit(70);
    }
  };
  const onSignal = (signal: string): void => {
    if (ending) return;
    ending = true;
    log.info({ signal }, ready ? 'draining' : 'ends as soon as what is being started can be ended');
    if (ready) void end();
  };
  // From the first moment on: a process that went while it starts would leave its PostgreSQL behind.
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  process.on('SIGINT', () => onSignal('SIGINT'));

  let lines: string[];
  try {
    lines = await startAll(config, version, log, started);
  } catch (error) {
    await endAll();
    throw error;
  }
  ready = true;
  if (ending) return end();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(
    `starling ${version} is ready after ${seconds} s\n${lines.map((line) => `  ${line}\n`).join('')}`,
  );
}

/** Starts the parts, each with its end pushed on `started`. Returns what to tell the person who started it. */
async function startAll(
  config: Config,
  version: string,
  log: Log,
  started: (() => Promise<void>)[],
): Promise<string[]> {
  started.push(await lockDataFolder(config.dataDir));
  const transport = new InProcessTransport();
  started.push(() => transport.close());
  const registry = new Registry();
  processMetrics(registry, version);
  const fileStore = openFileStore(`${config.dataDir}/files`);
  const control = await startControl({
    dataDir: config.dataDir,
    databaseUrl: config.databaseUrl,
    manageConnectionRequest: config.manageConnectionRequest,
    transport,
    log,
    registry,
    fileStore,
    profiles: loadProfiles(config.profilesDir),
  });
  started.push(() => control.close());
  const edge = await startEdge(config, transport, log, version);
  started.push(() => edge.close());
  const token = await control.services.tokens.ensureAdmin(config.adminToken);
  const api = await startApi({
    services: { ...control.services, health: withEdge(control.services.health, edge) },
    log,
    registry,
    scrape: {
      contentType: registry.contentType,
      metrics: async () => `${await registry.metrics()}\n${await edge.metrics()}`,
    },
    host: config.httpHost,
    port: config.httpPort,
  });
  started.push(() => api.close());
  return [
    ...(token === null || token === config.adminToken ? [] : [`token  ${token}   (shown this once: keep it)`]),
    `CWMP   http://${config.cwmpHost}:${edge.port}/   authentication of CPEs: ${config.cpeAuth}`,
    `API    ${api.url}/api/v1   also ${api.url}/metrics and ${api.url}/healthz`,
  ];
}

/** Health of control and of the edge beside it, as one. */
function withEdge(control: HealthService, edge: Edge): HealthService {
  return {
    async check() {
      const view = await control.check();
      const problems = edge.health();
      const text = problems.length === 0 ? `listens on port ${edge.port}` : problems.join('; ');
      const checks = [...view.checks, { name: 'edge', ok: problems.length === 0, text }];
      return { ok: view.ok && problems.length === 0, checks };
    },
  };
}
