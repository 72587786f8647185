// CWMP.md §1.7 and §1.9: the Inform, identities and events, on a real edge; and the cases of §1.20 about identities and lists.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpeIdOf, type DeviceIdStruct } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { EVENTS } from '../../cwmp/events.ts';
import { ACS_METHODS } from '../../cwmp/rpc-table.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import {
  envelope,
  FORCED,
  informXml,
  requestOf,
  responseOf,
  value,
  valueList,
  WireCpe,
  type WireCpeOptions,
} from './wire.test-helper.ts';

let edge: TestEdge;
const open: WireCpe[] = [];
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await edge.close();
});

function newCpe(options: WireCpeOptions = {}): WireCpe {
  const cpe = new WireCpe(edge.port, options);
  open.push(cpe);
  return cpe;
}

const informsOf = (cpe: { cpeId: string }) => edge.factsOf('inform').filter((body) => body.cpeId === cpe.cpeId);
const informOf = (cpe: { cpeId: string }) => edge.until(() => informsOf(cpe)[0]);
const UPTIME = 'Device.DeviceInfo.UpTime';

test('CWMP I1: everything an Inform carries arrives, at the longest that the schema allows', async () => {
  const device = {
    Manufacturer: 'M'.repeat(64),
    OUI: '00005E',
    ProductClass: 'P'.repeat(64),
    SerialNumber: `1${'S'.repeat(63)}`,
  };
  const cpe = newCpe({ device });
  const name = `Device.${'N'.repeat(249)}`;
  const key = 'k'.repeat(32);
  await cpe.inform({
    events: ['1 BOOT', ['M Reboot', key]],
    parameters: [...FORCED, value(name, 'v')],
    currentTime: '2024-05-01T12:00:00+02:00',
    retryCount: '3',
  });
  expect(await informOf(cpe)).toMatchObject({
    cpe: { device, root: 'Device.', namespace: cpe.namespace, address: '127.0.0.1' },
    events: [
      { EventCode: '1 BOOT', CommandKey: '' },
      { EventCode: 'M Reboot', CommandKey: key },
    ],
    retryCount: 3,
    currentTime: '2024-05-01T12:00:00+02:00',
    changed: expect.arrayContaining([{ Name: name, Value: 'v', Type: 'xsd:string' }]),
    tolerances: [],
  });
});

test.each<[string, Partial<DeviceIdStruct>, string]>([
  ['an OUI in lower case', { OUI: '00d09e' }, '00D09E-Wire-'],
  ['the OUI 000000', { OUI: '000000' }, '000000-Wire-'],
  ['no ProductClass', { ProductClass: '' }, '00005E-'],
  ['no Manufacturer', { Manufacturer: '' }, '00005E-Wire-'],
  ['a Manufacturer of two lines', { Manufacturer: 'A\nB' }, '00005E-Wire-'],
])('CWMP I2: identity with %s', async (_name, part, prefix) => {
  const cpe = newCpe({ device: part });
  responseOf(await cpe.inform({ events: ['1 BOOT'] }), 'Inform');
  expect(cpe.cpeId).toBe(`${prefix}${cpe.device.SerialNumber}`);
  expect((await informOf(cpe)).cpeId).toBe(cpe.cpeId);
});

test('CWMP I2: an identity in another case of its OUI is the same CPE', async () => {
  const cpe = newCpe({ device: { OUI: 'abcdef' } });
  await cpe.begin({ events: ['1 BOOT'] });
  const upper = newCpe({ device: { ...cpe.device, OUI: 'ABCDEF' } });
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await upper.answer(requestOf(await upper.begin()), '<MethodList/>');
  expect((await edge.result(action)).outcome).toBe('done');
});

