import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { CPE, closeStore, openStore } from './store.test-helper.ts';

const value = (Name: string, Value: string, Type = 'xsd:string'): ParameterValue => ({ Name, Value, Type });
const inform = [
  value('Device.DeviceInfo.SoftwareVersion', '1.0'),
  value('Device.ManagementServer.ParameterKey', ''),
  value('Device.IP.Interface.1.IPv4Address.1.IPAddress', '10.0.0.1'),
];

test('a new device: everything is new, until it is applied', async () => {
  const { store } = openStore();
  expect(store.isNewDevice(CPE)).toBe(true);
  expect(store.compareInform(CPE, inform).changed).toEqual(inform);
  const applied = store.applyValues(CPE, inform);
  // This thread reads back at once what it wrote.
  expect(store.isNewDevice(CPE)).toBe(false);
  expect(store.compareInform(CPE, inform).changed).toEqual([]);
  await applied;
  expect(store.compareInform(CPE, inform).changed).toEqual([]);
});

test.each<[string, ParameterValue[], string[]]>([
  ['one value differs', [inform[0]!, value(inform[1]!.Name, 'key'), inform[2]!], [inform[1]!.Name]],
  ['the type differs', [{ ...inform[0]!, Type: 'xsd:token' }, inform[1]!, inform[2]!], [inform[0]!.Name]],
  ['another order', [inform[2]!, inform[0]!, inform[1]!], []],
  ['fewer parameters', [inform[0]!], []],
  ['one more', [...inform, value('Device.New', '1')], ['Device.New']],
  ['one more in front', [value('Device.New', '1'), ...inform], ['Device.New']],
  ['nothing', [], []],
])('changed parameters: %s', async (_, list, changed) => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  expect(store.compareInform(CPE, list).changed.map(({ Name }) => Name)).toEqual(changed);
});

test('what was read by GetParameterValues is no news when an Inform tells it', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  await store.applyValues(CPE, [value('Device.WiFi.SSID.1.SSID', 'home')]);
  expect(store.compareInform(CPE, [...inform, value('Device.WiFi.SSID.1.SSID', 'home')]).changed).toEqual([]);
  const other = [...inform, value('Device.WiFi.SSID.1.SSID', 'other')];
  expect(store.compareInform(CPE, other).changed).toEqual([other[3]]);
});

test('an Inform with the same names is stored as it was compared', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  const next = [value(inform[0]!.Name, '2.0'), inform[1]!];
  await store.applyInform(CPE, next, store.compareInform(CPE, next));
  expect(store.compareInform(CPE, next).changed).toEqual([]);
  expect(store.compareInform(CPE, [...next, inform[2]!]).changed).toEqual([]);
});

test('a value of the Inform that was read or written in a session is what the next Inform is compared with', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  await store.applyValues(CPE, [value(inform[1]!.Name, 'after')]);
  expect(store.compareInform(CPE, inform).changed.map(({ Name }) => Name)).toEqual([inform[1]!.Name]);
  expect(store.compareInform(CPE, [inform[0]!, value(inform[1]!.Name, 'after'), inform[2]!]).changed).toEqual([]);
});

test('values written twice without a wait in between both count', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  const writes = [
    store.applyValues(CPE, [value(inform[0]!.Name, '2.0'), value('Device.X.A', '1')]),
    store.applyValues(CPE, [value(inform[1]!.Name, 'key'), value('Device.X.B', '2')]),
  ];
  await Promise.all(writes);
  expect(store.knownParameter(CPE, inform[0]!.Name)?.value).toBe('2.0');
  expect(store.knownParameter(CPE, inform[1]!.Name)?.value).toBe('key');
  expect(store.knownParameter(CPE, 'Device.X.A')?.value).toBe('1');
  expect(store.knownParameter(CPE, 'Device.X.B')?.value).toBe('2');
});

test('a list that changed becomes the one compared in one pass; parameters it left out are still known', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  const next = [inform[0]!, value('Device.New', '1')];
  const difference = store.compareInform(CPE, next);
  expect(difference.changed.map(({ Name }) => Name)).toEqual(['Device.New']);
  await store.applyInform(CPE, next, difference);
  expect(store.compareInform(CPE, next).changed).toEqual([]);
  expect(store.knownParameter(CPE, inform[2]!.Name)?.value).toBe('10.0.0.1');
  expect(store.compareInform(CPE, inform).changed).toEqual([]);
});

test('more parameters in Informs than are compared in place go to the pages and are known all the same', async () => {
  const { store } = openStore();
  const many = Array.from({ length: LIMITS.shadowHotEntriesMax + 100 }, (_, i) =>
    value(`Device.Stats.${i}.Value`, `${i}`),
  );
  await store.applyValues(CPE, many);
  expect(store.compareInform(CPE, many).changed).toEqual([]);
  const changed = many.map((one, i) => (i === many.length - 1 ? value(one.Name, 'new') : one));
  const difference = store.compareInform(CPE, changed);
  expect(difference.changed).toEqual([changed.at(-1)]);
  await store.applyInform(CPE, changed, difference);
  expect(store.compareInform(CPE, changed).changed).toEqual([]);
});

