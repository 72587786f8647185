// The line between a POP and the centre: cut for a day, and slow. The day is one by what happens in it and not by the clock: as many facts
// as wait after it, with sessions, new CPEs, provisioning and diagnostics going on at the edge.

import { afterEach, describe, expect, test } from 'vitest';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { type NetemLine, netemMissing, openNetem } from '../netem.ts';
import { Apart, FULL } from './apart.test-helper.ts';
import type { LoadedCpe } from './load.ts';

const FACTS = Number(process.env['STARLING_TEST_FACTS'] ?? (FULL ? 100_000 : 10_000));
/** Sessions over the slow line. */
const SLOW_INFORMS = FULL ? 10_000 : 1_000;
const SLOW = { roundTripMs: 300, loss: 0.02 };
/** First contacts while the centre is away, and over the slow line. */
const NEW_CPES = 3;

describe.skipIf(NATS_SERVER === null)('the line to the centre', () => {
  let apart: Apart | null = null;
  let netem: NetemLine | null = null;
  afterEach(async () => {
    await apart?.stop();
    netem?.close();
    apart = null;
    netem = null;
  });

  test(`faults: the WAN is cut until ${FACTS} facts wait: the edge goes on, and all of it arrives once`, {
    timeout: 240_000 + FACTS * 20,
  }, async () => {
    apart = await Apart.start(`WAN cut for a day, by volume: ${FACTS} facts`, { cpes: 18, idleMsMax: 8 });
    const { load, starling, wan } = apart;
    const here = apart;
    let ordered = 0;
    for (const one of load.cpes) {
      for (const request of ordersFor(one)) {
        await load.order(starling, one, request);
        ordered++;
      }
    }
    const handedOver = () =>
      here.query(
        async (sql) =>
          (await sql`select count(distinct action_id)::int as n from evidence where kind = 'sent'`)[0]!['n'],
      );
    await expect.poll(handedOver, { timeout: 30_000 }).toBeGreaterThanOrEqual(ordered);
    await expect
      .poll(() => here.onTheWay(), { timeout: 30_000 })
      .toEqual({ outbox: 0, STARLING_FACTS: 0, STARLING_DECISIONS: 0 });

    wan.cut();
    const cutAt = performance.now();
    const before = did(load.cpes);
    load.go();
    load.operate(starling);
    const orders = load.asked.length;
    await expect.poll(() => load.asked.length, { timeout: 30_000, interval: 20 }).toBeGreaterThan(orders + 150);
    await load.stopOperating();
    const fresh = await load.grow(NEW_CPES);
    await expect.poll(() => here.outboxDepth(), { timeout: 60_000 + FACTS * 15, interval: 200 }).toBeGreaterThan(FACTS);
    const during = did(load.cpes);
    const known = await here.query((sql) => sql`select id from device`);
    const waited = await here.outboxDepth();
    const cutMs = performance.now() - cutAt;

    wan.heal();
    const healedAt = performance.now();
    await expect.poll(() => here.outboxDepth(), { timeout: 60_000, interval: 50 }).toBeLessThan(waited);
    const firstMs = performance.now() - healedAt;
    // Sessions go on while it drains.
    await expect.poll(() => here.outboxDepth(), { timeout: 60_000 + FACTS * 5, interval: 50 }).toBeLessThan(500);
    const drainMs = performance.now() - healedAt;
    await here.healed({
      'cut, seconds': Math.round(cutMs / 1_000),
      'facts that waited': waited,
      'first facts after, ms': Math.round(firstMs),
      'drained after, ms': Math.round(drainMs),
      'sets during the cut': during.sets - before.sets,
      'objects added during the cut': during.adds - before.adds,
      'uploads during the cut': during.uploads - before.uploads,
      'diagnostics during the cut': during.diagnostics - before.diagnostics,
      'new CPEs during the cut': fresh.length,
    });
    // What the edge had before the line was cut, it did without the centre.
    const tables = load.cpes.slice(0, -NEW_CPES).filter(({ paths }) => paths.table !== null).length;
    expect(during.adds - before.adds).toBe(tables);
    expect(during.uploads - before.uploads).toBe(load.cpes.length - NEW_CPES);
    // A CPE that restarts under a test of its line has forgotten it.
    expect(during.diagnostics - before.diagnostics).toBeGreaterThan(load.cpes.length / 2);
    // Of the new ones the centre knew nothing before, and knows all since.
    expect(known).toHaveLength(load.cpes.length - NEW_CPES);
  });

  test('faults: a WAN of 300 ms that loses 2 % of its packets: all of it arrives once', {
    timeout: 300_000,
  }, async () => {
    const missing = netemMissing();
    const how = missing === null ? 'netem' : `a local proxy, where a loss is a wait (no netem here: ${missing})`;
    apart = await Apart.start(`slow WAN, 300 ms there and back, 2 % loss, by ${how}`);
    const { load, starling, wan } = apart;
    const here = apart;
    if (missing === null) {
      netem = await openNetem(SLOW, wan.target);
      wan.lead(netem.port, netem.host);
    } else wan.line = SLOW;
    load.go();
    const startedAt = performance.now();
    await load.grow(NEW_CPES);
    const known = () => here.query(async (sql) => (await sql`select id from device`).length);
    await expect.poll(known, { timeout: 30_000 }).toBe(load.cpes.length);
    load.operate(starling);
    let deepest = 0;
    const informs = async (): Promise<number> => {
      deepest = Math.max(deepest, await here.outboxDepth());
      return load.confirmed().informs;
    };
    await expect.poll(informs, { timeout: 200_000, interval: 100 }).toBeGreaterThan(SLOW_INFORMS);
    await load.stopOperating();
    const bytes = wan.bytes;
    const took = (performance.now() - startedAt) / 1_000;
    await here.healed({
      'under load, seconds': Math.round(took),
      'round trip, ms': SLOW.roundTripMs,
      'packets lost': netem?.lost() ?? wan.stalls,
      'kB over the line': Math.round(bytes / 1_000),
      'most facts waiting': deepest,
    });
    expect(netem?.lost() ?? wan.stalls).toBeGreaterThan(0);
  });
});

const ordersFor = ({ paths }: LoadedCpe): ({ kind: string } & Record<string, unknown>)[] => [
  { kind: 'set', values: { [paths.set]: 'before the cut' } },
  { kind: 'diagnose', test: 'IPPing', Host: '192.0.2.1' },
  { kind: 'upload', fileType: '1 Vendor Configuration File' },
  ...(paths.table === null ? [] : [{ kind: 'add', name: paths.table }]),
];

/** What CPEs were made to do, over all of them. */
function did(cpes: readonly LoadedCpe[]) {
  const sum = (of: (one: LoadedCpe) => number): number => cpes.reduce((total, one) => total + of(one), 0);
  return {
    sets: sum(({ cpe }) => cpe.received.executed('SetParameterValues')),
    adds: sum(({ cpe }) => cpe.received.executed('AddObject')),
    uploads: sum(({ cpe }) => cpe.received.executed('Upload')),
    diagnostics: sum(
      ({ cpe }) => cpe.acknowledged.events.filter(({ EventCode }) => EventCode === '8 DIAGNOSTICS COMPLETE').length,
    ),
  };
}