test.each([
  ['all of Device:2', FORCED, 'Device.'],
  [
    'those of InternetGatewayDevice',
    [value('InternetGatewayDevice.DeviceSummary', ''), value('InternetGatewayDevice.DeviceInfo.SoftwareVersion', '1')],
    'InternetGatewayDevice.',
  ],
  ['none at all', [], ''],
  [
    'one twice: the last counts',
    [value('Device.DeviceInfo.SoftwareVersion', 'old'), value('Device.DeviceInfo.SoftwareVersion', 'new')],
    'Device.',
  ],
])('CWMP I4: an Inform with forced parameters, %s', async (_name, parameters, root) => {
  const cpe = newCpe();
  await cpe.inform({ events: ['1 BOOT'], parameters });
  const { cpe: facts, changed } = await informOf(cpe);
  expect(facts.root).toBe(root);
  if (parameters.length === 2 && root === 'Device.') expect(changed.at(-1)!.Value).toBe('new');
});

test('CWMP I4: forced parameters of both data models come from a conforming CPE and are stored', async () => {
  for (const model of ['tr098', 'tr181'] as const) {
    const cpe = new SimulatedCpe({ acsUrl: edge.url, serialNumber: `I4${model}`, model, connectionRequests: 'none' });
    const summary = await cpe.start();
    expect(summary).toMatchObject({ outcome: 'ended', complaints: [] });
    const names = (await informOf({ cpeId: cpeIdOf(cpe.device) })).changed.map(({ Name }) => Name);
    for (const path of ['DeviceInfo.HardwareVersion', 'DeviceInfo.SoftwareVersion', 'ManagementServer.ParameterKey']) {
      expect(names).toContain(`${cpe.tree.root}${path}`);
    }
    await cpe.stop();
  }
});

test('CWMP I5: what changed comes as changed, once, with the time it was received; what did not change does not', async () => {
  const cpe = newCpe();
  await cpe.begin({ events: ['1 BOOT'] });
  const before = Date.now();
  const changed = value('Device.DeviceInfo.ProvisioningCode', 'new');
  await cpe.begin({
    events: ['4 VALUE CHANGE'],
    parameters: [...FORCED.filter((one) => !one.includes('ProvisioningCode')), changed],
  });
  await edge.until(() => informsOf(cpe).length === 2);
  expect(informsOf(cpe)[1]!.changed).toEqual([
    { Name: 'Device.DeviceInfo.ProvisioningCode', Value: 'new', Type: 'xsd:string' },
  ]);
  const fact = edge.facts.findLast(({ body }) => 'cpeId' in body && body.cpeId === cpe.cpeId)!;
  expect(fact.at).toBeGreaterThanOrEqual(before);
});

test.each([
  '1970-01-01T00:00:13Z',
  '2024-05-01T12:00:00',
  '2024-05-01T12:00:00.123456+02:00',
  '0001-01-01T00:00:00Z',
  '',
  'no time at all',
])('CWMP I6: CurrentTime %j orders nothing', async (currentTime) => {
  const cpe = newCpe();
  responseOf(await cpe.inform({ events: ['1 BOOT'], currentTime }), 'Inform');
  const fact = edge.facts.find(({ type, body }) => type === 'inform' && 'cpeId' in body && body.cpeId === cpe.cpeId);
  expect(
    Math.abs(
      (fact ?? (await edge.until(() => edge.facts.find(({ body }) => 'cpeId' in body && body.cpeId === cpe.cpeId))))
        .at - Date.now(),
    ),
  ).toBeLessThan(10_000);
});

test.each([
  ['00', 0],
  ['05', 5],
  [' 7 ', 7],
])('CWMP I7: RetryCount %j is decimal', async (retryCount, number) => {
  const cpe = newCpe();
  await cpe.inform({ events: ['1 BOOT'], retryCount });
  expect((await informOf(cpe)).retryCount).toBe(number);
});

test('CWMP I8: where the Inform does not tell the data model the empty path is listed, and after a fault the roots themselves', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'refresh', {});
  let reply = await cpe.begin({ events: ['1 BOOT'], parameters: [] });
  const asked: string[] = [];
  while (reply.status === 200) {
    const request = requestOf(reply);
    asked.push(`${request.method} ${request.args.children[0]!.text}`);
    reply = await cpe.fault(request, 9005);
  }
  expect(asked[0]).toBe('GetParameterNames ');
  expect(asked).toEqual(
    expect.arrayContaining(['GetParameterNames Device.', 'GetParameterNames InternetGatewayDevice.']),
  );
});

