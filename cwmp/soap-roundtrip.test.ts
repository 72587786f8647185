// What the writer writes as a CPE, the reader reads back as it was given: for every method of the table, in every style.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_STYLE, type EnvelopeStyle } from './envelope-style.ts';
import type { CpeMessage } from './message.ts';
import { ACS_METHODS, CPE_METHODS, type FieldType } from './rpc-table.ts';
import { readMessage } from './soap-reader.ts';
import { writeCpeFault, writeCpeRequest, writeCpeResponse } from './soap-writer.ts';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';

// Text of all that must be escaped, without blanks at its ends, which readers may trim (CWMP E18).
const text = fc
  .array(
    fc.constantFrom('a', 'Z', '7', '&', '<', '>', '"', "'", ']]>', '&amp;', 'ü', '漢', '😀', ' ', '\t', '\n', '\r'),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join('').trim());
// Names and types may be cleaned of white space anywhere, so they have none.
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9.&<_-]{0,20}$/);
const time = fc
  .date({ min: new Date('1970-01-01T00:00:00Z'), max: new Date('2100-01-01T00:00:00Z'), noInvalidDate: true })
  .map((date) => `${date.toISOString().slice(0, 19)}Z`);
const parameterValue = fc.oneof(
  fc.record({ Name: name, Value: text, Type: fc.constant('xsd:string') }),
  fc.record({ Name: name, Value: fc.nat().map(String), Type: fc.constant('xsd:unsignedInt') }),
);

function anyValue(type: FieldType): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'int':
      return fc.integer();
    case 'unsignedInt':
      return fc.nat();
    case 'boolean':
      return fc.boolean();
    case 'dateTime':
      return time;
    case 'base64':
      return fc.base64String();
    case 'struct':
      return fieldsOf(type.fields);
    case 'list':
      return fc.array(anyValue(type.item), { maxLength: 4 });
    case 'repeated':
      return fc.array(anyValue(type.item), { minLength: 1, maxLength: 4 });
    case 'parameterValues':
      return fc.array(parameterValue, { maxLength: 8 });
    case 'string':
      return text;
  }
}

function fieldsOf(fields: Record<string, FieldType>): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([field, type]) => [field, field === 'Name' ? name : anyValue(type)]),
    ),
  );
}

const style: fc.Arbitrary<EnvelopeStyle> = fc.record({
  xmlDeclaration: fc.boolean(),
  soapPrefix: fc.constantFrom('soap-env', 'SOAP-ENV', 'soapenv', 'soap'),
  booleans: fc.constantFrom('words', 'digits'),
  dateTimeMilliseconds: fc.constant(false),
  namespace: fc.constant(null),
});
const id = fc.oneof(fc.constant(null), fc.constant(''), fc.stringMatching(/^[A-Za-z0-9&<>-]{1,32}$/));

function read(xml: string, messageId: string | null): CpeMessage {
  const result = readMessage(Buffer.from(xml), 'text/xml; charset="utf-8"');
  if (result.type !== 'ok') throw new Error(`${result.reason}: ${result.text}\n${xml}`);
  // A document of ours needs no tolerance but that for an ID left out on purpose.
  expect(result.tolerances).toEqual(messageId === null ? ['missing-id'] : messageId === '' ? ['empty-id'] : []);
  return result.message;
}

const REQUESTS = Object.entries(ACS_METHODS).filter(([method]) => method !== 'Inform');

test.each(REQUESTS)('a request %s is read as written', (method, row) => {
  fc.assert(
    fc.property(style, id, fieldsOf(row.args), (spelling, messageId, args) => {
      const message = read(writeCpeRequest(spelling, NAMESPACE, messageId, method, args), messageId);
      expect(message).toMatchObject({ type: 'request', method, envelope: { id: messageId, namespace: NAMESPACE } });
      expect(message.type === 'request' && message.args).toEqual(args);
    }),
    { numRuns: 40 },
  );
});

test.each(Object.entries(CPE_METHODS))('a response to %s is read as written', (method, row) => {
  fc.assert(
    fc.property(style, id, fieldsOf(row.result), (spelling, messageId, result) => {
      const message = read(writeCpeResponse(spelling, NAMESPACE, messageId, method, result), messageId);
      expect(message).toMatchObject({ type: 'response', method, envelope: { id: messageId } });
      expect(message.type === 'response' && message.result).toEqual(result);
    }),
    { numRuns: 40 },
  );
});

test('an Inform is read as written', () => {
  const part = fc.stringMatching(/^[A-Za-z0-9&<>_-]{1,20}$/);
  const inform = fc.record({
    DeviceId: fc.record({
      Manufacturer: part,
      OUI: fc.stringMatching(/^[0-9A-F]{6}$/),
      ProductClass: part,
      SerialNumber: part,
    }),
    Event: fc.array(
      fc.record({
        EventCode: fc.constantFrom('0 BOOTSTRAP', '2 PERIODIC', 'M Reboot', 'X 00005E Alarm'),
        CommandKey: part,
      }),
    ),
    MaxEnvelopes: fc.constant(1),
    CurrentTime: time,
    RetryCount: fc.nat(),
    ParameterList: fc.array(parameterValue, { maxLength: 12 }),
  });
  fc.assert(
    fc.property(style, id, inform, (spelling, messageId, value) => {
      const headers = { supportedVersions: ['1.0', '1.4'], sessionTimeoutSeconds: 45 };
      const message = read(writeCpeRequest(spelling, NAMESPACE, messageId, 'Inform', value, headers), messageId);
      expect(message).toMatchObject({
        type: 'inform',
        envelope: { id: messageId, supportedVersions: ['1.0', '1.4'], sessionTimeoutSeconds: 45, holdRequests: false },
      });
      expect(message.type === 'inform' && message.inform).toEqual(value);
    }),
    { numRuns: 100 },
  );
});

test('a fault is read as written', () => {
  const single = fc.record({ ParameterName: name, FaultCode: fc.integer({ min: 9000, max: 9899 }), FaultString: text });
  const fault = fc.record({
    FaultCode: fc.integer({ min: 9000, max: 9899 }),
    FaultString: text,
    SetParameterValuesFault: fc.array(single, { maxLength: 4 }),
  });
  fc.assert(
    fc.property(style, id, fault, (spelling, messageId, value) => {
      const message = read(writeCpeFault(spelling, NAMESPACE, messageId, value), messageId);
      expect(message.type === 'fault' && message.fault).toEqual(value);
    }),
    { numRuns: 60 },
  );
});

test('booleans of values are read back under either spelling', () => {
  for (const booleans of ['words', 'digits'] as const) {
    const list = [{ Name: 'Device.A', Value: 'true', Type: 'xsd:boolean' }];
    const xml = writeCpeResponse({ ...DEFAULT_STYLE, booleans }, NAMESPACE, '1', 'GetParameterValues', {
      ParameterList: list,
    });
    const message = read(xml, '1');
    expect(message.type === 'response' && message.result).toEqual({
      ParameterList: [{ Name: 'Device.A', Value: booleans === 'words' ? 'true' : '1', Type: 'xsd:boolean' }],
    });
  }
});
