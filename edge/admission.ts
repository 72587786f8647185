// Who is let in when more CPEs come than this thread can serve. A bar stands in the list of classes: those above it begin sessions, those
// below are told to come again later, and of the class it stands in as large a part is let in as the bar tells. Sessions that have begun are
// never asked.
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
// Within a class those that were turned away before come first: without that some would wait for twice as long each time.
//
// A bar is up until POSTs wait for long. From then on it is put where as many sessions begin as lately ended: a few more
// while POSTs wait for less than the aim, fewer while they wait for longer. The wait alone would be too late to go by: an Inform costs a
// tenth of what its session does afterwards, so a thread that lets Informs in for as long as nobody waits has seconds of work before it
// notices, and then turns everybody away until it has nothing to do. A thread that is idle for a part of the time could serve as many more as
// that part has room for: one that started cold, or stood still for a moment, is at its rate again within seconds.

import { type CpeId, cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { Tally } from '../base/metrics.ts';
import { glanceAtEvents, type InformEvents } from './inform-events.ts';
import type { Look } from './wait-watch.ts';

export const CLASSES = ['operator', 'boot', 'change', 'periodic', 'bulk'] as const;
export type AdmissionClass = (typeof CLASSES)[number];

/**
 * Seconds after which a CPE of a class may come again, at random within: a herd that comes back together comes back spread. How far it is
 * spread depends on how many wait to come again: `most` is the bound, and twice `least` when hardly anybody does.
 */
export const RETRY_AFTER: Readonly<Record<AdmissionClass, readonly [least: number, most: number]>> = {
  operator: [1, 3],
  boot: [5, 300],
  change: [10, 600],
  periodic: [20, 900],
  bulk: [60, 1_800],
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
/** Of each class first those that were turned away before, then the others. */
const HALVES = 2 * ALL;

export class Admission {
  readonly #o: AdmissionOptions;
  readonly #loop = new Bar(LIMITS.admissionWaitMs, LIMITS.admissionAimMs);
  readonly #disk = new Bar(LIMITS.admissionDiskWaitMs, LIMITS.admissionDiskWaitMs);
  /** Sessions that end per second, lately. */
  readonly #ended = new Rate(ENDED_MS);
  /** Milliseconds of each second in which the thread was busy, and Informs turned away; lately. */
  readonly #busy = new Rate(ENDED_MS);
  readonly #shed = new Rate(ENDED_MS);
  #shedSince = 0;
  /** CPEs that were turned away and did not get in since, by class. A guess: some never come again, or come to another thread. */
  readonly #waiting: number[] = new Array(ALL).fill(0);

  constructor(options: AdmissionOptions) {
    this.#o = options;
  }

  /** True while everybody is let in: nothing else is asked then. */
  get isOpen(): boolean {
    return !this.#loop.isLimiting && !this.#disk.isLimiting;
  }

  /** Classes that the loop and the disk let in, 5 (all) to 1 (operator only). */
  get bars(): { loop: number; disk: number } {
    return { loop: this.#loop.at, disk: this.#disk.at };
  }

  /** Called every admissionTickMs, or as much later as the thread is busy. */
  measured({ loopMs, diskMs, posts, ended, sinceMs, busy }: Look): void {
    this.#ended.add(ended, sinceMs);
    this.#busy.add(busy * sinceMs, sinceMs);
    this.#shed.add(this.#shedSince, sinceMs);
    this.#shedSince = 0;
    const { perSecond } = this.#ended;
    // A thread that is late with hardly a POST to answer waits for a core, or for its own upkeep: turning CPEs away would not help it.
    const isByPosts = posts >= POSTS_MIN || this.#loop.isLimiting;
    this.#loop.measured(isByPosts ? loopMs : 0, perSecond, this.#couldServe(), sinceMs);
    // What the disk could do is not told by what the loop did.
    this.#disk.measured(diskMs, perSecond, perSecond, sinceMs);
    // Nobody is asked then how often it has tried, and whoever waited may be among those that were served.
    if (this.isOpen) this.#served(ended);
  }

  /**
   * Judges the body of a POST: for the loop before it is looked at, for the disk before it is read.
   * @returns seconds after which its CPE may come again; null when it is let in, which all are that begin no session.
   */
  judge(body: Uint8Array, by: 'loop' | 'disk'): number | null {
    const bar = by === 'loop' ? this.#loop : this.#disk;
    if (!bar.isLimiting) return null;
    const inform = glanceAtEvents(body);
    if (inform === null) return null;
    const index = this.#classOf(inform);
    if (bar.letsIn(index, inform.isRetry, this.#o.random())) {
      if (inform.isRetry && this.#waiting[index]! > 0) this.#waiting[index]!--;
      return null;
    }
    if (!inform.isRetry) this.#waiting[index]!++;
    const name = CLASSES[index]!;
    this.#o.shed.inc(name);
    this.#shedSince++;
    const [least, most] = RETRY_AFTER[name];
    // Those of higher classes are let in before it.
    let ahead = 0;
    for (let i = 0; i <= index; i++) ahead += this.#waiting[i]!;
    const spread = Math.min(Math.max(ahead / Math.max(this.#ended.perSecond, 1), least), most - least);
    return least + Math.floor(this.#o.random() * (spread + 1));
  }

  /** Sessions per second that would have ended, had there been no idle time: they would have cost what those that did cost. */
  #couldServe(): number {
    const busyMs = this.#busy.perSecond;
    const ofSessionsMs = busyMs - this.#shed.perSecond * REFUSAL_MS;
    const more = Math.min((1_000 - busyMs) / Math.max(ofSessionsMs, 1), MORE_MAX);
    return this.#ended.perSecond * (1 + more);
  }

  #served(count: number): void {
    let left = count;
    for (let i = 0; i < ALL && left > 0; i++) {
      const of = Math.min(left, this.#waiting[i]!);
      this.#waiting[i]! -= of;
      left -= of;
    }
  }

  #classOf({ events, device }: InformEvents): number {
    if (device !== null && this.#o.isExpected(cpeIdOf(device))) return 0;
    // What does not show its events may be anything.
    let least = events.length === 0 ? 2 : CLASSES.length - 1;
    for (const event of events) least = Math.min(least, classOfEvent(event));
    return least;
  }
}

/**
 * Where one of them stands.
 *
 *   up ─POSTs waited for long at three looks in a row─▶ limiting ─all would have been let in for a second─▶ up
 */
class Bar {
  at: number = ALL;
  isLimiting = false;
  readonly #beginMs: number;
  readonly #aimMs: number;
  /** Looks in a row that found a long wait, while it is up; the longest count for more. */
  #over = 0;
  /** As of late; while it is limiting. */
  #waitMs = 0;
  /** Sessions per second that the thread can serve, as far as could be seen. */
  #canServe = 0;
  /** How long it has let everybody in. */
  #allMs = 0;
  /** Informs of each half of a class since the last look, and per second. */
  readonly #came: number[] = new Array(HALVES).fill(0);
  #arriving: Rate[] = [];

  /** @param beginMs wait beyond which it comes down, and @param aimMs what the wait is held at from then on. */
  constructor(beginMs: number, aimMs: number) {
    this.#beginMs = beginMs;
    this.#aimMs = aimMs;
  }

  /** An Inform of a class came, while it is limiting. */
  letsIn(index: number, isRetry: boolean, random: number): boolean {
    const half = 2 * index + (isRetry ? 0 : 1);
    this.#came[half]!++;
    return index < LOWEST || random < 2 * this.at - half;
  }

  /**
   * A look at the thread.
   * @param endedPerSecond sessions that ended lately, and @param couldPerSecond that could have, had there been more of them.
   */
  measured(waitMs: number, endedPerSecond: number, couldPerSecond: number, sinceMs: number): void {
    if (!this.isLimiting) {
      const weight = waitMs > this.#beginMs * LONG ? OVER_MIN / 2 : 1;
      this.#over = waitMs > this.#beginMs ? this.#over + weight : 0;
      if (this.#over >= OVER_MIN) this.#begin(waitMs, endedPerSecond);
      return;
    }
    for (let i = 0; i < HALVES; i++) {
      this.#arriving[i]!.add(this.#came[i]!, sinceMs);
      this.#came[i] = 0;
    }
    this.#waitMs += (waitMs - this.#waitMs) * partOf(sinceMs, WAIT_MS);
    // While nobody waits it could serve more than came to an end: fewer ended because fewer were let in.
    const isFull = this.#waitMs > this.#aimMs;
    const served = isFull ? endedPerSecond : Math.max(couldPerSecond, this.#canServe);
    this.#canServe += (served - this.#canServe) * partOf(sinceMs, ENDED_MS);
    const part = 1 - this.#waitMs / this.#aimMs;
    const perSecond = Math.max(this.#canServe, ENDED_MIN) * Math.max(0, 1 + part * (isFull ? GAIN_OVER : GAIN_UNDER));
    this.at = this.#placeFor(perSecond);
    this.#allMs = this.at < ALL || isFull ? 0 : this.#allMs + sinceMs;
    if (this.#allMs >= ALL_MS) this.#end();
  }

  /** Nobody but the operator's for a moment: who comes is known after the next look. */
  #begin(waitMs: number, endedPerSecond: number): void {
    this.isLimiting = true;
    this.at = LOWEST;
    this.#waitMs = waitMs;
    this.#canServe = endedPerSecond;
    this.#allMs = 0;
    this.#arriving = this.#came.map(() => new Rate(ARRIVING_MS));
    this.#came.fill(0);
  }

  #end(): void {
    this.isLimiting = false;
    this.#over = 0;
  }

  /** Where it stands for so many sessions per second to begin. */
  #placeFor(perSecond: number): number {
    let left = perSecond;
    for (let half = 0; half < HALVES; half++) {
      const arriving = this.#arriving[half]!.perSecond;
      if ((arriving > left || left <= 0) && half >= 2 * LOWEST) return (half + (left <= 0 ? 0 : left / arriving)) / 2;
      left -= arriving;
    }
    return ALL;
  }
}

/** How often something happens, lately. */
class Rate {
  perSecond = 0;
  readonly #overMs: number;
  #sinceMs = 0;

  /** @param overMs what is longer ago counts less and less. */
  constructor(overMs: number) {
    this.#overMs = overMs;
  }

  add(count: number, withinMs: number): void {
    if (withinMs <= 0) return;
    // At first over as long as there is.
    this.#sinceMs = Math.min(this.#sinceMs + withinMs, this.#overMs);
    this.perSecond += ((count * 1_000) / withinMs - this.perSecond) * partOf(withinMs, this.#sinceMs);
  }
}

/** The weight of what was seen within `withinMs` in a mean over `overMs`. */
function partOf(withinMs: number, overMs: number): number {
  return Math.min(1, withinMs / overMs);
}

/** Index of the class an event alone makes. */
function classOfEvent(code: string): number {
  if (code.startsWith('0 ') || code.startsWith('1 ')) return 1;
  if (code.startsWith('2 ')) return 3;
  return code.startsWith('6 ') ? 4 : 2;
}

/** POSTs between two looks that make a loop late by what is in them. */
const POSTS_MIN = 8;
/** Looks in a row after which a bar comes down: one slow turn of the loop, a collection of garbage, is no storm. */
const OVER_MIN = 3;
/** Two are enough when both waits were so many times as long as that: the thread is turning slowly, and the third look is far away. */
const LONG = 4;
/** Part by which more sessions may begin than can be served while nobody waits, and by which fewer at twice the aim. */
const GAIN_UNDER = 0.3;
const GAIN_OVER = 0.25;
/** Means are taken over so long: shorter, and they show the noise; longer, and a storm is older than what is known of it. */
const ENDED_MS = 1_000;
const ARRIVING_MS = 500;
const WAIT_MS = 200;
/** CPU of an Inform that is turned away, about and rather less: what sessions cost is not to be taken for too little. */
const REFUSAL_MS = 0.035;
/** Times as many as ended that a thread is taken to have room for at most: the little that one does hardly tells how much it could. */
const MORE_MAX = 20;
/** Sessions per second that a thread can surely serve: where none ended, none could begin. */
const ENDED_MIN = 20;
/** After so long without one that was turned away nobody is asked any more. */
const ALL_MS = 1_000;
