// The glance against the reader: whatever the glance takes for the like of a document that was read, must say the same when it is read.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { CONTENT_TYPE, referenceInform } from '../bench/reference-inform.ts';
import { ownCorpus, sharedCorpus } from '../test/corpus.ts';
import { mutate } from '../test/mutate.ts';
import { pick, randomFrom, seedOfRun } from '../test/random.ts';
import { InformGlance } from './inform-glance.ts';
import type { CpeMessage } from './message.ts';
import { read } from './read.ts';

type InformMessage = Extract<CpeMessage, { type: 'inform' }>;

interface Document {
  file: string;
  bytes: Buffer;
  contentType: string | null;
}

const REFERENCE: Document = { file: 'reference', bytes: referenceInform(), contentType: CONTENT_TYPE };
/** Printed without line ends, under other prefixes, in another namespace. */
const OTHER_STACK: Document = {
  ...{ file: 'other stack', contentType: 'text/xml' },
  bytes: Buffer.from(
    referenceInform()
      .toString()
      .replaceAll('soap-env', 'SOAP-ENV')
      .replaceAll(/>\s+</g, '><')
      .replace('cwmp-1-2', 'cwmp-1-0')
      .replace('<ProductClass>TN-440<', '<ProductClass><'),
  ),
};
const CORPUS: Document[] = [REFERENCE, OTHER_STACK, ...ownCorpus(), ...(sharedCorpus() ?? [])];

/** The Inform in a document as the reader finds it when it forgives nothing; null for anything else. */
function plainInform({ bytes, contentType }: Omit<Document, 'file'>): InformMessage | null {
  const { result } = read(bytes, contentType);
  if (result.type === 'refused' || result.tolerances.length > 0) return null;
  return result.message.type === 'inform' ? result.message : null;
}

/** A message without the three texts that are left out of a fingerprint. */
function withoutTexts({ envelope, inform }: InformMessage): unknown {
  return { envelope: { ...envelope, id: '' }, inform: { ...inform, CurrentTime: '', RetryCount: 0 } };
}

function fingerprintOf({ a, b, c, d, e, f }: InformGlance): string {
  return `${a} ${b} ${c} ${d} ${e} ${f}`;
}

/** Of one document, by a glance that knows no layout yet; null when it is not glanced. */
function freshly(bytes: Uint8Array, context = 0): { fingerprint: string; cpeId: string; id: string } | null {
  const glance = new InformGlance(1);
  if (!glance.at(bytes, context)) return null;
  return { fingerprint: fingerprintOf(glance), cpeId: glance.cpeId, id: glance.id };
}

/** The document with the text of an element changed. */
function withText(bytes: Buffer, element: string, text: string): Buffer {
  const whole = bytes.toString('latin1');
  const changed = whole.replace(new RegExp(`(<(?:[\\w-]+:)?${element}\\b[^>]*>)[^<]*`), (_, tag: string) => tag + text);
  return Buffer.from(changed, 'latin1');
}

/** Those of the corpus that can be remembered: glanced, and read without any tolerance to the same identity and ID. */
const MARKABLE = CORPUS.filter((document) => {
  const seen = freshly(document.bytes);
  const message = plainInform(document);
  return seen !== null && message !== null && seen.id === message.envelope.id;
});

test('what is glanced in the corpus is what the reader finds, or nothing the reader takes for a message', () => {
  const glance = new InformGlance(1);
  const glanced: string[] = [];
  const refused: string[] = [];
  for (const { file, bytes, contentType } of CORPUS) {
    if (!glance.at(bytes, 0)) continue;
    const { result } = read(bytes, contentType);
    if (result.type === 'refused') {
      refused.push(file);
      continue;
    }
    const { message } = result;
    if (message.type !== 'inform') throw new Error(`${file} is no Inform`);
    glanced.push(file);
    expect([glance.cpeId, glance.id], file).toEqual([cpeIdOf(message.inform.DeviceId), message.envelope.id]);
    expect(message.inform.Event, file).toEqual([{ EventCode: '2 PERIODIC', CommandKey: expect.any(String) }]);
  }
  // A document that is refused teaches no fingerprint, and one with the same fingerprint as a read one is not refused (below).
  expect(refused).toEqual([
    '112-soap-1-2.xml',
    '113-other-namespace.xml',
    '115-two-bodies.xml',
    '116-two-methods.xml',
    '121-two-roots.xml',
  ]);
  expect(glanced).toContain('reference');
  expect(glanced).toContain('other stack');
  expect(glanced).toContain('01-inform-plain.xml');
  expect(MARKABLE.length).toBeGreaterThan(8);
});

