import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ParameterValue } from '../../cwmp/message.ts';
import { decodeHot, decodePage, type Entry, encodeHot, encodePage, hotStartsWith } from './codec.ts';

const text = fc.oneof(
  fc.constantFrom('', '1', 'true', 'Heim-WLAN ☕', 'a\nb'),
  fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', '')),
);
const type = fc.constantFrom('', 'xsd:string', 'xsd:boolean', 'xsd:dateTime', 'xsd:vendorThing');
const name = fc
  .array(fc.constantFrom('Device', 'WiFi', 'SSID', '1', '2', '10', 'X_VENDOR_Ext'), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join('.'));
const parameter: fc.Arbitrary<ParameterValue> = fc.record({ Name: name, Value: text, Type: type });
const entry: fc.Arbitrary<Entry> = fc.record({
  name,
  value: fc.option(text),
  type,
  writable: fc.option(fc.boolean()),
});

test('a hot text gives back the list it was made of', () => {
  fc.assert(
    fc.property(fc.array(parameter), (list) => {
      expect(decodeHot(encodeHot(list))).toEqual(list);
    }),
  );
});

test('a page text gives back the entries it was made of', () => {
  const sorted = fc
    .uniqueArray(entry, { selector: (e) => e.name })
    .map((list) => list.sort((a, b) => (a.name < b.name ? -1 : 1)));
  fc.assert(
    fc.property(sorted, (entries) => {
      expect(decodePage(encodePage(entries))).toEqual(entries);
    }),
  );
});

test('a hot text starts with a list exactly when its first entries are equal to it', () => {
  fc.assert(
    fc.property(fc.array(parameter), fc.array(parameter), fc.nat(), (stored, other, cut) => {
      const hot = encodeHot(stored);
      const prefix = stored.slice(0, cut % (stored.length + 1));
      expect(hotStartsWith(hot, prefix)).toBe(true);
      const begins = other.every((one, i) => JSON.stringify(one) === JSON.stringify(stored[i]));
      expect(hotStartsWith(hot, other)).toBe(begins);
    }),
  );
});

const first: ParameterValue = { Name: 'Device.A', Value: '1', Type: 'xsd:string' };
test.each([
  ['another value', { ...first, Value: '2' }],
  ['a longer value', { ...first, Value: '12' }],
  ['a shorter value', { ...first, Value: '' }],
  ['another name', { ...first, Name: 'Device.B' }],
  ['a longer name', { ...first, Name: 'Device.AB' }],
  ['another type', { ...first, Type: 'xsd:int' }],
])('%s is seen in place', (_, changed) => {
  const second = { Name: 'Device.Z', Value: 'z', Type: 'xsd:string' };
  expect(hotStartsWith(encodeHot([first, second]), [changed, second])).toBe(false);
});

test('a NUL in a value is stored as a replacement character and so never equal: the value counts as changed, nothing is torn', () => {
  const odd = [
    { ...first, Value: 'a\0b' },
    { Name: 'Device.Z', Value: 'z', Type: '' },
  ];
  const hot = encodeHot(odd);
  expect(hotStartsWith(hot, odd)).toBe(false);
  expect(decodeHot(hot).map(({ Value }) => Value)).toEqual(['a\uFFFDb', 'z']);
});

test('sorted names share their beginnings: a page of a regular tree is under 70 % of its plain text', () => {
  const entries: Entry[] = Array.from({ length: 200 }, (_, i) => ({
    name: `InternetGatewayDevice.LANDevice.1.WLANConfiguration.${100 + i}.PreSharedKey.1.AssociatedDeviceMACAddress`,
    value: '00:11:22:33:44:55',
    type: 'xsd:string',
    writable: false,
  }));
  const plain = entries.reduce(
    (sum, { name: n, value, type: t }) => sum + n.length + (value?.length ?? 0) + t.length,
    0,
  );
  expect(encodePage(entries).length).toBeLessThan(plain * 0.7);
});
