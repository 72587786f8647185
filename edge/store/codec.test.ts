import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ParameterValue } from '../../cwmp/message.ts';
import { decodeHot, decodePage, type Entry, encodeHot, encodePage } from './codec.ts';

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
