// Who is let in when more CPEs come than this thread can serve. It measures how long POSTs wait (for the event loop, and for the disk) and
// moves a bar: classes below it begin sessions, classes above are told to come again later, and of the class it stands in as large a
// part is let in as the bar tells. Sessions that have begun are never asked.
//
//   operator   somebody waits for this very CPE: work an operator asked for, or a wake, is under way
//   boot       0 BOOTSTRAP, 1 BOOT: a customer without service, or with a new box
//   change     4 VALUE CHANGE and all that cannot be learned again
//   periodic   2 PERIODIC
//   bulk       6 CONNECTION REQUEST for which nobody waits: campaigns, which have time
//
// The bar falls in proportion to how far the wait is beyond its aim, and rises slowly: some percent of a storm too many are a wait of a
// second, some too few are not noticed.

import type { Registry } from 'prom-client';
import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { gauge, Tally } from '../base/metrics.ts';
import { glanceAtEvents, type InformEvents } from './inform-events.ts';

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
  registry: Registry;
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
  readonly #shed: Tally;
  #bar: number = ALL;
  #waitMs = 0;

  constructor(options: AdmissionOptions) {
    this.#o = options;
    const { registry } = options;
    this.#shed = new Tally(
      registry,
      'starling_sessions_shed_total',
      'Informs told to come again later, by class.',
      'class',
    );
    gauge(registry, 'starling_admission_bar', 'Classes let in, 5 (all) to 1 (operator only).', () => this.#bar);
    gauge(
      registry,
      'starling_wait_seconds',
      'How long POSTs wait for loop or disk, as last measured.',
      () => this.#waitMs / 1_000,
    );
  }

  /** True while everybody is let in: nothing else is asked then. */
  get isOpen(): boolean {
    return this.#bar >= ALL;
  }

  get bar(): number {
    return this.#bar;
  }

  /** Called every admissionTickMs, or as much later as the thread is busy, with the longest wait since. */
  measured(waitMs: number): void {
    this.#waitMs = waitMs;
    const beyond = waitMs / LIMITS.admissionWaitMs;
    if (beyond > 1) this.#bar = Math.max(LOWEST, this.#bar - FALL * Math.min(beyond, FALL_MAX));
    else this.#bar = Math.min(ALL, this.#bar + RISE);
  }

  /**
   * Judges the body of a POST before it is read.
   * @returns seconds after which its CPE may come again; null when it is let in, which all are that begin no session.
   */
  judge(body: Uint8Array): number | null {
    if (this.isOpen) return null;
    const inform = glanceAtEvents(body);
    if (inform === null) return null;
    const index = this.#classOf(inform);
    if (index + 1 <= this.#bar || (index < this.#bar && this.#o.random() < this.#bar - index)) return null;
    const name = CLASSES[index]!;
    this.#shed.inc(name);
    const [least, most] = RETRY_AFTER[name];
    return least + Math.floor(this.#o.random() * (most - least + 1));
  }

  #classOf({ events, device }: InformEvents): number {
    if (device !== null && this.#o.isExpected(cpeIdOf(device))) return 0;
    let least = CLASSES.length - 1;
    for (const event of events) least = Math.min(least, classOfEvent(event));
    return least;
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
/** And rises by while the wait is shorter. */
const RISE = 0.012;
