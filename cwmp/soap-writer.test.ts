// The writer: whole envelopes where bytes matter, every row of the table for escaping and order, and the second reader's parser as judge
// of well-formedness. Reading back through our own reader is in soap-roundtrip.test.ts.

import { DOMParser, type Element } from '@xmldom/xmldom';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_STYLE, type EnvelopeStyle } from './envelope-style.ts';
import { ACS_METHODS, CPE_METHODS, type FieldType, type MethodRow } from './rpc-table.ts';
import {
  writeCpeFault,
  writeCpeRequest,
  writeCpeResponse,
  writeFault,
  writeInformResponse,
  writeRequest,
  writeResponse,
} from './soap-writer.ts';

const NS = 'urn:dslforum-org:cwmp-1-0';
const PLAIN: EnvelopeStyle = { ...DEFAULT_STYLE, xmlDeclaration: false };

const OPEN =
  '<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"' +
  ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-0">';

function wrapped(id: string, body: string): string {
  const header = `<soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">${id}</cwmp:ID></soap-env:Header>`;
  return `${OPEN}${header}<soap-env:Body>${body}</soap-env:Body></soap-env:Envelope>`;
}

test('InformResponse says MaxEnvelopes 1 and repeats the ID (CWMP S2, E7)', () => {
  const body = '<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>';
  expect(writeInformResponse(PLAIN, NS, '100', null)).toBe(wrapped('100', body));
  expect(writeInformResponse(DEFAULT_STYLE, NS, '100', null)).toBe(
    `<?xml version="1.0" encoding="UTF-8"?>\n${wrapped('100', body)}`,
  );
  expect(writeInformResponse(PLAIN, NS, '', null)).toBe(wrapped('', body));
  expect(writeInformResponse(PLAIN, NS, null, null)).toBe(
    `${OPEN}<soap-env:Body>${body}</soap-env:Body></soap-env:Envelope>`,
  );
});

test('UseCWMPVersion stands beside the ID, with mustUnderstand 1 (CWMP E11)', () => {
  const expected = wrapped('7', '<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>').replace(
    '</cwmp:ID>',
    '</cwmp:ID><cwmp:UseCWMPVersion soap-env:mustUnderstand="1">1.4</cwmp:UseCWMPVersion>',
  );
  expect(writeInformResponse(PLAIN, NS, '7', '1.4')).toBe(expected);
  expect(writeResponse(PLAIN, NS, '7', 'Inform', { MaxEnvelopes: 1 }, { useVersion: '1.4' })).toBe(expected);
});

test.each(['100', '', null, 'a&b', '<x>'])('the fast InformResponse and the table agree for ID %j', (id) => {
  expect(writeInformResponse(PLAIN, NS, id, null)).toBe(writeResponse(PLAIN, NS, id, 'Inform', { MaxEnvelopes: 1 }));
});

test('HoldRequests goes into the header of a request or response (CWMP E9)', () => {
  const xml = writeRequest(PLAIN, NS, '1', 'Reboot', { CommandKey: 'k' }, { holdRequests: true });
  expect(xml).toContain(
    '</cwmp:ID><cwmp:HoldRequests soap-env:mustUnderstand="1">1</cwmp:HoldRequests></soap-env:Header>',
  );
  expect(
    writeResponse({ ...PLAIN, booleans: 'words' }, NS, null, 'TransferComplete', {}, { holdRequests: false }),
  ).toContain(
    '<soap-env:Header><cwmp:HoldRequests soap-env:mustUnderstand="1">false</cwmp:HoldRequests></soap-env:Header>',
  );
});

