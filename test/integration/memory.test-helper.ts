// Resident memory of a process, as Linux counts it: its own pages and those of files it has mapped.

import { readFileSync } from 'node:fs';

export function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (line === null) throw new Error(`process ${pid} has no VmRSS: it has ended`);
  return Math.round(Number(line[1]) / 1024);
}
