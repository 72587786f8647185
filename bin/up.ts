// `starling up`: control and edge over the in-process bus, one data folder, one lock. Wiring and the order of starting and ending, nothing else.

import { Registry } from 'prom-client';
import type { Config } from '../base/config.ts';
import { lockDataFolder } from '../base/data-folder.ts';
import { openLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { startApi } from '../control/api/server.ts';
import { startControl } from '../control/main.ts';
import type { HealthService } from '../control/services.ts';
import { openFileStore } from '../edge/files.ts';
import { startEdge } from '../edge/main.ts';
import { processMetrics } from './process-metrics.ts';

/**
 * Starts everything and says on standard output where it listens. SIGTERM and SIGINT drain it: no new sessions, open ones finish, the
 * outbox is handed over, the database closes, exit code 0.
 * @throws ConfigError with what to do, before anything listens.
 */
export async function up(config: Config, version: string): Promise<void> {
  const startedAt = performance.now();
  const log = openLog(config.logLevel);
  const release = await lockDataFolder(config.dataDir);
  const transport = new InProcessTransport();
  const registry = new Registry();
  processMetrics(registry, version);
  const fileStore = openFileStore(`${config.dataDir}/files`);
  await fileStore.removeLeftovers(Date.now());
  const control = await startControl({
    dataDir: config.dataDir,
    databaseUrl: config.databaseUrl,
    manageConnectionRequest: config.manageConnectionRequest,
    transport,
    log,
    registry,
    fileStore,
  });
  const edge = await startEdge(config, transport, log, version);
  const token = await control.services.tokens.ensureAdmin(config.adminToken);
  const health: HealthService = {
    async check() {
      const view = await control.services.health.check();
      const problems = edge.health();
      const text = problems.length === 0 ? `listens on port ${edge.port}` : problems.join('; ');
      const checks = [...view.checks, { name: 'edge', ok: problems.length === 0, text }];
      return { ok: view.ok && problems.length === 0, checks };
    },
  };
  const api = await startApi({
    services: { ...control.services, health },
    log,
    registry,
    scrape: {
      contentType: registry.contentType,
      metrics: async () => `${await registry.metrics()}\n${await edge.metrics()}`,
    },
    host: config.httpHost,
    port: config.httpPort,
  });

  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  say(`starling ${version} is ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  if (token !== null && token !== config.adminToken) say(`  token  ${token}   (shown this once: keep it)`);
  say(`  CWMP   http://${config.cwmpHost}:${edge.port}/   authentication of CPEs: ${config.cpeAuth}`);
  say(`  API    ${api.url}/api/v1   also ${api.url}/metrics and ${api.url}/healthz`);

  let ending = false;
  const end = async (signal: string): Promise<void> => {
    if (ending) return;
    ending = true;
    log.info({ signal }, 'draining');
    try {
      // In the order of the data: CPEs first, then what carries their facts, then what takes them.
      await api.close();
      await edge.close();
      await control.close();
      await transport.close();
      await release();
      log.info('ended');
      log.flush();
      process.exit(0);
    } catch (error) {
      log.fatal({ err: error }, 'draining failed');
      log.flush();
      process.exit(70);
    }
  };
  process.on('SIGTERM', () => void end('SIGTERM'));
  process.on('SIGINT', () => void end('SIGINT'));
}
