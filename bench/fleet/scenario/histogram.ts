// Latencies in buckets that are each 4.4 % wider than the one before: small enough to be sent every second, and those of many seconds and
// generators add up, which percentiles do not.

/** Upper edge of the first bucket. */
const LEAST_MS = 0.05;
const PER_OCTAVE = 16;
/** The last bucket takes everything from about 19 minutes on. */
const BUCKETS = 392;

/** Bucket and count, of those that are not empty. */
export type Sparse = [bucket: number, count: number][];

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  count = 0;

  add(ms: number): void {
    const bucket = ms <= LEAST_MS ? 0 : Math.ceil(Math.log2(ms / LEAST_MS) * PER_OCTAVE);
    this.#counts[bucket < BUCKETS ? bucket : BUCKETS - 1]!++;
    this.count++;
  }

  merge(sparse: Sparse): void {
    for (const [bucket, count] of sparse) {
      this.#counts[bucket]! += count;
      this.count += count;
    }
  }

  /** Adds all that another one holds. */
  absorb(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.#counts[bucket]! += other.#counts[bucket]!;
    this.count += other.count;
  }

  /** Milliseconds that `share` of the values do not exceed, to the upper edge of their bucket; null when there are none. */
  percentile(share: number): number | null {
    if (this.count === 0) return null;
    let left = Math.max(1, Math.ceil(this.count * share));
    let bucket = 0;
    for (; bucket < BUCKETS - 1; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) break;
    }
    return LEAST_MS * 2 ** (bucket / PER_OCTAVE);
  }

  /** What is in it; it is empty afterwards. */
  take(): Sparse {
    const sparse: Sparse = [];
    if (this.count === 0) return sparse;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = this.#counts[bucket]!;
      if (count > 0) sparse.push([bucket, count]);
    }
    this.#counts.fill(0);
    this.count = 0;
    return sparse;
  }
}
