import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bounds, type ParameterFacts, parseFacts, printFacts, wireType } from './facts.ts';

const bounds = fc
  .record({ least: fc.option(fc.maxSafeInteger()), most: fc.option(fc.maxSafeInteger()) })
  .filter(({ least, most }): boolean => least !== null || most !== null) as fc.Arbitrary<Bounds>;
const texts = fc.array(fc.string({ minLength: 1 }), { maxLength: 4 });

const facts: fc.Arbitrary<ParameterFacts> = fc.record({
  type: fc.constantFrom('string', 'int', 'unsignedLong', 'decimal', 'boolean', 'hexBinary'),
  writable: fc.boolean(),
  secret: fc.boolean(),
  format: fc.constantFrom(null, 'IPAddress', 'MACAddress'),
  list: fc.option(fc.record({ items: bounds, whole: fc.array(bounds, { maxLength: 2 }) })),
  ranges: fc.array(bounds, { maxLength: 3 }),
  lengths: fc.array(bounds, { maxLength: 3 }),
  values: texts,
  valuesOfCpe: texts,
  supportedBy: fc.constantFrom(null, 'Device.A.{i}.Supported'),
  patterns: fc.array(fc.string(), { maxLength: 3 }),
  units: fc.option(fc.string({ minLength: 1 })),
});

test('facts are read as they were printed, whatever letters their texts have', () => {
  fc.assert(
    fc.property(facts, (given) => {
      const line = printFacts(given);
      expect(parseFacts(line)).toEqual(given);
      expect(line).not.toContain('\n');
    }),
  );
});

test.each(['', 'w', 'x string', 'w text', 'w string length', 'w string colour=red', 'w string as=Text'])(
  'a line that says %j is an error that quotes it',
  (line) => {
    expect(() => parseFacts(line)).toThrow(/cannot read/);
  },
);

test('a list is a string on the wire, whatever its items are', () => {
  expect(wireType(parseFacts('w unsignedInt list=..4'))).toBe('xsd:string');
  expect(wireType(parseFacts('w unsignedInt range=1..4'))).toBe('xsd:unsignedInt');
});
