import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { ADMIN, CPE, inform, result, testControl } from '../control.test-helper.ts';
import { evidenceService } from './export.ts';
import type { ExportFilter } from './export-format.ts';
import { signHead } from './heads.ts';
import { verifyFile } from './verify-file.ts';

async function evidenceOf(devices: string[]) {
  const control = await testControl();
  const ids: string[] = [];
  for (const serial of devices) {
    await control.send(inform({ serial }));
    const id = CPE.replace('TEST0001', serial);
    const { action } = await control.actions.create(id, { kind: 'reboot' }, { principal: ADMIN });
    await control.handOver.pass();
    const work = control.bus.work().find(({ actionId }) => actionId === action.id)!;
    await control.send(result(work));
    ids.push(action.id);
    control.clock.advance(60_000);
  }
  const service = evidenceService(control.context);
  const { fingerprint } = service.key();
  /** The export as text, and what verifying says of it as a file. */
  const out = async (filter: ExportFilter = {}) => {
    let text = '';
    for await (const part of service.export(filter)) text += part;
    const dir = mkdtempSync(join(tmpdir(), 'starling-evidence-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    writeFileSync(join(dir, 'file'), text);
    return { text, verified: await verifyFile(join(dir, 'file'), fingerprint) };
  };
  return { ...control, service, ids, out };
}

test('what is exported verifies; heads that were signed are in it, and sign once', async () => {
  const control = await evidenceOf(['TEST0001', 'TEST0002']);
  await signHead(control.context);
  expect(await signHead(control.context)).toMatch(/^signed up to record \d+$/);
  const [row] = await control.context.sql<{ count: number; heads: number }[]>`
    select count(*)::int as count, (select count(*)::int from evidence_head) as heads from evidence`;
  expect(row!.heads).toBe(1);
  const { text, verified } = await control.out();
  expect(verified).toMatchObject({ records: row!.count, skipped: 0, heads: 2, firstSeq: 1, lastSeq: row!.count });
  expect(text.split('\n')).toHaveLength(row!.count + 4);
});

test('a part of it: of a device, an action, a time; of others between there is the place alone', async () => {
  const { out, ids, context, clock } = await evidenceOf(['TEST0001', 'TEST0002', 'TEST0001']);
  const device = await out({ deviceId: CPE });
  const { records, skipped } = device.verified as { records: number; skipped: number };
  expect(records).toBeGreaterThan(skipped);
  expect(skipped).toBeGreaterThan(0);
  expect(device.text).not.toContain(ids[1]!);
  const action = await out({ actionId: ids[1]! });
  expect(action.verified).toMatchObject({ skipped: 0, records: skipped });
  const ofAction = action.text.split('\n').filter((line) => line.startsWith('{"record"'));
  expect(ofAction.filter((line) => line.includes(`"actionId":"${ids[1]}"`))).toHaveLength(skipped);
  const late = await out({ from: new Date(clock.now() - 60_000).toISOString() });
  expect(late.verified).toMatchObject({ lastSeq: records + skipped });
  expect(await out({ to: '2000-01-01T00:00:00Z' })).toMatchObject({ verified: { records: 0, skipped: 0 } });
  expect((await context.sql`select from evidence`).count).toBe(records + skipped);
});

test('a row that was changed, removed or put in shows', async () => {
  const { out, context } = await evidenceOf(['TEST0001']);
  const { sql } = context;
  await sql`alter table evidence disable trigger all`; // Whoever has the database can.
  await sql`update evidence set body = '{"forged": true}' where seq = 3`;
  expect((await out()).verified).toMatchObject({ seq: 3, line: 4 });
  await sql`delete from evidence where seq = 3`;
  expect((await out()).verified).toMatchObject({ seq: 3, why: expect.stringContaining('missing') });
});

test('so many exports at once and no more; one that is given up makes room', async () => {
  const { service } = await evidenceOf(['TEST0001']);
  const open = Array.from({ length: LIMITS.evidenceExportsMax }, () => service.export({}));
  for (const each of open) await each.next();
  expect(() => service.export({})).toThrow(/under way/);
  await open[0]!.return(undefined);
  const next = service.export({});
  await next.next();
  await next.return(undefined);
  await open[1]!.return(undefined);
});
