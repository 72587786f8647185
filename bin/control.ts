// `starling control`: the control plane alone, edges are elsewhere and reached over NATS. Also the control part of `starling up`.

import { Registry } from 'prom-client';
import type { Config } from '../base/config.ts';
import { lockDataFolder } from '../base/data-folder.ts';
import type { Log } from '../base/log.ts';
import { startApi } from '../control/api/server.ts';
import { type Control, startControl } from '../control/main.ts';
import type { HealthService } from '../control/services.ts';
import { openFileStore } from '../edge/files.ts';
import { loadProfiles } from '../profiles/load.ts';
import { processMetrics } from './process-metrics.ts';
import { openNatsRoad, type Road } from './road.ts';
import { runRole, type Started } from './role.ts';

/** Runs until a signal ends it. @throws ConfigError with what to do. */
export function control(config: Config, version: string): Promise<void> {
  return runRole(config, version, async (log, started) => {
    started.push(await lockDataFolder(config.dataDir));
    const registry = new Registry();
    processMetrics(registry, version);
    const road = await openNatsRoad('control', config, log, registry);
    started.push(() => road.transport.close());
    const part = await startControlPart(config, road, log, registry, started);
    return startApiPart(config, part, log, registry, started, {
      health: withChecks(part.services.health, () => [{ name: 'nats', problems: road.problems(), well: 'connected' }]),
      metrics: () => registry.metrics(),
    });
  });
}

/** Database, ingest and jobs. */
export async function startControlPart(
  config: Config,
  { transport, questions }: Road,
  log: Log,
  registry: Registry,
  started: Started,
): Promise<Control> {
  const { dataDir, databaseUrl, installationKeyFile, manageConnectionRequest } = config;
  const files = openFileStore(`${dataDir}/files`);
  await files.removeLeftovers(performance.timeOrigin);
  const part = await startControl({
    ...{ dataDir, databaseUrl, installationKeyFile, manageConnectionRequest, transport, log, registry },
    databaseWaitMs: config.databaseWaitSeconds * 1_000,
    popShared: config.popShared,
    retention: { evidenceDays: config.evidenceRetentionDays, eventDays: config.eventRetentionDays },
    fileStore: files,
    elsewhere: questions === null ? null : { questions, files },
    profiles: loadProfiles(config.profilesDir),
  });
  started.push(() => part.close());
  return part;
}

/** The API over a control, with what the process shows of itself. Returns what to tell the person who started it. */
export async function startApiPart(
  config: Config,
  { services }: Control,
  log: Log,
  registry: Registry,
  started: Started,
  shown: { health: HealthService; metrics(): Promise<string> },
): Promise<string[]> {
  const token = await services.tokens.ensureAdmin(config.adminToken);
  const api = await startApi({
    services: { ...services, health: shown.health },
    log,
    registry,
    scrape: { contentType: registry.contentType, metrics: shown.metrics },
    host: config.httpHost,
    port: config.httpPort,
  });
  started.push(() => api.close());
  return [
    ...(token === null || token === config.adminToken ? [] : [`token  ${token}   (shown this once: keep it)`]),
    `API    ${api.url}/api/v1   also ${api.url}/metrics and ${api.url}/healthz`,
  ];
}

/** Health of control and of what else is in its process, as one. */
export function withChecks(
  health: HealthService,
  others: () => { name: string; problems: string[]; well: string }[],
): HealthService {
  return {
    async check() {
      const view = await health.check();
      const more = others().map(({ name, problems, well }) => ({
        ...{ name, ok: problems.length === 0 },
        text: problems.length === 0 ? well : problems.join('; '),
      }));
      const checks = [...view.checks, ...more];
      return { ok: checks.every(({ ok }) => ok), checks };
    },
  };
}
