import { expect, test } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import type { AnyFactBody } from '../../bus/messages.ts';
import { ADMIN, CPE, inform, testControl, value } from '../control.test-helper.ts';
import type { TimelineEntry } from '../services.ts';
import { endOf } from './parameters.ts';
import { partsOfDeviceId } from './write-devices.ts';

const hello: AnyFactBody = { type: 'hello', body: { version: '1', threads: 1, startedAt: 1 } };

test('devices are found by what they are, page after page', async () => {
  const control = await testControl();
  const serials = ['A1', 'A2', 'B1', 'B2', 'B3'];
  await control.send(
    ...serials.map((serial) =>
      inform({ serial, changed: [value('InternetGatewayDevice.DeviceInfo.SoftwareVersion', serial[0]!)] }),
    ),
  );
  const ids = async (query: Parameters<typeof control.devices.list>[0]): Promise<string[]> =>
    (await control.devices.list(query)).items.map(({ serialNumber }) => serialNumber);
  expect(await ids({ softwareVersion: 'B' })).toEqual(['B1', 'B2', 'B3']);
  expect(await ids({ q: 'a2' })).toEqual(['A2']);
  expect(await ids({ q: '%' })).toEqual([]);
  expect(
    await ids({
      manufacturer: 'Huawei',
      oui: '00259E',
      productClass: 'HG8245',
      profile: 'tr098',
      edgeId: 'edge1',
      q: '192.0.2',
    }),
  ).toEqual(serials);
  await control.devices.setTags('00259E-HG8245-B2', ['vip', 'vip', 'pilot'], ADMIN);
  expect(await ids({ tag: 'vip' })).toEqual(['B2']);
  const now = control.clock.now();
  expect(await ids({ seenSince: new Date(now).toISOString() })).toEqual(serials);
  expect(await ids({ silentSince: new Date(now).toISOString() })).toEqual([]);
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await control.devices.list({ limit: 2, cursor });
    pages.push(page.items.map(({ serialNumber }) => serialNumber));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  expect(pages).toEqual([['A1', 'A2'], ['B1', 'B2'], ['B3']]);
  await expect(control.devices.get('nope')).rejects.toMatchObject({ status: 404, code: 'unknown-device' });
  await expect(control.devices.list({ seenSince: 'yesterday' })).rejects.toMatchObject({ status: 400 });
});

test('parameters are read by path, by partial path and by canonical name or its beginning', async () => {
  const control = await testControl();
  const wlan = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.';
  const changed = [
    value(`${wlan}1.SSID`, 'a'),
    value(`${wlan}10.SSID`, 'c'),
    value(`${wlan}1.Channel`, '6', 'xsd:unsignedInt'),
    value('InternetGatewayDevice.Z', 'z'),
  ];
  await control.send(inform({ changed }));
  const names = async (prefix?: string): Promise<string[]> =>
    (await control.devices.parameters(CPE, { prefix })).items.map(({ name }) => name);
  expect(await names()).toHaveLength(4);
  expect(await names(`${wlan}1.`)).toEqual([`${wlan}1.Channel`, `${wlan}1.SSID`]);
  expect(await names(`${wlan}1`)).toEqual([`${wlan}1.Channel`, `${wlan}1.SSID`]);
  expect(await names('wifi.2g.ssid')).toEqual([`${wlan}1.SSID`]);
  expect(await names('wifi.2g.')).toEqual([`${wlan}1.Channel`, `${wlan}1.SSID`]);
  const first = await control.devices.parameters(CPE, { limit: 3 });
  expect((await control.devices.parameters(CPE, { limit: 3, cursor: first.next! })).items).toMatchObject([
    { name: 'InternetGatewayDevice.Z', value: 'z' },
  ]);
});

test('settings rise with every change, whatever the clock of the control that makes it', async () => {
  const control = await testControl();
  await control.send(inform());
  const sentAt = async (connectionRequest: { username: string; password: string }[]): Promise<number> => {
    control.bus.decisions.length = 0;
    await control.devices.setCredentials(CPE, { connectionRequest }, ADMIN);
    await control.handOver.pass();
    const [first] = control.bus.decisions.map(({ decision }) => (decision.type === 'device' ? decision.body : null));
    return first!.changedAt!;
  };
  const first = await sentAt([{ username: 'a', password: 'b' }]);
  control.clock.advance(-60_000); // As on another host.
  expect(await sentAt([{ username: 'c', password: 'd' }])).toBe(first + 1);
});