test.each([
  ['ID', '4f1d0c2a9be84f6cb7a05d1e93c8a264'],
  ['CurrentTime', '1970-01-01T00:00:09'],
  ['RetryCount', '17'],
])('another %s is the same fingerprint, also with other characters and of another length', (element, text) => {
  const before = freshly(REFERENCE.bytes);
  const after = freshly(withText(REFERENCE.bytes, element, text));
  expect(after?.fingerprint).toBe(before?.fingerprint);
  expect(after?.id).toBe(element === 'ID' ? text : before?.id);
});

test.each([
  ['another value', 'Value', '2.18'],
  ['another name', 'Name', 'Device.RootDataModelVersioN'],
  ['another serial number', 'SerialNumber', 'TN440000172'],
  ['another OUI', 'OUI', '0A1B2D'],
  ['another product class', 'ProductClass', 'TN-441'],
  ['another manufacturer', 'Manufacturer', 'Tarn networks'],
  ['another CommandKey', 'CommandKey', 'k'],
  ['other MaxEnvelopes', 'MaxEnvelopes', '2'],
])('%s is another fingerprint', (_, element, text) => {
  expect(freshly(withText(REFERENCE.bytes, element, text))?.fingerprint).not.toBe(
    freshly(REFERENCE.bytes)?.fingerprint,
  );
});

test('another context, and another seed, are other fingerprints', () => {
  const { fingerprint } = freshly(REFERENCE.bytes, 1)!;
  expect(freshly(REFERENCE.bytes, 2)?.fingerprint).not.toBe(fingerprint);
  const other = new InformGlance(2);
  expect(other.at(REFERENCE.bytes, 1)).toBe(true);
  expect(fingerprintOf(other)).not.toBe(fingerprint);
});

test('every single byte outside of the three texts is in the fingerprint, whatever it becomes', () => {
  const { bytes } = REFERENCE;
  const text = bytes.toString('latin1');
  const left = ['ID', 'CurrentTime', 'RetryCount'].map((element) => {
    const match = new RegExp(`<(?:cwmp:)?${element}\\b[^>]*>([^<]*)<`).exec(text)!;
    return [match.index + match[0].lastIndexOf('>') + 1, match.index + match[0].length - 1] as const;
  });
  // Layouts stay known over all of them: each change is seen against the layout of the whole document.
  const glance = new InformGlance(1);
  glance.at(bytes, 0);
  const fingerprint = fingerprintOf(glance);
  const copy = Buffer.from(bytes);
  for (let at = 0; at < bytes.length; at++) {
    for (const becomes of [bytes[at]! ^ 1, bytes[at]! ^ 0x20, 60, 0, 255]) {
      if (becomes === bytes[at]) continue;
      copy[at] = becomes;
      const same = glance.at(copy, 0) && fingerprintOf(glance) === fingerprint;
      const isLeftOut = left.some(([from, to]) => at >= from && at < to);
      if (same !== (isLeftOut && becomes > 32 && becomes < 127 && becomes !== 60)) {
        throw new Error(`byte ${at} as ${becomes}: ${same ? 'not noticed' : 'noticed'}`);
      }
    }
    copy[at] = bytes[at]!;
  }
});

// biome-ignore format: a list of pieces
const PIECES = [
  '7', 'a', '+1', '-1', ' ', '\n', '\t', '&amp;', '&#49;', '&', '<!-- c -->', '<![CDATA[1]]>', '<x/>', ']]>', '"', "'", '\0', '\x7f', '\xe9',
  '=', '/', '</', '>', '?>', '0'.repeat(70), '2025-03-04T05:06:07Z', '</ID><ID>', '</CurrentTime><CurrentTime>', '</RetryCount><RetryCount>',
];

