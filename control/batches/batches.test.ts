// Batches on a real database: planned for many, approved once, let go at a pace, paused by bad ends, and counted.

import { beforeEach, expect, test } from 'vitest';
import { expireActions } from '../actions/end-here.ts';
import { ADMIN, inform, result, type TestControl, testControl, value } from '../control.test-helper.ts';
import { Reconciler } from '../reconciler.ts';
import type { BatchDetail, BatchService, Principal } from '../services.ts';
import { leafOf, verifyProof } from './merkle.ts';
import { planBatches } from './plan-batch.ts';
import { type BatchRequest, batchRequest } from './request.ts';
import { runBatches } from './run-batch.ts';
import { batchService } from './service.ts';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const KEY = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.KeyPassphrase';
const COUNT = 30;
const serialOf = (i: number): string => `B${String(i).padStart(4, '0')}`;
const idOf = (i: number): string => `00259E-HG8245-${serialOf(i)}`;
const ENGINEER: Principal = { tokenId: 'token-eve', name: 'Eve', role: 'engineer', person: 'eve', scope: null };

let control: TestControl;
let batches: BatchService;
beforeEach(async () => {
  control = await testControl();
  const facts = Array.from({ length: COUNT }, (_, i) =>
    inform({ serial: serialOf(i), changed: [value(SSID, `Net ${i}`), value(KEY, `secret-${i}`)] }),
  );
  await control.send(...facts);
  await control.devices.setTags(idOf(3), ['vip'], ADMIN);
  const { clock, log } = control.context;
  const job = async (): Promise<string> => 'nothing: these tests step themselves';
  batches = batchService(control.context, new Reconciler({ name: 'batches', periodMs: 3_600_000, job, clock, log }));
});

const request = (more: Partial<Record<keyof BatchRequest, unknown>> = {}): BatchRequest =>
  batchRequest.parse({
    selection: { all: true },
    action: { kind: 'set', values: { 'wifi.2g.ssid': 'Harbour' }, reason: 'the new name', reference: 'C-1' },
    ...more,
  });
async function planned(asked = request(), principal = ADMIN): Promise<BatchDetail> {
  const { id } = await batches.create(asked, principal);
  while (await planBatches(control.context));
  return await batches.get(id);
}
async function running(asked = request()): Promise<BatchDetail> {
  const { id, root } = await planned(asked);
  await batches.submit(id, root!, ADMIN);
  return await batches.approve(id, root!, ENGINEER);
}
/** One second later: what may go is let go, and handed over. */
async function step(): Promise<number> {
  control.clock.advance(1_000);
  const released = await runBatches(control.context);
  await control.handOver.pass();
  return released;
}
const answered = new Set<string>();
/** The edge answers everything it was given. */
async function answer(outcomeOf: (cpeId: string) => 'done' | 'failed' = () => 'done'): Promise<void> {
  const works = control.bus.work().filter(({ actionId }) => !answered.has(actionId));
  for (const { actionId } of works) answered.add(actionId);
  if (works.length > 0) await control.send(...works.map((work) => result(work, { outcome: outcomeOf(work.cpeId) })));
}

test('a batch is previewed for every device that is selected, and does nothing before it is approved', async () => {
  const selection = { all: true, exclude: { ids: [idOf(0)], tags: ['vip'] } };
  const batch = await planned(request({ selection }));
  expect(batch).toMatchObject({
    state: 'planned',
    risk: 'low',
    root: expect.stringMatching(/^[0-9a-f]{64}$/),
    devices: COUNT - 2,
    counts: {
      selected: COUNT,
      excluded: 2,
      unplannable: 0,
      actions: COUNT - 2,
      counts: { planned: COUNT - 2 },
      reconciles: true,
    },
  });
  const page = await control.actions.list({ batchId: batch.id, limit: 100 });
  expect(page.items).toHaveLength(COUNT - 2);
  const { plan } = await control.actions.get(page.items[0]!.id);
  expect(plan.diff[0]).toMatchObject({
    canonical: 'wifi.2g.ssid',
    from: expect.stringContaining('Net'),
    to: 'Harbour',
  });
  await step();
  expect(control.bus.work()).toEqual([]);
  const own = control.actions.submit(page.items[0]!.id, plan.hash, ADMIN);
  await expect(own).rejects.toMatchObject({ status: 409, code: 'part-of-batch' });

  await expect(batches.submit(batch.id, 'f'.repeat(64), ADMIN)).rejects.toMatchObject({ code: 'stale-plan' });
  await expect(batches.approve(batch.id, batch.root!, ENGINEER)).rejects.toMatchObject({
    code: 'not-awaiting-approval',
  });
  expect(await batches.submit(batch.id, batch.root!, ADMIN)).toMatchObject({
    state: 'awaiting-approval',
    needs: { need: 'one' },
  });
  expect(await batches.approve(batch.id, batch.root!, ENGINEER)).toMatchObject({
    state: 'running',
    approvals: [{ by: 'Eve' }],
  });
  expect(batch.evidence.map(({ body }) => body['step'])).toEqual(['made', 'planned']);
});

