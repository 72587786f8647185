import { expect, test } from 'vitest';
import {
  endOfMessage,
  type Fact,
  factMessageId,
  MESSAGE_VERSION,
  marksText,
  parseFacts,
  parseMarks,
  recordMessageId,
} from './messages.ts';

const seen = (sequence: number): Fact => ({
  ...{ v: MESSAGE_VERSION, edgeId: 'e1', pop: 'pop', lane: 3, sequence, at: 77 },
  ...{ type: 'seen', body: { devices: [{ cpeId: '00D09E-Box-1', at: sequence }] } },
});
const kindsOf = (payload: unknown): string[] => parseFacts(payload).map(({ parsed }) => parsed.type);

test('a message of facts yields each of them, in order, as it came and as it is understood', () => {
  const facts = [seen(1), seen(5), seen(6)];
  expect(parseFacts(JSON.stringify(facts))).toEqual(facts.map((fact) => ({ raw: fact, parsed: { type: 'ok', fact } })));
  expect(parseFacts('[]')).toEqual([]);
});

test('a fact that is not for us says its place in the order, and those beside it are understood', () => {
  const odd = [
    { ...seen(2), v: MESSAGE_VERSION + 1 },
    { ...seen(3), type: 'telemetry' },
    { ...seen(4), body: { devices: 7 } },
  ];
  const received = parseFacts(JSON.stringify([seen(1), ...odd, seen(5)]));
  expect(received.map(({ parsed }) => parsed.type)).toEqual(['ok', 'unknown', 'unknown', 'unknown', 'ok']);
  for (const [i, fact] of odd.entries()) {
    const { edgeId, pop, lane, sequence } = fact;
    expect(received[i + 1]).toEqual({
      raw: fact,
      parsed: { type: 'unknown', edgeId, pop, lane, sequence, why: expect.any(String) },
    });
  }
});

test('an entry without a place is garbage alone', () => {
  const { lane: _, ...without } = seen(2);
  expect(kindsOf(JSON.stringify([seen(1), without, null, 'text', [], seen(3)]))).toEqual([
    ...['ok', 'garbage', 'garbage', 'garbage', 'garbage', 'ok'],
  ]);
});

test.each([
  ['a text cut short', '[{"v":1,"edgeId":"pl4nted'],
  ['no JSON', 'pl4nted'],
  ['an empty text', ''],
  ['one fact without a list', JSON.stringify(seen(1))],
  ['facts that are no text', [seen(1)]],
  ['null', null],
  ['undefined', undefined],
])('a message of %s is one piece of garbage, and why does not quote it', (_, payload) => {
  const [received, ...others] = parseFacts(payload);
  expect(others).toEqual([]);
  expect(received).toEqual({ raw: payload, parsed: { type: 'garbage', why: expect.any(String) } });
  expect(JSON.stringify(received?.parsed)).not.toContain('pl4nted');
});

test('a message has the id of its first fact, which no other fact has', () => {
  expect(factMessageId(seen(1))).toBe('e1.3:1');
  expect(
    new Set([seen(1), seen(2), { ...seen(1), lane: 4 }, { ...seen(1), edgeId: 'e2' }].map(factMessageId)).size,
  ).toBe(4);
});

test.each([
  [{ edgeId: 'e1', lane: 1_003, first: 4_294_967_296, last: 4_294_967_299 }, 'e1.1003:4294967296-4294967299'],
  [{ edgeId: 'north.2-a', lane: 0, first: 7, last: 7 }, 'north.2-a.0:7'],
])('the id of a message says where it ends', (record, id) => {
  expect(recordMessageId(record)).toBe(id);
  expect(endOfMessage(id)).toEqual({ edgeId: record.edgeId, lane: record.lane, sequence: record.last });
});

test.each(['', 'e1', 'e1.NaN:7', 'e1.1:', 'e1.1:7-', '.1:7', 'STARLING_FACTS 7'])(
  '%j is the id of no message of facts',
  (id) => {
    expect(endOfMessage(id)).toBeNull();
  },
);

test('marks come back as they were told; what is none is nothing', () => {
  const marks = { marks: [[1, 2] as [number, number]], again: true, idle: true };
  expect(parseMarks(marksText(marks))).toMatchObject(marks);
  for (const text of ['', 'null', '{}', '{"v":9,"marks":[],"again":false}', '{"v":1,"marks":[[1]],"again":false}']) {
    expect(parseMarks(text)).toBeNull();
  }
});