/** Bytes in and around the texts that are left out, where a change can go unnoticed; or changes anywhere. */
function changed(bytes: Buffer, random: () => number): Buffer {
  const kind = random();
  if (kind < 0.4) return mutate(bytes, random);
  const text = bytes.toString('latin1');
  const element = pick(random, ['ID', 'CurrentTime', 'RetryCount', 'SerialNumber']);
  const tag = text.search(new RegExp(`<(?:[\\w-]+:)?${element}\\b[^>]*>`));
  if (tag < 0) return mutate(bytes, random);
  const from = text.indexOf('>', tag) + 1;
  const to = text.indexOf('<', from);
  const inside = text.slice(from, to);
  const cut = Math.floor(random() * (inside.length + 1));
  const piece = pick(random, PIECES);
  const after = kind < 0.7 ? inside.slice(0, cut) + piece + inside.slice(cut) : piece;
  return Buffer.from(text.slice(0, from) + after + text.slice(to), 'latin1');
}

test('two documents with the same fingerprint say the same to the reader, but for ID, CurrentTime and RetryCount', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  const known = new Map<string, { document: Document; message: InformMessage }>();
  const glance = new InformGlance(1);
  for (const document of MARKABLE) {
    glance.at(document.bytes, 0);
    known.set(fingerprintOf(glance), { document, message: plainInform(document)! });
  }
  let same = 0;
  for (let run = 0; run < 6_000; run++) {
    const { bytes, contentType } = pick(random, MARKABLE);
    const input = changed(bytes, random);
    if (!glance.at(input, 0)) continue;
    const like = known.get(fingerprintOf(glance));
    if (like === undefined) continue;
    // The Content-Type is in the context.
    if (like.document.contentType !== contentType) continue;
    same++;
    const { result } = read(input, contentType);
    const where = `seed ${seed}, run ${run}: ${input.toString('latin1')}`;
    if (result.type === 'refused' || result.message.type !== 'inform') throw new Error(`not read; ${where}`);
    // A RetryCount of letters is taken for none, and nothing else is forgiven.
    expect(
      result.tolerances.filter((name) => name !== 'bad-number'),
      where,
    ).toEqual([]);
    expect(withoutTexts(result.message), where).toEqual(withoutTexts(like.message));
    expect([glance.cpeId, glance.id], where).toEqual([
      cpeIdOf(result.message.inform.DeviceId),
      result.message.envelope.id,
    ]);
  }
  // Else the runs showed nothing.
  expect(same).toBeGreaterThan(500);
});

test('a glance that knows the layout sees what one that learns it sees', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  const knowing = new InformGlance(1);
  for (let run = 0; run < 3_000; run++) {
    const { bytes } = random() < 0.5 ? pick(random, CORPUS) : pick(random, MARKABLE);
    const input = random() < 0.2 ? bytes : changed(bytes, random);
    const seen = freshly(input, run);
    const again = knowing.at(input, run)
      ? { fingerprint: fingerprintOf(knowing), cpeId: knowing.cpeId, id: knowing.id }
      : null;
    expect(again, `seed ${seed}, run ${run}: ${input.toString('latin1')}`).toEqual(seen);
  }
});

test('layouts that push one another out of their slot change nothing but the time', () => {
  const glance = new InformGlance(1);
  const kinds = Array.from({ length: 3 * LIMITS.glanceLayoutsMax }, (_, i) =>
    withText(REFERENCE.bytes, 'ProductClass', `TN-${i}`),
  );
  for (let turn = 0; turn < 3; turn++) {
    for (const [i, bytes] of kinds.entries()) {
      expect(glance.at(bytes, 0)).toBe(true);
      expect(glance.cpeId).toBe(`0A1B2C-TN~2D${i}-TN440000171`);
      expect(fingerprintOf(glance)).toBe(freshly(bytes)?.fingerprint);
    }
  }
});

