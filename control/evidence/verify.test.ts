import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exportOf, SIGNER } from './chain.test-helper.ts';
import { recordDigest } from './chain.ts';
import { agedLine } from './export-format.ts';
import { EvidenceSigner, fingerprintOf } from './signing.ts';
import { type Broken, ExportVerifier, type Verified } from './verify.ts';

function verify(lines: readonly (string | Buffer)[], key: string | null = null): Verified | Broken {
  const verifier = new ExportVerifier(key);
  for (const line of lines) {
    const broken = verifier.take(Buffer.from(line as string));
    if (broken !== null) return broken;
  }
  return verifier.end();
}
const FINGERPRINT = fingerprintOf(SIGNER.publicKey);
/** The lines with one put in place of others. */
const spliced = (lines: string[], at: number, count: number, ...put: string[]): string[] =>
  lines.toSpliced(at, count, ...put);

test('an export is whole as it was written, and says what is in it', () => {
  const expected = { records: 90, skipped: 10, heads: 5, firstSeq: 1, lastSeq: 100, fingerprint: FINGERPRINT };
  expect(verify(exportOf(100), FINGERPRINT)).toMatchObject(expected);
  expect(verify(exportOf(0))).toMatchObject({ records: 0, heads: 1 });
});

// Line 1 is the header, so record n lies in line n + 1 as long as no head is before it.
const lines = exportOf(24, 1_000);
test.each<[string, string[], Partial<Broken>]>([
  ['a record that is missing', spliced(lines, 7, 1), { line: 8, seq: 7 }],
  ['two that are missing', spliced(lines, 7, 2), { line: 8, seq: 7 }],
  ['the first one missing', spliced(lines, 1, 1), { line: 2, seq: 1 }],
  ['a record that comes twice', spliced(lines, 8, 0, lines[7]!), { line: 9, seq: 7 }],
  ['two in another order', spliced(lines, 7, 2, lines[8]!, lines[7]!), { line: 8, seq: 7 }],
  ['a record of another chain put in', spliced(lines, 7, 1, exportOf(24, 1_000)[8]!), { line: 8, seq: 7 }],
  ['a text that was changed', spliced(lines, 7, 1, lines[7]!.replace('response', 'fault')), { line: 8, seq: 7 }],
  ['a hash that was changed', spliced(lines, 7, 1, lines[7]!.replace(/.("})$/, 'x$1')), { line: 8, seq: 7 }],
  ['a digest of another one that was changed', spliced(lines, 10, 1, lines[10]!.replace(/"digest":"./, '"digest":"x')), { line: 11, seq: 10 }],
  ['the last line missing', lines.slice(0, -1), { line: 26, seq: 25 }],
  ['the last record and the last line missing', lines.slice(0, -2), { line: 25, seq: 24 }],
  ['more behind the end', [...lines, lines[7]!], { line: 27 }],
  ['a line that is nothing', spliced(lines, 7, 0, ''), { line: 8, seq: 7 }],
  ['no export', ['{"some":"file"}'], { line: 1, seq: null }],
  ['nothing', [], { line: 1, seq: null }],
  ['another version', [lines[0]!.replace('"version":1', '"version":2')], { line: 1, seq: null }],
])('named: %s', (_, changed, where) => {
  expect(verify(changed)).toMatchObject({ ...where, why: expect.any(String) });
}); // biome-ignore format: a table

test('records that aged are counted and hold the chain; a record made one, or one of others, is not believed', () => {
  const aged = exportOf(30, 25, SIGNER, 12);
  expect(verify(aged, FINGERPRINT)).toMatchObject({ records: 16, skipped: 3, aged: 11, firstSeq: 1, lastSeq: 30 });
  expect(aged[1]).toBe(agedLine(1, /"digest":"(\w+)"/.exec(aged[1]!)![1]!, /"hash":"(\w+)"/.exec(aged[1]!)![1]!));
  // Who would rather have it that there was nothing to read: the counts of the last line are signed.
  const text = /^\{"record":(.*),"hash":"(\w+)"\}$/.exec(aged[15]!)!;
  const hidden = spliced(aged, 15, 1, agedLine(15, recordDigest(text[1]!), text[2]!));
  expect(verify(hidden)).toMatchObject({ line: 33, why: expect.stringContaining('counts') });
  const asOthers = spliced(aged, 1, 1, aged[1]!.replace('"aged":true,', ''));
  expect(verify(asOthers)).toMatchObject({ why: expect.stringContaining('counts') });
  // As a file from before says it: nothing of ageing.
  expect(exportOf(5).at(-1)).not.toContain('aged');
});

test('who has the file and no key cannot make another chain of it', () => {
  const other = new EvidenceSigner(new Uint8Array(32).fill(6));
  const forged = exportOf(30, 25, other);
  expect(verify(forged)).toMatchObject({ records: 27 });
  // Whose key it is, is for who verifies to know.
  expect(verify(forged, FINGERPRINT)).toMatchObject({ line: 1, why: expect.stringContaining(FINGERPRINT) });
  const underOurName = [exportOf(30)[0]!, ...forged.slice(1)];
  expect(verify(underOurName)).toMatchObject({ seq: 25, why: expect.stringContaining('signature') });
});

test('whatever byte of an export is flipped, it is not whole, and what is named is not behind it', () => {
  const whole = exportOf(30, 25, SIGNER, 6);
  const bytes = whole.map((line) => Buffer.from(line));
  const places = bytes.flatMap((line, at) => Array.from(line, (_, offset) => [at, offset] as const));
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.integer({ min: 0, max: 7 }), ([at, offset], bit) => {
      const flipped = Buffer.from(bytes[at]!);
      flipped[offset] = flipped[offset]! ^ (1 << bit);
      // A line end in the midst makes two lines of one, as it would in the file.
      const parts = flipped.includes(10)
        ? [flipped.subarray(0, flipped.indexOf(10)), flipped.subarray(flipped.indexOf(10) + 1)]
        : [flipped];
      const found = verify(bytes.toSpliced(at, 1, ...parts));
      expect(found).toHaveProperty('why');
      // The first line is vouched for by the last one.
      expect((found as Broken).line).toBeLessThanOrEqual(at === 0 ? whole.length + 1 : at + 2);
    }),
    { numRuns: 2_000 },
  );
});
