// CWMP.md §1.1 and §1.2: HTTP and cookies, on a real edge over raw sockets. What bytes can do to HTTP itself (bad lengths, bombs, slow
// senders) is tested with the bad input.

import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import {
  envelope,
  faultOf,
  informXml,
  messageOf,
  requestOf,
  responseOf,
  value,
  valueList,
  WireCpe,
  type WireCpeOptions,
} from './wire.test-helper.ts';

let edge: TestEdge;
const open: WireCpe[] = [];
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await edge.close();
});

function newCpe(options: WireCpeOptions = {}): WireCpe {
  const cpe = new WireCpe(edge.port, options);
  open.push(cpe);
  return cpe;
}

const NAMES = (...names: string[]) => ({ names });
const gpv = (text: string) => valueList(value('Device.DeviceInfo.UpTime', text, 'unsignedInt'));

test('CWMP H7: a body that comes byte by byte counts for the memory it takes, until it is whole or gone', async () => {
  const cpe = newCpe();
  const held = (): Promise<number> => edge.metric('starling_bodies_held_bytes');
  cpe.wire.write('POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 9\r\n\r\n');
  for (const bytes of [1, 9, 9]) {
    cpe.wire.write(' ');
    await expect.poll(held).toBe(bytes + LIMITS.bodyCostBytes);
  }
  cpe.close();
  await expect.poll(held).toBe(0);
});

test('CWMP H1: one envelope per POST and response, over one HTTP/1.1 connection, from Inform to 204', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', NAMES('Device.DeviceInfo.UpTime'));
  const first = await cpe.inform();
  expect(first.head.split('\r\n')[0]).toBe('HTTP/1.1 200 OK');
  expect(first.body.match(/<[\w-]+:Envelope/g)).toHaveLength(1);
  const asked = requestOf(await cpe.empty(), 'GetParameterValues');
  const last = await cpe.answer(asked, gpv('7'));
  expect(last.status).toBe(204);
  expect(cpe.wire.isOpen).toBe(true);
});

test('CWMP H2: a SOAP fault of the ACS travels with status 200', async () => {
  const cpe = newCpe();
  await cpe.inform();
  const reply = await cpe.say('<cwmp:Bogus/>');
  expect(reply.status).toBe(200);
  expect(faultOf(reply).code).toBe(8000);
});

test('CWMP H3: nothing to say is 204 with neither body nor Content-Length nor Content-Type', async () => {
  const cpe = newCpe();
  const reply = await cpe.begin();
  expect(reply.head).toMatch(/^HTTP\/1\.1 204 No Content/);
  expect(reply.all('Content-Length')).toEqual([]);
  expect(reply.all('Content-Type')).toEqual([]);
  expect(reply.all('Transfer-Encoding')).toEqual([]);
  // Nothing followed it: the next response begins where this one ended.
  expect((await cpe.inform()).status).toBe(200);
});

