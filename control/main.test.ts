import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, expect, test } from 'vitest';
import { silentLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { type Decision, MESSAGE_VERSION, type Work } from '../bus/messages.ts';
import { decisionsFor, factsOf } from '../bus/subjects.ts';
import { freshDatabaseUrl } from '../test/postgres.test-helper.ts';
import { ADMIN, CPE, inform, messageOf, result } from './control.test-helper.ts';
import { startControl } from './main.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'starling-control-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const start = (transport: InProcessTransport, registry = new Registry(), databaseUrl: string | null = null) =>
  startControl({
    dataDir,
    databaseUrl,
    manageConnectionRequest: false,
    transport,
    log: silentLog,
    registry,
    fileStore: null,
  });
let sequence = 0;
const factOf = (body: ReturnType<typeof inform>, edgeId = 'edge1') => {
  sequence += 1;
  const envelope = { v: MESSAGE_VERSION, edgeId, pop: 'pop1', lane: 1, sequence, at: Date.now() };
  return messageOf([{ ...envelope, ...body }]);
};

test('control takes facts, hands work to the edge, shows the result, keeps all over a restart, and counts it', async () => {
  const transport = new InProcessTransport();
  const works: Work[] = [];
  const edge = transport.subscribe(decisionsFor('pop1', 'edge1'), 'edge1', async (_, messages) => {
    for (const { payload } of messages) {
      const decision = payload as Decision;
      if (decision.type === 'work') works.push(decision.body);
    }
  });
  const registry = new Registry();
  const first = await start(transport, registry);
  await transport.publish(factsOf('pop1', 'edge1'), [factOf(inform())]);
  const { action } = await first.services.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN });
  await expect.poll(() => works.length).toBe(1);
  const ended = first.services.actions.waitForEnd(action.id, 10_000);
  await transport.publish(factsOf('pop1', 'edge1'), [factOf(result(works[0]!))]);
  expect((await ended).state).toBe('done');
  expect((await first.services.health.check()).ok).toBe(true);
  const metrics = await registry.metrics();
  expect(metrics).toContain('starling_control_facts_total{type="inform"} 1');
  expect(metrics).toContain('starling_control_actions_ended_total{kind="reboot",outcome="done"} 1');
  await first.close();

  const second = await start(transport);
  expect((await second.services.actions.get(action.id)).state).toBe('done');
  expect(await second.services.devices.get(CPE)).toMatchObject({ id: CPE, edgeId: 'edge1' });
  expect(works).toHaveLength(1); // What was confirmed is not handed over again.
  const { events } = second.services;
  const before = BigInt(await events.last());
  const heard: string[] = [];
  events.subscribe({}, ({ id }) => heard.push(id));
  await transport.publish(factsOf('pop1', 'edge1'), [factOf(inform())]);
  await expect.poll(() => heard).not.toHaveLength(0);
  expect(BigInt(heard[0]!)).toBeGreaterThan(before); // What the first start committed is not news.
  await second.close();
  await edge.close();
  await transport.close();
});

test('two controls on one database: each edge is taken by one, and both see what either commits', async () => {
  const transport = new InProcessTransport();
  const databaseUrl = await freshDatabaseUrl();
  const controls = await Promise.all([0, 1].map(() => start(transport, new Registry(), databaseUrl)));
  const edges = ['edge1', 'edge2', 'edge3', 'edge4'];
  const works = new Map<string, Work>();
  const subscriptions = edges.map((edgeId) =>
    transport.subscribe(decisionsFor('pop1', edgeId), edgeId, async (_, messages) => {
      for (const { payload } of messages) {
        const decision = payload as Decision;
        if (decision.type === 'work') works.set(decision.body.actionId, decision.body);
      }
    }),
  );
  // As a relay does: again while it is given back, for an edge may change hands at any time.
  const tell = async (edgeId: string, body: ReturnType<typeof inform>): Promise<void> => {
    const messages = [factOf(body, edgeId)];
    const publish = () => transport.publish(factsOf('pop1', edgeId), messages).then(() => true);
    await expect.poll(() => publish().catch(() => false), { timeout: 20_000 }).toBe(true);
  };
  const heard: string[][] = [[], []];
  controls.forEach(({ services }, i) => {
    services.events.subscribe({ kind: 'action.done' }, ({ actionId }) => heard[i]!.push(actionId!));
  });
  await Promise.all(edges.map((edgeId) => tell(edgeId, inform({ serial: edgeId }))));
  const made: string[] = [];
  for (const edgeId of edges) {
    for (const { services } of controls) {
      const device = `00259E-HG8245-${edgeId}`;
      const { action } = await services.actions.create(device, { kind: 'reboot' }, { principal: ADMIN });
      made.push(action.id);
      // Whichever takes the fact: whoever waits at either is told.
      const waits = controls.map((each) => each.services.actions.waitForEnd(action.id, 10_000));
      await expect.poll(() => works.has(action.id)).toBe(true);
      await tell(edgeId, result(works.get(action.id)!));
      expect((await Promise.all(waits)).map(({ state }) => state)).toEqual(['done', 'done']);
    }
  }
  await expect.poll(() => heard).toEqual([made, made]);
  const texts = async (): Promise<string[]> => {
    const views = await Promise.all(controls.map(({ services }) => services.health.check()));
    return views.map(({ checks }) => checks.find(({ name }) => name === 'leases')!.text);
  };
  await expect.poll(texts).toEqual(Array(2).fill('holds 2 of 4 wanted; 2 control processes'));
  await controls[0]!.close();
  await Promise.all(edges.map((edgeId) => tell(edgeId, inform({ serial: edgeId }))));
  await expect.poll(async () => (await controls[1]!.services.devices.list({})).items.length).toBe(4);
  await controls[1]!.close();
  await Promise.all(subscriptions.map((subscription) => subscription.close()));
  await transport.close();
});

test('a database that does not answer stops the start with what to check', async () => {
  const transport = new InProcessTransport();
  const databaseUrl = 'postgres://nobody:nothing@127.0.0.1:1/none';
  const options = {
    dataDir,
    databaseUrl,
    manageConnectionRequest: false,
    transport,
    log: silentLog,
    registry: new Registry(),
    fileStore: null,
  };
  await expect(startControl(options)).rejects.toMatchObject({
    tag: 'config',
    message: expect.stringContaining('STARLING_DATABASE_URL'),
  });
  await transport.close();
});
