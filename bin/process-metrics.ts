// Metrics of the process itself: memory, event loop, CPU, and which version runs.

import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** Registers them; `version` is that of package.json. */
export function processMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'starling_build_info',
    help: 'Version that runs; the value is always 1.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1);
  // Sums under names that only counters may have; the families they sum up are there.
  for (const kind of ['resources', 'handles', 'requests']) registry.removeSingleMetric(`nodejs_active_${kind}_total`);
}