test.each<[string, (cpe: WireCpe) => void]>([
  [
    'neither body nor length',
    (cpe) => cpe.wire.write(`POST / HTTP/1.1\r\nHost: acs\r\nCookie: ${cpe.cookie}\r\nContent-Length: 0\r\n\r\n`),
  ],
  ['a Content-Type and a SOAPAction', (cpe) => cpe.write('')],
  ['white space', (cpe) => cpe.write(' \r\n\t\n')],
  [
    'chunked with no chunk',
    (cpe) =>
      cpe.wire.write(
        `POST / HTTP/1.1\r\nHost: acs\r\nCookie: ${cpe.cookie}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ),
  ],
])('CWMP H4: the empty POST is empty with %s', async (_name, write) => {
  const cpe = newCpe();
  await cpe.inform();
  write(cpe);
  expect((await cpe.read()).status).toBe(204);
});

test.each([
  ['absent', null],
  ['empty', ''],
  ['two quotes', '""'],
  ['cwmp:Inform on an answer', 'cwmp:Inform'],
])('CWMP H5: a message is taken for what it is, SOAPAction %s', async (_name, action) => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'get', NAMES('Device.DeviceInfo.UpTime'));
  const asked = requestOf(await cpe.begin());
  const body = envelope(
    cpe.namespace,
    asked.envelope.id,
    `<cwmp:GetParameterValuesResponse>${gpv('7')}</cwmp:GetParameterValuesResponse>`,
  );
  const header = action === null ? '' : `SoapAction: ${action}\r\n`;
  cpe.wire.write(
    `POST / HTTP/1.1\r\nHost: acs\r\nCookie: ${cpe.cookie}\r\n${header}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  expect((await cpe.read()).status).toBe(204);
});

test('CWMP H6: the ACS answers text/xml in UTF-8', async () => {
  const reply = await newCpe().inform({ id: 'ü漢' });
  expect(reply.header('Content-Type')).toBe('text/xml; charset="utf-8"');
  expect(reply.body).toContain('>ü漢</cwmp:ID>');
});

test.each([
  ['text/xml; charset=ISO-8859-1', 'latin1'],
  ['text/xml;charset="iso-8859-1"', 'latin1'],
  ['application/soap+xml; charset=utf-8', 'utf8'],
  ['text/html', 'utf8'],
  ['', 'utf8'],
] as const)('CWMP H6: a request with Content-Type "%s" is read in its charset', async (contentType, encoding) => {
  const cpe = newCpe();
  const parameters = [value('Device.DeviceInfo.ProvisioningCode', 'Größe')];
  const xml = envelope(cpe.namespace, '1', informXml(cpe.device, { parameters, events: ['1 BOOT'] })).replace(
    'encoding="UTF-8"',
    encoding === 'utf8' ? 'encoding="UTF-8"' : 'encoding="ISO-8859-1"',
  );
  const reply = await cpe.post(Buffer.from(xml, encoding), { 'Content-Type': contentType });
  expect(reply.status).toBe(200);
  const fact = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(fact.changed).toMatchObject([{ Value: 'Größe' }]);
});

test('CWMP H7: an envelope of 3 MB is read, and a body beyond the bound is 413', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', {
    method: 'GetParameterNames',
    arguments: { ParameterPath: 'Device.', NextLevel: false },
  });
  const asked = requestOf(await cpe.begin(), 'GetParameterNames');
  const names = Array.from(
    { length: 26_000 },
    (_, i) =>
      `<ParameterInfoStruct><Name>Device.Hosts.Host.${i}.PhysAddress</Name><Writable>0</Writable></ParameterInfoStruct>`,
  );
  const inner = `<ParameterList enc:arrayType="cwmp:ParameterInfoStruct[${names.length}]">${names.join('')}</ParameterList>`;
  expect(inner.length).toBeGreaterThan(2_600_000);
  expect((await cpe.answer(asked, inner)).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('done');
  const big = newCpe();
  expect((await big.post(Buffer.alloc(LIMITS.bodyBytesMax + 1, 0x20))).status).toBe(413);
});

test('CWMP H8: a chunked request whose borders split tags is read, and the answer has a Content-Length', async () => {
  const cpe = newCpe();
  const body = Buffer.from(envelope(cpe.namespace, '1', informXml(cpe.device)));
  let chunks = '';
  for (let at = 0; at < body.length; at += 13) {
    const part = body.subarray(at, at + 13).toString('latin1');
    chunks += `${part.length.toString(16)}\r\n${part}\r\n`;
  }
  cpe.wire.write(
    `POST / HTTP/1.1\r\nHost: acs\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
  );
  const reply = await cpe.read();
  responseOf(reply, 'Inform');
  expect(reply.header('Content-Length')).toBe(String(Buffer.byteLength(reply.body)));
  expect(reply.all('Transfer-Encoding')).toEqual([]);
});

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
] as const)('CWMP H9: a request in %s is read', async (name, pack) => {
  const cpe = newCpe();
  const body = pack(envelope(cpe.namespace, '1', informXml(cpe.device)));
  cpe.write(body, { 'Content-Encoding': name });
  const reply = await cpe.read();
  expect(reply.status).toBe(200);
  expect(reply.header('Content-Encoding')).toBe(name);
});

test('CWMP H9: an encoding nobody knows is 415, the same message uncompressed passes on the same connection, and no answer is packed unasked', async () => {
  const cpe = newCpe();
  expect((await cpe.inform({}, { 'Content-Encoding': 'br' })).status).toBe(415);
  const reply = await cpe.inform({}, { 'Accept-Encoding': 'gzip, deflate' });
  responseOf(reply, 'Inform');
  expect(reply.all('Content-Encoding')).toEqual([]);
  expect(() => gunzipSync(Buffer.from(reply.body))).toThrow();
});

test('CWMP H10: a CPE that waits for 100 Continue is served', async () => {
  const cpe = newCpe();
  const body = envelope(cpe.namespace, '1', informXml(cpe.device));
  cpe.wire.write(
    `POST / HTTP/1.1\r\nHost: acs\r\nExpect: 100-continue\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
  );
  const interim = await cpe.read();
  expect(interim.status).toBe(100);
  cpe.wire.write(body);
  responseOf(await cpe.read(), 'Inform');
});

