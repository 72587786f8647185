import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpeIdOf, escapePart, newId, unescapePart } from './ids.ts';

const device = (OUI: string, ProductClass: string, SerialNumber: string) => ({
  Manufacturer: 'x',
  OUI,
  ProductClass,
  SerialNumber,
});

test.each([
  ['plain', device('00259E', 'EG8145V5', 'A1'), '00259E-EG8145V5-A1'],
  ['OUI in lower case', device('00259e', 'EG8145V5', 'A1'), '00259E-EG8145V5-A1'],
  ['no ProductClass', device('00259E', '', 'A1'), '00259E-A1'],
  ['blank and dash', device('00147F', 'SpeedTouch 780', 'C-1'), '00147F-SpeedTouch~20780-C~2D1'],
  [
    'what breaks URLs, subjects and keys',
    device('000000', 'a.b/*>', '%?#<é'),
    '000000-a~2Eb~2F~2A~3E-~25~3F~23~3C~C3~A9',
  ],
])('cpeId: %s', (_, id, expected) => {
  expect(cpeIdOf(id)).toBe(expected);
});

test('every part comes back from its escaped form and is safe everywhere', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (part) => {
      const escaped = escapePart(part);
      expect(escaped).toMatch(/^[A-Za-z0-9_~]*$/);
      expect(encodeURIComponent(escaped)).toBe(escaped);
      expect(unescapePart(escaped)).toBe(part);
    }),
  );
});

test('two different identities never share an id', () => {
  const part = fc.string({ maxLength: 6 });
  const oui = fc.constantFrom('00259E');
  fc.assert(
    fc.property(oui, part, part, part, part, (o, pc1, sn1, pc2, sn2) => {
      fc.pre(pc1 !== pc2 || sn1 !== sn2);
      fc.pre(sn1 !== '' && sn2 !== '');
      expect(cpeIdOf(device(o, pc1, sn1))).not.toBe(cpeIdOf(device(o, pc2, sn2)));
    }),
  );
});

test('ids are 26 characters and sort by time', () => {
  expect(newId(1)).toHaveLength(26);
  expect(newId(1_000) < newId(2_000)).toBe(true);
});
