// CWMP.md §1.4 and §1.5: envelopes, headers and versions, on a real edge over raw sockets. What readers make of odd documents is tested
// with the corpus; here is what comes back.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { child, childText, parseXml, type XmlNode } from '../../bench/fleet/xml-tree.ts';
import { read } from '../../cwmp/read.ts';
import { CPE_METHODS } from '../../cwmp/rpc-table.ts';
import { VERSIONS } from '../../cwmp/versions.ts';
import { ownCorpus } from '../corpus.ts';
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

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';
const ENCODING = 'http://schemas.xmlsoap.org/soap/encoding/';
const WIFI = 'Device.WiFi.SSID.1.';
const ns = (digit: number) => `urn:dslforum-org:cwmp-1-${digit}`;

/** A set of two values as the edge writes it: the read before it is answered with what the CPE holds. */
async function setRequest(cpe: WireCpe, values: Record<string, string>, types: Record<string, string> = {}) {
  const list = Object.entries(values).map(([name, text]) => ({ name, value: text }));
  await edge.act(cpe.cpeId, 'set', { values: list });
  const asked = requestOf(await cpe.begin(), 'GetParameterValues');
  const held = Object.keys(values).map((name) => value(name, '', types[name] ?? 'string'));
  const reply = await cpe.answer(asked, valueList(...held));
  return { reply, request: requestOf(reply, 'SetParameterValues') };
}

test('CWMP E1: envelope, encoding and schema namespaces are those of SOAP 1.1, and Body has one child', async () => {
  const { body } = await newCpe().inform();
  const root = parseXml(body);
  expect([root.local, root.namespace]).toEqual(['Envelope', SOAP]);
  expect(root.children.map(({ local, namespace }) => [local, namespace])).toEqual([
    ['Header', SOAP],
    ['Body', SOAP],
  ]);
  expect(child(root, 'Body')!.children).toHaveLength(1);
  expect([...root.scope.values()]).toEqual(
    expect.arrayContaining([
      SOAP,
      ENCODING,
      'http://www.w3.org/2001/XMLSchema',
      'http://www.w3.org/2001/XMLSchema-instance',
    ]),
  );
  expect(body).not.toContain('encodingStyle');
});

