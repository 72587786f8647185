// What a process has used, from the operating system's books: CPU of all its threads, and memory that is its own. Linux only, as the
// edge is.

import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of a thread since it began, in microseconds. */
export interface ThreadCpu {
  tid: number;
  name: string;
  us: number;
}

/**
 * CPU time of each living thread of `pid`, user and system together. Taken from schedstat, which counts nanoseconds, where the kernel
 * keeps it, else from stat, which counts ticks of 10 ms.
 * @throws Error when there is no such process.
 */
export function threadsOf(pid: number): ThreadCpu[] {
  const dir = `/proc/${pid}/task`;
  const threads: ThreadCpu[] = [];
  for (const tid of readdirSync(dir)) {
    try {
      const name = readFileSync(`${dir}/${tid}/comm`, 'utf8').trim();
      threads.push({ tid: Number(tid), name, us: cpuUsOf(`${dir}/${tid}`) });
    } catch {
      // The thread ended between the listing and the look.
    }
  }
  return threads;
}

/** CPU time of processes, all threads, in microseconds. Throws Error when one of them is gone. */
export function cpuUs(pids: readonly number[]): number {
  let us = 0;
  for (const pid of pids) for (const thread of threadsOf(pid)) us += thread.us;
  return us;
}

/** CPU time all cores have spent on anything since the machine started, what a hypervisor gave to others too, in microseconds; in ticks of 10 ms. */
export function machineCpuUs(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/);
  return [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks) * 10_000, 0);
}

/** Resident memory of a process in bytes. */
export interface MemoryUsage {
  rssBytes: number;
  /** Neither file nor shared (RssAnon): what a leak grows. */
  anonymousBytes: number;
}

/** Memory of a process. Throws Error when it is gone. */
export function memoryOf(pid: number): MemoryUsage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1_024;
  return { rssBytes: bytes('VmRSS'), anonymousBytes: bytes('RssAnon') };
}

function cpuUsOf(task: string): number {
  try {
    return Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
  } catch {
    // Fields 14 and 15, counted behind the name, which may hold anything.
    const stat = readFileSync(`${task}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  }
}
