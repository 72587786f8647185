import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, expect, test } from 'vitest';
import { silentLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { type Decision, MESSAGE_VERSION, type Work } from '../bus/messages.ts';
import { decisionsFor, factsOf } from '../bus/subjects.ts';
import { ADMIN, CPE, inform, messageOf, result } from './control.test-helper.ts';
import { startControl } from './main.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'starling-control-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const start = (transport: InProcessTransport, registry = new Registry()) =>
  startControl({
    dataDir,
    databaseUrl: null,
    manageConnectionRequest: false,
    transport,
    log: silentLog,
    registry,
    fileStore: null,
  });
let sequence = 0;
const factOf = (body: ReturnType<typeof inform>) => {
  sequence += 1;
  const envelope = { v: MESSAGE_VERSION, edgeId: 'edge1', pop: 'pop1', lane: 1, sequence, at: Date.now() };
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
