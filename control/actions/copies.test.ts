import { beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { type AnyFactBody, type DecisionType, MESSAGE_VERSION } from '../../bus/messages.ts';
import { decisionsFor, factsOf } from '../../bus/subjects.ts';
import {
  ADMIN,
  CPE,
  inform,
  messageOf,
  progress,
  result,
  type TestControl,
  testControl,
} from '../control.test-helper.ts';
import { settleMoves } from './moves.ts';
import type { ActionRequest } from './request.ts';

let control: TestControl;
let sequence: number;

beforeEach(async () => {
  control = await testControl();
  control.bus.publishes = 'stored';
  sequence = 0;
});

/** Facts of an edge by name. */
async function from(edgeId: string, pop: string, ...bodies: AnyFactBody[]): Promise<void> {
  const at = control.clock.now();
  const facts = bodies.map((body) => ({ v: MESSAGE_VERSION, edgeId, pop, lane: 1, sequence: ++sequence, at, ...body }));
  await control.ingest.handle(factsOf(pop, edgeId), [messageOf(facts)]);
}
const hello = (): AnyFactBody => ({
  type: 'hello',
  body: { version: '1', threads: 1, startedAt: control.clock.now() },
});
const seen = (): AnyFactBody => ({ type: 'seen', body: { devices: [{ cpeId: CPE, at: control.clock.now() }] } });

/** What was sent since the last look, by edge. */
function sent(type: DecisionType): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { subject, decision } of control.bus.decisions) {
    if (decision.type !== type) continue;
    const edge = subject.split('.').at(-1)!;
    counts[edge] = (counts[edge] ?? 0) + 1;
  }
  control.bus.decisions.length = 0;
  return counts;
}

async function create(request: ActionRequest = { kind: 'reboot' }) {
  const { action } = await control.actions.create(CPE, request, { principal: ADMIN });
  await control.handOver.pass();
  return { ...action, work: { actionId: action.id, generation: action.generation, cpeId: CPE } };
}
const now = async (id: string) => {
  const { state, generation, why } = await control.actions.get(id);
  return { state, generation, why };
};

test('all edges of the POP get the work, those that are silent for a day or elsewhere do not', async () => {
  await from('quiet', 'pop1', hello());
  control.clock.advance(LIMITS.edgeAliveMs + 1);
  await from('e2', 'pop1', hello());
  await from('far', 'pop2', hello());
  await from('e1', 'pop1', hello(), inform());
  sent('work');
  await create({ kind: 'reboot', wake: true });
  const order = control.bus.decisions.map(({ subject, decision }) => `${subject.split('.').at(-1)} ${decision.type}`);
  expect(order).toEqual(['e2 work', 'e1 work', 'e1 wake']);
  // Nothing is sent again.
  control.bus.decisions.length = 0;
  await control.handOver.pass();
  expect(control.bus.decisions).toEqual([]);
});

test('the edge through which it ends is not told; the others are, once', async () => {
  await from('e2', 'pop1', hello());
  await from('e1', 'pop1', hello(), inform());
  const { work, id } = await create();
  sent('work');
  await from('e2', 'pop1', progress(work, 'running', 'Reboot is under way.'), result(work));
  await control.handOver.pass();
  expect(sent('withdraw')).toEqual({ e1: 1 });
  await control.handOver.pass();
  expect(sent('withdraw')).toEqual({});
  expect(await now(id)).toMatchObject({ state: 'done' });
  // And what the first edge says later changes nothing.
  await from('e1', 'pop1', result(work, { outcome: 'failed' }));
  expect(await now(id)).toMatchObject({ state: 'done' });
});

test('an edge that comes up gets what is open in its POP, and again when it was started anew', async () => {
  await from('e1', 'pop1', hello(), inform());
  const { work } = await create();
  expect(sent('work')).toEqual({ e1: 1 });
  await from('e2', 'pop1', hello());
  await control.handOver.pass();
  expect(sent('work')).toEqual({ e2: 1 });
  control.clock.advance(60_000);
  await from('e2', 'pop1', hello());
  await control.handOver.pass();
  const again = control.bus.decisions.map(({ id }) => id);
  expect(again).toEqual([`work:${work.actionId}:1:${control.clock.now()}`]);
});

test('an edge that lost its store gets its work again without another generation, where others have it too', async () => {
  await from('e2', 'pop1', hello());
  await from('e1', 'pop1', hello(), inform());
  const { id, work } = await create();
  await from('e2', 'pop1', progress(work, 'running', 'Reboot is under way.'));
  sent('work');
  control.clock.advance(60_000);
  sequence = 0;
  await from('e1', 'pop1', hello());
  await control.handOver.pass();
  expect(sent('work')).toEqual({ e1: 1 });
  expect(await now(id)).toMatchObject({ state: 'running', generation: 1 });
});