test('CWMP E2: the method is in the cwmp namespace, its arguments are in none', async () => {
  const cpe = newCpe();
  const { request, reply } = await setRequest(cpe, { [`${WIFI}SSID`]: 'home' });
  expect(request.args.namespace).toBe(cpe.namespace);
  const visit = (node: XmlNode): void => {
    for (const inner of node.children) {
      expect(inner.namespace, inner.local).toBe('');
      visit(inner);
    }
  };
  visit(request.args);
  expect(reply.body).not.toMatch(/ xmlns="/);
});

test('CWMP E3: arrayType counts what is there, on output; on input the number is not believed', async () => {
  const cpe = newCpe();
  const { request, reply } = await setRequest(cpe, { [`${WIFI}SSID`]: 'home', [`${WIFI}Alias`]: 'one' });
  expect(child(request.args, 'ParameterList')!.children).toHaveLength(2);
  expect(reply.body).toContain('soap-enc:arrayType="cwmp:ParameterValueStruct[2]"');
  const odd = newCpe();
  for (const count of ['01', '0008', '999999', '', '-1']) {
    const xml = informXml(odd.device)
      .replace(/EventStruct\[\d+\]/, `EventStruct[${count}]`)
      .replace(/ValueStruct\[\d+\]/, `ValueStruct[${count}]`);
    responseOf(await odd.post(envelope(odd.namespace, '1', xml)), 'Inform');
  }
});

test('CWMP E4: every Value of ours has the xsi:type of the device’s own value', async () => {
  const types = { [`${WIFI}SSID`]: 'string', [`${WIFI}Enable`]: 'boolean', [`${WIFI}X`]: 'unsignedInt' };
  const { reply } = await setRequest(
    newCpe(),
    { [`${WIFI}SSID`]: 'home', [`${WIFI}Enable`]: 'true', [`${WIFI}X`]: '7' },
    types,
  );
  for (const type of Object.values(types)) expect(reply.body).toContain(`<Value xsi:type="xsd:${type}">`);
});

test.each(ownCorpus().filter(({ expect: { type } }) => type === 'ok'))(
  'CWMP E5, E16: $file ($peculiarity) is answered as a message',
  async ({ bytes, contentType, expect: expected }) => {
    const { result } = read(bytes, contentType ?? '');
    if (result.type !== 'ok') throw new Error(`the corpus says it is ${expected.type}`);
    const cpe = newCpe({ headers: contentType === null ? {} : { 'Content-Type': contentType } });
    const { message } = result;
    const reply = await cpe.post(bytes);
    // Alone, without an Inform before it, everything but an Inform and an empty POST is out of place, and is told so.
    expect(reply.status).toBe(message.type === 'inform' ? 200 : message.type === 'empty' ? 204 : 400);
    if (message.type === 'inform') messageOf(reply);
    cpe.close();
  },
);

test('CWMP E6: prefixes are the conventional ones, all declared on the Envelope, and nothing is sent that CWMP does not know', async () => {
  const { reply, request } = await setRequest(newCpe(), { [`${WIFI}SSID`]: 'home' });
  const root = parseXml(reply.body);
  for (const prefix of ['soap-env', 'soap-enc', 'xsd', 'xsi', 'cwmp'])
    expect([...root.attributes.keys()]).toContain(`xmlns:${prefix}`);
  expect(reply.body.slice(reply.body.indexOf('>', reply.body.indexOf('Envelope')))).not.toContain('xmlns');
  expect(child(root, 'Header')!.children.map(({ local }) => local)).toEqual(['ID']);
  expect(request.envelope.hasDeclaration).toBe(true);
});

test.each([
  ['plain', '42', '42'],
  ['long', 'x'.repeat(200), 'x'.repeat(200)],
  ['with white space around', '\n  7 \t', '7'],
  ['empty', '', ''],
  ['with markup in it', '&lt;a&amp;b&gt;"\'', '<a&b>"\''],
  ['outside ASCII', 'é漢😀', 'é漢😀'],
  ['absent', null, null],
])('CWMP E7: the ID of an Inform and of a request comes back as it was: %s', async (_name, sent, back) => {
  const cpe = newCpe();
  expect(responseOf(await cpe.inform({ id: sent }), 'Inform').envelope.id).toBe(back);
  expect(responseOf(await cpe.say('<cwmp:GetRPCMethods/>', sent), 'GetRPCMethods').envelope.id).toBe(back);
  expect(faultOf(await cpe.say('<cwmp:X_Nothing/>', sent)).envelope.id).toBe(back);
});

test('CWMP E7: IDs of our requests are unique, short and must be understood', async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const cpe = newCpe();
    for (const method of ['GetRPCMethods', 'GetQueuedTransfers', 'GetOptions'])
      await edge.act(cpe.cpeId, 'rpc', { method, arguments: method === 'GetOptions' ? { OptionName: '' } : {} });
    for (let reply = await cpe.begin(); reply.status === 200; ) {
      const request = requestOf(reply);
      expect(request.envelope.id!.length).toBeLessThanOrEqual(32);
      expect(reply.body).toContain('<cwmp:ID soap-env:mustUnderstand="1">');
      expect(seen.has(request.envelope.id!)).toBe(false);
      seen.add(request.envelope.id!);
      reply = await cpe.fault(request, 9000);
    }
  }
  expect(seen.size).toBe(9);
});

test.each([
  ['another', 'something-else'],
  ['empty', ''],
  ['missing', null],
])('CWMP E8: an answer whose ID is %s is the answer all the same', async (_name, id) => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  const asked = requestOf(await cpe.begin());
  expect((await cpe.answer(asked, '<MethodList><string>Reboot</string></MethodList>', id)).status).toBe(204);
  expect(await edge.result(action)).toMatchObject({ outcome: 'done', data: { MethodList: ['Reboot'] } });
});

test.each([
  ['HoldRequests', '<cwmp:HoldRequests soap:mustUnderstand="1">1</cwmp:HoldRequests>'],
  ['NoMoreRequests', '<cwmp:NoMoreRequests soap:mustUnderstand="1">1</cwmp:NoMoreRequests>'],
  ['one that nobody knows', '<x:Strange xmlns:x="urn:x" soap:mustUnderstand="1">1</x:Strange>'],
  ['one that may be ignored', '<x:Strange xmlns:x="urn:x" soap:mustUnderstand="0">1</x:Strange>'],
  ['one without a namespace', '<Strange>1</Strange>'],
  ['a SessionTimeout that is no number', '<cwmp:SessionTimeout>soon</cwmp:SessionTimeout>'],
])('CWMP E9, E10, E12, E13: an Inform with the header %s is accepted', async (_name, headers) => {
  const cpe = newCpe();
  responseOf(await cpe.inform({ headers }), 'Inform');
  expect((await cpe.empty()).status).toBe(204);
});