test('it is let go at its pace, ends, and its counts reconcile', async () => {
  const { id } = await running(request({ pace: { atOnce: 5, perMinute: 120 } }));
  const released: number[] = [];
  for (let second = 0; second < 8; second++) released.push(await step());
  // One at once, two a second, and not more than five while nobody answers.
  expect(released).toEqual([1, 2, 2, 0, 0, 0, 0, 0]);
  const sent: number[] = [];
  for (let second = 0; second < 30; second++) {
    await answer();
    sent.push(await step());
  }
  // A pace that could not be used is made up for by some seconds' worth, once.
  expect(sent[0]).toBe(5);
  expect(Math.max(...sent.slice(3))).toBeLessThanOrEqual(2);
  await answer();
  await step();
  const batch = await batches.get(id);
  expect(batch).toMatchObject({
    state: 'done',
    counts: { selected: COUNT, actions: COUNT, counts: { done: COUNT }, reconciles: true },
  });
  expect(batch.evidence.at(-1)!.body).toMatchObject({ step: 'done', reconciles: true });
  const [first] = (await control.actions.list({ batchId: id, limit: 1 })).items;
  const action = await control.actions.get(first!.id);
  expect(action.approvals).toMatchObject([{ decision: 'approved', by: 'Eve', planHash: action.plan.hash }]);
  // The edge was told what was approved to be written over.
  expect(control.bus.work()[0]!.args['expected']).toEqual([{ name: SSID, value: expect.stringContaining('Net') }]);
});

test('it pauses when too many do not end well, and goes on when a person lets it', async () => {
  const pace = { atOnce: 100, perMinute: 60_000, pauseAtPercent: 10, least: 10 };
  const { id } = await running(request({ pace: { ...pace, atOnce: 12 } }));
  await step();
  await step();
  await answer((cpeId) => (Number(cpeId.slice(-4)) % 2 === 0 ? 'failed' : 'done'));
  expect(await step()).toBe(0);
  const paused = await batches.get(id);
  expect(paused).toMatchObject({ state: 'paused', why: expect.stringContaining('did not end well') });
  expect(await step()).toBe(0);
  const failed = paused.counts.counts['failed']!;
  expect((await control.actions.queue({})).items).toHaveLength(failed);
  await batches.resume(id, ADMIN);
  for (let i = 0; i < 6; i++) {
    await step();
    await answer();
  }
  await step();
  expect(await batches.get(id)).toMatchObject({
    state: 'done',
    counts: { counts: { done: COUNT - failed, failed }, reconciles: true },
  });
});

test('what is let go first is a sample of all, not the devices whose ids come first', async () => {
  await running(request({ pace: { atOnce: 10, perMinute: 60_000 } }));
  await step();
  await step();
  const first = control.bus.work().map(({ cpeId }) => cpeId);
  expect(first).toHaveLength(10);
  const ids = Array.from({ length: 10 }, (_, i) => idOf(i));
  expect(first.toSorted()).not.toEqual(ids);
});

test('what changed since it was planned is left alone, and counted', async () => {
  const { id } = await running();
  const body = { cpeId: idOf(7), sessionId: 's', values: [value(SSID, 'Changed at home')] };
  await control.send({ type: 'values', body });
  for (let i = 0; i < 10; i++) {
    await step();
    await answer();
  }
  expect(await batches.get(id)).toMatchObject({ state: 'done', counts: { counts: { cancelled: 1, done: COUNT - 1 } } });
  expect(control.bus.work().map(({ cpeId }) => cpeId)).not.toContain(idOf(7));
});

