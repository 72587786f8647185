// The files of a simulated CPE: what a configuration or log upload holds, and what a downloaded file does. Plain text, so that people
// can write one by hand: `path=value` lines for a configuration, `version=…` anywhere in the first 64 KiB for firmware.

import type { DataTree } from './data-tree.ts';
import type { SessionSummary } from './session-run.ts';

/** Every writable value that is no secret, one line each. */
export function configurationFile(tree: DataTree): Buffer {
  const lines: string[] = [];
  for (const path of tree.paths()) {
    const def = tree.def(path);
    if (def?.writable && !def.secret) lines.push(`${path}=${tree.value(path)}`);
  }
  return Buffer.from(`${lines.join('\n')}\n`, 'utf8');
}

/** The latest sessions, one line each. */
export function logFile(sessions: readonly SessionSummary[]): Buffer {
  const lines = sessions.map(({ session, outcome, why, events }) => {
    return `session ${session} ${outcome} ${events.map((event) => event.EventCode).join(', ')} ${why}`.trimEnd();
  });
  return Buffer.from(`log of a simulated CPE\n${lines.join('\n')}\n`, 'utf8');
}

/** Takes over the `path=value` lines that fit; other text does nothing. False for an empty file. */
export function appliedConfiguration(tree: DataTree, file: Buffer): boolean {
  if (file.length === 0) return false;
  for (const line of file.toString('utf8').split('\n')) {
    const equals = line.indexOf('=');
    const path = line.slice(0, Math.max(0, equals)).trim();
    const value = line.slice(equals + 1).trimEnd();
    if (tree.checkWrite(path, value, '') === 0) tree.set(path, tree.normalise(path, value));
  }
  return true;
}

/** The version a firmware file brings: its own word, else one in its name, else the next of the present one. */
export function firmwareVersion(head: Buffer, name: string, present: string): string {
  const inside = /\bversion=([\w.-]{1,64})/.exec(head.toString('latin1'))?.[1];
  const inName = /\d+(?:\.\d+)+/.exec(name.slice(name.lastIndexOf('/') + 1).split('?')[0]!)?.[0];
  const next = present.replace(/\d+$/, (last) => String(Number(last) + 1));
  return inside ?? inName ?? next;
}
