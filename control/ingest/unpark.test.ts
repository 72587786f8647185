// Messages between versions, on control's side: what an edge that is ahead says is parked and seen, and takes effect after the upgrade.

import { expect, test } from 'vitest';
import { type AnyFactBody, type Fact, factMessageId } from '../../bus/messages.ts';
import { factsOf } from '../../bus/subjects.ts';
import { ADMIN, CPE, inform, messageOf, result, type TestControl, testControl, value } from '../control.test-helper.ts';
import { connectorService } from '../operations/connectors.ts';
import { park } from './park.ts';
import { unpark } from './unpark.ts';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const OPTIONS = { manageConnectionRequest: false, sharesFiles: true, sharesWork: false };
const MINUTE = 60_000;

const values = (...list: [string, string][]): AnyFactBody => ({
  type: 'values',
  body: { cpeId: CPE, sessionId: 's', values: list.map(([name, text]) => value(name, text)) },
});
const request = (sessionId: string): AnyFactBody => ({
  type: 'request',
  body: { cpeId: CPE, sessionId, method: 'Kicked', args: {} },
});

/** Puts facts aside as a control did that did not know their type. */
async function parkedByOlder({ context, subject }: TestControl, facts: Fact[]): Promise<void> {
  const entries = facts.map((fact) => ({
    ...{ subject, id: factMessageId(fact), raw: fact, why: `unknown: fact type ${fact.type}` },
  }));
  await context.sql.begin((tx) => park(tx, context, entries));
}
const left = async ({ context }: TestControl): Promise<string[]> =>
  (await context.sql<{ why: string }[]>`select why from parked_message order by seq`).map(({ why }) => why);
const ssid = async ({ context }: TestControl): Promise<string | undefined> =>
  (await context.sql<{ value: string }[]>`select value from device_parameter where path = ${SSID}`)[0]?.value;

test('facts of a newer edge are parked with a metric and a count for people, and the rest of its batch takes effect', async () => {
  const control = await testControl();
  const facts = control.facts([inform(), values([SSID, 'a']), values([SSID, 'b']), values([SSID, 'c'])]);
  const batch = [
    { ...facts[0]!, colour: 'of a newer edge' },
    { ...facts[1]!, type: 'telemetry', body: { samples: [1, 2] } },
    { ...facts[2]!, v: 2 },
    facts[3]!,
  ];
  await control.ingest.handle(control.subject, [{ id: 'm', payload: JSON.stringify(batch) }]);
  expect(await ssid(control)).toBe('c');
  const { values: counts } = await control.context.metrics.parked.get();
  expect(counts).toEqual([expect.objectContaining({ labels: { why: 'unknown' }, value: 2 })]);
  const [cwmp] = await connectorService(control.context).list();
  expect(cwmp).toMatchObject({ state: 'degraded', parkedMessages: 2 });
  // A restart of the same version changes nothing about them.
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 0, tooOld: 0 });
  expect(await left(control)).toHaveLength(2);
});

test('what was parked takes effect in its order after the upgrade, once, though marks have gone past it', async () => {
  const control = await testControl();
  const early = control.facts([inform({ changed: [value(SSID, 'a')] }), values([SSID, 'b']), request('one')]);
  await parkedByOlder(control, early);
  await control.send({ type: 'seen', body: { devices: [{ cpeId: CPE, at: control.clock.now() }] } });
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 3, tooOld: 0 });
  expect(await ssid(control)).toBe('b');
  const kinds = (await control.devices.timeline(CPE, {})).items.map(({ kind }) => kind);
  expect(kinds.sort()).toEqual(['device.new', 'inform', 'request']);
  expect(await left(control)).toEqual([]);
  expect((await connectorService(control.context).list())[0]).toMatchObject({ state: 'ok', parkedMessages: 0 });
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 0, tooOld: 0 });
  // The bus delivers them once more: the marks know them.
  await control.ingest.handle(control.subject, [messageOf(early)]);
  expect(await control.devices.timeline(CPE, {})).toMatchObject({ items: { length: 3 } });
});

test('values that are older than what control knows by now do not overwrite it: they stay, with the reason', async () => {
  const control = await testControl();
  const early = control.facts([values([SSID, 'old']), request('one')]);
  control.clock.advance(MINUTE);
  await control.send(inform({ changed: [value(SSID, 'new')] }));
  await parkedByOlder(control, early);
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 1, tooOld: 1 });
  expect(await ssid(control)).toBe('new');
  expect(await left(control)).toEqual([expect.stringMatching(/^superseded: .*refresh/)]);
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 0, tooOld: 0 });
});

test('a result that was parked ends its action, and changes nothing when the action has ended otherwise', async () => {
  const control = await testControl();
  await control.send(inform());
  for (let i = 0; i < 2; i++) await control.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN });
  // A hand-over that takes long goes on behind the answer.
  await expect.poll(() => control.bus.work()).toHaveLength(2);
  const works = control.bus.work();
  await parkedByOlder(control, control.facts([result(works[0]!), result(works[1]!, { outcome: 'done' })]));
  await control.send(result(works[1]!, { outcome: 'failed', why: 'It did not come back.' }));
  await unpark(control.context, OPTIONS);
  expect((await control.actions.get(works[0]!.actionId)).state).toBe('done');
  expect((await control.actions.get(works[1]!.actionId)).state).toBe('failed');
});

test('a hello that was parked has its edge told all again, and is not believed about its start', async () => {
  const control = await testControl();
  const hello = (startedAt: number): AnyFactBody => ({ type: 'hello', body: { version: '2', threads: 1, startedAt } });
  const early = control.facts([hello(1_000)]);
  await control.send(hello(2_000), inform());
  await control.context.sql`update edge set greeted_at = now()`;
  await parkedByOlder(control, early);
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 1, tooOld: 0 });
  const [edge] = await control.context.sql`select started_at, greeted_at from edge`;
  expect(edge).toEqual({ started_at: new Date(2_000), greeted_at: null });
  // Its marks hold: nothing of it counts anew.
  await control.ingest.handle(control.subject, [messageOf(early)]);
  expect((await control.context.metrics.duplicates.get()).values[0]?.value).toBe(1);
});

test('one that cannot be stored stays, and so does what an edge said for another; the others take effect', async () => {
  const control = await testControl();
  const [far, good, lie] = control.facts([request('far'), request('good'), request('lie')]) as [Fact, Fact, Fact];
  await parkedByOlder(control, [{ ...far, at: 9e15 }, good]);
  await parkedByOlder({ ...control, subject: factsOf('pop1', 'edge9') }, [lie]);
  expect(await unpark(control.context, OPTIONS)).toEqual({ taken: 1, tooOld: 0 });
  expect(await left(control)).toHaveLength(2);
  const { items } = await control.devices.timeline(CPE, {});
  expect(items.map(({ body }) => body['sessionId'])).toEqual(['good']);
});
