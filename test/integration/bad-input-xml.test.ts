// Bodies that are wrong, on a real edge over sockets: each gets a status or a SOAP fault, is counted by its reason, and leaves the session
// that it came in as it was. What the readers make of every byte is tested beside them; here it is the edge that must answer.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import {
  envelope,
  faultOf,
  faultXml,
  informXml,
  messageOf,
  requestOf,
  value,
  valueList,
  WireCpe,
} from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { counted, openSession } from './bad-input.test-helper.ts';

let edge: TestEdge;
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(() => edge.close());

const CWMP = 'urn:dslforum-org:cwmp-1-2';
const REFUSED = 'starling_requests_refused_total';

test('bad input: a message truncated at any byte is 400, counted, and the whole one is taken on the same connection', {
  timeout: 60_000,
}, async () => {
  const [own, other] = await Promise.all([openSession(edge), openSession(edge)]);
  const whole = Buffer.from(
    envelope(
      CWMP,
      own.asked.envelope.id,
      `<cwmp:GetParameterValuesResponse>${own.answerXml}</cwmp:GetParameterValuesResponse>`,
    ),
  );
  const before = await edge.metric(REFUSED);
  for (let length = 1; length < whole.length; length++) {
    const reply = await own.cpe.post(whole.subarray(0, length));
    expect(reply.status, `cut after ${length} bytes: ${reply.body}`).toBe(400);
    expect(reply.body).not.toBe('');
  }
  expect((await edge.metric(REFUSED)) - before).toBe(whole.length - 1);
  expect(own.cpe.wire.isOpen).toBe(true);
  await Promise.all([own.finish(), other.finish()]);
});

const message = (body: string): string => envelope(CWMP, '9', body);
const deep = (depth: number): string =>
  message(
    `<cwmp:GetParameterValuesResponse>${'<x>'.repeat(depth)}${'</x>'.repeat(depth)}</cwmp:GetParameterValuesResponse>`,
  );
const doctype = (dtd: string, body: string): string => message(body).replace('?>', `?><!DOCTYPE x ${dtd}>`);
const LAUGHS = '[<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]';

test.each<[string, string | Buffer, number, string]>([
  ['10,000 elements deep', deep(10_000), 400, 'too-deep'],
  ['ten million elements deep, cut by the bound', deep(2_000_000), 400, 'too-deep'],
  ['a document type', doctype('SYSTEM "x"', '<cwmp:GetRPCMethods/>'), 400, 'doctype'],
  ['entities within entities', doctype(LAUGHS, '<cwmp:Kicked>&c;</cwmp:Kicked>'), 400, 'doctype'],
  [
    'an external entity',
    doctype('[<!ENTITY x SYSTEM "file:///etc/passwd">]', '<cwmp:Kicked>&x;</cwmp:Kicked>'),
    400,
    'doctype',
  ],
  [
    'SOAP 1.2',
    message('<cwmp:GetRPCMethods/>').replace(
      'http://schemas.xmlsoap.org/soap/envelope/',
      'http://www.w3.org/2003/05/soap-envelope',
    ),
    400,
    'soap-version',
  ],
  ['no SOAP at all', '<html><body>login</body></html>', 400, 'not-soap'],
  ['JSON', '{"Inform": {}}', 400, ''],
  ['random bytes', Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 7_919) % 251)), 400, ''],
  ['no namespace of CWMP', message('<x/>').replace(CWMP, 'urn:other'), 400, 'not-cwmp'],
  ['two Bodies', message('<cwmp:GetRPCMethods/></soap:Body><soap:Body>'), 400, 'several-bodies'],
  ['two methods', message('<cwmp:GetRPCMethods/><cwmp:GetRPCMethods/>'), 400, 'several-bodies'],
  ['no Body', message('').replace('<soap:Body></soap:Body>', ''), 400, 'no-body'],
  ['an end tag of another element', message('<cwmp:Kicked><Command>x</Next></cwmp:Kicked>'), 400, 'not-well-formed'],
  [
    'a list that has no end',
    message(
      `<cwmp:GetParameterNamesResponse><ParameterList>${'<ParameterInfoStruct><Name>a</Name><Writable>0</Writable></ParameterInfoStruct>'.repeat(LIMITS.listEntriesMax + 1)}</ParameterList></cwmp:GetParameterNamesResponse>`,
    ),
    413,
    'too-many',
  ],
  [
    'a value of 5 MB',
    message(
      `<cwmp:GetParameterValuesResponse>${valueList(value('Device.X', 'v'.repeat(LIMITS.valueCharsMax + 1)))}</cwmp:GetParameterValuesResponse>`,
    ),
    413,
    'too-large',
  ],
])('bad input: %s', { timeout: 60_000 }, async (_, body, status, reason) => {
  const [own, other] = await Promise.all([openSession(edge), openSession(edge)]);
  await counted(edge, REFUSED, reason, async () => {
    const reply = await own.cpe.post(body);
    expect(reply.status, reply.body).toBe(status);
    expect(reply.body).toMatch(/\.\n$/);
  });
  expect(own.cpe.wire.isOpen).toBe(true);
  await Promise.all([own.finish(), other.finish()]);
});