const GOLDEN: [string, Record<string, unknown>, string][] = [
  ['GetRPCMethods', {}, ''],
  [
    'SetParameterValues',
    {
      ParameterKey: 'k1',
      ParameterList: [
        { Name: 'Device.WiFi.SSID.1.SSID', Value: 'Caf\u00e9 & <Bar>', Type: 'xsd:string' },
        { Name: 'Device.WiFi.SSID.1.Enable', Value: 'true', Type: 'xsd:boolean' },
      ],
    },
    '<ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[2]">' +
      '<ParameterValueStruct><Name>Device.WiFi.SSID.1.SSID</Name>' +
      '<Value xsi:type="xsd:string">Caf\u00e9 &amp; &lt;Bar&gt;</Value></ParameterValueStruct>' +
      '<ParameterValueStruct><Name>Device.WiFi.SSID.1.Enable</Name>' +
      '<Value xsi:type="xsd:boolean">1</Value></ParameterValueStruct></ParameterList><ParameterKey>k1</ParameterKey>',
  ],
  [
    'GetParameterValues',
    { ParameterNames: ['Device.', 'Device.A'] },
    '<ParameterNames soap-enc:arrayType="xsd:string[2]"><string>Device.</string><string>Device.A</string></ParameterNames>',
  ],
  [
    'GetParameterNames',
    { NextLevel: true, ParameterPath: 'Device.' },
    '<ParameterPath>Device.</ParameterPath><NextLevel>1</NextLevel>',
  ],
  [
    'SetParameterAttributes',
    {
      ParameterList: [
        { Name: 'Device.A', NotificationChange: true, Notification: 2, AccessListChange: false, AccessList: [] },
      ],
    },
    '<ParameterList soap-enc:arrayType="cwmp:SetParameterAttributesStruct[1]"><SetParameterAttributesStruct>' +
      '<Name>Device.A</Name><NotificationChange>1</NotificationChange><Notification>2</Notification>' +
      '<AccessListChange>0</AccessListChange><AccessList soap-enc:arrayType="xsd:string[0]"></AccessList>' +
      '</SetParameterAttributesStruct></ParameterList>',
  ],
  [
    'GetParameterAttributes',
    { ParameterNames: [] },
    '<ParameterNames soap-enc:arrayType="xsd:string[0]"></ParameterNames>',
  ],
  [
    'AddObject',
    { ObjectName: 'Device.NAT.PortMapping.', ParameterKey: '' },
    '<ObjectName>Device.NAT.PortMapping.</ObjectName><ParameterKey></ParameterKey>',
  ],
  [
    'DeleteObject',
    { ObjectName: 'Device.NAT.PortMapping.3.', ParameterKey: 'k' },
    '<ObjectName>Device.NAT.PortMapping.3.</ObjectName><ParameterKey>k</ParameterKey>',
  ],
  [
    'Download',
    {
      CommandKey: 'k',
      FileType: '1 Firmware Upgrade Image',
      URL: 'http://192.0.2.1/f?a=1&b=2',
      FileSize: 12345,
      TargetFileName: "it's",
    },
    '<CommandKey>k</CommandKey><FileType>1 Firmware Upgrade Image</FileType><URL>http://192.0.2.1/f?a=1&amp;b=2</URL>' +
      '<Username></Username><Password></Password><FileSize>12345</FileSize><TargetFileName>it&apos;s</TargetFileName>' +
      '<DelaySeconds>0</DelaySeconds><SuccessURL></SuccessURL><FailureURL></FailureURL>',
  ],
  ['Reboot', { CommandKey: 'k' }, '<CommandKey>k</CommandKey>'],
  ['GetQueuedTransfers', {}, ''],
  [
    'ScheduleInform',
    { DelaySeconds: 30, CommandKey: 'k' },
    '<DelaySeconds>30</DelaySeconds><CommandKey>k</CommandKey>',
  ],
  [
    'SetVouchers',
    { VoucherList: ['QUJD'] },
    '<VoucherList soap-enc:arrayType="soap-enc:base64[1]"><base64>QUJD</base64></VoucherList>',
  ],
  ['GetOptions', { OptionName: '' }, '<OptionName></OptionName>'],
  [
    'Upload',
    { CommandKey: 'k', FileType: '1 Vendor Configuration File', URL: 'http://192.0.2.1/u', DelaySeconds: '5' },
    '<CommandKey>k</CommandKey><FileType>1 Vendor Configuration File</FileType><URL>http://192.0.2.1/u</URL>' +
      '<Username></Username><Password></Password><DelaySeconds>5</DelaySeconds>',
  ],
  ['FactoryReset', {}, ''],
  ['GetAllQueuedTransfers', {}, ''],
  [
    'ScheduleDownload',
    {
      CommandKey: 'k',
      FileType: '2 Web Content',
      URL: 'http://192.0.2.1/w',
      TimeWindowList: [{ WindowStart: 0, WindowEnd: 60, WindowMode: '1 At Any Time', UserMessage: '', MaxRetries: -1 }],
    },
    '<CommandKey>k</CommandKey><FileType>2 Web Content</FileType><URL>http://192.0.2.1/w</URL><Username></Username>' +
      '<Password></Password><FileSize>0</FileSize><TargetFileName></TargetFileName>' +
      '<TimeWindowList soap-enc:arrayType="cwmp:TimeWindowStruct[1]"><TimeWindowStruct><WindowStart>0</WindowStart>' +
      '<WindowEnd>60</WindowEnd><WindowMode>1 At Any Time</WindowMode><UserMessage></UserMessage>' +
      '<MaxRetries>-1</MaxRetries></TimeWindowStruct></TimeWindowList>',
  ],
  ['CancelTransfer', { CommandKey: 'k' }, '<CommandKey>k</CommandKey>'],
  [
    'ChangeDUState',
    {
      CommandKey: 'k',
      Operations: [
        { type: 'InstallOpStruct', URL: 'http://192.0.2.1/du', ExecutionEnvRef: '' },
        { type: 'UninstallOpStruct', UUID: '00000000-0000-0000-0000-000000000001' },
      ],
    },
    '<Operations xsi:type="cwmp:InstallOpStruct"><URL>http://192.0.2.1/du</URL><ExecutionEnvRef></ExecutionEnvRef>' +
      '</Operations><Operations xsi:type="cwmp:UninstallOpStruct"><UUID>00000000-0000-0000-0000-000000000001</UUID>' +
      '</Operations><CommandKey>k</CommandKey>',
  ],
];