// biome-ignore format: a list of pieces
const WORDS = [
  '<', '>', '</', '/>', '<!', '<?', '&', '"', ':', ' ', '\0', 'cwmp:', '<ID>', '<OUI>', '<ProductClass>', '<SerialNumber>', '<CurrentTime>',
  '<RetryCount>', '<ParameterList>', 'EventCode>', '2 PERIODIC', 'x'.repeat(80), '1',
];

test('random bytes, random markup and cut documents are never thrown at, and never read beyond their end', () => {
  const glance = new InformGlance(1);
  glance.at(REFERENCE.bytes, 0);
  const words = fc.constantFrom(...WORDS);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 350, maxLength: 900 }),
        fc.array(words, { minLength: 80, maxLength: 300 }).map((all) => Buffer.from(all.join(''))),
        fc
          .array(words, { maxLength: 60 })
          .map((all) => Buffer.concat([REFERENCE.bytes.subarray(0, 470), Buffer.from(all.join(''))])),
      ),
      (bytes) => {
        glance.at(bytes, 0);
      },
    ),
  );
  // A body is a piece of a larger buffer: what follows it belongs to somebody else.
  const { bytes } = REFERENCE;
  for (let length = 0; length < bytes.length; length++) {
    const isSeen = glance.at(bytes.subarray(0, length), 0);
    const alone = freshly(Uint8Array.from(bytes.subarray(0, length)));
    expect(isSeen, `cut at ${length}`).toBe(alone !== null);
    if (isSeen) expect(fingerprintOf(glance)).toBe(alone?.fingerprint);
  }
});

test('the same bytes at another place of a buffer are the same', () => {
  const glance = new InformGlance(1);
  for (let shift = 0; shift < 9; shift++) {
    const moved = Buffer.concat([Buffer.alloc(shift, 60), REFERENCE.bytes, Buffer.alloc(5, 62)]);
    expect(glance.at(moved.subarray(shift, shift + REFERENCE.bytes.length), 0)).toBe(true);
    expect(fingerprintOf(glance)).toBe(freshly(REFERENCE.bytes)?.fingerprint);
  }
});

test('lengths that lie change nothing of what is seen', () => {
  const lying = Buffer.from(REFERENCE.bytes.toString().replace('ParameterValueStruct[12]', 'ParameterValueStruct[99]'));
  expect(freshly(lying)?.cpeId).toBe(freshly(REFERENCE.bytes)?.cpeId);
  expect(freshly(lying)?.fingerprint).not.toBe(freshly(REFERENCE.bytes)?.fingerprint);
});

test.each(['0 BOOTSTRAP', '1 BOOT', '4 VALUE CHANGE', '6 CONNECTION REQUEST', '2 PERIODICAL', ' 2 PERIODIC', '2', ''])(
  'an Inform with the event %o is not glanced, before and after one that is',
  (EventCode) => {
    const glance = new InformGlance(1);
    const other = referenceInform({ EventCode });
    expect(glance.at(other, 0)).toBe(false);
    expect(glance.at(REFERENCE.bytes, 0)).toBe(true);
    expect(glance.at(other, 0)).toBe(false);
  },
);

const EVENT = /<EventStruct>.*<\/EventStruct>/s;
const SECOND = '<EventStruct><EventCode>4 VALUE CHANGE</EventCode><CommandKey></CommandKey></EventStruct>';

