// Bounds and shapes of the first reader. What it makes of peculiar messages is in readers.test.ts, over the corpora.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { referenceInform, valuesResponse } from '../bench/reference-inform.ts';
import { seedOfRun } from '../test/random.ts';
import type { CpeMessage, ReadResult } from './message.ts';
import { read } from './read.ts';
import { readMessage } from './soap-reader.ts';
import { readMessage as readSecond } from './xmldom-reader.ts';

const HEAD =
  '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:cwmp="urn:dslforum-org:cwmp-1-0" ' +
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">' +
  '<s:Header><cwmp:ID>1</cwmp:ID></s:Header><s:Body>';
const TAIL = '</s:Body></s:Envelope>';

function envelope(body: string): Buffer {
  return Buffer.from(HEAD + body + TAIL);
}

function values(entries: string): Buffer {
  return envelope(
    `<cwmp:GetParameterValuesResponse><ParameterList>${entries}</ParameterList></cwmp:GetParameterValuesResponse>`,
  );
}

function entry(name: string, value: string): string {
  return `<ParameterValueStruct><Name>${name}</Name><Value xsi:type="xsd:string">${value}</Value></ParameterValueStruct>`;
}

function reasonOf(result: ReadResult): string {
  return result.type === 'refused' ? result.reason : 'ok';
}

function messageOf(result: ReadResult): CpeMessage {
  if (result.type === 'refused') throw new Error(result.reason);
  return result.message;
}

function listOf(result: ReadResult): Record<string, unknown>[] {
  const message = messageOf(result);
  if (message.type !== 'response') throw new Error(message.type);
  return message.result['ParameterList'] as Record<string, unknown>[];
}

const MANY = LIMITS.listEntriesMax + 1;

test.each([
  ['10,000 elements in each other', envelope('<a>'.repeat(10_000) + '</a>'.repeat(10_000)), 'too-deep', 400],
  ['10,000 elements in each other, never closed', Buffer.from(HEAD + '<a>'.repeat(10_000)), 'too-deep', 400],
  ['a body one byte beyond the bound', Buffer.alloc(LIMITS.bodyBytesMax + 1, 'x'), 'too-large', 413],
  ['a value beyond the bound', values(entry('Device.A', 'x'.repeat(LIMITS.valueCharsMax + 1))), 'too-large', 413],
  [
    'a value beyond the bound, in the markup of the entry before',
    values(entry('Device.A', '') + entry('Device.B', 'x'.repeat(LIMITS.valueCharsMax + 1))),
    'too-large',
    413,
  ],
  [
    'a value beyond the bound in pieces',
    values(entry('Device.A', '<![CDATA[xxxxxxx]]>'.repeat(600_000))),
    'too-large',
    413,
  ],
  ['more entries than the bound', values(entry('a', '').repeat(MANY)), 'too-many', 413],
  [
    'more entries than the bound in lists of their own',
    values(`${entry('a', '')}</ParameterList><ParameterList>`.repeat(MANY)),
    'too-many',
    413,
  ],
  [
    'more events than the bound',
    envelope(`<cwmp:Inform><Event>${'<e><EventCode>1 BOOT</EventCode></e>'.repeat(MANY)}</Event></cwmp:Inform>`),
    'too-many',
    413,
  ],
  [
    'more methods in a list than the bound',
    envelope(
      `<cwmp:GetRPCMethodsResponse><MethodList>${'<s/>'.repeat(MANY)}</MethodList></cwmp:GetRPCMethodsResponse>`,
    ),
    'too-many',
    413,
  ],
  [
    'more results than the bound',
    envelope(`<cwmp:DUStateChangeComplete>${'<Results><UUID/></Results>'.repeat(MANY)}</cwmp:DUStateChangeComplete>`),
    'too-many',
    413,
  ],
  [
    'more of a vendor’s elements than the bound',
    envelope(`<cwmp:X_AResponse>${'<a/>'.repeat(MANY)}</cwmp:X_AResponse>`),
    'too-many',
    413,
  ],
  [
    'more attributes than the bound',
    envelope(`<a ${Array.from({ length: 65 }, (_, i) => `a${i}=""`).join(' ')}/>`),
    'too-many',
    413,
  ],
  ['an element name beyond the bound', envelope(`<${'a'.repeat(LIMITS.xmlNameCharsMax + 1)}/>`), 'too-large', 413],
  [
    'an attribute name beyond the bound',
    envelope(`<a ${'a'.repeat(LIMITS.xmlNameCharsMax + 1)}=""/>`),
    'too-large',
    413,
  ],
  [
    'an ID beyond the bound',
    Buffer.from(`${HEAD}<cwmp:GetRPCMethods/>${TAIL}`.replace('>1<', `>${'1'.repeat(2_000)}<`)),
    'too-large',
    413,
  ],
  [
    'a document type whose entities would grow',
    Buffer.from(`<!DOCTYPE a [<!ENTITY a "${'x'.repeat(1_000_000)}">]><a>${'&a;'.repeat(1_000_000)}</a>`),
    'doctype',
    400,
  ],
  ['32 MB of opened comments', Buffer.from(HEAD + '<!--'.repeat(8_000_000)), 'truncated', 400],
  ['32 MB of open angle brackets', Buffer.alloc(32_000_000, '<'), 'not-well-formed', 400],
  ['32 MB of text', Buffer.alloc(32_000_000, 'x'), 'not-soap', 400],
])('%s is refused', (_, bytes, reason, status) => {
  const { result } = read(bytes, 'text/xml; charset=utf-8');
  expect(result).toMatchObject({ type: 'refused', reason, status });
});

