// What the shadow costs per Inform and per answer. Questions: does a quiet Inform cost the same whatever the size of the device's tree and
// the number of devices in the store, and what do a changed value, a batch of 32 values read and a whole walk cost? Not asked: the disk
// (its waits are in the outbox's figures), and filling the store, which is left out of the times.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bench } from 'tinybench';
import type { ParameterInfo, ParameterValue } from '../cwmp/message.ts';
import { openEdgeStore } from '../edge/store/lmdb-store.ts';
import { Stamps } from '../edge/store/stamps.ts';

export interface ShadowBenchSize {
  devices: number;
  /** Parameters beside those of the Inform; the first ten devices have them. */
  tree: number;
  timeMs: number;
}

const TREES = 10;
const VALUE_BATCH = 32;
const cpeIdOf = (device: number): string => `00D09E-Bench-${device}`;
const treeName = (i: number): string => `Device.Hosts.Host.${i >> 3}.X_Part${i & 7}`;
const informOf = (device: number): ParameterValue[] =>
  Array.from({ length: 12 }, (_, i) => ({
    Name: `Device.DeviceInfo.X_Part${i}`,
    Value: `value ${i} of ${device}`,
    Type: 'xsd:string',
  }));

/** Runs all rows on a store of its own. Returns the tinybench table and how much work each row did, counted by its results. */
export async function shadowBench({
  devices,
  tree,
  timeMs,
}: ShadowBenchSize): Promise<{ table: unknown[]; work: Record<string, number> }> {
  const dir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const store = openEdgeStore({
    dir,
    edgeId: 'bench',
    pop: 'bench',
    lane: 0,
    stamps: Stamps.forNewStart(dir),
    key: new Uint8Array(32),
  });
  const values = Array.from(
    { length: tree },
    (_, i): ParameterValue => ({ Name: treeName(i), Value: `v${i}`, Type: 'xsd:string' }),
  );
  const names = values.map(({ Name }): ParameterInfo => ({ Name, Writable: true }));
  for (let device = 0; device < devices; device++) {
    const written = store.applyValues(cpeIdOf(device), informOf(device));
    if (device < TREES) await store.applyValues(cpeIdOf(device), values);
    // Commits of a bounded size, so that filling a million devices does not hold them all in memory.
    if (device % 5_000 === 0) await written;
  }
  await store.flushed();

  // A stride through all devices, so that no row lives on one warm page; the lists are made before the clock runs.
  const sampled = Array.from({ length: Math.min(devices, 1_000) }, (_, i) => (i * 7_919) % devices);
  const lists = sampled.map(informOf);
  const changedLists = lists.map((list) => list.map((entry, i) => (i === 5 ? { ...entry, Value: 'changed' } : entry)));
  const work: Record<string, number> = { quiet: 0, changed: 0, hasWork: 0, known: 0, values: 0, names: 0 };
  const count = (row: string, by: number): void => {
    work[row] = (work[row] ?? 0) + by;
  };
  let turn = 0;
  const next = (): number => ++turn % sampled.length;
  const size = `devices=${devices} tree=${tree}`;
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 5 });
  bench.add(`quiet Inform, 12 parameters ${size}`, () => {
    const i = next();
    const { changed } = store.compareInform(cpeIdOf(sampled[i] ?? 0), lists[i] ?? []);
    count('quiet', changed.length === 0 ? 1 : 0);
  });
  bench.add(`Inform with one change ${size}`, () => {
    const i = next();
    count('changed', store.compareInform(cpeIdOf(sampled[i] ?? 0), changedLists[i] ?? []).changed.length);
  });
  bench.add(`is there work ${size}`, () => {
    count('hasWork', store.hasWork(cpeIdOf(sampled[next()] ?? 0)) ? 0 : 1);
  });
  bench.add(`one parameter of the tree ${size}`, () => {
    const known = store.knownParameter(cpeIdOf(++turn % TREES), treeName(turn % tree));
    count('known', known === null ? 0 : 1);
  });
  bench.add(`${VALUE_BATCH} values read, committed ${size}`, async () => {
    const at = (++turn * VALUE_BATCH) % (tree - VALUE_BATCH);
    const read = values.slice(at, at + VALUE_BATCH).map((entry) => ({ ...entry, Value: `read ${turn}` }));
    await store.applyValues(cpeIdOf(turn % TREES), read);
    count('values', read.length);
  });
  bench.add(`all names of the tree, committed ${size}`, async () => {
    await store.applyNames(cpeIdOf(++turn % TREES), 'Device.Hosts.', true, names);
    count('names', names.length);
  });
  await bench.run();
  await store.close();
  rmSync(dir, { recursive: true, force: true });
  return { table: bench.table(), work };
}

/** Prints all sizes of fleet and tree. */
export async function printShadowBench(): Promise<void> {
  for (const [devices, tree] of [
    [10_000, 1_000],
    [10_000, 3_000],
    [1_000_000, 1_000],
  ] as const) {
    const { table, work } = await shadowBench({ devices, tree, timeMs: 1_000 });
    console.table(table);
    console.log(work);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printShadowBench();