test('CWMP H11: the connection stays open after a fault, a 400 and a 204', async () => {
  const cpe = newCpe();
  expect((await cpe.say('<cwmp:GetRPCMethodsResponse/>')).status).toBe(400);
  await cpe.inform();
  faultOf(await cpe.say('<cwmp:Bogus/>'));
  expect((await cpe.empty()).status).toBe(204);
  responseOf(await cpe.inform(), 'Inform');
  expect(cpe.wire.isOpen).toBe(true);
});

test('CWMP H12: a session goes on over another connection with its cookie, also to other threads', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'get', NAMES('Device.DeviceInfo.UpTime'));
  await cpe.inform();
  const asked = requestOf(await cpe.reconnect().empty());
  expect((await cpe.reconnect().answer(asked, gpv('99'))).status).toBe(204);
  const result = await edge.result(action);
  expect(result.after).toMatchObject([{ Name: 'Device.DeviceInfo.UpTime', Value: '99' }]);
});

test('CWMP H13: a CPE that returns no cookie is found by its source address', async () => {
  // Its own address, so that other CPEs of this file are not mistaken for it.
  const lone = await startTestEdge();
  try {
    const cpe = new WireCpe(lone.port, { keepsCookie: false });
    open.push(cpe);
    await lone.act(cpe.cpeId, 'get', NAMES('Device.DeviceInfo.UpTime'));
    const asked = requestOf(await cpe.begin());
    expect((await cpe.answer(asked, gpv('3'))).status).toBe(204);
    expect(await lone.metric('starling_tolerances_total', 'no-cookie')).toBe(2);
  } finally {
    await lone.close();
  }
});

test.each([
  ['another path', 'POST /acs/cwmp?x=1 HTTP/1.1\r\nHost: acs'],
  ['the Host of somebody else', 'POST / HTTP/1.1\r\nHost: example.org:99'],
  ['headers in another case and order', 'POST / HTTP/1.1\r\nX-A: b\r\nHOST: acs\r\nsoapaction:'],
])('CWMP H15, H16: an Inform with %s is answered', async (_name, head) => {
  const cpe = newCpe();
  const body = envelope(cpe.namespace, '1', informXml(cpe.device));
  cpe.wire.write(`${head}\r\ncontent-LENGTH: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  responseOf(await cpe.read(), 'Inform');
});

// ── Cookies ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('CWMP C1, C2: the InformResponse sets one short cookie in the token charset, with Path alone', async () => {
  const reply = await newCpe().inform();
  expect(reply.all('Set-Cookie')).toHaveLength(1);
  const [pair, ...attributes] = reply.header('Set-Cookie').split('; ');
  expect(attributes).toEqual(['Path=/']);
  expect(pair).toMatch(/^[A-Za-z0-9]+=[A-Za-z0-9!#$%&'*+.^_`|~-]+$/);
  expect(pair!.length).toBeLessThan(128);
});

