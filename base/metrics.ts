// Counters that cost a map look-up on the hot path and become prom-client metrics only when somebody scrapes.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { LIMITS } from './limits.ts';

/** A counter with at most one label. Some values come from CPEs (fault codes), so their number is bounded. */
export class Tally {
  readonly #counts = new Map<string, number>();

  constructor(registry: Registry, name: string, help: string, label: string | null = null) {
    const counts = () => this.#counts;
    new Counter({
      name,
      help,
      labelNames: label === null ? [] : [label],
      registers: [registry],
      collect() {
        this.reset();
        if (label === null) this.inc(counts().get('') ?? 0);
        else for (const [value, count] of counts()) this.inc({ [label]: value }, count);
      },
    });
  }

  /** Counts `by` more; under `other` when the value is new and as many are known as a scrape should hold. */
  inc(value = '', by = 1): void {
    const isFull = this.#counts.size >= LIMITS.metricLabelValuesMax && !this.#counts.has(value);
    const counted = isFull ? 'other' : value;
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + by);
  }

  get(value = ''): number {
    return this.#counts.get(value) ?? 0;
  }
}

/** A gauge read when scraped. */
export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** Seconds in the buckets that matter for a protocol answered in microseconds and over slow uplinks. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** A histogram of seconds with one label. */
export function latency(registry: Registry, name: string, help: string, label: string): Histogram {
  return new Histogram({ name, help, labelNames: [label], buckets: LATENCY_BUCKETS, registers: [registry] });
}
