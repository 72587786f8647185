import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { type InformValues, ValuePlaces } from '../../cwmp/inform-values.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { Environment } from './environment.ts';
import { HotTexts } from './hot-texts.ts';
import { InformRecords } from './inform-records.ts';
import { Stamps } from './stamps.ts';
import { CPE, STORE_KEY, temporaryFolder } from './store.test-helper.ts';

function open(dir = temporaryFolder()): { hot: HotTexts; records: InformRecords; dir: string } {
  const environment = Environment.acquire(dir);
  const records = new InformRecords(environment, Stamps.forNewStart(dir));
  const secrets = { isSecret: (path: string) => path.endsWith('Passphrase'), seal: environment.unlock(STORE_KEY) };
  return { hot: new HotTexts(environment, records, secrets), records, dir };
}

const text = fc.oneof(fc.constantFrom('', '1', 'true', 'Heim-WLAN ☕', 'a\nb'), fc.string({ unit: 'grapheme' }));
const parameter: fc.Arbitrary<ParameterValue> = fc.record({
  Name: fc.constantFrom('Device.A', 'Device.B', 'Device.B.1.C', 'X_VENDOR_Ext.é'),
  Value: text.map((value) => value.replaceAll('\0', '')),
  Type: fc.constantFrom('', 'xsd:string', 'xsd:vendorThing'),
});

test('a list comes back as it was put, shaped or not, also to somebody who opens the store anew', async () => {
  const { hot, dir } = open();
  await fc.assert(
    fc.asyncProperty(fc.array(parameter), async (list) => {
      const written = hot.put(CPE, list);
      expect(hot.list(CPE)).toEqual(list);
      await written;
      expect(open(dir).hot.list(CPE)).toEqual(list);
    }),
    { numRuns: 40 },
  );
});

test('a list is compared as its entries are, and the update holds what was behind it', () => {
  const { hot } = open();
  fc.assert(
    fc.property(fc.array(parameter), fc.array(parameter), fc.nat(), (stored, other, cut) => {
      void hot.put(CPE, stored);
      expect(hot.compare(CPE, stored.slice(0, cut % (stored.length + 1)))?.changed).toEqual([]);
      const sameNames = other.every(({ Name, Type }, i) => Name === stored[i]?.Name && Type === stored[i]?.Type);
      const changed = other.filter((one, i) => one.Value !== stored[i]?.Value);
      expect(hot.compare(CPE, other)?.changed ?? null).toEqual(sameNames ? changed : null);
      // The same names with other values: what an Inform with a changed value is.
      const altered = stored
        .slice(0, cut % (stored.length + 1))
        .map((entry, i) => (i % 2 === cut % 2 ? { ...entry, Value: `${entry.Value}x` } : entry));
      const compared = hot.compare(CPE, altered)!;
      expect(compared.changed).toEqual(altered.filter((entry, i) => entry !== stored[i]));
      if (compared.changed.length === 0) return;
      void hot.update(CPE, compared.update!);
      expect(hot.list(CPE)).toEqual([...altered, ...stored.slice(altered.length)]);
    }),
  );
});

test.each([
  ['another value', { Value: '2' }, true],
  ['a longer value', { Value: '12' }, true],
  ['a shorter value', { Value: '' }, true],
  ['another name', { Name: 'Device.B' }, false],
  ['another type', { Type: 'xsd:int' }, false],
])('%s is seen in place', (_, change, sameNames) => {
  const { hot } = open();
  const first = { Name: 'Device.A', Value: '1', Type: 'xsd:string' };
  const second = { Name: 'Device.Z', Value: 'z', Type: 'xsd:string' };
  void hot.put(CPE, [first, second]);
  const changed = { ...first, ...change };
  expect(hot.compare(CPE, [changed, second])?.changed ?? null).toEqual(sameNames ? [changed] : null);
});

test('a NUL in a value is stored as a replacement character and so never equal: the value counts as changed, nothing is torn', () => {
  const { hot } = open();
  const odd = [
    { Name: 'Device.A', Value: 'a\0b', Type: '' },
    { Name: 'Device.Z', Value: 'z', Type: '' },
  ];
  void hot.put(CPE, odd);
  expect(hot.list(CPE)?.map(({ Value }) => Value)).toEqual(['a\uFFFDb', 'z']);
  expect(hot.compare(CPE, odd)?.changed).toEqual([odd[0]]);
});

