// What the whole machine uses, from the operating system's books: busy cores, and how long it waited for its disk. Linux only, as the edge
// is; what a kernel does not keep is null. What one process uses is in bench/inform/cpu.ts.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export interface MachineUsage {
  /** Busy time of all cores since boot, in ticks of 10 ms, and how many cores there are. */
  busyTicks: number;
  cores: number;
  /** Microseconds in which at least one task waited for a disk; null where the kernel does not count it. */
  diskWaitUs: number | null;
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