test.each<[string, (text: string) => string]>([
  ['two events', (text) => text.replace(EVENT, (event) => event + SECOND)],
  ['two events, the periodic one last', (text) => text.replace(EVENT, (event) => SECOND + event)],
  ['no event', (text) => text.replace(EVENT, '')],
  ['the events behind the times', (text) => moved(text, /<Event .*<\/Event>/s, '</RetryCount>')],
  ['the header last', (text) => moved(text, /<soap-env:Header>.*<\/soap-env:Header>/s, '</soap-env:Body>')],
  ['the serial number first', (text) => moved(text, /<Manufacturer>.*<\/ProductClass>/s, '</SerialNumber>')],
  ['the parameters first', (text) => moved(text, /<DeviceId>.*<\/RetryCount>/s, '</ParameterList>')],
  ['a comment', (text) => text.replace('<DeviceId>', '<DeviceId><!-- <OUI>FFFFFF</OUI> -->')],
  ['a comment in the identity', (text) => text.replace('TN440000171<', 'TN44<!-- 1 -->0000171<')],
  ['CDATA in the identity', (text) => text.replace('TN440000171<', '<![CDATA[TN440000171]]><')],
  ['a reference in the identity', (text) => text.replace('TN440000171<', 'TN44&#48;000171<')],
  ['a blank around the identity', (text) => text.replace('TN440000171<', 'TN440000171 <')],
  ['an element in the identity', (text) => text.replace('TN440000171<', 'TN440000171<x/><')],
  ['two IDs', (text) => text.replace(/<cwmp:ID.*?<\/cwmp:ID>/s, (id) => id + id)],
  ['two OUIs', (text) => text.replace('<OUI>', '<OUI>FFFFFF</OUI><OUI>')],
  ['two serial numbers', (text) => text.replace('<SerialNumber>', '<SerialNumber>X1</SerialNumber><SerialNumber>')],
  ['two product classes', (text) => text.replace('<ProductClass>', '<ProductClass>X</ProductClass><ProductClass>')],
  ['two times', (text) => text.replace('<CurrentTime>', '<CurrentTime>1970</CurrentTime><CurrentTime>')],
  ['a DOCTYPE', (text) => text.replace('?>', '?><!DOCTYPE x>')],
  ['no ID', (text) => text.replace(/<cwmp:ID.*?<\/cwmp:ID>/s, '')],
  ['an empty ID', (text) => text.replace(/(<cwmp:ID[^>]*>)1</, '$1<')],
  ['an ID that closes itself', (text) => text.replace(/<cwmp:ID.*?<\/cwmp:ID>/s, '<cwmp:ID/>')],
  ['no serial number', (text) => text.replace('TN440000171<', '<')],
  ['a serial number of 100 characters', (text) => text.replace('TN440000171<', `${'7'.repeat(100)}<`)],
  ['UTF-16', (text) => Buffer.from(text, 'utf16le').toString('latin1')],
])('%s: not glanced', (_, change) => {
  const text = REFERENCE.bytes.toString();
  const strange = change(text);
  expect(strange).not.toBe(text);
  const glance = new InformGlance(1);
  expect(glance.at(Buffer.from(strange, 'latin1'), 0)).toBe(false);
  // Nor by one that knows how the usual document is printed.
  expect(glance.at(REFERENCE.bytes, 0)).toBe(true);
  expect(glance.at(Buffer.from(strange, 'latin1'), 0)).toBe(false);
});

/** `text` with what matches `piece` behind `place`. */
function moved(text: string, piece: RegExp, place: string): string {
  const found = piece.exec(text)![0];
  return text.replace(found, '').replace(place, () => place + found);
}

test('an ID hidden in an instruction is not what the reader finds, so that nothing is remembered of such a document', () => {
  const text = REFERENCE.bytes.toString().replace('<soap-env:Header>', '<?x <ID>9</ID> ?><soap-env:Header>');
  const hidden = { bytes: Buffer.from(text.replace('>1</cwmp:ID>', '>8</cwmp:ID>')), contentType: CONTENT_TYPE };
  const seen = freshly(hidden.bytes);
  expect(plainInform(hidden)?.envelope.id).toBe('8');
  expect(seen?.id).not.toBe('8');
});

test('sizes beyond the bounds are not glanced', () => {
  expect(freshly(REFERENCE.bytes.subarray(0, LIMITS.glanceBytesMin - 1))).toBeNull();
  const padding = ' '.repeat(LIMITS.glanceBytesMax);
  expect(freshly(Buffer.from(REFERENCE.bytes + padding))).toBeNull();
  expect(freshly(Buffer.from(REFERENCE.bytes + padding.slice(0, -REFERENCE.bytes.length)))).not.toBeNull();
});