test.each(GOLDEN)('%s goes out in schema order with unqualified arguments (CWMP E2, E3, E14)', (method, args, body) => {
  expect(writeRequest(PLAIN, NS, '1', method, args)).toBe(wrapped('1', `<cwmp:${method}>${body}</cwmp:${method}>`));
});

test('there is a golden request for every method of the CPE', () => {
  expect(GOLDEN.map(([method]) => method).sort()).toEqual(Object.keys(CPE_METHODS).sort());
});

const RESPONSES: [string, Record<string, unknown>, string][] = [
  [
    'GetRPCMethods',
    { MethodList: ['Inform', 'TransferComplete'] },
    '<MethodList soap-enc:arrayType="xsd:string[2]"><string>Inform</string><string>TransferComplete</string></MethodList>',
  ],
  ['Inform', { MaxEnvelopes: 1 }, '<MaxEnvelopes>1</MaxEnvelopes>'],
  ['TransferComplete', {}, ''],
  ['AutonomousTransferComplete', {}, ''],
  ['Kicked', { NextURL: 'http://192.0.2.1/?a&b' }, '<NextURL>http://192.0.2.1/?a&amp;b</NextURL>'],
  ['RequestDownload', {}, ''],
  ['DUStateChangeComplete', {}, ''],
  ['AutonomousDUStateChangeComplete', {}, ''],
];

test.each(RESPONSES)('%sResponse of the ACS (CWMP 1.8)', (method, result, body) => {
  expect(writeResponse(PLAIN, NS, 'x', method, result)).toBe(
    wrapped('x', `<cwmp:${method}Response>${body}</cwmp:${method}Response>`),
  );
});

test('there is a golden response for every method of the ACS', () => {
  expect(RESPONSES.map(([method]) => method).sort()).toEqual(Object.keys(ACS_METHODS).sort());
});

test('a fault of the ACS has the form of TR-069 and repeats the ID (CWMP F1)', () => {
  expect(writeFault(PLAIN, NS, '9', 8000, 'Method not supported: <Foo>', 'Client')).toBe(
    wrapped(
      '9',
      '<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>' +
        '<FaultCode>8000</FaultCode><FaultString>Method not supported: &lt;Foo&gt;</FaultString></cwmp:Fault></detail>' +
        '</soap-env:Fault>',
    ),
  );
});

test('a fault of a CPE carries the faults of single parameters (CWMP F3)', () => {
  const xml = writeCpeFault(PLAIN, NS, '9', {
    FaultCode: 9003,
    FaultString: 'Invalid arguments',
    SetParameterValuesFault: [{ ParameterName: 'Device.A', FaultCode: 9007, FaultString: 'too "long"' }],
  });
  expect(xml).toContain(
    '<SetParameterValuesFault><ParameterName>Device.A</ParameterName><FaultCode>9007</FaultCode>' +
      '<FaultString>too &quot;long&quot;</FaultString></SetParameterValuesFault></cwmp:Fault>',
  );
});

test.each([
  ['soap-env', 'soap-enc'],
  ['SOAP-ENV', 'SOAP-ENC'],
  ['soapenv', 'soapenc'],
  ['soap', 'soapenc'],
] as const)('prefixes %s and %s are constant and declared on the Envelope alone (CWMP E6, FIELD 54)', (soap, enc) => {
  const style = { ...PLAIN, soapPrefix: soap };
  const xml = writeRequest(style, NS, '1', 'SetVouchers', { VoucherList: [] });
  expect(xml.startsWith(`<${soap}:Envelope xmlns:${soap}="http://schemas.xmlsoap.org/soap/envelope/"`)).toBe(true);
  expect(xml).toContain(`${enc}:arrayType="${enc}:base64[0]"`);
  expect(xml.match(/xmlns/g)).toHaveLength(5);
  expect(new DOMParser().parseFromString(xml, 'text/xml').documentElement?.localName).toBe('Envelope');
});