test('names tell what is writable; values keep it, and the value of an Inform has it too', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  await store.applyNames(CPE, 'Device.', true, [
    { Name: 'Device.DeviceInfo.', Writable: false },
    { Name: inform[0]!.Name, Writable: false },
    { Name: inform[1]!.Name, Writable: true },
    { Name: inform[2]!.Name, Writable: false },
    { Name: 'Device.WiFi.SSID.', Writable: true },
    { Name: 'Device.WiFi.SSID.1.SSID', Writable: true },
  ]);
  await store.applyValues(CPE, [value('Device.WiFi.SSID.1.SSID', 'home')]);
  expect(store.knownParameter(CPE, 'Device.WiFi.SSID.1.SSID')).toEqual({
    value: 'home',
    type: 'xsd:string',
    writable: true,
  });
  expect(store.knownParameter(CPE, 'Device.WiFi.SSID.')).toEqual({ value: null, type: '', writable: true });
  expect(store.knownParameter(CPE, inform[1]!.Name)).toEqual({ value: '', type: 'xsd:string', writable: true });
  expect(store.knownParameter(CPE, 'Device.Unknown')).toBeNull();
});

test('a complete list removes what is gone below its path, and nothing elsewhere', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  await store.applyValues(CPE, [
    value('Device.Hosts.Host.1.Name', 'a'),
    value('Device.Hosts.Host.2.Name', 'b'),
    value('Device.X', 'x'),
  ]);
  await store.applyNames(CPE, 'Device.Hosts.', true, [{ Name: 'Device.Hosts.Host.2.Name', Writable: false }]);
  expect(store.knownParameter(CPE, 'Device.Hosts.Host.1.Name')).toBeNull();
  expect(store.knownParameter(CPE, 'Device.Hosts.Host.2.Name')).toEqual({
    value: 'b',
    type: 'xsd:string',
    writable: false,
  });
  expect(store.knownParameter(CPE, 'Device.X')?.value).toBe('x');
  await store.applyNames(CPE, 'Device.Hosts.', false, [{ Name: 'Device.Hosts.Host.3.Name', Writable: false }]);
  expect(store.knownParameter(CPE, 'Device.Hosts.Host.2.Name')?.value).toBe('b');
});

test('a leaf that becomes an object, and back, leaves nothing of what it was (FIELD 28)', async () => {
  const { store } = openStore();
  await store.applyValues(CPE, inform);
  await store.applyValues(CPE, [value('Device.Thing', 'leaf')]);
  await store.applyNames(CPE, 'Device.', false, [{ Name: 'Device.Thing.1.Part', Writable: true }]);
  expect(store.knownParameter(CPE, 'Device.Thing')).toBeNull();
  expect(store.knownParameter(CPE, 'Device.Thing.1.Part')?.writable).toBe(true);
  await store.applyValues(CPE, [value('Device.Thing', 'leaf again')]);
  expect(store.knownParameter(CPE, 'Device.Thing')?.value).toBe('leaf again');
  expect(store.knownParameter(CPE, 'Device.Thing.1.Part')).toBeNull();
});

test('a reset forgets everything of this device, in pages too, and nothing of another', async () => {
  const { store } = openStore();
  const other = `${CPE}0`;
  for (const cpeId of [CPE, other]) {
    await store.applyValues(cpeId, inform);
    await store.applyValues(
      cpeId,
      Array.from({ length: 500 }, (_, i) => value(`Device.Stats.${i}.Value`, `${i}`)),
    );
  }
  const reset = store.resetShadow(CPE);
  expect(store.isNewDevice(CPE)).toBe(true);
  await reset;
  expect(store.isNewDevice(CPE)).toBe(true);
  expect(store.knownParameter(CPE, 'Device.Stats.7.Value')).toBeNull();
  expect(store.knownParameter(other, 'Device.Stats.7.Value')?.value).toBe('7');
  expect(store.compareInform(CPE, inform).changed).toEqual(inform);
});

test('a tree of 3,000 parameters is there after the store was opened anew', async () => {
  const { store, dir } = openStore();
  await store.applyValues(CPE, inform);
  const tree = Array.from({ length: 3_000 }, (_, i) => value(`Device.Hosts.Host.${i >> 3}.P${i & 7}`, `value ${i}`));
  for (let at = 0; at < tree.length; at += 32) store.applyValues(CPE, tree.slice(at, at + 32));
  await store.flushed();
  await closeStore(store);
  const again = openStore({ dir }).store;
  for (const { Name, Value } of tree) expect(again.knownParameter(CPE, Name)?.value).toBe(Value);
});

test('whatever Informs and reads come, changed parameters are those that a plain map would name', async () => {
  const { store } = openStore();
  const name = fc.constantFrom('Device.A', 'Device.B.1', 'Device.B.2', 'Device.C.1.x', 'Device.D');
  const parameter = fc.tuple(name, fc.constantFrom('0', '1')).map(([n, v]) => value(n, v));
  const list = fc.uniqueArray(parameter, { selector: ({ Name }) => Name, maxLength: 5 });
  const step = fc.record({ inform: fc.boolean(), list });
  let device = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, wait) => {
      const cpeId = `00D09E-Model-${device++}`;
      const known = new Map<string, string>();
      for (const one of steps) {
        const difference = one.inform ? store.compareInform(cpeId, one.list) : null;
        if (difference !== null) {
          const expected = one.list.filter(({ Name, Value }) => known.get(Name) !== Value);
          expect(difference.changed).toEqual(expected);
          // An Inform that told nothing new is not written.
          if (expected.length === 0) continue;
        }
        const written =
          difference === null ? store.applyValues(cpeId, one.list) : store.applyInform(cpeId, one.list, difference);
        if (wait) await written;
        for (const { Name, Value } of one.list) known.set(Name, Value);
      }
      for (const [n, v] of known) expect(store.knownParameter(cpeId, n)?.value).toBe(v);
    }),
    { numRuns: 100 },
  );
});
