import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { InProcessTransport } from '../../bus/in-process.ts';
import { type Fact, type FactBody, factMessageId, recordMessageId } from '../../bus/messages.ts';
import { ALL_FACTS } from '../../bus/subjects.ts';
import { filesOnDisk } from '../../edge/file-fetcher.ts';
import { Relay } from '../../edge/relay.ts';
import { openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { Stamps } from '../../edge/store/stamps.ts';
import { ProfileChooser } from '../../profiles/choose.ts';
import { loadProfiles } from '../../profiles/load.ts';
import type { AppenderData } from './appender.ts';

const entry = fileURLToPath(new URL('../../dist/test/faults/appender.js', import.meta.url));
/** More for a long run: STARLING_FAULT_ROUNDS=200. */
const rounds = Number(process.env['STARLING_FAULT_ROUNDS'] ?? 4);

let dir: string;
beforeAll(() => {
  if (!existsSync(entry)) throw new Error(`${entry} is missing: run \`npm run build\` first.`);
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'starling-outbox-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const factsOf = (text: string): Fact[] => JSON.parse(text) as Fact[];

const deviceIn = (fact: Fact): { cpeId: string; at: number } => {
  const [device] = (fact.body as FactBody<'seen'>).devices;
  if (device === undefined) throw new Error('a fact of the appender names a device');
  return device;
};

test('outbox: two threads append while the relay drains: nothing lost or doubled, each lane in order, causes before effects', async () => {
  const [threads, chain, noise] = [2, 200, 5];
  const stamps = Stamps.forNewStart(dir);
  const store = openEdgeStore({ dir, edgeId: 'e1', pop: 'pop', lane: 0, stamps, key: new Uint8Array(32) });
  const transport = new InProcessTransport();
  const facts: Fact[] = [];
  const ids: string[] = [];
  const marks = new Map<number, number>();
  let refused = 0;
  transport.subscribe(ALL_FACTS, 'ingest', async (_, messages) => {
    // Now and then control fails after it took a batch, as it may: its marks must make the second delivery count for nothing.
    const fails = ++refused % 7 === 0;
    for (const { id, payload } of messages) {
      const list = factsOf(String(payload));
      const { lane, sequence: first } = list[0]!;
      expect(id).toBe(recordMessageId({ edgeId: 'e1', lane, first, last: list.at(-1)!.sequence }));
      for (const fact of list) {
        if (fact.sequence <= (marks.get(fact.lane) ?? -1)) continue;
        marks.set(fact.lane, fact.sequence);
        facts.push(fact);
        ids.push(factMessageId(fact));
      }
    }
    if (fails) throw new Error('the acknowledgement got lost');
  });
  const relay = new Relay({
    store, transport, acked: new BigInt64Array(3), clock: systemClock, log: silentLog, registry: new Registry(),
    profiles: new ProfileChooser(loadProfiles()), waker: { wake: () => {} }, files: filesOnDisk({ uploaded: () => null }), recordings: { begin: async () => {}, round: async () => {} }, claims: null, expect: () => {}, edgeId: 'e1', pop: 'pop', threads, version: '0',
  }); // biome-ignore format: a plain list
  relay.start();
  const turnMemory = new SharedArrayBuffer(4);
  const data = { dir, stampMemory: stamps.memory, turnMemory, threads, chain, noise };
  const workers = Array.from({ length: threads }, (_, i) => {
    const workerData: AppenderData = { ...data, lane: i + 1 };
    return new Worker(entry, { workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  await relay.close();
  expect(store.readFacts(1)).toEqual([]);
  expect(store.outboxDepth()).toBe(0);
  await store.close();

  expect(new Set(ids).size).toBe(ids.length);
  const seen = facts.filter(({ type }) => type === 'seen').map(deviceIn);
  // Each link of the chain was appended by another thread after the one before was durable.
  expect(seen.filter(({ cpeId }) => cpeId === 'chain').map(({ at }) => at)).toEqual(
    Array.from({ length: chain }, (_, i) => i),
  );
  for (let lane = 1; lane <= threads; lane++) {
    const beside = seen.filter(({ cpeId }) => cpeId === `noise-${lane}`).map(({ at }) => at);
    expect(beside.length).toBeGreaterThan(0);
    expect(beside).toEqual(beside.map((_, i) => i));
  }
}, 60_000);

test(`outbox: a process killed while appending loses nothing it was told is durable (${rounds} rounds)`, async () => {
  const acknowledged = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const child = spawn(process.execPath, [entry, dir, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    // Killed at some moment after a number of acknowledgements that differs from round to round.
    const wanted = 20 + Math.floor(Math.random() * 400);
    let count = 0;
    let text = '';
    for await (const chunk of child.stdout) {
      text += String(chunk);
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) acknowledged.add(line);
      count += lines.length;
      if (count >= wanted) child.kill('SIGKILL');
    }
    expect((await exited)[1]).toBe('SIGKILL');
  }
  const stamps = Stamps.forNewStart(dir);
  expect(stamps.incarnation).toBe(rounds + 1);
  const store = openEdgeStore({ dir, edgeId: 'e1', pop: 'pop', lane: 0, stamps, key: new Uint8Array(32) });
  const facts = store.readFacts(Number.MAX_SAFE_INTEGER).flatMap(({ text }) => factsOf(text));
  await store.close();
  const found = facts.map((fact) => deviceIn(fact).cpeId);
  expect(acknowledged.size).toBeGreaterThan(rounds * 20);
  expect(new Set(found).size).toBe(found.length);
  expect([...acknowledged].filter((id) => !found.includes(id))).toEqual([]);
  // Facts appended together are there together or not at all.
  expect(found.length % 3).toBe(0);
  expect(facts.length).toBe(stampsRise(facts));
}, 120_000);

/** How many facts rise within their lane, over all starts. */
function stampsRise(facts: Fact[]): number {
  const marks = new Map<number, number>();
  let rising = 0;
  for (const { lane, sequence } of facts) {
    if (sequence > (marks.get(lane) ?? -1)) rising++;
    marks.set(lane, sequence);
  }
  return rising;
}