test('CWMP E13: a header that must be understood and is not is counted', async () => {
  const before = await edge.metric('starling_tolerances_total', 'unknown-must-understand');
  await newCpe().inform({ headers: '<x:Strange xmlns:x="urn:x" soap:mustUnderstand="1"/>' });
  expect(await edge.metric('starling_tolerances_total', 'unknown-must-understand')).toBe(before + 1);
});

test('CWMP E14: unknown elements, attributes, comments and instructions in a message change nothing of it', async () => {
  const cpe = newCpe();
  const xml = informXml(cpe.device, { events: ['1 BOOT'] })
    .replace('<DeviceId>', '<!-- who --><DeviceId x:y="1" xmlns:x="urn:x"><x:Colour>red</x:Colour>')
    .replace('<RetryCount>', '<?pi any?><RetryCount unit="times">');
  responseOf(await cpe.post(envelope(cpe.namespace, '1', xml)), 'Inform');
  const fact = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(fact).toMatchObject({ events: [{ EventCode: '1 BOOT' }], retryCount: 0, cpe: { device: cpe.device } });
});

test('CWMP E14: arguments of our requests stand in the order of the schema', async () => {
  const cpe = newCpe();
  const args = { DelaySeconds: 0, URL: 'http://files.example/f', FileType: '3 Vendor Configuration File' };
  await edge.act(cpe.cpeId, 'rpc', { method: 'Download', arguments: args });
  const request = requestOf(await cpe.begin(), 'Download');
  expect(request.args.children.map(({ local }) => local)).toEqual(Object.keys(CPE_METHODS.Download.args));
});

test.each([
  ['a DOCTYPE', '<!DOCTYPE x [<!ENTITY e "boom">]>', ''],
  ['elements deeper than the bound', '', '<a>'.repeat(LIMITS.xmlDepthMax + 1)],
])('CWMP E15: %s is refused before anything of it is done', async (_name, front, deep) => {
  const cpe = newCpe();
  const xml = envelope(cpe.namespace, '1', informXml(cpe.device))
    .replace('?>', `?>${front}`)
    .replace('</DeviceId>', `${deep}${deep.replaceAll('<', '</')}</DeviceId>`);
  expect((await cpe.post(xml)).status).toBe(400);
  await cpe.inform({ events: ['1 BOOT'] });
  const first = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(first.events).toEqual([{ EventCode: '1 BOOT', CommandKey: '' }]);
});

test('CWMP E17: values go out escaped, and come back from a parser as they were', async () => {
  const text = `<a href="x">&amp; 'quoted' \t ]]> end`;
  const { request, reply } = await setRequest(newCpe(), { [`${WIFI}SSID`]: `${text}\r\n` });
  expect(childText(child(request.args, 'ParameterList')!.children[0], 'Value')).toBe(text);
  expect(reply.body).toContain('&#13;\n</Value>');
});

test('CWMP E17: a character that XML does not have is refused, never sent, not even as a reference', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'Reboot', arguments: { CommandKey: 'a\u0001b' } });
  expect((await cpe.begin()).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('refused');
});

test('CWMP E18: blanks of an SSID are kept, those around a number are not', async () => {
  const cpe = newCpe();
  const parameters = [value(`${WIFI}SSID`, '  my net '), value('Device.DeviceInfo.UpTime', ' 7\n', 'unsignedInt')];
  await cpe.inform({ events: ['1 BOOT'], parameters });
  const fact = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(fact.changed.map(({ Value }) => Value)).toEqual(['  my net ', '7']);
});

// ── Versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What CWMP 1.4 §3.4.4 makes of a namespace and an offer; null stands for fault 8006. */
function agreed(digit: number, offer: string[] | null): { version: string; use: string | null } | null {
  if (offer === null) return { version: VERSIONS[Math.min(digit, 4)]!, use: null };
  const common = VERSIONS.filter((version) => offer.includes(version)).at(-1);
  return common === undefined ? null : { version: common, use: common };
}

const OFFERS: (string[] | null)[] = [
  null,
  ['1.0'],
  ['1.0', '1.1'],
  ['1.0', '1.1', '1.2'],
  ['1.2'],
  ['1.3', '1.0'],
  ['1.0', '1.1', '1.2', '1.3', '1.4'],
  ['1.4', '1.5', '2.0'],
  ['1.5'],
  ['0.9', 'x'],
];
const MATRIX = [0, 1, 2, 3, 4, 7].flatMap((digit) =>
  OFFERS.map((offer) => ({ digit, offer: offer?.join(',') ?? 'none', agrees: agreed(digit, offer) })),
);

