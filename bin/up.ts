// `starling up`: control and edge in one process tree, one data folder, one lock; over the in-process bus, or over NATS when it is configured.

import { Registry } from 'prom-client';
import type { Config } from '../base/config.ts';
import { lockDataFolder } from '../base/data-folder.ts';
import { startEdge } from '../edge/main.ts';
import { startApiPart, startControlPart, withChecks } from './control.ts';
import { processMetrics } from './process-metrics.ts';
import { openRoad } from './road.ts';
import { runRole } from './role.ts';

/** Runs until a signal ends it. @throws ConfigError with what to do. */
export function up(config: Config, version: string): Promise<void> {
  return runRole(config, version, async (log, started) => {
    started.push(await lockDataFolder(config.dataDir));
    const registry = new Registry();
    processMetrics(registry, version);
    const road = await openRoad(config, log, registry);
    started.push(() => road.transport.close());
    const control = await startControlPart(config, road, log, registry, started);
    const edge = await startEdge(config, road.transport, log, version);
    started.push(() => edge.close());
    const lines = await startApiPart(config, control, log, registry, started, {
      health: withChecks(control.services.health, () => [
        { name: 'edge', problems: edge.health(), well: `listens on port ${edge.port}` },
        ...(config.natsUrl === null ? [] : [{ name: 'nats', problems: road.problems(), well: 'connected' }]),
      ]),
      metrics: async () => `${await registry.metrics()}\n${await edge.metrics()}`,
    });
    const api = lines.pop()!;
    return [
      ...lines,
      `CWMP   http://${config.cwmpHost}:${edge.port}/   authentication of CPEs: ${config.cpeAuth}`,
      api,
    ];
  });
}
