// FIELD 17–29: what CPEs do wrong with names, values and RPCs. What can be found out is found out; what cannot is a switch of the profile,
// here one an operator added. The outcome of an action is never better than what was seen.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Hooks } from '../../bench/fleet/behaviour.ts';
import type { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { BATCH_MAX } from '../../bench/fleet/misbehave-model.ts';
import { type Field, IGD, idOf, SSID, startField, wentWell } from './field.test-helper.ts';

const INFO = `${IGD}DeviceInfo.`;
const ENABLE = `${IGD}LANDevice.1.WLANConfiguration.1.Enable`;
const PASSPHRASE = `${IGD}LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase`;
const INFORM_TIME = `${IGD}ManagementServer.PeriodicInformTime`;

const profile = (productClass: string, quirks: string): string =>
  `id: field-${productClass.toLowerCase()}\ntitle: ${productClass}\nextends: tr098\n` +
  `match: { manufacturer: Starling Simulation, productClass: ${productClass} }\nquirks: { ${quirks} }\n`;

let field: Field;
let fileUrl = '';
const files = createServer((_, response) => response.end('nothing=much\n'));
beforeAll(async () => {
  field = await startField({}, [
    profile('SkipRoot', 'skipRootGpn: true'),
    profile('Small', `walkNextLevel: true, getBatchNames: ${BATCH_MAX}, setBatchValues: ${BATCH_MAX}`),
    profile('Walker', 'walkNextLevel: true'),
    profile('Liar', 'ignoreWritable: true'),
    profile('Silent', 'transferCompleteAfterSeconds: 1'),
    profile('Hider', `blankReads: [${INFO}X_STARLING_]`),
  ]);
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  fileUrl = `http://127.0.0.1:${(files.address() as AddressInfo).port}/cfg`;
});
afterAll(async () => {
  await field.close();
  files.closeAllConnections();
  files.close();
});

const isA = (ProductClass: string) => ({ device: { ProductClass } });

/** Names below `path` that facts told, as parameters (by value) and as names. */
function told(cpe: SimulatedCpe, path: string): { values: string[]; names: string[] } {
  const below = (names: string[]): string[] => [...new Set(names)].filter((name) => name.startsWith(path)).sort();
  return {
    values: below(field.factsOf(cpe, 'values').flatMap(({ values }) => values.map(({ Name }) => Name))),
    names: below(field.factsOf(cpe, 'names').flatMap(({ names }) => names.map(({ Name }) => Name))),
  };
}

/** The tree of the CPE as it really is. */
function real(cpe: SimulatedCpe, path: string): { values: string[]; names: string[] } {
  const names = [...cpe.tree.paths()].filter((name) => name.startsWith(path)).sort();
  return { values: names.filter((name) => !name.endsWith('.')), names };
}

function faultsSeen(cpe: SimulatedCpe): number[] {
  return cpe.received.list.map(({ faultCode }) => faultCode).filter((code) => code !== 0);
}

/** Parameters no data model has, writable. */
const plants = (count: number, more: Parameters<SimulatedCpe['tree']['plant']>[1] = {}): Hooks => ({
  plant(tree) {
    for (let i = 1; i <= count; i++) tree.plant(`${INFO}X_STARLING_Own${i}`, { writable: true, value: '0', ...more });
  },
});

test('FIELD 17: objects listed without their dot are found out, in one listing and level by level', async () => {
  const deep = await field.booted(['gpn-objects-without-dot']);
  expect((await field.ask(deep, 'refresh', { path: '' })).outcome).toBe('done');
  expect(told(deep, IGD).values).toEqual(real(deep, IGD).values);
  // What has something below it is an object and nothing else; an empty one cannot be told from a parameter.
  const { names } = real(deep, IGD);
  const objects = names.filter(
    (name) => name.endsWith('.') && names.some((other) => other !== name && other.startsWith(name)),
  );
  const listed = new Set(told(deep, IGD).names);
  expect(objects.filter((name) => !listed.has(name) || listed.has(name.slice(0, -1)))).toEqual([]);
  const level = await field.booted(['gpn-objects-without-dot'], isA('Walker'));
  const lan = `${IGD}LANDevice.1.`;
  await field.tolerated('object-without-dot', async () => {
    expect((await field.ask(level, 'refresh', { path: lan })).outcome).toBe('done');
  });
  expect(told(level, lan).values).toEqual(real(level, lan).values);
});

test('FIELD 18: objects that a listing leaves out are put in, as writable', async () => {
  const cpe = await field.booted(['gpn-omits-objects']);
  const wlan = `${IGD}LANDevice.1.`;
  await field.tolerated('missing-object', async () => {
    expect((await field.ask(cpe, 'refresh', { path: wlan })).outcome).toBe('done');
  });
  expect(told(cpe, wlan).values).toEqual(real(cpe, wlan).values);
  const names = field.factsOf(cpe, 'names').flatMap((fact) => fact.names);
  expect(names.find(({ Name }) => Name === `${wlan}WLANConfiguration.1.`)).toEqual({
    Name: `${wlan}WLANConfiguration.1.`,
    Writable: true,
  });
});

test('FIELD 19: names outside the path asked for are ignored, and the path itself does no harm', async () => {
  for (const options of [{}, isA('Walker')]) {
    const cpe = await field.booted(['gpn-outside-path'], options);
    await field.tolerated('outside-path', async () => {
      expect((await field.ask(cpe, 'refresh', { path: INFO })).outcome).toBe('done');
    });
    expect(told(cpe, 'Outside.')).toEqual({ values: [], names: [] });
    expect(told(cpe, INFO).values).toEqual(real(cpe, INFO).values);
  }
});

test('FIELD 20: values nobody asked for are no part of an answer, values left out are said to be', async () => {
  const extra = await field.booted(['gpv-extra']);
  await field.tolerated('unasked-parameter', async () => {
    const read = await field.get(extra, SSID);
    expect(read).toMatchObject({ outcome: 'done', after: [{ Name: SSID }] });
    expect(read.after).toHaveLength(1);
  });

  const omits = await field.booted(['gpv-omits']);
  expect(await field.get(omits, SSID, ENABLE)).toMatchObject({
    outcome: 'partial',
    after: [{ Name: SSID }],
    items: [
      { name: SSID, status: 'read' },
      { name: ENABLE, status: 'omitted' },
    ],
  });

  const attributes = await field.booted(['gpa-omits']);
  const asked = { method: 'GetParameterAttributes', arguments: { ParameterNames: [SSID, ENABLE] } };
  await field.tolerated('omitted-parameter', async () => {
    expect((await field.ask(attributes, 'rpc', asked)).outcome).toBe('done');
  });
  expect(field.factsOf(attributes, 'attributes').map((fact) => fact.attributes)).toMatchObject([[{ Name: SSID }]]);
});

test('FIELD 21: a listed name that is unknown when it is read is counted as gone, and the rest is read', async () => {
  const cpe = await field.booted(['names-stale']);
  expect(await field.ask(cpe, 'refresh', { path: INFO })).toMatchObject({ outcome: 'done', data: { gone: 1 } });
  const stale = `${INFO}X_STARLING_Stale`;
  expect(told(cpe, INFO).values).toEqual(real(cpe, INFO).values.filter((name) => name !== stale));
});

test('FIELD 22: where the empty path is refused the root object is listed, and with its profile at once', async () => {
  const found = await field.booted(['gpn-root-refused']);
  expect((await field.ask(found, 'refresh', { path: '' })).outcome).toBe('done');
  expect(told(found, IGD).values).toEqual(real(found, IGD).values);
  expect(faultsSeen(found)).toEqual([9005]);

  const known = await field.booted(['gpn-root-refused'], isA('SkipRoot'));
  expect((await field.ask(known, 'refresh', { path: '' })).outcome).toBe('done');
  expect(told(known, IGD).values).toEqual(real(known, IGD).values);
  expect(faultsSeen(known)).toEqual([]);
});

test('FIELD 23: a CPE that runs out of memory is asked for less until it answers, and with its profile from the start', async () => {
  const weak = ['gpn-deep-refused', 'gpv-batch-refused', 'spv-batch-refused'];
  const found = await field.booted(weak);
  expect((await field.ask(found, 'refresh', { path: '' })).outcome).toBe('done');
  expect(told(found, IGD).values).toEqual(real(found, IGD).values);

  const known = await field.booted([...weak, plants(BATCH_MAX + 2)], isA('Small'));
  expect((await field.ask(known, 'refresh', { path: INFO })).outcome).toBe('done');
  expect(told(known, INFO).values).toEqual(real(known, INFO).values);
  const own = real(known, `${INFO}X_STARLING_`).values;
  expect((await field.set(known, Object.fromEntries(own.map((name) => [name, '1'])))).outcome).toBe('done');
  expect(known.received.executed('SetParameterValues')).toBe(2);
  // GetParameterNames of the object itself is not deep, so nothing was too much.
  expect(faultsSeen(known)).toEqual([]);

  // One write of many values is all or nothing, so it is never cut without the profile saying so.
  const unknown = await field.booted(['spv-batch-refused', plants(BATCH_MAX + 2)]);
  const refused = await field.set(unknown, Object.fromEntries(own.map((name) => [name, '1'])));
  expect(refused).toMatchObject({ outcome: 'failed', fault: { FaultCode: 9004 } });
  expect(own.map((name) => unknown.tree.value(name))).toEqual(own.map(() => '0'));
});

test('FIELD 24: what claims to be read-only is not written, unless the profile knows better', async () => {
  const honest = await field.booted(['claims-read-only']);
  await field.ask(honest, 'refresh', { path: `${IGD}LANDevice.1.` });
  const refused = await field.set(honest, { [SSID]: 'New' });
  expect(refused).toMatchObject({ outcome: 'refused', items: [{ name: SSID, status: 'read-only' }] });
  expect(refused.why).toContain('ignoreWritable');
  expect(honest.received.count('SetParameterValues')).toBe(0);

  const liar = await field.booted(['claims-read-only'], isA('Liar'));
  await field.ask(liar, 'refresh', { path: `${IGD}LANDevice.1.` });
  expect((await field.set(liar, { [SSID]: 'New' })).outcome).toBe('done');
  expect(liar.tree.value(SSID)).toBe('New');
});

test('FIELD 25: times are written without milliseconds and booleans as digits, which every CPE reads', async () => {
  const cpe = await field.booted(['datetime-milliseconds-refused', 'boolean-words-refused']);
  const result = await field.set(cpe, { [INFORM_TIME]: '2026-01-01T00:00:00.000Z', [ENABLE]: 'false' });
  expect(result.outcome).toBe('done');
  expect(cpe.tree.value(INFORM_TIME)).toBe('2026-01-01T00:00:00Z');
  expect(cpe.tree.value(ENABLE)).toBe('0');
});

test('FIELD 26: without TransferComplete a download is never called done; the profile says how long it is waited for', async () => {
  const silent = await field.booted(['transfer-complete-never'], isA('Silent'));
  const download = { fileType: '3 Vendor Configuration File', url: fileUrl };
  const action = await field.edge.act(idOf(silent), 'download', download);
  wentWell(await silent.inform());
  const result = await field.edge.result(action, 20_000);
  expect(result).toMatchObject({ outcome: 'applied', why: expect.stringContaining('not verified') });
  expect(silent.received.count('Download')).toBe(1);

  const unknown = await field.booted(['transfer-complete-never']);
  const waiting = await field.edge.act(idOf(unknown), 'download', download);
  wentWell(await unknown.inform());
  const progress = await field.edge.until(() =>
    field.edge.factsOf('progress').find(({ actionId, state }) => actionId === waiting && state === 'waiting'),
  );
  expect(progress.why).toContain('TransferComplete');
  expect(field.edge.factsOf('result').some(({ actionId }) => actionId === waiting)).toBe(false);
});

test('FIELD 27: a secret that reads back blank or masked is applied, not verified, and never shown', async () => {
  for (const name of ['passwords-blank', 'passwords-masked']) {
    const cpe = await field.booted([name]);
    const result = await field.set(cpe, { [PASSPHRASE]: 'correct horse' });
    expect(result, name).toMatchObject({ outcome: 'applied', items: [{ name: PASSPHRASE, status: 'unverified' }] });
    expect(cpe.tree.value(PASSPHRASE), name).toBe('correct horse');
    expect(JSON.stringify(result), name).not.toContain('correct horse');
  }
  // Of a vendor's own parameter only the profile can know it.
  const own = `${INFO}X_STARLING_Own1`;
  const hidden = plants(1, { secret: true });
  expect((await field.set(await field.booted([hidden]), { [own]: '1' })).outcome).toBe('refused');
  expect((await field.set(await field.booted([hidden], isA('Hider')), { [own]: '1' })).outcome).toBe('applied');
});

test('FIELD 28: a name that is an object today and a parameter tomorrow is each day what it is', async () => {
  const cpe = await field.booted(['object-turns-into-leaf']);
  const turning = `${INFO}X_STARLING_Turning`;
  const seen: (string | undefined)[] = [];
  for (let session = 2; session <= 5; session++) {
    const before = field.factsOf(cpe, 'values').length;
    expect((await field.ask(cpe, 'refresh', { path: INFO })).outcome).toBe('done');
    const values = field
      .factsOf(cpe, 'values')
      .slice(before)
      .flatMap((fact) => fact.values);
    seen.push(values.find(({ Name }) => Name.startsWith(turning))?.Name);
    expect(field.factsOf(cpe, 'names').at(-1)).toMatchObject({ path: INFO, complete: true });
  }
  expect(seen).toEqual([turning, `${turning}.Inner`, turning, `${turning}.Inner`]);
});

test('FIELD 29: a value that is there already is not written, so that nothing restarts', async () => {
  const cpe = await field.booted(['reboots-on-no-op-write']);
  const result = await field.set(cpe, { [SSID]: cpe.tree.value(SSID)!, [ENABLE]: 'true' });
  expect(result).toMatchObject({ outcome: 'done', items: [{ status: 'unchanged' }, { status: 'unchanged' }] });
  expect(cpe.received.count('SetParameterValues')).toBe(0);
  expect(cpe.isUp).toBe(true);
  // Of two values only the one that differs is sent.
  expect((await field.set(cpe, { [SSID]: 'Other', [ENABLE]: '1' })).outcome).toBe('done');
  expect(cpe.isUp).toBe(true);
});

test('a conforming CPE needs no tolerance, in any of what was asked above', async () => {
  const needed = await field.rise('starling_tolerances_total', '', async () => {
    for (const options of [{}, { model: 'tr181' as const }, isA('Walker')]) {
      const cpe = await field.booted([], options);
      expect((await field.ask(cpe, 'refresh', { path: '' })).outcome).toBe('done');
      const asked = { method: 'GetParameterAttributes', arguments: { ParameterNames: [cpe.tree.root] } };
      expect((await field.ask(cpe, 'rpc', asked)).outcome).toBe('done');
      expect(faultsSeen(cpe)).toEqual([]);
    }
  });
  expect(needed).toBe(0);
});