test('CWMP I9: an InformResponse means delivered: its events are stored before it leaves, and come once', async () => {
  const cpe = newCpe();
  await cpe.inform({ events: ['1 BOOT', '4 VALUE CHANGE'] });
  cpe.close();
  const [fact] = [await informOf(cpe)];
  expect(fact.events.map(({ EventCode }) => EventCode)).toEqual(['1 BOOT', '4 VALUE CHANGE']);
  expect(informsOf(cpe)).toHaveLength(1);
});

// ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

test.each(EVENTS.map(({ code, kind }) => [code, kind === 'multiple' ? 'key' : ''] as const))(
  'CWMP 1.9 %s: it is acknowledged, kept and counted',
  async (code, key) => {
    const cpe = newCpe();
    const before = await edge.metric('starling_inform_events_total', `"${code}"`);
    responseOf(await cpe.inform({ events: [[code, key]] }), 'Inform');
    expect((await informOf(cpe)).events).toEqual([{ EventCode: code, CommandKey: key }]);
    expect(await edge.metric('starling_inform_events_total', `"${code}"`)).toBe(before + 1);
    cpe.close();
  },
);

test('CWMP 1.9 0 BOOTSTRAP: everything cached of the CPE is forgotten, and its whole Inform is news', async () => {
  const cpe = newCpe();
  await cpe.begin({ events: ['1 BOOT'] });
  const read = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  await cpe.answer(requestOf(await cpe.begin()), valueList(value(UPTIME, '7', 'unsignedInt')));
  expect((await edge.result(read)).outcome).toBe('done');
  await cpe.begin({ events: ['0 BOOTSTRAP', '1 BOOT'] });
  await edge.until(() => informsOf(cpe).length === 2);
  expect(informsOf(cpe)[1]).toMatchObject({ reset: true, changed: { length: FORCED.length } });
  expect(informsOf(cpe)[0]!.reset).toBe(false);
});

test('CWMP E-1: single events once, multiple ones once for each CommandKey, and a CPE that repeats itself is not refused', async () => {
  const cpe = newCpe();
  const events: [string, string][] = [
    ['1 BOOT', ''],
    ['M Reboot', 'a'],
    ['M Reboot', 'b'],
    ['1 BOOT', ''],
  ];
  responseOf(await cpe.inform({ events }), 'Inform');
  const kept = (await informOf(cpe)).events.map(({ EventCode, CommandKey }) => `${EventCode} ${CommandKey}`);
  expect(kept).toEqual(expect.arrayContaining(['1 BOOT ', 'M Reboot a', 'M Reboot b']));
});

test('CWMP E-2: a CommandKey beside an event that has none changes nothing of the event', async () => {
  const cpe = newCpe();
  responseOf(await cpe.inform({ events: [['0 BOOTSTRAP', 'text of a maker']] }), 'Inform');
  expect(await informOf(cpe)).toMatchObject({ reset: true, events: [{ EventCode: '0 BOOTSTRAP' }] });
});

test('CWMP E-3: events in any order and combination are taken as sent', async () => {
  const cpe = newCpe();
  const events = ['4 VALUE CHANGE', '8 DIAGNOSTICS COMPLETE', '1 BOOT', '2 PERIODIC', '6 CONNECTION REQUEST'];
  responseOf(await cpe.inform({ events }), 'Inform');
  expect((await informOf(cpe)).events.map(({ EventCode }) => EventCode)).toEqual(events);
});

