import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalValue } from '../cwmp/values.ts';
import { TABLE_FILES } from './data-model.ts';
import { type ParameterFacts, parseFacts, printFacts } from './data-models/facts.ts';
import { checkValue, withSupported } from './value-check.ts';

/** Why a value is refused under these facts, '' when it is not. */
function why(facts: string, text: string, by: 'acs' | 'cpe' = 'acs'): string {
  const checked = checkValue(parseFacts(facts), text, by);
  return checked.type === 'ok' ? '' : checked.why;
}

test.each([
  ['w string values=Off|20MHz|40MHz', '80MHz', 'must be one of Off, 20MHz, 40MHz'],
  ['w string values=Off|20MHz', 'off', 'must be one of Off, 20MHz'],
  ['w string values=Off|20MHz', '20MHz', ''],
  ['w string values=Off|20MHz', 'X_00D09E_30MHz', ''],
  ['w string values=|b', 'c', "must be one of '' (empty), b"],
  ['w string values=Requested cpe=Complete', 'Complete', 'must be one of Requested'],
  ['w unsignedInt range=1..14', '15', 'must be between 1 and 14'],
  ['w unsignedInt range=1..14', '14', ''],
  ['w unsignedInt range=1..14', 'x', 'is no whole number'],
  ['w unsignedInt range=1..14', '', 'is no whole number'],
  ['w int range=-1,1..65535', '0', 'must be -1 or between 1 and 65535'],
  ['w int range=..9 units=dBm', '10', 'must be at most 9 (dBm)'],
  ['w unsignedInt range=30.. units=seconds', '29', 'must be at least 30 (seconds)'],
  ['w decimal', '1.5', ''],
  ['w decimal', '1,5', 'is no decimal number'],
  ['w decimal range=0..1', '1.5', 'must be between 0 and 1'],
  ['w string length=..3', '\u{1F4F6}\u{1F4F6}\u{1F4F6}', ''],
  ['w string length=..3', 'abcd', 'must have at most 3 characters'],
  ['w string length=8..63', 'short', 'must have between 8 and 63 characters'],
  ['w hexBinary length=5,13', '0102030405', ''],
  ['w hexBinary length=5,13', '01020304', 'must have 5 or 13 octets'],
  ['w hexBinary length=5,13', 'hello', 'is no hexadecimal text'],
  ['w base64 length=..3', 'QUJD', ''],
  ['w base64 length=..3', 'QUJDRA==', 'must have at most 3 octets'],
  ['w boolean', 'TRUE', ''],
  ['w boolean', '0', ''],
  ['w boolean', 'yes', 'is neither true, false, 1 nor 0'],
  ['w dateTime', '2025-01-31T12:00:00Z', ''],
  ['w dateTime', 'noon', 'is no time like 2025-01-31T12:00:00Z'],
  ['w string as=IPAddress', '2001:db8::1', ''],
  ['w string as=IPAddress', '', ''],
  ['w string as=IPAddress', '192.0.2', 'must be an IPv4 or IPv6 address'],
  ['w string as=IPv4Address', '2001:db8::1', 'must be an IPv4 address'],
  ['w string as=IPv6Address', '192.0.2.1', 'must be an IPv6 address'],
  ['w string as=IPv4Prefix', '192.0.2.0/24', ''],
  ['w string as=IPv4Prefix', '192.0.2.0/33', 'must be an IPv4 prefix like 192.0.2.0/24'],
  ['w string as=IPv6Prefix', '2001:db8::/129', 'must be an IPv6 prefix like 2001:db8::/32'],
  ['w string as=IPv6Prefix', '/64', ''],
  ['w string as=IPPrefix', '2001:db8::/33', ''],
  ['w string as=MACAddress', '00-11-22-33-44-55', 'must be a MAC address like 00:11:22:AA:BB:CC'],
  ['w string as=MACAddress', '00:11:22:aa:BB:cc', ''],
  ['w string as=UUID', '', 'must be a UUID of 36 characters'],
  ['w string like= like=[0-9A-F]{6}', '00D09E', ''],
  ['w string like= like=[0-9A-F]{6}', '00D09E1', "must look like '' (empty) or [0-9A-F]{6}"],
  ['w string list values=a|b|n', 'a, n', ''],
  ['w string list values=a|b|n', '', ''],
  ['w string list values=a|b|n', 'a,x', 'is a list, of which x must be one of a, b, n'],
  ['w unsignedInt list range=1..9', '1,,2', 'is a list, of which an empty item is no whole number'],
  ['w string list=..2', 'a,b,c', 'must be a list of at most 2 items, separated by commas'],
  ['w string list whole=..4', 'ab,cd', 'must have at most 4 characters'],
  [
    'w string list=..4 as=IPv4Address',
    '192.0.2.1,dns.example',
    'is a list, of which dns.example must be an IPv4 address',
  ],
])('%s: %j %s', (facts, text, expected) => {
  expect(why(facts, text)).toBe(expected);
});