test('devices that cannot be planned are told with the reason; none at all ends it', async () => {
  const mixed = await planned(request({ action: { kind: 'set', values: { 'Device.WiFi.SSID.1.SSID': 'x' } } }));
  expect(mixed).toMatchObject({
    state: 'done',
    counts: { unplannable: COUNT, actions: 0, reconciles: true },
    refusals: { 'unknown-name': COUNT },
  });
  const { items, next } = await batches.refusals(mixed.id, { limit: 10 });
  expect(items[0]).toMatchObject({
    deviceId: idOf(0),
    code: 'unknown-name',
    message: expect.stringContaining('data model'),
  });
  expect((await batches.refusals(mixed.id, { limit: 100, cursor: next! })).items).toHaveLength(COUNT - 10);
});

test('a rejected, cancelled or forgotten batch lets nothing go, and its actions end', async () => {
  const rejected = await planned();
  await batches.submit(rejected.id, rejected.root!, ADMIN);
  await batches.reject(rejected.id, 'not before Monday', ENGINEER);
  const cancelled = await running(request({ pace: { perMinute: 60 } }));
  await step();
  await batches.cancel(cancelled.id, ADMIN);
  await expect(batches.cancel(cancelled.id, ADMIN)).rejects.toMatchObject({ code: 'already-ended' });
  const forgotten = await planned();
  for (let i = 0; i < 3; i++) {
    await step();
    await answer();
  }
  expect((await batches.get(rejected.id)).counts).toMatchObject({ counts: { cancelled: COUNT }, reconciles: true });
  expect((await batches.get(cancelled.id)).counts.counts).toEqual({ cancelled: COUNT - 1, done: 1 });
  control.clock.advance(25 * 3_600_000);
  await expireActions(control.context);
  for (let i = 0; i < 3; i++) await step();
  const expired = await batches.get(forgotten.id);
  expect(expired).toMatchObject({
    state: 'expired',
    counts: { counts: { expired: COUNT } },
    endedAt: expect.any(String),
  });
});

test('a plan is proven to be among those approved', async () => {
  const { id, root } = await planned();
  const { items } = await control.actions.list({ batchId: id, limit: 100 });
  for (const { id: actionId, object } of items.slice(0, 5)) {
    const proof = await batches.proof(id, actionId);
    const { hash } = (await control.actions.get(actionId)).plan;
    expect(proof).toMatchObject({ root, deviceId: object.ref, planHash: hash });
    expect(verifyProof(leafOf(object.ref, hash), proof.steps, root!)).toBe(true);
    expect(verifyProof(leafOf(object.ref, 'f'.repeat(64)), proof.steps, root!)).toBe(false);
  }
});

test('a control that died while planning or letting go is followed by another one', async () => {
  const { id } = await batches.create(request({ pace: { perMinute: 60_000 } }), ADMIN);
  await planBatches(control.context);
  // Another process has nothing but the database.
  while (await planBatches({ ...control.context, member: control.context.member + 1 }));
  const { root, counts } = await batches.get(id);
  expect(counts).toMatchObject({ actions: COUNT, reconciles: true });
  await batches.submit(id, root!, ADMIN);
  await batches.approve(id, root!, ENGINEER);
  control.clock.advance(1_000);
  await Promise.all([runBatches(control.context), runBatches(control.context)]);
  for (let i = 0; i < 4; i++) {
    await step();
    await answer();
  }
  await step();
  expect(await batches.get(id)).toMatchObject({ state: 'done', counts: { counts: { done: COUNT } } });
  expect(new Set(control.bus.work().map(({ actionId }) => actionId)).size).toBe(control.bus.work().length);
});

test('secrets of a batch are shown nowhere', async () => {
  const action = { kind: 'set', values: { [KEY]: 'brand-new-secret' } };
  const batch = await planned(request({ action }));
  const { items } = await control.actions.list({ batchId: batch.id, limit: 100 });
  const told = JSON.stringify([batch, items, await control.actions.get(items[0]!.id)]);
  expect(told).not.toMatch(/brand-new-secret|secret-\d/);
});

test.each([
  ['two ways to select', { selection: { all: true, ids: ['a'] } }],
  ['no way to select', { selection: {} }],
  ['an empty filter', { selection: { filter: {} } }],
  ['a filter nobody has', { selection: { filter: { colour: 'red' } } }],
  ['no action', { action: { kind: 'dance' } }],
  ['a pace of nothing', { pace: { perMinute: 0 } }],
])('%s is refused', (_, more) => {
  expect(() => request(more)).toThrow();
});
