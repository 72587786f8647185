// `starling edge`: the data plane of a POP alone; control is elsewhere and reached over NATS.

import { Registry } from 'prom-client';
import type { Config } from '../base/config.ts';
import { lockDataFolder } from '../base/data-folder.ts';
import { startAdmin } from '../edge/admin-server.ts';
import { startEdge } from '../edge/main.ts';
import { processMetrics } from './process-metrics.ts';
import { openNatsRoad } from './road.ts';
import { runRole } from './role.ts';

/** Runs until a signal ends it. @throws ConfigError with what to do. */
export function edge(config: Config, version: string): Promise<void> {
  return runRole(config, version, async (log, started) => {
    started.push(await lockDataFolder(config.dataDir));
    const registry = new Registry();
    processMetrics(registry, version);
    const road = await openNatsRoad('edge', config, log, registry);
    started.push(() => road.transport.close());
    const part = await startEdge(config, road.transport, log, version, { questions: road.questions });
    started.push(() => part.close());
    const admin = await startAdmin({
      host: config.edgeAdminHost,
      port: config.edgeAdminPort,
      contentType: registry.contentType,
      metrics: async () => `${await registry.metrics()}\n${await part.metrics()}`,
      problems: () => [...part.health(), ...road.problems()],
    });
    started.push(() => admin.close());
    return [
      `CWMP   http://${config.cwmpHost}:${part.port}/   authentication of CPEs: ${config.cpeAuth}`,
      `edge   ${admin.url}/metrics and ${admin.url}/healthz`,
    ];
  });
}
