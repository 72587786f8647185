// The first session of a new CPE while control takes its time: the empty POST that is held, and what may happen meanwhile.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestOf, value, valueList, WireCpe } from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'starling-first-contact-'));
const control = { isAway: false };
const start = (): Promise<TestEdge> =>
  startTestEdge({ STARLING_EDGE_THREADS: '1', STARLING_DRAIN_SECONDS: '2' }, dataDir, control);
const open: WireCpe[] = [];
let edge: TestEdge;

beforeAll(async () => {
  edge = await start();
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await edge.close();
  rmSync(dataDir, { recursive: true, force: true });
});

/** A CPE, or the same one on another connection. */
function cpeOn(like?: WireCpe): WireCpe {
  const cpe = new WireCpe(edge.port, like === undefined ? {} : { device: like.device });
  if (like !== undefined) cpe.cookie = like.cookie;
  open.push(cpe);
  return cpe;
}

const emptyPosts = (): Promise<number> => edge.metric('starling_requests_total', 'kind="empty"');

/** Sends the empty POST and resolves when the edge has it. */
async function startEmpty(cpe: WireCpe): Promise<void> {
  const before = await emptyPosts();
  cpe.write(null);
  await expect.poll(emptyPosts).toBeGreaterThan(before);
}

test('a CPE that informs anew while its empty POST is held keeps the new session, and its work goes there', async () => {
  control.isAway = true;
  const held = cpeOn();
  expect((await held.inform({ events: ['0 BOOTSTRAP', '1 BOOT'] })).status).toBe(200);
  await startEmpty(held);
  await edge.act(held.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  const anew = cpeOn(held);
  expect((await anew.inform()).status).toBe(200);
  expect((await held.read()).status).toBe(204);
  const asked = requestOf(await anew.empty(), 'GetParameterValues');
  const done = await anew.answer(asked, valueList(value('Device.DeviceInfo.UpTime', '42', 'unsignedInt')));
  expect(done.status).toBe(204);
  control.isAway = false;
});

test('a CPE that gives up its held empty POST is sent its work when it asks again in the same session', async () => {
  control.isAway = true;
  const held = cpeOn();
  expect((await held.inform({ events: ['0 BOOTSTRAP', '1 BOOT'] })).status).toBe(200);
  await startEmpty(held);
  await edge.act(held.cpeId, 'reboot', {});
  held.close();
  await held.wire.closed();
  const again = cpeOn(held);
  // A Reboot sent to nobody would be of unknown outcome, and this POST a violation.
  requestOf(await again.empty(), 'Reboot');
  control.isAway = false;
});

test('SIGTERM while a POST is being answered whose session began elsewhere: the answer arrives', async () => {
  control.isAway = true;
  const cpe = cpeOn();
  expect((await cpe.inform({ events: ['0 BOOTSTRAP', '1 BOOT'] })).status).toBe(200);
  await edge.close();
  edge = await start();
  const resumed = cpeOn(cpe);
  await startEmpty(resumed);
  const closed = edge.close();
  expect((await resumed.read()).status).toBe(204);
  control.isAway = false;
  await closed;
  edge = await start();
});

test('CWMP I8: a root object learned by reading describes the next Inform that tells none', async () => {
  const cpe = cpeOn();
  expect((await cpe.begin({ events: ['1 BOOT'], parameters: [] })).status).toBe(204);
  await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  const asked = requestOf(await cpe.begin({ parameters: [] }), 'GetParameterValues');
  await cpe.answer(asked, valueList(value('Device.DeviceInfo.UpTime', '42', 'unsignedInt')));
  expect((await cpe.begin({ events: ['1 BOOT'], parameters: [] })).status).toBe(204);
  const rootTold = (): string | undefined =>
    edge.factsOf('inform').findLast(({ cpeId }) => cpeId === cpe.cpeId)?.cpe.root;
  expect(await edge.until(() => rootTold())).toBe('Device.');
});
