// The rows of the Inform bench as data: which server, which sessions, beside which row it is put, and what it may cost. A goal is what we
// hold ourselves to; a guard, wider by the noise of a busy machine, is what CI fails on.

import type { Load } from './load.ts';
import type { ServerOptions } from './server.ts';

export interface InformRow {
  name: string;
  server: ServerOptions;
  load: Partial<Pick<Load, 'traffic' | 'auth' | 'keepAlive' | 'tls' | 'atOnce'>>;
  /** Row whose CPU per session this one's is divided by. */
  base: string;
  goal?: number;
  guard?: number;
}

const FLOOR = 'floor';
const FLOOR_128 = 'floor, 128 at once';
const QUIET = 'quiet, 12 parameters';
const DEVICES = 10_000;
const edge: ServerOptions = { kind: 'edge', devices: DEVICES };
/** A server of its own: sessions with news change what the quiet ones are compared with. */
const busy: ServerOptions = { ...edge, apart: true };

export const FLOORS: readonly InformRow[] = [
  { name: FLOOR, server: { kind: 'floor' }, load: {}, base: FLOOR },
  {
    name: 'floor, kept connections',
    server: { kind: 'floor' },
    load: { keepAlive: true },
    base: 'floor, kept connections',
  },
  // As many sessions as an edge has open at once when each waits some milliseconds for the disk.
  { name: FLOOR_128, server: { kind: 'floor' }, load: { atOnce: 128 }, base: FLOOR_128 },
  { name: 'floor, TLS', server: { kind: 'floor', tls: true }, load: { tls: true }, base: 'floor, TLS' },
];

export const ROWS: readonly InformRow[] = [
  ...FLOORS,
  { name: QUIET, server: edge, load: {}, base: FLOOR, goal: 1.5, guard: 1.8 },
  { name: 'quiet, kept connections', server: edge, load: { keepAlive: true }, base: 'floor, kept connections' },
  {
    ...{ name: 'quiet, 1,000 parameters', server: { kind: 'edge', devices: 2_000, parameters: 1_000 }, load: {} },
    ...{ base: QUIET, goal: 1.05, guard: 1.2 },
  },
  {
    ...{ name: 'quiet, 3,000 parameters', server: { kind: 'edge', devices: 1_000, parameters: 3_000 }, load: {} },
    ...{ base: QUIET, goal: 1.05, guard: 1.2 },
  },
  {
    ...{ name: 'quiet, 1 M devices', server: { kind: 'edge', devices: 1_000_000 }, load: {} },
    ...{ base: QUIET, goal: 1.25, guard: 1.4 },
  },
  {
    ...{ name: 'quiet, basic', server: { ...edge, auth: 'basic' }, load: { auth: 'basic' } },
    ...{ base: QUIET, goal: 1.1 },
  },
  {
    ...{ name: 'quiet, digest with its 401', server: { ...edge, auth: 'digest' }, load: { auth: 'digest' } },
    ...{ base: QUIET, goal: 1.6 },
  },
  { name: 'quiet, TLS', server: { ...edge, tls: true }, load: { tls: true }, base: 'floor, TLS' },
  {
    name: 'value change, durable',
    server: busy,
    load: { traffic: 'change', atOnce: 128 },
    base: FLOOR_128,
    goal: 2.5,
    guard: 3,
  },
  { name: 'boot, durable', server: busy, load: { traffic: 'boot', atOnce: 128 }, base: FLOOR_128 },
  { name: 'one action: set and read back', server: busy, load: { traffic: 'action', atOnce: 128 }, base: FLOOR_128 },
];

/**
 * Rows by what they are put beside in the end: only those need be measured in one run, and each server that runs beside them takes some
 * of the caches.
 * @param rows with the base of each.
 */
export function byFloor(rows: readonly InformRow[]): InformRow[][] {
  const named = new Map(rows.map((row) => [row.name, row]));
  const groups = new Map<InformRow, InformRow[]>();
  for (const row of rows) {
    let floor = row;
    while (floor.base !== floor.name) floor = named.get(floor.base)!;
    groups.set(floor, [...(groups.get(floor) ?? []), row]);
  }
  return [...groups.values()];
}