test('32 MB of white space is an empty message', () => {
  expect(messageOf(readMessage(Buffer.alloc(32_000_000, ' \n'), null))).toEqual({ type: 'empty' });
});

test('32 MB of elements that nobody knows are passed over', () => {
  const unknown = '<x a="b">y</x>'.repeat(2_200_000);
  const result = readMessage(
    envelope(`<cwmp:GetRPCMethodsResponse><MethodList/>${unknown}</cwmp:GetRPCMethodsResponse>`),
    null,
  );
  expect(messageOf(result)).toMatchObject({ type: 'response', result: { MethodList: [] } });
});

test('a list of as many entries as the bound is read', () => {
  expect(listOf(readMessage(values(entry('Device.A', '1').repeat(LIMITS.listEntriesMax)), null))).toHaveLength(
    LIMITS.listEntriesMax,
  );
});

test('a million references that mean nothing are kept as they are', () => {
  const text = '&a;&#0;&'.repeat(300_000);
  const result = readMessage(values(entry('Device.A', text)), null);
  expect(listOf(result)).toEqual([{ Name: 'Device.A', Value: text, Type: 'xsd:string' }]);
});

test('a parameter name beyond the bound is skipped with a tolerance', () => {
  const result = readMessage(
    values(entry(`Device.${'A'.repeat(LIMITS.parameterNameCharsMax)}`, '') + entry('Device.B', '')),
    null,
  );
  expect(result).toMatchObject({ tolerances: ['long-name'] });
  expect(listOf(result)).toHaveLength(1);
});

test('nothing of one message is left in the next', () => {
  expect(reasonOf(readMessage(Buffer.from(`${HEAD}<cwmp:Inform><DeviceID>`), 'text/xml; charset=x-none'))).toBe(
    'truncated',
  );
  expect(readMessage(envelope('<cwmp:GetRPCMethods/>'), null)).toMatchObject({ type: 'ok', tolerances: [] });
});

test('Informs and their parameters have one shape, whatever the CPE left out', () => {
  const full = messageOf(readMessage(referenceInform(), null));
  const bare = messageOf(
    readMessage(
      envelope('<cwmp:Inform><DeviceId><SerialNumber>1</SerialNumber><OUI>2</OUI></DeviceId></cwmp:Inform>'),
      null,
    ),
  );
  if (full.type !== 'inform' || bare.type !== 'inform') throw new Error('no Inform');
  expect(Object.keys(bare)).toEqual(Object.keys(full));
  expect(Object.keys(bare.envelope)).toEqual(Object.keys(full.envelope));
  expect(Object.keys(bare.inform)).toEqual(Object.keys(full.inform));
  expect(Object.keys(bare.inform.DeviceId)).toEqual(Object.keys(full.inform.DeviceId));
  const odd = listOf(readMessage(values('<p><Name>a</Name></p><p><Value>1</Value><Name>b</Name></p>'), null));
  for (const parameter of [...odd, ...full.inform.ParameterList])
    expect(Object.keys(parameter)).toEqual(['Name', 'Value', 'Type']);
});