test.each([
  ['1 Boot', '1 BOOT'],
  ['0  bootstrap', '0 BOOTSTRAP'],
  [' 4 VALUE CHANGE ', '4 VALUE CHANGE'],
  ['6', '6 CONNECTION REQUEST'],
  ['m reboot', 'M Reboot'],
  ['X BC0304 Alarm', 'X BC0304 Alarm'],
  ['15 BRAND NEW', '15 BRAND NEW'],
  ['M X_ACME_Blink', 'M X_ACME_Blink'],
])('CWMP E-4: the event code %j is kept as %j', async (sent, kept) => {
  const cpe = newCpe();
  responseOf(await cpe.inform({ events: [sent] }), 'Inform');
  expect((await informOf(cpe)).events).toEqual([{ EventCode: kept, CommandKey: '' }]);
});

test('CWMP E-4: an event without its code is left out, the others count', async () => {
  const cpe = newCpe();
  const xml = informXml(cpe.device, { events: ['1 BOOT', '4 VALUE CHANGE'] }).replace(
    '<EventCode>1 BOOT</EventCode>',
    '',
  );
  responseOf(await cpe.post(envelope(cpe.namespace, '1', xml)), 'Inform');
  expect((await informOf(cpe)).events).toEqual([{ EventCode: '4 VALUE CHANGE', CommandKey: '' }]);
});

test.each([64, 65, 200])('CWMP E-5, 1.20 65 events: an Inform with %i events is taken whole', async (count) => {
  const cpe = newCpe();
  const events = Array.from({ length: count }, (_, i): [string, string] => ['M Download', `key-${i}`]);
  responseOf(await cpe.inform({ events }), 'Inform');
  const fact = await informOf(cpe);
  expect(fact.events).toHaveLength(count);
  expect(fact.tolerances.includes('many-events')).toBe(count > LIMITS.eventsMax);
});

test('CWMP E-6, E-7: events come again after a failed session, and what waited for them ends once', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'reboot', {}, { commandKey: 'again' });
  await cpe.answer(requestOf(await cpe.begin(), 'Reboot'));
  for (let i = 0; i < 3; i++) {
    responseOf(await cpe.inform({ events: ['1 BOOT', ['M Reboot', 'again']], retryCount: String(i) }), 'Inform');
    if (i < 2) cpe.reconnect();
  }
  expect((await cpe.empty()).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('done');
  expect((await cpe.begin({ events: [['M Reboot', 'again']] })).status).toBe(204);
  expect(edge.factsOf('result').filter((body) => body.actionId === action)).toHaveLength(1);
});

test('CWMP E-7: a plain 1 BOOT ends a reboot whose CommandKey the CPE lost', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'reboot', {});
  await cpe.answer(requestOf(await cpe.begin(), 'Reboot'));
  await cpe.begin({ events: ['1 BOOT'] });
  expect(['done', 'applied']).toContain((await edge.result(action)).outcome);
});

test('CWMP 1.12: the Inform of a retry is as good as the first, with its RetryCount and the events of both', async () => {
  const cpe = newCpe();
  await cpe.inform({ events: ['1 BOOT'] });
  cpe.reconnect();
  responseOf(await cpe.inform({ events: ['1 BOOT', '4 VALUE CHANGE'], retryCount: '1' }), 'Inform');
  await edge.until(() => informsOf(cpe).length === 2);
  expect(informsOf(cpe)[1]).toMatchObject({
    retryCount: 1,
    events: [{ EventCode: '1 BOOT' }, { EventCode: '4 VALUE CHANGE' }],
  });
});

// ── §1.20, identities and lists ──────────────────────────────────────────────────────────────────────────────────────────