test('CPEs that invent names fill the shapes to their bound, and are stored all the same', async () => {
  const { hot } = open();
  const listOf = (i: number): ParameterValue[] => [{ Name: `Device.X_${i}`, Value: 'v', Type: 'xsd:string' }];
  for (let i = 0; i <= LIMITS.shadowShapesMax; i++)
    await (i % 64 === 0 ? hot.put(CPE, listOf(i)) : void hot.put(CPE, listOf(i)));
  await hot.put(CPE, listOf(LIMITS.shadowShapesMax + 1));
  expect(hot.list(CPE)).toEqual(listOf(LIMITS.shadowShapesMax + 1));
  expect(hot.find(CPE, `Device.X_${LIMITS.shadowShapesMax + 1}`)?.Value).toBe('v');
  expect(hot.compare(CPE, listOf(LIMITS.shadowShapesMax + 1))).toBeNull();
});

const NAMES = ['Device.A', 'Device.B', 'Device.C', 'Device.D', 'X_VENDOR_Ext.é'];
const plain = fc.constantFrom('', '1', 'true', 'a b', 'x'.repeat(300));

/** Values of `names` as they lie in a document: what cwmp/inform-values.ts finds. */
function document(names: string[], values: string[]): [told: InformValues, places: ValuePlaces, body: Buffer] {
  const places = new ValuePlaces();
  let text = '<';
  for (const [i, value] of values.entries()) {
    places.starts[i] = text.length;
    text += value;
    places.ends[i] = text.length;
    text += '<';
  }
  return [{ names, types: names.map(() => 'xsd:string') } as InformValues, places, Buffer.from(text, 'latin1')];
}

test('values are compared and changed where they lie, in whatever order and however few of them a document has', async () => {
  const { hot, records } = open();
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(...NAMES.map(() => fc.oneof(plain, fc.constant('Heim ☕')))),
      fc.shuffledSubarray(NAMES, { minLength: 1 }),
      fc.tuple(...NAMES.map(() => plain)),
      async (stored, names, values) => {
        const list = NAMES.map((Name, i) => ({ Name, Value: stored[i]!, Type: 'xsd:string' }));
        void records.putDeviceText(CPE, 'a device\0');
        await hot.put(CPE, list);
        const [told, places, body] = document(names, values.slice(0, names.length));
        // The first look at a kind of document finds its names; it is compared from the next on.
        hot.compareInPlace(records.get(CPE)!, told, places, body);
        const changed = hot.compareInPlace(records.get(CPE)!, told, places, body)!;
        expect(changed).toEqual(names.flatMap((name, i) => (stored[NAMES.indexOf(name)] === values[i] ? [] : [i])));
        const made = hot.changeInPlace(records.get(CPE)!, told, places, body, changed);
        expect(hot.listIn(made, told)).toEqual(
          names.map((Name, i) => ({ Name, Value: values[i]!, Type: 'xsd:string' })),
        );
        await records.put(CPE, made);
        expect(hot.list(CPE)).toEqual(
          list.map((entry) => {
            const at = names.indexOf(entry.Name);
            return at < 0 ? entry : { ...entry, Value: values[at]! };
          }),
        );
        expect(records.deviceText(CPE)).toBe('a device\0');
      },
    ),
    { numRuns: 60 },
  );
});

test('a document with a name, or a type, that the record has not is not compared where it lies', async () => {
  const { hot, records } = open();
  await hot.put(CPE, [{ Name: 'Device.A', Value: '1', Type: 'xsd:int' }]);
  for (const name of ['Device.A', 'Device.B']) {
    const [told, places, body] = document([name], ['1']);
    for (let look = 0; look < 3; look++) expect(hot.compareInPlace(records.get(CPE)!, told, places, body)).toBeNull();
  }
  const [told, places, body] = document(['Device.A'], ['1']);
  told.types[0] = 'xsd:int';
  hot.compareInPlace(records.get(CPE)!, told, places, body);
  expect(hot.compareInPlace(records.get(CPE)!, told, places, body)).toEqual([]);
});
