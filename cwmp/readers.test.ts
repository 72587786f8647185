// Both readers over both corpora, as they are and changed. What single peculiarities mean is written in test/corpus/index.json; here is
// only what must hold for all of them.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ownCorpus, type SharedMessage, sharedCorpus } from '../test/corpus.ts';
import { mutate } from '../test/mutate.ts';
import { randomFrom, seedOfRun } from '../test/random.ts';
import { disagreement } from '../test/readers.ts';
import type { ReadResult } from './message.ts';
import { read } from './read.ts';
import { readMessage as readFast } from './soap-reader.ts';
import { TOLERANCES } from './tolerances.ts';
import { readMessage as readSecond } from './xmldom-reader.ts';

const own = ownCorpus();
const shared = sharedCorpus();

test.each(own)('own corpus: $file: $peculiarity', ({ bytes, contentType, expect: expected }) => {
  const { result, parsePath } = read(bytes, contentType);
  expect({ ...result, parsePath }).toMatchObject(expected);
  if (expected.type === 'ok' && result.type === 'ok') expect(result.tolerances).toEqual(expected.tolerances);
  if (parsePath === 'fast') expect(readSecond(bytes, contentType)).toEqual(result);
});

test('every tolerance is shown by a message of the own corpus', () => {
  const shown = new Set(own.flatMap(({ expect: expected }) => (expected.type === 'ok' ? expected.tolerances : [])));
  const missing = Object.keys(TOLERANCES).filter((name) => !shown.has(name));
  // A name beyond the bound would be a long file; it has a test of its own.
  expect(missing).toEqual(['long-name']);
});

test.skipIf(shared === null).each(shared ?? [])('shared corpus: $file reads as expected.json says', (message) => {
  const { bytes, contentType, expect: expected } = message;
  const { result } = read(bytes, contentType);
  if (expected.expect?.startsWith('reject') === true) {
    expect(result).toMatchObject({ type: 'refused', reason: 'doctype' });
    return;
  }
  // A body fragment without an envelope, from a magazine: INDEX.md calls it a negative test.
  if (message.file.startsWith('71-')) {
    expect(result).toMatchObject({ type: 'refused', reason: 'not-soap' });
    return;
  }
  expectAsTheOracle(result, expected);
  expect(readSecond(bytes, contentType)).toEqual(result);
});

/** Compares with expected.json, whose reader trims everything and fills nothing in. */
function expectAsTheOracle(result: ReadResult, expected: SharedMessage['expect']): void {
  if (result.type !== 'ok' || result.message.type === 'empty') throw new Error(`no message: ${JSON.stringify(result)}`);
  const { message } = result;
  expect(message.envelope.id).toBe(expected.id);
  expect(message.envelope.namespace).toBe(expected.cwmpNs?.[0]);
  switch (message.type) {
    case 'inform': {
      const { DeviceId, Event, MaxEnvelopes, CurrentTime, RetryCount, ParameterList } = message.inform;
      expect(expected.method).toBe('Inform');
      expect(DeviceId).toEqual(expected.deviceId);
      expect(Event.map(({ EventCode, CommandKey }) => [EventCode, CommandKey])).toEqual(expected.events);
      expect([MaxEnvelopes, RetryCount]).toEqual([Number(expected.maxEnvelopes), Number(expected.retryCount)]);
      expect(CurrentTime).toBe(expected.currentTime);
      expectParameters(ParameterList, expected);
      return;
    }
    case 'fault': {
      const { FaultCode, FaultString, SetParameterValuesFault } = message.fault;
      const spv = SetParameterValuesFault.map((each) => [each.ParameterName, String(each.FaultCode)]);
      expect({ code: String(FaultCode), string: FaultString, spv }).toEqual(expected.fault);
      return;
    }
    case 'request':
      expect(message.method).toBe(expected.method);
      return;
    case 'response': {
      expect(`${message.method}Response`).toBe(expected.method);
      if (expected.params !== undefined) expectParameters(message.result['ParameterList'], expected);
      if (expected.infoCount !== undefined) expect(message.result['ParameterList']).toHaveLength(expected.infoCount);
    }
  }
}

function expectParameters(list: unknown, { params }: SharedMessage['expect']): void {
  const found = (list as { Name: string; Value: string; Type: string }[]).map((each) => [
    each.Name,
    each.Value,
    each.Type,
  ]);
  // A missing type is xsd:string (FIELD 9), a line break inside a name goes (CWMP X4).
  const wanted = params?.map(([name, value, type]) => [name.replace(/\s*\n\s*/g, ''), value, type ?? 'xsd:string']);
  expect(found).toEqual(wanted);
}

const documents = [...own, ...(shared ?? []).filter(({ bytes }) => bytes.length < 20_000)];

test('both readers agree on every document, however it was changed', () => {
  const seed = seedOfRun() | 0;
  console.log(`seed ${seed} (STARLING_TEST_SEED)`);
  let read2 = 0;
  let ok = 0;
  const property = fc.property(fc.nat({ max: documents.length - 1 }), fc.nat(), (index, mutationSeed) => {
    const { bytes, contentType } = documents[index]!;
    const changed = mutate(bytes, randomFrom(mutationSeed));
    const fast = readFast(changed, contentType);
    const second = readSecond(changed, contentType);
    expect(disagreement(fast, second)).toBeNull();
    if (fast.type === 'ok') ok++;
    if (second.type === 'ok') read2++;
  });
  fc.assert(property, { seed, numRuns: 3_000 });
  // Mutations that break everything would test nothing.
  expect(ok).toBeGreaterThan(500);
  expect(read2).toBeGreaterThan(500);
}, 60_000);

test.each(own.filter(({ bytes }) => bytes.length < 2_000 && bytes.length % 4 === 0))(
  '$file cut off at every byte is refused or read whole',
  ({ bytes, contentType }) => {
    const whole = readFast(bytes, contentType);
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const result = readFast(cut, contentType);
      if (result.type === 'ok' && result.message.type !== 'empty') expect(result).toMatchObject(messageOf(whole));
      else if (result.type === 'ok') expect(isBlankOrWhole(cut, whole)).toBe(true);
      expect(disagreement(result, readSecond(cut, contentType))).toBeNull();
    }
  },
);

/** The message without the tolerances: what is cut off may have been the reason of one. */
function messageOf(result: ReadResult): object {
  return result.type === 'ok' ? { type: 'ok', message: result.message } : result;
}

function isBlankOrWhole(cut: Buffer, whole: ReadResult): boolean {
  return cut.toString('utf8').trim() === '' || (whole.type === 'ok' && whole.message.type === 'empty');
}
