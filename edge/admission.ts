// Who is let in when more CPEs come than this thread can serve. From how long POSTs wait for their turn of the event loop it moves a bar:
// classes below it begin sessions, classes above are told to come again later, and of the class it stands in as large a
// part is let in as the bar tells. Sessions that have begun are never asked.
//
//   operator   somebody waits for this very CPE: work an operator asked for, or a wake, is under way
//   boot       0 BOOTSTRAP, 1 BOOT: a customer without service, or with a new box
//   change     4 VALUE CHANGE and all that cannot be learned again
//   periodic   2 PERIODIC
//   bulk       6 CONNECTION REQUEST for which nobody waits: campaigns, which have time
//
// There are two bars. That of the loop is asked before anything is looked at. That of the disk, moved by how long writes wait, is asked of
// Informs that have something to write: the quiet ones, most of all, do not wait for the disk.
//
// The bar falls in proportion to how far the wait is beyond its aim, and rises slowly: some percent of a storm too many are a wait of a
// second, some too few are not noticed.

import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Tally } from '../base/metrics.ts';
import { glanceAtEvents, type InformEvents } from './inform-events.ts';
import type { Waits } from './wait-watch.ts';

export const CLASSES = ['operator', 'boot', 'change', 'periodic', 'bulk'] as const;
export type AdmissionClass = (typeof CLASSES)[number];

/** Seconds after which a CPE of a class may come again, at random within: a herd that comes back together comes back spread. */
export const RETRY_AFTER: Readonly<Record<AdmissionClass, readonly [least: number, most: number]>> = {
  operator: [1, 3],
  boot: [10, 40],
  change: [20, 80],
  periodic: [60, 300],
  bulk: [300, 900],
};

export interface AdmissionOptions {
  /** Counts those told to come again later, by class. */
  shed: Tally;
  /** True while somebody waits for this CPE. */
  isExpected(cpeId: CpeId): boolean;
  /** From 0 up to but without 1. */
  random(): number;
}

const ALL = CLASSES.length;
/** The operator's class is below the bar wherever it stands. */
const LOWEST = 1;

export class Admission {
  readonly #o: AdmissionOptions;
  readonly #loop = new Bar(LIMITS.admissionWaitMs);
  readonly #disk = new Bar(LIMITS.admissionDiskWaitMs);

  constructor(options: AdmissionOptions) {
    this.#o = options;
  }

  /** True while everybody is let in: nothing else is asked then. */
  get isOpen(): boolean {
    return this.#loop.at >= ALL && this.#disk.at >= ALL;
  }

  /** Classes that the loop and the disk let in, 5 (all) to 1 (operator only). */
  get bars(): { loop: number; disk: number } {
    return { loop: this.#loop.at, disk: this.#disk.at };
  }

  /** Called every admissionTickMs, or as much later as the thread is busy, with the longest waits since. */
  measured({ loopMs, diskMs }: Waits): void {
    this.#loop.measured(loopMs);
    this.#disk.measured(diskMs);
  }

  /**
   * Judges the body of a POST: for the loop before it is looked at, for the disk before it is read.
   * @returns seconds after which its CPE may come again; null when it is let in, which all are that begin no session.
   */
  judge(body: Uint8Array, by: 'loop' | 'disk'): number | null {
    const bar = by === 'loop' ? this.#loop.at : this.#disk.at;
    if (bar >= ALL) return null;
    const inform = glanceAtEvents(body);
    if (inform === null) return null;
    const index = this.#classOf(inform);
    if (index + 1 <= bar || (index < bar && this.#o.random() < bar - index)) return null;
    const name = CLASSES[index]!;
    this.#o.shed.inc(name);
    const [least, most] = RETRY_AFTER[name];
    return least + Math.floor(this.#o.random() * (most - least + 1));
  }

  #classOf({ events, device }: InformEvents): number {
    if (device !== null && this.#o.isExpected(cpeIdOf(device))) return 0;
    // What does not show its events may be anything.
    let least = events.length === 0 ? 2 : CLASSES.length - 1;
    for (const event of events) least = Math.min(least, classOfEvent(event));
    return least;
  }
}

/** Where one of them stands. */
class Bar {
  at: number = ALL;
  readonly #aimMs: number;
  /** Looks in a row that found a wait beyond the aim. */
  #over = 0;

  constructor(aimMs: number) {
    this.#aimMs = aimMs;
  }

  measured(waitMs: number): void {
    const beyond = waitMs / this.#aimMs;
    if (beyond <= 1) {
      this.#over = 0;
      if (this.at < ALL) this.at = Math.min(ALL, this.at + RISE);
    } else if (++this.#over >= OVER_MIN) this.at = Math.max(LOWEST, this.at - FALL * Math.min(beyond, FALL_MAX));
  }
}

/** Index of the class an event alone makes. */
function classOfEvent(code: string): number {
  if (code.startsWith('0 ') || code.startsWith('1 ')) return 1;
  if (code.startsWith('2 ')) return 3;
  return code.startsWith('6 ') ? 4 : 2;
}

/** Parts of a class the bar falls by at once for each time the aimed-at wait, up to so many times. */
const FALL = 0.08;
const FALL_MAX = 6;
/** Looks in a row after which it begins to fall: one slow turn of the loop, a collection of garbage, is no storm. */
const OVER_MIN = 3;
/** And rises by while the wait is shorter. */
const RISE = 0.012;
