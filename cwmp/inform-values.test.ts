// Values by their places against the reader: whatever is taken for a document like one that was read, must say the same when it is read.

import { expect, test } from 'vitest';
import { cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { CONTENT_TYPE, referenceInform } from '../bench/reference-inform.ts';
import { ownCorpus, sharedCorpus } from '../test/corpus.ts';
import { mutate } from '../test/mutate.ts';
import { pick, randomFrom, seedOfRun } from '../test/random.ts';
import { InformGlance } from './inform-glance.ts';
import { fits } from './lenient.ts';
import type { CpeMessage, ParameterValue } from './message.ts';
import { read } from './read.ts';

type InformMessage = Extract<CpeMessage, { type: 'inform' }>;

/** The Inform in a document as the reader finds it when it forgives nothing; null for anything else. */
function plainInform(bytes: Buffer, contentType: string | null): InformMessage | null {
  const { result } = read(bytes, contentType);
  if (result.type === 'refused' || result.tolerances.length > 0) return null;
  return result.message.type === 'inform' ? result.message : null;
}

/** Learns a document; false when it cannot be. */
function learn(glance: InformGlance, bytes: Buffer, contentType: string | null): boolean {
  const message = plainInform(bytes, contentType);
  glance.at(bytes, 0);
  if (message === null || !glance.isPlain || glance.id !== message.envelope.id) return false;
  if (glance.cpeId !== cpeIdOf(message.inform.DeviceId)) return false;
  glance.learn(message.inform, message.envelope);
  return glance.values() !== null;
}

/** What a document says by what was learned; null when it is not known. */
function told(glance: InformGlance, bytes: Buffer): InformMessage | null {
  glance.at(bytes, 0);
  const values = glance.isPlain ? glance.values() : null;
  if (values === null) return null;
  const { inform, envelope, names, types } = values;
  return {
    type: 'inform',
    envelope: { ...envelope, id: glance.id },
    inform: {
      ...inform,
      DeviceId: { ...inform.DeviceId, SerialNumber: glance.serialNumber },
      CurrentTime: glance.currentTime,
      RetryCount: Number(glance.retryCount),
      ParameterList: names.map((Name, i) => ({ Name, Value: glance.places.text(i, bytes), Type: types[i]! })),
    },
  };
}

const REFERENCE = { file: 'reference', bytes: referenceInform(), contentType: CONTENT_TYPE };
const EVENTS = ['1 BOOT', '4 VALUE CHANGE', 'M Reboot', 'X A1B2C3 ODD'];
const DOCUMENTS = [
  REFERENCE,
  ...EVENTS.map((EventCode) => ({ ...REFERENCE, file: EventCode, bytes: referenceInform({ EventCode }) })),
  ...ownCorpus(),
  ...(sharedCorpus() ?? []),
].filter(({ bytes, contentType }) => learn(new InformGlance(1), bytes, contentType));

// biome-ignore format: a list of pieces
const PIECES = [
  '7', 'a b', '', ' ', ' a', 'a ', '\n', '&amp;', '&#49;', '&', '<!-- c -->', '<![CDATA[1]]>', '<x/>', ']]>', '"', "'", '\0', '\x7f', '\xe9', 'é', '>',
  '</Value><Value>', '</Value></ParameterValueStruct><ParameterValueStruct><Name>A</Name><Value>', 'true', '-1', '2025-03-04T05:06:07Z', 'x'.repeat(500),
];

/** A document with the text of one of its elements changed, or with a byte changed anywhere. */
function changed(bytes: Buffer, random: () => number): Buffer {
  if (random() < 0.3) return mutate(bytes, random);
  const text = bytes.toString('latin1');
  const element = pick(random, ['Value', 'Value', 'Value', 'Name', 'ID', 'CurrentTime', 'RetryCount', 'SerialNumber']);
  const tags = [...text.matchAll(new RegExp(`<(?:[\\w-]+:)?${element}\\b[^>]*>`, 'g'))];
  if (tags.length === 0) return mutate(bytes, random);
  const tag = pick(random, tags);
  const from = tag.index + tag[0].length;
  const to = text.indexOf('<', from);
  const piece = pick(random, PIECES);
  const cut = from + Math.floor(random() * (to - from + 1));
  const into = random() < 0.5 ? piece : text.slice(from, cut) + piece + text.slice(cut, to);
  return Buffer.from(text.slice(0, from) + into + text.slice(to), 'latin1');
}

test('documents of the corpus can be learned, with every kind of event', () => {
  expect(DOCUMENTS.length).toBeGreaterThan(12);
  expect(DOCUMENTS.map(({ file }) => file)).toEqual(expect.arrayContaining(['reference', ...EVENTS]));
  for (const { bytes, contentType, file } of DOCUMENTS) {
    const glance = new InformGlance(1);
    learn(glance, bytes, contentType);
    expect(told(glance, bytes), file).toEqual(plainInform(bytes, contentType));
  }
});

test('what is told by its values is what the reader finds, but for values and a RetryCount that do not fit', () => {
  const seed = seedOfRun();
  const random = randomFrom(seed);
  // One that knows them all: layouts and lists of others are tried as well.
  const glance = new InformGlance(1);
  let different = 0;
  // Until it was shown often enough: how often that is depends on the documents that are there.
  for (let run = 0; run < 40_000 && different < 1_500; run++) {
    // Again and again: the layouts of changed documents take the places of theirs.
    if (run % 1_000 === 0) for (const { bytes, contentType } of DOCUMENTS) learn(glance, bytes, contentType);
    const { bytes, contentType } = pick(random, DOCUMENTS);
    const input = changed(bytes, random);
    const message = told(glance, input);
    if (message === null) continue;
    const where = `seed ${seed}, run ${run}: ${input.toString('latin1')}`;
    const { result } = read(input, contentType);
    if (result.type === 'refused' || result.message.type !== 'inform') throw new Error(`not read; ${where}`);
    const badNumber = Number.isNaN(message.inform.RetryCount) || result.tolerances.includes('bad-number');
    const isOdd = ({ Value, Type }: ParameterValue): boolean => !fits(Value, Type);
    const badValue = message.inform.ParameterList.some(isOdd);
    expect([...result.tolerances].sort(), where).toEqual([
      ...(badNumber ? ['bad-number'] : []),
      ...(badValue ? ['bad-value'] : []),
    ]);
    const RetryCount = badNumber ? 0 : message.inform.RetryCount;
    expect({ ...message, inform: { ...message.inform, RetryCount } }, where).toEqual(result.message);
    if (!input.equals(bytes)) different++;
  }
  // Else the runs showed nothing.
  expect(different).toBeGreaterThan(1_000);
});

test.each<[string, (text: string) => string]>([
  ['a value with a reference', (text) => text.replace('>2.17<', '>2&#46;17<')],
  ['a value with a blank before it', (text) => text.replace('>2.17<', '> 2.17<')],
  ['a value in CDATA', (text) => text.replace('>2.17<', '><![CDATA[2.17]]><')],
  ['a comment', (text) => text.replace('<ParameterList', '<!-- c --><ParameterList')],
  ['an instruction', (text) => text.replace('<ParameterList', '<?x <Value>1</Value> ?><ParameterList')],
  ['a letter outside of ASCII in a value', (text) => text.replace('>2.17<', '>2ä17<')],
  ['a value that closes itself', (text) => text.replace(/<Value[^>]*>2.17<\/Value>/, '<Value/>')],
  ['another element Value', (text) => text.replace('<ParameterList', '<Value>1</Value><ParameterList')],
  ['a name twice', (text) => text.replace('DeviceInfo.ProvisioningCode', 'DeviceInfo.SoftwareVersion')],
])('%s: not learned', (_, change) => {
  const text = REFERENCE.bytes.toString();
  const strange = Buffer.from(change(text));
  expect(strange.toString()).not.toBe(text);
  expect(learn(new InformGlance(1), strange, CONTENT_TYPE)).toBe(false);
});

test('an empty value is one, and the lists of a kind take the place of one another', () => {
  const glance = new InformGlance(1);
  const listOf = (i: number): Buffer =>
    Buffer.from(referenceInform().toString().replaceAll('X_0A1B2C_', `X_${i}_`).replace('>2.17<', '><'));
  const count = LIMITS.glanceValuesMax + 1;
  for (let i = 0; i < count; i++) expect(learn(glance, listOf(i), CONTENT_TYPE)).toBe(true);
  expect(told(glance, listOf(0))).toBeNull();
  for (let i = 1; i < count; i++) expect(told(glance, listOf(i))).toEqual(plainInform(listOf(i), CONTENT_TYPE));
  expect(told(glance, listOf(1))?.inform.ParameterList[0]?.Value).toBe('');
});

test('what is learned is bounded: long Informs are read, and CPEs that print each otherwise make the thread begin anew', () => {
  const glance = new InformGlance(1);
  const padded = (padding: number, name: string): Buffer =>
    Buffer.from(
      referenceInform()
        .toString()
        .replaceAll('X_0A1B2C_', `X_${name}_`)
        .replace('</ParameterList>', `${' '.repeat(padding)}</ParameterList>`),
    );
  expect(learn(glance, padded(LIMITS.glanceValuesBytesMax, 'long'), CONTENT_TYPE)).toBe(false);
  const first = padded(0, 'first');
  expect(learn(glance, first, CONTENT_TYPE)).toBe(true);
  const padding = LIMITS.glanceValuesBytesMax - 4 * 1024;
  const enough = Math.ceil(LIMITS.glanceLearnedBytesMax / padding);
  let forgotten = 0;
  for (let i = 0; i < enough; i++) if (!learn(glance, padded(padding, String(i)), CONTENT_TYPE)) forgotten++;
  expect(forgotten).toBe(1);
  // And goes on.
  expect(told(glance, first)).toBeNull();
  expect(learn(glance, first, CONTENT_TYPE)).toBe(true);
});