test('a field missing in a result does not change its shape', () => {
  const whole = messageOf(
    readMessage(
      envelope('<cwmp:DownloadResponse><CompleteTime/><StartTime/><Status>1</Status></cwmp:DownloadResponse>'),
      null,
    ),
  );
  const bare = messageOf(readMessage(envelope('<cwmp:DownloadResponse/>'), null));
  if (whole.type !== 'response' || bare.type !== 'response') throw new Error('no response');
  expect(Object.keys(whole.result)).toEqual(['Status', 'StartTime', 'CompleteTime']);
  expect(Object.keys(bare.result)).toEqual(Object.keys(whole.result));
});

// Entries in the markup of the one before take a way of their own (entries.ts): whatever the mixture, both readers say the same.
const piece = fc.constantFrom(
  '',
  'a',
  'Device.WiFi.SSID.1.SSID',
  ' x ',
  '1',
  'a&amp;b',
  'a & b',
  '\n y \n',
  '<![CDATA[<q>]]>',
  '\u00e9',
  '\x01',
);
const markup = fc.constantFrom(
  (name: string, value: string) => entry(name, value),
  (name: string, value: string) => entry(name, value),
  (name: string, value: string) => entry(name, value).replace('string', 'boolean'),
  (name: string, value: string) => entry(name, value).replace('string', 'int'),
  (name: string, value: string) => entry(name, value).replace('string', 'unsignedInt'),
  (name: string, value: string) => entry(name, value).replace('string', 'dateTime'),
  (name: string, value: string) => entry(name, value).replace(' xsi:type="xsd:string"', ''),
  (name: string, value: string) => `\n${entry(name, value)}`,
  (name: string, value: string) => entry(name, value).replace('<Value', '<x y="z">w</x><Value'),
  (name: string, value: string) => `<p><Value>${value}</Value><Name>${name}</Name></p>`,
  (name: string, value: string) => `<p><Name>${name}</Name><Name>${name}2</Name><Value>${value}</Value></p>`,
  (name: string) => `<p><Name>${name}</Name></p>`,
  (_: string, value: string) => `<p><Value>${value}</Value></p>`,
  (name: string) => `<p><Name>${name}</Name><Value xsi:type="xsd:string"/></p>`,
  (name: string, value: string) =>
    `<!-- ${name} --><p><Name>${name}</Name><y><Name>no</Name></y><Value>${value}</Value></p>`,
);
const entries = fc.array(fc.tuple(markup, piece, piece), { maxLength: 30 });

test('lists in any mixture of markup read as the second reader reads them', () => {
  const property = fc.property(entries, (list) => {
    const bytes = values(list.map(([print, name, value]) => print(name, value)).join(''));
    expect(readMessage(bytes, null)).toEqual(readSecond(bytes, null));
  });
  const seed = seedOfRun() | 0;
  console.log(`seed ${seed} (STARLING_TEST_SEED)`);
  fc.assert(property, { seed, numRuns: 1_500 });
});

test('the answer with a thousand values is read whole by both readers', () => {
  const bytes = valuesResponse(1_000);
  expect(listOf(readMessage(bytes, null))).toHaveLength(1_000);
  expect(readMessage(bytes, null)).toEqual(readSecond(bytes, null));
});

test('only what is not well-formed goes to the second reader', () => {
  const good = envelope('<cwmp:GetRPCMethods/>');
  expect(read(good, null)).toMatchObject({ parsePath: 'fast', result: { type: 'ok' } });
  expect(read(good.subarray(0, -1), null)).toMatchObject({ parsePath: 'fast', result: { reason: 'truncated' } });
  expect(read(envelope('<cwmp:GetRPCMethods a=b/>'), null)).toMatchObject({
    parsePath: 'second',
    result: { type: 'ok' },
  });
  expect(read(envelope('<a></b>'), null)).toMatchObject({ parsePath: 'second', result: { reason: 'not-well-formed' } });
});

test('the second reader has smaller bounds, and says so', () => {
  const long = values(entry('Device.A', 'x').repeat(60_000));
  expect(reasonOf(readSecond(long, null))).toBe('too-large');
  expect(reasonOf(readSecond(envelope('<a/>'.repeat(LIMITS.secondReaderTagsMax)), null))).toBe('too-many');
});