test('booleans and times follow the style (FIELD 25, 54)', () => {
  const list = [
    { Name: 'A', Value: '1', Type: 'xsd:boolean' },
    { Name: 'B', Value: '2024-01-01T00:00:00.5Z', Type: 'xsd:dateTime' },
  ];
  const words = { ...PLAIN, booleans: 'words', dateTimeMilliseconds: true } as const;
  const xml = writeRequest(words, NS, '1', 'SetParameterValues', { ParameterList: list });
  expect(xml).toContain('<Value xsi:type="xsd:boolean">true</Value>');
  expect(xml).toContain('<Value xsi:type="xsd:dateTime">2024-01-01T00:00:00.500Z</Value>');
  expect(writeRequest(words, NS, '1', 'GetParameterNames', { NextLevel: false })).toContain(
    '<NextLevel>false</NextLevel>',
  );
});

test('the namespace is the CPE’s own unless the profile says otherwise (CWMP V2, V4, FIELD 54)', () => {
  expect(writeInformResponse(PLAIN, 'urn:dslforum-org:cwmp-1-4', '1', null)).toContain(
    'xmlns:cwmp="urn:dslforum-org:cwmp-1-4"',
  );
  const style = { ...PLAIN, namespace: 'urn:dslforum-org:cwmp-1-0' };
  expect(writeInformResponse(style, 'urn:dslforum-org:cwmp-1-2', '1', null)).toContain(
    'xmlns:cwmp="urn:dslforum-org:cwmp-1-0"',
  );
});

test('a method of a vendor takes any arguments', () => {
  const xml = writeRequest(PLAIN, NS, '1', 'X_000000_Do', { A: 'a<b', B: true, C: ['x', 2], D: { E: null } });
  expect(xml).toContain('<cwmp:X_000000_Do><A>a&lt;b</A><B>1</B><C>x</C><C>2</C><D><E></E></D></cwmp:X_000000_Do>');
});

test.each([
  ['a method nobody knows', 'FlyAway', {}, 'unknown-method'],
  ['a vendor method that is no name', 'X_a b', {}, 'unknown-method'],
  ['a vendor argument that is no name', 'X_A', { 'a b': 1 }, 'bad-argument'],
  ['an argument the method does not have', 'Reboot', { Key: 'k' }, 'unknown-argument'],
  ['text for a number', 'ScheduleInform', { DelaySeconds: 'soon' }, 'bad-argument'],
  ['a negative unsignedInt', 'ScheduleInform', { DelaySeconds: -1 }, 'bad-argument'],
  ['a word for a boolean', 'GetParameterNames', { NextLevel: 'next' }, 'bad-argument'],
  ['an object for text', 'Reboot', { CommandKey: {} }, 'bad-argument'],
  ['text for a list', 'GetParameterValues', { ParameterNames: 'Device.' }, 'bad-argument'],
  ['values without names', 'SetParameterValues', { ParameterList: [{ Value: 'x' }] }, 'bad-argument'],
  ['an operation without its type', 'ChangeDUState', { Operations: [{ URL: 'x' }] }, 'bad-argument'],
  ['a control character', 'Reboot', { CommandKey: 'a\u0002b' }, 'xml-character'],
  ['half a surrogate pair', 'Reboot', { CommandKey: '\ud83d' }, 'xml-character'],
  ['U+FFFF', 'Reboot', { CommandKey: '\uffff' }, 'xml-character'],
])('%s is refused', (_, method, args, code) => {
  expect(() => writeRequest(PLAIN, NS, '1', method, args as Record<string, unknown>)).toThrow(
    expect.objectContaining({ tag: 'refused', code }),
  );
});

test('what a CPE said never makes its own answer fail: control characters of an ID are left out (CWMP E7, E17)', () => {
  expect(writeInformResponse(PLAIN, NS, 'a\u0002&b', null)).toContain('>a&amp;b</cwmp:ID>');
  expect(writeFault(PLAIN, NS, 'x\u0000', 8000, 'no \u0001\ud800', 'Client')).toContain(
    '<FaultString>no </FaultString>',
  );
});

test('CR leaves as a reference, LF and tab as they are, pairs of surrogates whole (CWMP E17)', () => {
  expect(writeRequest(PLAIN, NS, '1', 'Reboot', { CommandKey: 'a\r\n\tb\u{1F600}' })).toContain(
    '<CommandKey>a&#13;\n\tb\u{1F600}</CommandKey>',
  );
});

