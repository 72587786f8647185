// Puts together what generators counted and what the operating system's books say, by phase and second. Pure: it is handed numbers.

import type { MemoryUsage, ThreadCpu } from '../../inform/cpu.ts';
import { Histogram } from './histogram.ts';
import type { MachineUsage } from './machine-usage.ts';
import type { ClassName } from './scenarios.ts';
import { type ClassCounts, type GeneratorSecond, type Levels, noCounts } from './tally.ts';

/** Counts of a class, or of all, over some time. */
export interface Counted extends ClassCounts {
  session: Histogram;
  whole: Histogram;
}

/** What the processes used within one second: shares are of one core, but for the machine's, which is of all of them. */
export interface Usage {
  mainThread: number;
  /** The busiest thread of the server beside its main one: with one session thread, that. */
  sessionThread: number;
  server: number;
  generators: number[];
  machine: number;
  /** Cores that neither server nor generators used, but something else did: other programs, and the kernel on nobody's account. */
  others: number;
  /** Part of the second in which something waited for the disk; null where it is not counted. */
  diskWait: number | null;
  rssBytes: number;
  anonymousBytes: number;
}

/** One second, or the part of it that lies in one phase. */
export interface Second extends Levels {
  phase: number;
  second: number;
  classes: Map<ClassName, Counted>;
}

/** What was read at one moment. */
export interface Reading {
  atMs: number;
  serverPid: number;
  server: ThreadCpu[];
  memory: MemoryUsage;
  generatorUs: number[];
  machine: MachineUsage;
}

export class Collector {
  readonly #seconds = new Map<string, { second: Second; levels: Map<number, GeneratorSecond> }>();
  readonly usage = new Map<number, Usage>();

  add(part: GeneratorSecond): void {
    const key = `${part.phase} ${part.second}`;
    let entry = this.#seconds.get(key);
    if (entry === undefined) {
      entry = { second: emptySecond(part.phase, part.second), levels: new Map() };
      this.#seconds.set(key, entry);
    }
    const { second, levels } = entry;
    for (const [name, { sessionMs, wholeMs, ...counts }] of Object.entries(part.classes)) {
      const counted = countedOf(second.classes, name as ClassName);
      addCounts(counted, counts);
      counted.session.merge(sessionMs);
      counted.whole.merge(wholeMs);
    }
    for (const [why, count] of Object.entries(part.failures))
      second.failures[why] = (second.failures[why] ?? 0) + count;
    second.starved += part.starved;
    second.full += part.full;
    second.lateMs = Math.max(second.lateMs, part.lateMs);
    // Levels: the last of each generator counts.
    levels.set(part.generator, part);
    const all = [...levels.values()];
    second.open = all.reduce((sum, { open }) => sum + open, 0);
    second.wanting = all.reduce((sum, { wanting }) => sum + wanting, 0);
    second.backlog = all.reduce((sum, { backlog }) => sum + backlog, 0);
  }

  /** What was used between two readings, as that of `second`. */
  used(second: number, before: Reading, after: Reading): void {
    this.usage.set(second, usageBetween(before, after));
  }

  /** In order of time. */
  seconds(): Second[] {
    const seconds = [...this.#seconds.values()].map(({ second }) => second);
    return seconds.sort((a, b) => a.phase - b.phase || a.second - b.second);
  }
}

/** What was used per second between two readings. */
export function usageBetween(before: Reading, after: Reading): Usage {
  const us = (after.atMs - before.atMs) * 1e3;
  const known = new Map(before.server.map((thread) => [thread.tid, thread.us]));
  let mainThread = 0;
  let sessionThread = 0;
  let server = 0;
  for (const thread of after.server) {
    const share = (thread.us - (known.get(thread.tid) ?? 0)) / us;
    server += share;
    if (thread.tid === after.serverPid) mainThread = share;
    else sessionThread = Math.max(sessionThread, share);
  }
  const { busyTicks, cores, diskWaitUs } = after.machine;
  const waited =
    diskWaitUs === null || before.machine.diskWaitUs === null ? null : diskWaitUs - before.machine.diskWaitUs;
  const generators = after.generatorUs.map((value, i) => (value - (before.generatorUs[i] ?? 0)) / us);
  const busy = ((busyTicks - before.machine.busyTicks) * 1e4) / us;
  return {
    ...{ mainThread, sessionThread, server, generators },
    machine: busy / cores,
    others: Math.max(
      0,
      generators.reduce((left, share) => left - share, busy - server),
    ),
    diskWait: waited === null ? null : waited / us,
    ...after.memory,
  };
}

/** All counts of some seconds together, or of one class among them. */
export function sum(seconds: readonly Second[], name?: ClassName): Counted {
  const total = newCounted();
  for (const { classes } of seconds) {
    for (const [of, counted] of classes) {
      if (name !== undefined && name !== of) continue;
      addCounts(total, counted);
      total.session.absorb(counted.session);
      total.whole.absorb(counted.whole);
    }
  }
  return total;
}

function emptySecond(phase: number, second: number): Second {
  return {
    ...{ phase, second, classes: new Map<ClassName, Counted>(), failures: {} },
    ...{ open: 0, wanting: 0, backlog: 0, starved: 0, full: 0, lateMs: 0 },
  };
}

function newCounted(): Counted {
  return { ...noCounts(), session: new Histogram(), whole: new Histogram() };
}

function countedOf(classes: Map<ClassName, Counted>, name: ClassName): Counted {
  let counted = classes.get(name);
  if (counted === undefined) {
    counted = newCounted();
    classes.set(name, counted);
  }
  return counted;
}

function addCounts(to: ClassCounts, { first, retries, served, shed, failed, cut, done }: ClassCounts): void {
  to.first += first;
  to.retries += retries;
  to.served += served;
  to.shed += shed;
  to.failed += failed;
  to.cut += cut;
  to.done += done;
}
