// What a generator counts within a second, in the shape it is sent in and merged. Every attempt has one outcome: attempts begun up to now
// are those served, shed, failed and cut, and the ones still open.

import { Histogram, type Sparse } from './histogram.ts';
import type { LightSession } from './light-cpe.ts';
import { CLASS_NAMES, type ClassName } from './scenarios.ts';

/** What became of attempts. */
export interface Attempts {
  /** Attempts begun: the first ones, and those after a failure. */
  first: number;
  retries: number;
  /** Attempts that are over: ended with 204, refused with 503, ended in another way, ended by us because the run is over. */
  served: number;
  shed: number;
  failed: number;
  cut: number;
}

/** Counts of one class within a second. */
export interface ClassCounts extends Attempts {
  /** What CPEs wanted and got; of the operator's class only with the work done. */
  done: number;
}

export interface ClassSecond extends ClassCounts {
  /** Served attempts from connect to end; and from first connect to end, waits and retries included, for what is done. */
  sessionMs: Sparse;
  wholeMs: Sparse;
}

/** How a generator, or all of them, fared within a second. */
export interface Levels {
  failures: Record<string, number>;
  /** At the end of the second: connections open, CPEs that want a session and have not got it, and those among them from before a drain. */
  open: number;
  wanting: number;
  backlog: number;
  /** Arrivals for which no CPE was idle, and (`lateMs`) the longest the event loop was late. */
  starved: number;
  /** Connections put off because as many as may be were open. */
  full: number;
  lateMs: number;
}

/** One second of one generator, or the part of it that lies in one phase. */
export interface GeneratorSecond extends Levels {
  /** Index of the phase; −1 before the first. */
  phase: number;
  /** Whole seconds since the run began. */
  second: number;
  generator: number;
  classes: Partial<Record<ClassName, ClassSecond>>;
}

class ClassTally {
  counts: ClassCounts = noCounts();
  readonly session = new Histogram();
  readonly whole = new Histogram();

  take(): ClassSecond | null {
    const { counts } = this;
    if (Object.values(counts).every((count) => count === 0)) return null;
    this.counts = noCounts();
    return { ...counts, sessionMs: this.session.take(), wholeMs: this.whole.take() };
  }
}

export class Tally {
  readonly #classes = Object.fromEntries(CLASS_NAMES.map((name) => [name, new ClassTally()])) as Record<
    ClassName,
    ClassTally
  >;
  #failures: Record<string, number> = {};
  starved = 0;
  full = 0;
  lateMs = 0;

  begun(name: ClassName, isRetry: boolean): void {
    const { counts } = this.#classes[name];
    if (isRetry) counts.retries++;
    else counts.first++;
  }

  over(name: ClassName, session: LightSession): void {
    const { counts, session: histogram } = this.#classes[name];
    if (session.outcome === 'served') {
      counts.served++;
      histogram.add(session.endedAt - session.startedAt);
    } else if (session.outcome === 'shed') counts.shed++;
    else if (session.failure === 'the run ended') counts.cut++;
    else {
      counts.failed++;
      const why = session.failure ?? 'unknown';
      this.#failures[why] = (this.#failures[why] ?? 0) + 1;
    }
  }

  done(name: ClassName, wholeMs: number): void {
    this.#classes[name].counts.done++;
    this.#classes[name].whole.add(wholeMs);
  }

  /** What was counted since the last call. */
  take(): Pick<GeneratorSecond, 'classes' | 'failures' | 'starved' | 'full' | 'lateMs'> {
    const classes: GeneratorSecond['classes'] = {};
    for (const name of CLASS_NAMES) {
      const second = this.#classes[name].take();
      if (second !== null) classes[name] = second;
    }
    const { starved, full, lateMs } = this;
    const failures = this.#failures;
    this.#failures = {};
    this.starved = 0;
    this.full = 0;
    this.lateMs = 0;
    return { classes, failures, starved, full, lateMs };
  }
}

/** All counts at nothing. */
export function noCounts(): ClassCounts {
  return { first: 0, retries: 0, served: 0, shed: 0, failed: 0, cut: 0, done: 0 };
}