test.each(MATRIX)(
  'CWMP V1, V2, V3, E11: cwmp-1-$digit and SupportedCWMPVersions $offer',
  async ({ digit, offer, agrees }) => {
    const cpe = newCpe({ namespace: ns(digit) });
    const headers =
      offer === 'none'
        ? ''
        : `<cwmp:SupportedCWMPVersions soap:mustUnderstand="0">${offer}</cwmp:SupportedCWMPVersions>`;
    const reply = await cpe.inform({ events: ['1 BOOT'], headers });
    if (agrees === null) {
      expect(faultOf(reply).code).toBe(8006);
      expect((await cpe.empty()).status).toBe(204);
      return;
    }
    const { envelope: answered } = responseOf(reply, 'Inform');
    expect([answered.namespace, answered.useCwmpVersion]).toEqual([ns(digit), agrees.use]);
    if (agrees.use !== null) expect(reply.body).toContain('<cwmp:UseCWMPVersion soap-env:mustUnderstand="1">');
    const fact = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
    expect(fact.cpe).toMatchObject({ version: agrees.version, namespace: ns(digit) });
    cpe.close();
  },
);

test('CWMP V1: the schemas of 1.3 and 1.4 keep the namespace of 1.2, so the namespace alone says 1.2', async () => {
  const cpe = newCpe({ namespace: ns(2) });
  await cpe.inform({ events: ['1 BOOT'] });
  const fact = await edge.until(() => edge.factsOf('inform').find((body) => body.cpeId === cpe.cpeId));
  expect(fact.cpe.version).toBe('1.2');
});

test.each([0, 1, 2, 3, 4, 9])(
  'CWMP V2, V4: the whole session is in cwmp-1-%i: responses, faults and requests',
  async (digit) => {
    const cpe = newCpe({ namespace: ns(digit) });
    await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
    expect(responseOf(await cpe.inform(), 'Inform').envelope.namespace).toBe(ns(digit));
    expect(responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods').envelope.namespace).toBe(ns(digit));
    expect((await cpe.say('<cwmp:X_No/>')).body).toContain(`xmlns:cwmp="${ns(digit)}"`);
    expect(requestOf(await cpe.empty()).envelope.namespace).toBe(ns(digit));
  },
);

test.each([
  [0, 'GetAllQueuedTransfers', {}, '1.1'],
  [1, 'ScheduleDownload', { TimeWindowList: [] }, '1.2'],
  [1, 'CancelTransfer', { CommandKey: 'k' }, '1.2'],
  [1, 'ChangeDUState', { Operations: [] }, '1.2'],
  [
    2,
    'SetParameterAttributes',
    {
      ParameterList: [
        { Name: 'Device.A', NotificationChange: true, Notification: 5, AccessListChange: false, AccessList: [] },
      ],
    },
    '1.4',
  ],
] as const)(
  'CWMP V5, N1: over cwmp-1-%i %s is not sent and ends as unsupported',
  async (digit, method, args, since) => {
    const cpe = newCpe({ namespace: ns(digit) });
    const action = await edge.act(cpe.cpeId, 'rpc', { method, arguments: args });
    expect((await cpe.begin()).status).toBe(204);
    const result = await edge.result(action);
    expect(result).toMatchObject({ outcome: 'unsupported', rpcs: [] });
    expect(result.why).toContain(`CWMP ${since}`);
  },
);

test('CWMP V5: what the agreed version has is sent, though the namespace alone would not tell', async () => {
  const cpe = newCpe({ namespace: ns(2) });
  const entry = {
    Name: 'Device.A',
    NotificationChange: true,
    Notification: 5,
    AccessListChange: false,
    AccessList: [],
  };
  await edge.act(cpe.cpeId, 'rpc', { method: 'SetParameterAttributes', arguments: { ParameterList: [entry] } });
  const headers = '<cwmp:SupportedCWMPVersions>1.2,1.3,1.4</cwmp:SupportedCWMPVersions>';
  expect(requestOf(await cpe.begin({ headers })).method).toBe('SetParameterAttributes');
});

test('CWMP V5: the version that counts is that of the last Inform', async () => {
  const cpe = newCpe({ namespace: ns(2) });
  await cpe.begin({ events: ['1 BOOT'] });
  cpe.namespace = ns(0);
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'CancelTransfer', arguments: { CommandKey: 'k' } });
  expect((await cpe.begin({ events: ['1 BOOT'] })).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('unsupported');
});