test('headers of a CPE', () => {
  const headers = {
    supportedVersions: ['1.0', '1.4'],
    sessionTimeoutSeconds: 40,
    holdRequests: false,
    noMoreRequests: true,
  };
  expect(writeCpeRequest(PLAIN, NS, '1', 'GetRPCMethods', {}, headers)).toContain(
    '</cwmp:ID><cwmp:HoldRequests soap-env:mustUnderstand="1">0</cwmp:HoldRequests>' +
      '<cwmp:NoMoreRequests soap-env:mustUnderstand="0">1</cwmp:NoMoreRequests>' +
      '<cwmp:SessionTimeout soap-env:mustUnderstand="0">40</cwmp:SessionTimeout>' +
      '<cwmp:SupportedCWMPVersions soap-env:mustUnderstand="0">1.0,1.4</cwmp:SupportedCWMPVersions></soap-env:Header>',
  );
});

// ── Every field of every method ──────────────────────────────────────────────────────────────────────────────────────────

type Write = (method: string, args: Record<string, unknown>) => string;
const WRITES: [string, Write, Record<string, MethodRow>, 'args' | 'result'][] = [
  ['request of the ACS', (method, args) => writeRequest(PLAIN, NS, '1', method, args), CPE_METHODS, 'args'],
  ['response of the ACS', (method, args) => writeResponse(PLAIN, NS, '1', method, args), ACS_METHODS, 'result'],
  ['request of the CPE', (method, args) => writeCpeRequest(PLAIN, NS, '1', method, args), ACS_METHODS, 'args'],
  ['response of the CPE', (method, args) => writeCpeResponse(PLAIN, NS, '1', method, args), CPE_METHODS, 'result'],
];
const CASES = WRITES.flatMap(([name, write, rows, side]) =>
  Object.entries(rows).map(([method, row]): [string, string, Write, Record<string, FieldType>] => [
    name,
    method,
    write,
    row[side],
  ]),
);

/** A value for every field, the optional ones too; `text` for everything that is text. */
function sample(type: FieldType, text: string): unknown {
  switch (type.kind) {
    case 'int':
    case 'unsignedInt':
      return 3;
    case 'boolean':
      return true;
    case 'struct': {
      const variant = Object.entries(type.variants ?? {})[0];
      if (variant !== undefined) return { type: variant[0], ...sampleFields(variant[1], text) };
      return sampleFields(type.fields, text);
    }
    case 'list':
    case 'repeated':
      return [sample(type.item, text), sample(type.item, text)];
    case 'parameterValues':
      return [{ Name: text, Value: text, Type: text }];
    default:
      return text;
  }
}

function sampleFields(fields: Record<string, FieldType>, text: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, sample(type, text)]));
}

/** Texts of all leaves of the method element, and the local names of its children. */
function parseBody(xml: string): { leaves: string[]; children: string[] } {
  const parser = new DOMParser({
    onError: (level, problem) => {
      throw new Error(`${level}: ${problem}`);
    },
  });
  const document = parser.parseFromString(xml, 'text/xml');
  const body = document.getElementsByTagNameNS('http://schemas.xmlsoap.org/soap/envelope/', 'Body')[0]!;
  const method = body.firstChild as Element;
  const elements = Array.from(method.getElementsByTagName('*'));
  const leaves = elements.filter((element) => element.getElementsByTagName('*').length === 0);
  const children = Array.from(method.childNodes).map((child) => child.nodeName);
  return { leaves: leaves.map((leaf) => leaf.textContent ?? ''), children: [...new Set(children)] };
}

const NASTY = `<&"'>]]>--\u00fc`;

test.each(CASES)('%s %s escapes every field and keeps the order of the schema', (_, method, write, fields) => {
  const { leaves, children } = parseBody(write(method, sampleFields(fields, NASTY)));
  expect(children).toEqual(Object.keys(fields));
  for (const leaf of leaves) expect([NASTY, '3', '1']).toContain(leaf);
});

test.each(CASES)('%s %s is complete when nothing was given', (_, method, write, fields) => {
  const required = Object.entries(fields).filter(([, type]) => type.optional !== true && type.kind !== 'repeated');
  expect(parseBody(write(method, {})).children).toEqual(required.map(([name]) => name));
});

test('any text XML can carry comes out of a parser as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      fc.pre(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text));
      const { leaves } = parseBody(writeRequest(PLAIN, NS, '1', 'Reboot', { CommandKey: text }));
      expect(leaves).toEqual([text]);
    }),
  );
});