test('what only the CPE sets is no mistake in what it reports', () => {
  expect(why('w string values=Requested cpe=Complete', 'Complete', 'cpe')).toBe('');
});

test('what a CPE lists as supported is allowed beside the values of the model, and named first', () => {
  const facts = withSupported(parseFacts('w string values=None|WPA2 of=Device.Modes'), 'WPA2, WPA2-WPA3');
  expect(checkValue(facts, 'WPA2-WPA3')).toEqual({ type: 'ok' });
  expect(checkValue(facts, 'None')).toEqual({ type: 'ok' });
  expect(checkValue(facts, 'WEP')).toEqual({ type: 'bad', why: 'must be one of WPA2, WPA2-WPA3, None' });
});

/** All parameters of the tables: [path, facts as text]. */
function* parameters(): Generator<[string, string]> {
  for (const file of Object.values(TABLE_FILES)) {
    let object = '';
    for (const line of readFileSync(new URL(`data-models/${file}`, import.meta.url), 'utf8').split('\n')) {
      if (line.startsWith('#') || line === '') continue;
      const name = /^ (\S+) /.exec(line)?.[1];
      if (name === undefined) object = line.replace(' +', '');
      else yield [object + name, line.slice(name.length + 2)];
    }
  }
}

const INTEGER = /^(?:int|long|unsignedInt|unsignedLong)$/;

/** Values just outside of all its bounds that its type still holds. */
function outside({ type, ranges }: ParameterFacts): string[] {
  if (ranges.length === 0 || !INTEGER.test(type)) return [];
  const inside = (value: number): boolean =>
    ranges.some(({ least, most }) => value >= (least ?? -Infinity) && value <= (most ?? Infinity));
  return ranges
    .flatMap(({ least, most }) => [...(least === null ? [] : [least - 1]), ...(most === null ? [] : [most + 1])])
    .filter((value) => !inside(value) && canonicalValue(type, String(value)).type === 'ok')
    .map(String);
}

test('every parameter of the tables: its own values and bounds pass, what lies outside does not, its line is printed as it is read', () => {
  const counts = { parameters: 0, values: 0, inside: 0, outside: 0, patterns: 0 };
  for (const [path, text] of parameters()) {
    const facts = parseFacts(text);
    expect(printFacts(facts), path).toBe(text);
    counts.parameters++;
    for (const value of facts.values) {
      counts.values++;
      expect(checkValue(facts, value), `${path} ${value}`).toEqual({ type: 'ok' });
    }
    for (const value of facts.valuesOfCpe) expect(checkValue(facts, value, 'cpe'), path).toEqual({ type: 'ok' });
    if (facts.values.length > 0) expect(checkValue(facts, 'no such value').type, path).toBe('bad');
    for (const { least, most } of INTEGER.test(facts.type) ? facts.ranges : []) {
      for (const end of [least, most]) {
        if (end === null) continue;
        counts.inside++;
        const text = Array<number>(facts.list?.items.least ?? 1)
          .fill(end)
          .join(',');
        expect(checkValue(facts, text), `${path} ${text}`).toEqual({ type: 'ok' });
      }
    }
    for (const value of outside(facts)) {
      counts.outside++;
      expect(checkValue(facts, value).type, `${path} ${value}`).toBe('bad');
    }
    // All of them are expressions that can be compiled.
    if (facts.patterns.length > 0) {
      counts.patterns++;
      checkValue(facts, 'x');
    }
  }
  expect(counts.parameters).toBeGreaterThan(8_000);
  expect(counts.values).toBeGreaterThan(3_000);
  for (const kind of ['inside', 'outside'] as const) expect(counts[kind], kind).toBeGreaterThan(400);
  expect(counts.patterns).toBeGreaterThan(40);
});

test('checking ends with an answer whatever the text is', () => {
  const all = [...parameters()].map(([, text]) => parseFacts(text));
  fc.assert(
    fc.property(
      fc.constantFrom(...all),
      fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.maxSafeInteger().map(String)),
      (facts, text) => {
        const checked = checkValue(facts, text);
        expect(checked.type === 'ok' || checked.why.length > 0).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});