// ── Encodings of characters ───────────────────────────────────────────────────────────────────────────────────────────

const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
const declared = (encoding: string, text: string): string => text.replace('UTF-8', encoding);

test.each<[string, string, string, (xml: string) => Buffer]>([
  ['UTF-8', 'Bäckerei 東', 'text/xml', (xml) => Buffer.from(xml)],
  ['UTF-8 with a mark', 'Bäckerei', 'text/xml', (xml) => Buffer.from(`\ufeff${xml}`)],
  ['latin1 by Content-Type', 'Bäckerei', 'text/xml; charset=ISO-8859-1', (xml) => Buffer.from(xml, 'latin1')],
  ['latin1 by declaration', 'Bäckerei', 'text/xml', (xml) => Buffer.from(declared('ISO-8859-1', xml), 'latin1')],
  [
    'UTF-16 with a mark',
    'Bäckerei 東',
    'text/xml',
    (xml) => Buffer.from(`\ufeff${declared('UTF-16', xml)}`, 'utf16le'),
  ],
  ['UTF-16 the other way round', 'Bäckerei 東', 'text/xml', (xml) => bigEndian(`\ufeff${declared('UTF-16', xml)}`)],
  [
    'UTF-16 without a mark',
    'Bäckerei',
    'text/xml; charset=utf-16',
    (xml) => Buffer.from(declared('UTF-16', xml), 'utf16le'),
  ],
])('bad input: an Inform in %s is read as it was meant', async (_, text, contentType, encode) => {
  const cpe = new WireCpe(edge.port);
  const xml = envelope(CWMP, '1', informXml(cpe.device, { parameters: [value('Device.WiFi.SSID.1.SSID', text)] }));
  expect((await cpe.post(encode(xml), { 'Content-Type': contentType })).status).toBe(200);
  const told = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(told.changed).toEqual([expect.objectContaining({ Name: 'Device.WiFi.SSID.1.SSID', Value: text })]);
  cpe.close();
});

test('bad input: bytes that are neither UTF-8 nor what they claim to be are 415', async () => {
  const own = await openSession(edge);
  const xml = declared('x-unheard-of', message('<cwmp:Kicked><Command>\xff\xfe</Command></cwmp:Kicked>'));
  await counted(edge, REFUSED, 'encoding', async () => {
    expect((await own.cpe.post(Buffer.from(xml, 'latin1'), { 'Content-Type': 'text/xml' })).status).toBe(415);
  });
  await own.finish();
});

test('bad input: blanks and zeros alone are an empty POST, and the outstanding request is asked again', async () => {
  const own = await openSession(edge);
  const reply = await own.cpe.post(Buffer.concat([Buffer.from(' \r\n'), Buffer.alloc(64)]));
  expect(requestOf(reply, 'GetParameterValues').envelope.id).toBe(own.asked.envelope.id);
  await own.finish();
});

test('bad input: invalid UTF-8 in a value is read as latin1 and counted, not refused', async () => {
  const cpe = new WireCpe(edge.port);
  const xml = envelope(
    CWMP,
    '1',
    informXml(cpe.device, { parameters: [value('Device.WiFi.SSID.1.SSID', 'B\xe4ckerei')] }),
  );
  const before = await edge.metric('starling_tolerances_total');
  expect((await cpe.post(Buffer.from(xml, 'latin1'))).status).toBe(200);
  expect(await edge.metric('starling_tolerances_total')).toBeGreaterThan(before);
  const told = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(told.changed).toEqual([expect.objectContaining({ Value: 'Bäckerei' })]);
  cpe.close();
});