test.each<[string, (xml: string) => string]>([
  ['missing DeviceId', (xml) => xml.replace(/<DeviceId>.*<\/DeviceId>/, '')],
  ['empty DeviceId', (xml) => xml.replace(/<DeviceId>.*<\/DeviceId>/, '<DeviceId/>')],
  ['no SerialNumber', (xml) => xml.replace(/<SerialNumber>.*<\/SerialNumber>/, '')],
  [
    '65-char serial',
    (xml) => xml.replace(/<SerialNumber>.*<\/SerialNumber>/, `<SerialNumber>${'9'.repeat(65)}</SerialNumber>`),
  ],
])('CWMP 1.20 %s: 400 that says why, and nothing is stored', async (_name, damage) => {
  const cpe = newCpe();
  const count = edge.factsOf('inform').length;
  const reply = await cpe.post(envelope(cpe.namespace, '1', damage(informXml(cpe.device, { events: ['1 BOOT'] }))));
  expect(reply.status).toBe(400);
  expect(reply.body).toMatch(/DeviceId|SerialNumber|OUI/);
  expect(reply.all('Set-Cookie')).toEqual([]);
  expect((await cpe.empty()).status).toBe(204);
  // A good one after it is the only one that came.
  await cpe.inform({ events: ['4 VALUE CHANGE'] });
  expect((await informOf(cpe)).events).toEqual([{ EventCode: '4 VALUE CHANGE', CommandKey: '' }]);
  expect(edge.factsOf('inform')).toHaveLength(count + 1);
});

test.each<[string, Partial<DeviceIdStruct>]>([
  ['OUI "zzzzzz"', { OUI: 'zzzzzz' }],
  ['an OUI of other length', { OUI: '00-00-5E' }],
  ['serial with /%?#<>', { SerialNumber: 'a/b%2F?c#d<e>&"' }],
  ['serial with dots and dashes', { SerialNumber: '..-.-', ProductClass: 'a.b-c' }],
  ['serial outside ASCII', { SerialNumber: 'Gerät-漢字-😀' }],
  ['64 characters of three bytes each in both parts', { SerialNumber: '漢'.repeat(64), ProductClass: '字'.repeat(64) }],
])(
  'CWMP 1.20 %s: the CPE is served under it, its session goes on over connections and threads',
  async (_name, device) => {
    const cpe = newCpe({ device });
    const xmlDevice = {
      ...cpe.device,
      SerialNumber: cpe.device.SerialNumber.replaceAll('&', '&amp;').replaceAll('<', '&lt;'),
    };
    const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
    responseOf(await cpe.inform({ events: ['1 BOOT'], device: xmlDevice }), 'Inform');
    // Other connections meet other threads.
    let asked = requestOf(await cpe.empty());
    for (let i = 0; i < 6; i++) {
      const info = await cpe.reconnect().say('<cwmp:GetRPCMethods/>', `${i}`);
      expect(info.status).toBe(200);
    }
    asked = { ...asked };
    expect((await cpe.answer(asked, '<MethodList><string>Inform</string></MethodList>')).status).toBe(204);
    expect((await edge.result(action)).outcome).toBe('done');
    expect((await informOf(cpe)).cpe.device).toEqual(cpe.device);
  },
);

test('CWMP 1.20 10 000 parameters, duplicate names, a value of 64 KB: an Inform with them is stored whole', async () => {
  const cpe = newCpe();
  const many = Array.from({ length: 10_000 }, (_, i) => value(`Device.X_Table.${i}.Value`, String(i)));
  const long = 'x'.repeat(65_536);
  await cpe.begin({
    events: ['1 BOOT'],
    parameters: [
      ...FORCED,
      ...many,
      value('Device.X_Long', long),
      value('Device.X_Twice', 'a'),
      value('Device.X_Twice', 'b'),
    ],
  });
  const { changed } = await informOf(cpe);
  const last = new Map(changed.map(({ Name, Value }) => [Name, Value]));
  expect(last.size).toBe(FORCED.length + many.length + 2);
  expect(last.get('Device.X_Long')).toHaveLength(long.length);
  expect(last.get('Device.X_Twice')).toBe('b');
  // The same again teaches nothing.
  const parameters = [...FORCED, ...many, value('Device.X_Long', long), value('Device.X_Twice', 'b')];
  await cpe.begin({ events: ['4 VALUE CHANGE'], parameters });
  await edge.until(() => informsOf(cpe).length === 2);
  expect(informsOf(cpe)[1]!.changed).toEqual([]);
});

test('CWMP I9: every method of the ACS that delivers an event is one the ACS answers', () => {
  for (const { deliveredBy } of EVENTS)
    expect(Object.keys(ACS_METHODS)).toContain(deliveredBy.replace(/Response$/, ''));
});
