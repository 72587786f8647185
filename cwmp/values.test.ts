import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_STYLE } from './envelope-style.ts';
import {
  canonicalValue,
  formatValue,
  isUnknownTime,
  parseBoolean,
  parseDateTime,
  parseInteger,
  sameValue,
  UNKNOWN_TIME,
} from './values.ts';

test.each([
  ['1', true],
  ['true', true],
  ['TRUE', true],
  ['\n True ', true],
  ['0', false],
  ['false', false],
  ['False', false],
  ['', null],
  ['yes', null],
  ['2', null],
])('boolean %j reads as %s (CWMP Y2, FIELD 11)', (text, expected) => {
  expect(parseBoolean(text)).toBe(expected);
});

test('whole numbers of any size are exact', () => {
  fc.assert(fc.property(fc.bigInt(), (n) => parseInteger(` ${n} `) === n));
  for (const text of ['', ' ', '1.5', '0x10', '1e3', '--1', 'abc']) expect(parseInteger(text)).toBeNull();
});

test.each([
  ['2024-02-29T12:30:00Z', '2024-02-29T12:30:00.000Z'],
  ['2024-02-29T12:30:00', '2024-02-29T12:30:00.000Z'],
  ['2024-02-29T12:30:00+02:00', '2024-02-29T10:30:00.000Z'],
  ['2024-02-29T12:30:00+0200', '2024-02-29T10:30:00.000Z'],
  ['2024-02-29T12:30:00.123456Z', '2024-02-29T12:30:00.123Z'],
  [' 1970-01-01T00:00:09 ', '1970-01-01T00:00:09.000Z'],
])('time %s is %s (CWMP I6)', (text, iso) => {
  expect(new Date(parseDateTime(text)!).toISOString()).toBe(iso);
});

test.each(['', 'now', '2024-13-01T00:00:00Z', '2024-02-29', '29.02.2024'])('%j is no time', (text) => {
  expect(parseDateTime(text)).toBeNull();
});

test.each(['', UNKNOWN_TIME, '0000-00-00T00:00:00', '0001-01-03T03:06:28.000Z', '-0001-12-31T23:00:00Z'])(
  '%j is the Unknown Time (CWMP Y3)',
  (text) => {
    expect(isUnknownTime(text)).toBe(true);
    expect(canonicalValue('xsd:dateTime', text)).toEqual({ type: 'ok', value: UNKNOWN_TIME });
  },
);

test.each([
  ['xsd:boolean', '1', 'true', true],
  ['xsd:boolean', 'FALSE', '0', true],
  ['xsd:boolean', '1', '0', false],
  ['xsd:boolean', 'on', '1', false],
  ['xsd:unsignedInt', '07', '7', true],
  ['xsd:int', '-1', '-01', true],
  ['xsd:unsignedLong', '18446744073709551615', '18446744073709551614', false],
  ['xsd:unsignedInt', 'auto', 'auto', true],
  ['xsd:unsignedInt', 'auto', '0', false],
  ['xsd:dateTime', '2024-02-29T12:30:00Z', '2024-02-29T14:30:00+02:00', true],
  ['xsd:base64', 'QUJD\nREVG', 'QUJDREVG', true],
  ['xsd:hexBinary', 'ab01', 'AB01', true],
  ['xsd:decimal', '+01.50', '1.5', true],
  ['xsd:decimal', '-0.0', '0', true],
  ['xsd:decimal', '.5', '0.5', true],
  ['xsd:decimal', '100', '1', false],
  ['xsd:string', '1', 'true', false],
  ['xsd:string', 'abc', 'abc ', false],
  ['xsd:string', 'Home', 'home', false],
  ['xsd:unsigendInt', '07', '7', false],
])('under %s, %j and %j are the same: %s', (type, a, b, expected) => {
  expect(sameValue(type, a, b)).toBe(expected);
});

test.each([
  ['xsd:int', '2147483648', 'does not fit into int'],
  ['xsd:int', '-2147483649', 'does not fit into int'],
  ['xsd:unsignedInt', '-1', 'does not fit into unsignedInt'],
  ['xsd:unsignedInt', '4294967296', 'does not fit into unsignedInt'],
  ['xsd:unsignedInt', 'ten', 'is no whole number'],
  ['xsd:boolean', 'on', 'is neither true, false, 1 nor 0'],
  ['xsd:dateTime', 'tomorrow', 'is no time like 2025-01-31T12:00:00Z'],
  ['xsd:decimal', '1e3', 'is no decimal number'],
  ['xsd:decimal', '.', 'is no decimal number'],
  ['xsd:hexBinary', 'abc', 'is no hexadecimal text'],
  ['xsd:base64Binary', 'a*b', 'is no base64 text'],
])('%s %j %s', (type, text, why) => {
  expect(canonicalValue(type, text)).toEqual({ type: 'bad', why });
});

const WORDS = { ...DEFAULT_STYLE, booleans: 'words' } as const;
const MILLISECONDS = { ...DEFAULT_STYLE, dateTimeMilliseconds: true };

test.each([
  ['digits', DEFAULT_STYLE, 'xsd:boolean', 'TRUE', '1'],
  ['words', WORDS, 'xsd:boolean', '1', 'true'],
  ['words', WORDS, 'xsd:boolean', 'maybe', 'maybe'],
  ['words', WORDS, 'xsd:string', '1', '1'],
  ['whole seconds', DEFAULT_STYLE, 'xsd:dateTime', '2024-02-29T12:30:00.123+02:00', '2024-02-29T12:30:00+02:00'],
  ['milliseconds', MILLISECONDS, 'xsd:dateTime', '2024-02-29T12:30:00Z', '2024-02-29T12:30:00.000Z'],
  ['milliseconds', MILLISECONDS, 'xsd:dateTime', '2024-02-29T12:30:00.1234567', '2024-02-29T12:30:00.123'],
  ['milliseconds', MILLISECONDS, 'xsd:dateTime', 'soon', 'soon'],
])('with %s, %s %s %j goes out as %j (FIELD 25, 54)', (_, style, type, text, expected) => {
  expect(formatValue(style, type, text)).toBe(expected);
});

test('the wire form means what was given', () => {
  const value = fc.oneof(
    fc.tuple(fc.constant('xsd:boolean'), fc.constantFrom('0', '1', 'true', 'False')),
    fc.tuple(fc.constant('xsd:string'), fc.string()),
    fc.tuple(fc.constant('xsd:int'), fc.integer().map(String)),
  );
  fc.assert(
    fc.property(value, fc.constantFrom('words', 'digits'), ([type, text], booleans) => {
      expect(sameValue(type, text, formatValue({ ...DEFAULT_STYLE, booleans }, type, text))).toBe(true);
    }),
  );
});
