// recording: files that are none, or not whole, are told from those that are.

import { expect, test } from 'vitest';
import { FORMAT, lineOf, parseRecording, type RecordingEnd } from './format.ts';
import { difference } from './xml-difference.ts';

const head = {
  type: 'header' as const,
  format: FORMAT,
  version: 1,
  starling: '0.1.0',
  recordingId: 'R',
  deviceId: 'D',
};
const HEADER = lineOf({ ...head, edgeId: 'e1', pop: 'p', startedAt: 1 } as Parameters<typeof lineOf>[0]);
const END: RecordingEnd = { type: 'end', at: 2, sessions: 0, exchanges: 0, cut: false, why: 'its time is over' };

test('parts of several edges stand behind each other', () => {
  const parts = parseRecording(HEADER + lineOf(END) + HEADER);
  expect(parts.map(({ end }) => end?.why ?? null)).toEqual(['its time is over', null]);
});

test.each([
  ['nothing', '', 'not-a-recording'],
  ['no JSON', 'PK\u0003\u0004', 'not-a-recording'],
  ['another file of JSON lines', '{"seq":1}\n', 'not-a-recording'],
  ['of a newer Starling', HEADER.replace('"version":1', '"version":2'), 'newer-recording'],
  ['a line that is cut off', `${HEADER}{"type":"exch`, 'damaged-recording'],
  ['an exchange without its parts', `${HEADER}{"type":"exchange"}\n`, 'damaged-recording'],
])('a file is refused: %s', (_, text, code) => {
  expect(() => parseRecording(text)).toThrow(expect.objectContaining({ status: 422, code }));
});

test('a difference shows what went and came, with what is around it', () => {
  const xml = (value: string): string =>
    `<a><b>1</b><c>2</c><Name>x</Name><Value>${value}</Value><d>3</d><e>4</e><f>5</f></a>`;
  expect(difference(xml('old'), xml('new'))).toEqual([
    ' <c>2</c>',
    ' <Name>x</Name>',
    '-<Value>old</Value>',
    '+<Value>new</Value>',
    ' <d>3</d>',
    ' <e>4</e>',
  ]);
  expect(difference('', '<a/>')).toEqual(['+<a/>']);
  expect(difference('<a/><b/><c/>', '<a/><c/><d/>')).toEqual([' <a/>', '-<b/>', ' <c/>', '+<d/>']);
  const many = '<x/>'.repeat(100);
  expect(difference(many, '')).toHaveLength(41);
});