test('a cancellation goes to all that have it', async () => {
  await from('e2', 'pop1', hello());
  await from('e1', 'pop1', hello(), inform());
  const { id, work } = await create();
  await control.actions.cancel(id, ADMIN);
  await control.handOver.pass();
  expect(sent('cancel')).toEqual({ e1: 1, e2: 1 });
  await from(
    'e2',
    'pop1',
    result(work, { outcome: 'cancelled', why: 'Cancelled before anything was sent to the CPE.' }),
  );
  expect(await now(id)).toMatchObject({ state: 'cancelled', generation: 1 });
});

test('settings go to all edges of the POP: a CPE proves who it is before an edge knows it', async () => {
  await from('e2', 'pop1', hello());
  await from('e1', 'pop1', hello(), inform());
  // What their coming up began has ended.
  await control.greeting.pass();
  sent('device');
  await control.devices.setCredentials(CPE, { cpe: { username: 'u', password: 'p' } }, ADMIN);
  await control.handOver.pass();
  expect(sent('device')).toEqual({ e1: 1, e2: 1 });
  await from('e3', 'pop1', hello());
  await control.greeting.pass();
  expect(sent('device')).toEqual({ e3: 1 });
});

test.each([true, false])(
  'the device comes to another POP: asked back, and handed over there when nothing was sent (shared: %s)',
  async (popShared) => {
    control = await testControl({ popShared });
    control.bus.publishes = 'stored';
    await from('e1', 'pop1', hello(), inform());
    const { id, work } = await create();
    sent('work');
    await from('b1', 'pop2', hello(), inform());
    expect(control.bus.decisions.filter(({ decision }) => decision.type === 'cancel')).toMatchObject([
      { id: `recall:${id}:1`, subject: decisionsFor('pop1', 'e1') },
    ]);
    expect(sent('work')).toEqual({});
    await from('e1', 'pop1', result(work, { outcome: 'cancelled' }));
    expect(sent('work')).toEqual({ b1: 1 });
    expect(await now(id)).toMatchObject({ state: 'ready', generation: 2 });
    // The old generation counts no more; the new one does.
    await from('e1', 'pop1', result(work, { outcome: 'failed' }));
    await from('b1', 'pop2', result({ ...work, generation: 2 }));
    expect(await now(id)).toMatchObject({ state: 'done', generation: 2 });
  },
);

test('the device comes to another POP: what had begun there ends as failed, and what was done as done', async () => {
  await from('e1', 'pop1', hello(), inform());
  const begun = await create();
  const done = await create();
  await from('e1', 'pop1', progress(begun.work, 'running', 'Reboot is under way.'));
  await from('b1', 'pop2', hello(), inform());
  await from('e1', 'pop1', result(begun.work, { outcome: 'cancelled' }), result(done.work));
  expect(await now(begun.id)).toMatchObject({
    state: 'failed',
    generation: 1,
    why: expect.stringMatching(/look at the device/),
  });
  expect(await now(done.id)).toMatchObject({ state: 'done', generation: 1 });
});

test('the edges of the old POP do not answer: what may be done twice goes on, the rest is for somebody to look at', async () => {
  await from('e1', 'pop1', hello(), inform());
  const get = await create({ kind: 'get', names: ['InternetGatewayDevice.DeviceInfo.'] });
  const reboot = await create();
  await from('b1', 'pop2', hello(), inform());
  sent('work');
  await settleMoves(control.context);
  expect(await now(reboot.id)).toMatchObject({ state: 'ready', generation: 1 });
  control.clock.advance(LIMITS.recallWaitMs + 1);
  await settleMoves(control.context);
  await control.handOver.pass();
  expect(sent('work')).toEqual({ b1: 1 });
  expect(await now(get.id)).toMatchObject({ state: 'ready', generation: 2 });
  expect(await now(reboot.id)).toMatchObject({ state: 'failed', why: expect.stringMatching(/Look at the device/) });
});

test('a quiet device that another POP knew is known to be there by having been seen; an old sight changes nothing', async () => {
  await from('e1', 'pop1', hello(), inform());
  const { id } = await create();
  control.clock.advance(60_000);
  await from('b1', 'pop2', hello(), seen());
  expect((await control.devices.get(CPE)).edgeId).toBe('b1');
  expect(control.bus.decisions.map(({ id: message }) => message)).toContain(`recall:${id}:1`);
  const old = seen();
  control.clock.advance(60_000);
  await from('c1', 'pop3', inform());
  await from('b1', 'pop2', old);
  expect((await control.devices.get(CPE)).edgeId).toBe('c1');
});