test('a device can be registered before it is seen: its settings wait for an edge and reach the one it comes to', async () => {
  const control = await testControl();
  const id = cpeIdOf({ Manufacturer: '', OUI: '00259e', ProductClass: 'My Box', SerialNumber: 'S-1' });
  await control.devices.setCredentials(id, { cpe: { username: 'u1', password: 'p1' } }, ADMIN);
  expect(await control.devices.get(id)).toMatchObject({
    oui: '00259E',
    productClass: 'My Box',
    serialNumber: 'S-1',
    edgeId: null,
  });
  await control.handOver.pass();
  expect(control.bus.decisions).toEqual([]); // No edge has said hello yet.
  await control.send(hello);
  await control.greeting.pass();
  expect(control.bus.decisions.map(({ decision }) => decision)).toEqual(
    expect.arrayContaining([
      {
        v: 1,
        type: 'device',
        body: {
          cpeId: id,
          settings: { cpe: { username: 'u1', password: 'p1' }, connectionRequest: [] },
          changedAt: control.clock.now(),
        },
      },
    ]),
  );
  expect(await control.devices.credentials(id)).toEqual({
    cpe: { username: 'u1', password: '••••' },
    connectionRequest: [],
  });
  // Members that are left out stay.
  await control.devices.setCredentials(id, { connectionRequest: [{ username: 'c', password: 'd' }] }, ADMIN);
  expect(await control.devices.credentials(id)).toMatchObject({
    cpe: { username: 'u1' },
    connectionRequest: [{ username: 'c' }],
  });
  await expect(
    control.devices.setCredentials(CPE, { cpe: { username: 'u1', password: 'x' } }, ADMIN),
  ).rejects.toMatchObject({ code: 'username-taken' });
  await expect(control.devices.setCredentials('nonsense', {}, ADMIN)).rejects.toMatchObject({ status: 422 });
  for (const [id, spelt] of [
    ['00259e-HG8245-A1', '00259E-HG8245-A1'],
    ['00259E-HG8245-A~2d1', '00259E-HG8245-A~7E2d1'],
  ] as const) {
    await expect(control.devices.setCredentials(id, {}, ADMIN)).rejects.toThrow(`${id} is written ${spelt}`);
  }
  await expect(control.devices.wake(id, ADMIN)).rejects.toMatchObject({ status: 409, code: 'no-edge' });
});

test('every hello is answered with the settings of the edge, changed or not', async () => {
  const control = await testControl();
  await control.send(hello, inform());
  await control.devices.setCredentials(CPE, { cpe: { username: 'u', password: 'p' } }, ADMIN);
  await control.greeting.pass();
  await control.handOver.pass();
  const settings = (): number => control.bus.decisions.filter(({ decision }) => decision.type === 'device').length;
  const before = settings();
  expect(before).toBeGreaterThan(0);
  await control.handOver.pass();
  await control.greeting.pass();
  expect(settings()).toBe(before);
  await control.send({ ...hello, body: { ...hello.body, startedAt: 2 } } as AnyFactBody);
  await control.greeting.pass();
  expect(settings()).toBe(before + 1);
});

test('live events come in the order of their ids, filtered, and a stream resumes after any of them', async () => {
  const control = await testControl();
  const { live } = control.context;
  const all: TimelineEntry[] = [];
  const actions: TimelineEntry[] = [];
  const stop = live.subscribe({}, (event) => all.push(event));
  live.subscribe({ deviceId: CPE, kind: 'action.' }, (event) => actions.push(event));
  await control.send(inform());
  await Promise.all(
    Array.from({ length: 10 }, () => control.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN })),
  );
  await expect.poll(() => all.length).toBe(12);
  const ids = all.map(({ id }) => Number(id));
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  expect(actions.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'action.ready'));
  expect(await live.since(all[4]!.id, {}, 100)).toEqual(all.slice(5));
  expect(await live.since('0', { kind: 'device.new' }, 100)).toMatchObject([{ kind: 'device.new' }]);
  expect(await live.last()).toBe(all.at(-1)!.id);
  stop();
  await control.send(inform());
  expect(all).toHaveLength(12);
  await expect(live.since('1; drop table event', {}, 1)).rejects.toMatchObject({ status: 400 });
});

test.each([
  ['00259E-HG8245-S1', { oui: '00259E', productClass: 'HG8245', serialNumber: 'S1' }],
  ['00259E-S1', { oui: '00259E', productClass: '', serialNumber: 'S1' }],
  ['00259E-My~20Box-S~2D1', { oui: '00259E', productClass: 'My Box', serialNumber: 'S-1' }],
  ['S1', null],
  ['a-b-c-d', null],
  ['-b-c', null],
  ['a-b-c d', null],
])('device id %s reads as its parts', (id, parts) => {
  expect(partsOfDeviceId(id)).toEqual(parts);
});

test('the end of a prefix is above all it begins and below all else', () => {
  expect(endOf('A.1.')).toBe('A.1/');
  expect('A.1.~' < endOf('A.1.')).toBe(true);
  expect('A.10.' < endOf('A.1.')).toBe(false);
});