// ── Messages nobody asked for ─────────────────────────────────────────────────────────────────────────────────────────

const EMPTY_RESPONSE = '<cwmp:RebootResponse/>';

test.each([
  ['a response', EMPTY_RESPONSE],
  ['a fault', faultXml(9002)],
  ['a request', '<cwmp:GetRPCMethods/>'],
])('bad input: %s without a session is 400, and the connection is good for an Inform', async (_, body) => {
  const other = await openSession(edge);
  const cpe = new WireCpe(edge.port);
  // Whatever address it comes from: a cookie that is none keeps the fallback by address out of this.
  cpe.cookie = 'sid=nobody';
  await counted(edge, REFUSED, 'no-session', async () => {
    expect((await cpe.say(body)).status).toBe(400);
  });
  expect((await cpe.inform()).status).toBe(200);
  expect((await cpe.empty()).status).toBe(204);
  cpe.close();
  await other.finish();
});

test.each([
  ['a response to what was never asked', EMPTY_RESPONSE, 'method-mismatch'],
  ['a response of a method nobody knows', '<cwmp:FrobnicateResponse/>', 'method-mismatch'],
])('bad input: %s ends the session, and the work is taken up in the next one', async (_, body, reason) => {
  const [own, other] = await Promise.all([openSession(edge), openSession(edge)]);
  await counted(edge, REFUSED, reason, async () => {
    const reply = await own.cpe.say(body, own.asked.envelope.id);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatch(/begin again with an Inform/);
  });
  await Promise.all([own.finishInNextSession(), other.finish()]);
});

test('bad input: a response before it is our turn ends the session, and the next one begins as if nothing was', async () => {
  const cpe = new WireCpe(edge.port);
  expect((await cpe.inform()).status).toBe(200);
  await counted(edge, REFUSED, 'unexpected-answer', async () => {
    expect((await cpe.say(EMPTY_RESPONSE)).status).toBe(400);
  });
  expect((await cpe.begin()).status).toBe(204);
  cpe.close();
});

test('bad input: a request nobody knows is fault 8000, and the session goes on', async () => {
  const [own, other] = await Promise.all([openSession(edge), openSession(edge)]);
  await counted(edge, 'starling_acs_faults_total', '8000', async () => {
    const fault = faultOf(await own.cpe.say('<cwmp:Frobnicate><X>1</X></cwmp:Frobnicate>', 'f1'));
    expect([fault.code, fault.envelope.id]).toEqual([8000, 'f1']);
  });
  await Promise.all([own.finish(), other.finish()]);
});

test('bad input: a fault in answer to our request ends the action with its code and no session', async () => {
  const cpe = new WireCpe(edge.port);
  const actionId = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods', arguments: {} });
  const asked = messageOf(await cpe.begin());
  await counted(edge, 'starling_cpe_faults_total', '9002', async () => {
    expect((await cpe.say(faultXml(9002), asked.envelope.id)).status).toBe(204);
  });
  expect(await edge.result(actionId)).toMatchObject({ outcome: 'failed', why: expect.stringContaining('9002') });
  cpe.close();
});

// ── Identities ────────────────────────────────────────────────────────────────────────────────────────────────────────

test.each<[string, Record<string, string>, number]>([
  ['a serial number of 65 characters', { SerialNumber: 'S'.repeat(65) }, 400],
  ['no serial number', { SerialNumber: '' }, 400],
  ['no OUI', { OUI: '' }, 400],
  ['an OUI that is no number', { OUI: 'zzzzzz' }, 200],
  ['a serial number with what URLs and paths are made of', { SerialNumber: '../%2e/?a#b' }, 200],
  ['a serial number in another script', { SerialNumber: 'シリアル' }, 200],
])('bad input: an Inform with %s', async (_, device, status) => {
  const cpe = new WireCpe(edge.port, { device });
  const before = await edge.metric(REFUSED, 'bad-device-id');
  expect((await cpe.inform()).status).toBe(status);
  if (status === 200) expect((await cpe.empty()).status).toBe(204);
  expect((await edge.metric(REFUSED, 'bad-device-id')) - before).toBe(status === 400 ? 1 : 0);
  cpe.close();
});
