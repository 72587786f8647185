// The small size of the Inform bench: real processes and sockets, a fraction of a second each. Counts are asserted, never times.

import { expect, test } from 'vitest';
import { documentsTable, measureDocuments } from './documents.ts';
import { groupCommitTable, measureGroupCommit } from './group-commit.ts';
import { measureRows } from './rounds.ts';
import { type InformRow, ROWS } from './rows.ts';

const DEVICES = 50;
const AT_ONCE = 8;
const NAMES = ['floor', 'quiet, 12 parameters', 'value change, durable', 'one action: set and read back'];

/**
 * The row with a small fleet and few sessions at once, as no CPE has two and nobody is to be turned away; each of another size, for rows of
 * equal servers share one, and what one changes would be news of the next.
 */
function small(name: string, place: number): InformRow {
  const row = ROWS.find((one) => one.name === name);
  if (row === undefined) throw new Error(`the Inform bench has no row ${name}`);
  const { kind } = row.server;
  return {
    ...row,
    server: kind === 'floor' ? row.server : { ...row.server, devices: DEVICES + place },
    load: { ...row.load, atOnce: AT_ONCE },
  };
}

test('bench: every kind of row of the Inform bench does its work', async () => {
  const options = { rounds: 1, seconds: 0.4, atOnce: AT_ONCE, progress: () => {} };
  const samples = await measureRows(NAMES.map(small), options);
  const of = Object.fromEntries([...samples].map(([name, all]) => [name, all[0]!]));
  const [floor, quiet, change, action] = NAMES.map((name) => of[name]!);
  for (const [name, sample] of Object.entries(of)) {
    expect([sample.errors, sample.why], name).toEqual([0, []]);
    expect(sample.sessions, name).toBeGreaterThan(0);
    expect(sample.cpuUs, name).toBeGreaterThan(0);
    expect(sample.informUs.length, name).toBe(sample.sessions);
    expect(sample.emptyUs.length, name).toBe(sample.sessions);
  }
  expect(floor!.quiet).toBe(-1);
  // Or the numbers are of something else.
  expect(quiet!.quiet).toBe(quiet!.sessions);
  expect(change!.quiet).toBe(0);
  expect(action!.quiet).toBe(0);
  // Once in a round, however many turns it has.
  expect(action!.sessions).toBe(Math.floor((DEVICES + NAMES.length - 1) / 4));
}, 120_000);

test('bench: quiet sessions and value changes come by turns at their rate, and each is what it is counted as', async () => {
  const report = await measureGroupCommit({ rounds: 1, seconds: 0.5, perSecond: 40, progress: () => {} });
  expect([report.errors, report.why]).toEqual([0, []]);
  expect(report.quietSessions).toBeGreaterThan(0);
  expect(report.changeSessions).toBeGreaterThan(0);
  expect(report.countedQuiet).toBe(report.quietSessions);
  expect([report.addedMinMs, report.addedMaxMs]).toEqual([report.addedMs, report.addedMs]);
  expect(groupCommitTable(report)).toHaveLength(1);
}, 120_000);

test('bench: documents are dealt with by the session thread and by the pool, each read and answered', async () => {
  const sizes = [6_000, 40_000];
  const of = { rounds: 1, seconds: 0.5, sizes, bytesPerSecond: 200_000, quietPerSecond: 20, progress: () => {} };
  const reports = await measureDocuments(of);
  expect(reports.map((r) => [r.by, r.documents, r.countedInPool, r.errors, r.why])).toEqual([
    ['session thread', 17, 0, 0, []],
    ['pool', 17, 17, 0, []],
    ['session thread', 3, 0, 0, []],
    ['pool', 3, 3, 0, []],
  ]);
  expect(documentsTable(reports)).toMatchObject([6, 6, 39, 39].map((kB) => ({ 'document kB': kB, errors: 0 })));
}, 120_000);

test('every row has a base among the rows, and a guard not below its goal', () => {
  const names = ROWS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, base, goal, guard } of ROWS) {
    expect(names, name).toContain(base);
    if (guard !== undefined) expect(guard, name).toBeGreaterThanOrEqual(goal ?? guard);
  }
});
