// What processes use, from the operating system's books, read once a second: CPU by thread, memory, and how long the machine waited for its
// disk. Linux only, as the edge is; what a kernel does not keep is null.

import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export interface ThreadUsage {
  tid: number;
  name: string;
  /** CPU since it began, in nanoseconds. */
  ns: number;
}

export interface MemoryUsage {
  rssBytes: number;
  /** Neither file nor shared: what a leak grows. */
  anonymousBytes: number;
}

export interface MachineUsage {
  /** Busy time of all cores since boot, in ticks of 10 ms, and how many cores there are. */
  busyTicks: number;
  cores: number;
  /** Microseconds in which at least one task waited for a disk; null where the kernel does not count it. */
  diskWaitUs: number | null;
}

/** CPU of every living thread of a process. Throws Error when the process is gone. */
export function threadsOf(pid: number): ThreadUsage[] {
  const threads: ThreadUsage[] = [];
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const path = `/proc/${pid}/task/${tid}`;
      const name = readFileSync(`${path}/comm`, 'utf8').trim();
      const ns = Number(readFileSync(`${path}/schedstat`, 'utf8').split(' ')[0]);
      threads.push({ tid: Number(tid), name, ns });
    } catch {
      // The thread ended between the listing and the look.
    }
  }
  return threads;
}

/** CPU of a whole process in nanoseconds. Throws Error when it is gone. */
export function cpuNsOf(pid: number): number {
  return threadsOf(pid).reduce((sum, { ns }) => sum + ns, 0);
}

/** Memory of a process. Throws Error when it is gone. */
export function memoryOf(pid: number): MemoryUsage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1_024;
  return { rssBytes: bytes('VmRSS'), anonymousBytes: bytes('RssAnon') };
}

/** The whole machine, everything that runs on it included. */
export function machineUsage(): MachineUsage {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1).map(Number);
  // user, nice, system, irq, softirq, steal: neither idle (3) nor iowait (4); guest time is in user already.
  const busyTicks = [0, 1, 2, 5, 6, 7].reduce((sum, i) => sum + (fields[i] ?? 0), 0);
  return { busyTicks, cores: availableParallelism(), diskWaitUs: diskWait() };
}

function diskWait(): number | null {
  try {
    return Number(/some .* total=(\d+)/.exec(readFileSync('/proc/pressure/io', 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return null;
  }
}
