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

/**
 * A histogram of seconds for the hot path, in the same buckets and with one label of few known values: what is observed is one addition
 * to an array, and becomes a metric of prom-client when somebody scrapes.
 */
export class Latency {
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;

  constructor(registry: Registry, name: string, help: string, label: string, values: readonly string[]) {
    const width = LATENCY_BUCKETS.length + 1;
    this.#counts = new Float64Array(values.length * width);
    this.#sums = new Float64Array(values.length);
    const counts = this.#counts;
    const sums = this.#sums;
    const metric = new Histogram({ name, help, labelNames: [label], buckets: LATENCY_BUCKETS, registers: [] });
    registry.registerMetric(
      Object.assign(metric, {
        async get() {
          const rows: object[] = [];
          for (const [i, value] of values.entries()) {
            let count = 0;
            for (let bucket = 0; bucket < width; bucket++) {
              count += counts[i * width + bucket]!;
              const le = LATENCY_BUCKETS[bucket] ?? '+Inf';
              rows.push({ labels: { le, [label]: value }, value: count, metricName: `${name}_bucket` });
            }
            rows.push({ labels: { [label]: value }, value: sums[i], metricName: `${name}_sum` });
            rows.push({ labels: { [label]: value }, value: count, metricName: `${name}_count` });
          }
          return { name, help, type: 'histogram', values: rows, aggregator: 'sum' };
        },
      }) as never,
    );
  }

  /** @param value index into the label's values. */
  observe(value: number, seconds: number): void {
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS.length && seconds > LATENCY_BUCKETS[bucket]!) bucket++;
    this.#counts[value * (LATENCY_BUCKETS.length + 1) + bucket]!++;
    this.#sums[value]! += seconds;
  }
}