test('CWMP C1: the session is the cookie’s, whatever else shares the address', async () => {
  const [a, b] = [newCpe(), newCpe()];
  await edge.act(a.cpeId, 'get', NAMES('Device.DeviceInfo.UpTime'));
  await edge.act(b.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await a.inform();
  await b.inform();
  expect(requestOf(await a.empty()).method).toBe('GetParameterValues');
  expect(requestOf(await b.empty()).method).toBe('GetRPCMethods');
});

test.each([
  ['RFC 2109', (pair: string) => `$Version="0"; ${pair.replace(/=(.*)/, '="$1"')};$Path=/`],
  ['attributes echoed', (pair: string) => `${pair}; Path=/`],
  ['several cookies', (pair: string) => `lang=en; ${pair}; theme=dark`],
  ['a comma between', (pair: string) => `a=b,${pair}`],
])('CWMP C3: a cookie returned as %s is found', async (_name, spell) => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await cpe.inform();
  expect(requestOf(await cpe.empty({ Cookie: spell(cpe.cookie) })).method).toBe('GetRPCMethods');
});

test('CWMP C4: an Inform begins a new session whatever cookie it comes with: finished, live, foreign or nonsense', async () => {
  const other = newCpe();
  await other.inform();
  for (const kind of ['finished', 'live', 'foreign', 'nonsense']) {
    const cpe = newCpe();
    await (kind === 'live' ? cpe.inform() : cpe.begin());
    const old = cpe.cookie;
    const sent = kind === 'foreign' ? other.cookie : kind === 'nonsense' ? 'sid=%%%' : old;
    const reply = await cpe.inform({}, { Cookie: sent });
    responseOf(reply, 'Inform');
    expect(cpe.cookie, kind).not.toBe(old);
    // The old one is abandoned, the new one lives.
    expect((await cpe.say('<cwmp:GetRPCMethods/>')).status).toBe(200);
    if (kind !== 'foreign') continue;
    expect((await other.say('<cwmp:GetRPCMethods/>')).status).toBe(200);
  }
});

test('CWMP C5: without a session an empty POST is 204 and anything else 400, nothing queued is sent, and the connection stays', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  for (const cookie of ['', 'sid=none', 'sid=1-1-1.1.1.1.2.12..00005E-Wire-1.AAAAAAAAAAAAAAAAAAAAAA']) {
    cpe.cookie = cookie;
    expect((await cpe.empty()).status).toBe(204);
    expect((await cpe.say('<cwmp:GetParameterValuesResponse/>')).status).toBe(400);
    expect((await cpe.say('<cwmp:TransferComplete/>')).status).toBe(400);
    expect(
      (await cpe.say('<soap:Fault><detail><cwmp:Fault><FaultCode>9002</FaultCode></cwmp:Fault></detail></soap:Fault>'))
        .status,
    ).toBe(400);
  }
  expect(cpe.wire.isOpen).toBe(true);
  await cpe.inform({ events: ['1 BOOT'] });
  await edge.until(() => edge.factsOf('inform').some((body) => body.cpeId === cpe.cpeId));
  expect(edge.factsOf('progress').filter((body) => body.actionId === action)).toEqual([]);
  expect(await edge.metric('starling_requests_refused_total', 'no-session')).toBeGreaterThanOrEqual(9);
});

test('CWMP C6: a cookie changed in any place is no cookie, and a finished session’s is useless', async () => {
  const cpe = newCpe();
  await cpe.inform();
  const [name, sealed] = cpe.cookie.split('=') as [string, string];
  for (let at = 0; at < sealed.length; at += 5) {
    const changed = sealed[at] === 'x' ? 'y' : 'x';
    const forged = `${name}=${sealed.slice(0, at)}${changed}${sealed.slice(at + 1)}`;
    expect(
      (await cpe.post(envelope(cpe.namespace, '9', '<cwmp:GetRPCMethods/>'), { Cookie: forged })).status,
      forged,
    ).toBe(400);
  }
  messageOf(await cpe.say('<cwmp:GetRPCMethods/>'));
  expect((await cpe.empty()).status).toBe(204);
  expect((await cpe.say('<cwmp:GetRPCMethods/>')).status).toBe(400);
});
