// The small size of the road benches: real servers and processes. Counts are asserted, never times.

import { describe, expect, test } from 'vitest';
import { NATS_SERVER } from '../../test/nats.test-helper.ts';
import { backlogBench } from './backlog.bench.ts';
import { totalOf } from './line.ts';
import { relayBench } from './relay.bench.ts';
import { wanBench } from './wan.bench.ts';

describe.skipIf(NATS_SERVER === null)('the road', () => {
  test('bench: control reads every fact of an outbox once and in order, whatever lies in a record', async () => {
    const { rows, taken } = await relayBench('read', 1, { devices: 400, facts: 400, rounds: 1 });
    expect(rows).toHaveLength(4);
    // With the first filling, and the hello of the relay of each.
    expect(taken).toEqual({ facts: 5 * 401, repeated: 0, parked: 0 });
  }, 60_000);

  test('bench: the outboxes of four edges come to PostgreSQL, each fact once', async () => {
    const { rows, taken } = await relayBench('stored', 4, { devices: 400, facts: 400, rounds: 1 });
    expect(rows).toHaveLength(2);
    expect(taken).toEqual({ facts: 3 * 404, repeated: 0, parked: 0 });
  }, 60_000);

  test('bench: a backlog is drained whole, and the memory of every process is looked at on the way', async () => {
    const { table, waited, taken } = await backlogBench({ devices: 400, facts: 2_000, looks: 4 });
    expect(waited).toBe(2_001);
    expect(taken).toEqual({ facts: 401 + 2_001, repeated: 0, parked: 0 });
    expect(table.at(-1)?.facts).toBe(2_001);
    for (const { memory } of table) expect(Math.min(...Object.values(memory))).toBeGreaterThan(0);
  }, 60_000);

  test('bench: bytes on the line are counted for every quiet device, and few of them share their batches', async () => {
    const fleets = [1, 2].map((threads) => ({ devices: 500, intervalSeconds: 300, threads, intervals: 1 }));
    const { rows, opened, taken } = await wanBench({ fleets, idleMs: 100 });
    expect(taken).toEqual({ facts: 1 + rows[0]!.batches + rows[1]!.batches, repeated: 0, parked: 0 });
    expect(opened.upBytes).toBeGreaterThan(0);
    for (const { batches, count } of rows) {
      expect(count.downBytes).toBeGreaterThan(0);
      // Bytes do not depend on how busy the machine is: the goal of 40 for an Inform holds here too.
      expect((count.upBytes + count.downBytes) / 500).toBeLessThan(40);
      expect(totalOf(count)).toBeGreaterThan(count.upBytes + count.downBytes);
      expect(batches).toBeLessThanOrEqual(20);
    }
  }, 60_000);
});
