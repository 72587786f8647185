// CWMP.md §1.8, §1.10 and §1.11: every method in both directions and what faults do, on a real edge: against the simulated CPE, which
// carries requests out, and by hand, where the bytes of request and answer are looked at.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import type { XmlNode } from '../../bench/fleet/xml-tree.ts';
import { ACS_METHODS, CPE_METHODS, type CpeMethod } from '../../cwmp/rpc-table.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { faultOf, requestOf, responseOf, value, valueList, WireCpe, type WireCpeOptions } from './wire.test-helper.ts';

let edge: TestEdge;
const open: WireCpe[] = [];
const simulated: SimulatedCpe[] = [];
beforeAll(async () => {
  edge = await startTestEdge();
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await Promise.all(simulated.map((cpe) => cpe.stop()));
  await edge.close();
});

function newCpe(options: WireCpeOptions = {}): WireCpe {
  const cpe = new WireCpe(edge.port, options);
  open.push(cpe);
  return cpe;
}

/** Element names and texts, in order: what a CPE's parser finds. */
function flat(node: XmlNode): unknown[] {
  return node.children.map((inner) =>
    inner.children.length > 0 ? [inner.local, flat(inner)] : [inner.local, inner.text],
  );
}

// ── CPE → ACS ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const T0 = '2024-05-01T12:00:00Z';
const T1 = '2024-05-01T12:01:00Z';
const fault = (code: number, text = '') =>
  `<FaultStruct><FaultCode>${code}</FaultCode><FaultString>${text}</FaultString></FaultStruct>`;
const opResult = (inner = '') =>
  `<UUID>u-1</UUID><DeploymentUnitRef>Device.SoftwareModules.DeploymentUnit.1</DeploymentUnitRef><Version>1.0</Version>` +
  `<CurrentState>Installed</CurrentState><Resolved>1</Resolved><ExecutionUnitRefList></ExecutionUnitRefList><StartTime>${T0}</StartTime>` +
  `<CompleteTime>${T1}</CompleteTime><Fault>${inner}<FaultCode>0</FaultCode><FaultString></FaultString>${inner.replace('<', '</')}</Fault>`;

test('CWMP 1.8 Inform, GetRPCMethods: the list holds every method the ACS answers, and no other', async () => {
  const cpe = newCpe();
  await cpe.inform();
  const { args } = responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods');
  const listed = args.children[0]!.children.map(({ text }) => text);
  expect(listed).toEqual(Object.keys(ACS_METHODS));
  for (const method of listed.filter((name) => name !== 'Inform'))
    responseOf(await cpe.say(`<cwmp:${method}/>`), method);
});

test('CWMP 1.8 GetRPCMethods: the same name is ours to ask and theirs, told apart by who asks', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await cpe.inform();
  responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods');
  const asked = requestOf(await cpe.empty(), 'GetRPCMethods');
  responseOf(await cpe.say('<cwmp:GetRPCMethods/>', 'late'), 'GetRPCMethods');
  await cpe.answer(asked, '<MethodList><string>Reboot</string></MethodList>');
  expect((await edge.result(action)).data).toMatchObject({ MethodList: ['Reboot'] });
});

interface Told {
  name: string;
  method: keyof typeof ACS_METHODS;
  body: string;
  args: Record<string, unknown>;
  answer?: unknown[];
}

const OP = { UUID: 'u-1', CurrentState: 'Installed', Resolved: true, Version: '1.0', Fault: { FaultCode: 0 } };
const TOLD: Told[] = [
  {
    name: 'success',
    method: 'TransferComplete',
    body: `<CommandKey>k1</CommandKey>${fault(0)}<StartTime>${T0}</StartTime><CompleteTime>${T1}</CompleteTime>`,
    args: { CommandKey: 'k1', FaultStruct: { FaultCode: 0, FaultString: '' }, StartTime: T0, CompleteTime: T1 },
  },
  {
    name: 'a fault, children in another order, times empty',
    method: 'TransferComplete',
    body: `<StartTime></StartTime><CompleteTime/>${fault(9016, 'no such file')}<CommandKey>k2</CommandKey>`,
    args: {
      CommandKey: 'k2',
      FaultStruct: { FaultCode: 9016, FaultString: 'no such file' },
      StartTime: '0001-01-01T00:00:00Z',
      CompleteTime: '0001-01-01T00:00:00Z',
    },
  },
  {
    name: 'an empty key',
    method: 'TransferComplete',
    body: `<CommandKey/>${fault(9810)}<StartTime>${T0}</StartTime><CompleteTime>${T1}</CompleteTime>`,
    args: { CommandKey: '', FaultStruct: { FaultCode: 9810, FaultString: '' } },
  },
  {
    name: 'whole',
    method: 'AutonomousTransferComplete',
    body:
      '<AnnounceURL>http://a/</AnnounceURL><TransferURL>http://b/</TransferURL><IsDownload>1</IsDownload><FileType>1 Firmware Upgrade Image</FileType>' +
      `<FileSize>77</FileSize><TargetFileName>f</TargetFileName>${fault(0)}<StartTime>${T0}</StartTime><CompleteTime>${T1}</CompleteTime>`,
    args: {
      AnnounceURL: 'http://a/',
      TransferURL: 'http://b/',
      IsDownload: true,
      FileType: '1 Firmware Upgrade Image',
      FileSize: 77,
      TargetFileName: 'f',
    },
  },
  {
    name: 'fields missing',
    method: 'AutonomousTransferComplete',
    body: '<FileType>X</FileType>',
    args: { FileType: 'X', TransferURL: '' },
  },
  {
    name: 'results repeated, as in the schema',
    method: 'DUStateChangeComplete',
    body: `<Results>${opResult()}</Results><Results>${opResult()}</Results><CommandKey>du</CommandKey>`,
    args: { CommandKey: 'du', Results: [OP, OP] },
  },
  {
    name: 'results in an array',
    method: 'DUStateChangeComplete',
    body: `<CommandKey>du</CommandKey><Results enc:arrayType="cwmp:OpResultStruct[1]"><OpResultStruct>${opResult()}</OpResultStruct></Results>`,
    args: { CommandKey: 'du', Results: [OP] },
  },
  {
    name: 'the fault wrapped',
    method: 'DUStateChangeComplete',
    body: `<Results>${opResult('<FaultStruct>')}</Results><CommandKey>du</CommandKey>`,
    args: { CommandKey: 'du', Results: [OP] },
  },
  {
    name: 'with the operation',
    method: 'AutonomousDUStateChangeComplete',
    body: `<Results>${opResult()}<OperationPerformed>Update</OperationPerformed></Results>`,
    args: { Results: [{ ...OP, OperationPerformed: 'Update' }] },
  },
  {
    name: 'with arguments',
    method: 'RequestDownload',
    body: '<FileType>1 Firmware Upgrade Image</FileType><FileTypeArg enc:arrayType="cwmp:ArgStruct[1]"><ArgStruct><Name>Version</Name><Value>2</Value></ArgStruct></FileTypeArg>',
    args: { FileType: '1 Firmware Upgrade Image', FileTypeArg: [{ Name: 'Version', Value: '2' }] },
  },
  {
    name: 'goes where the user wanted',
    method: 'Kicked',
    body: '<Command>c</Command><Referer>r</Referer><Arg>a</Arg><Next>http://192.0.2.1/?a&amp;b</Next>',
    args: { Command: 'c', Referer: 'r', Arg: 'a', Next: 'http://192.0.2.1/?a&b' },
    answer: [['NextURL', 'http://192.0.2.1/?a&b']],
  },
];

test.each(TOLD)(
  'CWMP 1.8 $method: $name: is answered, and reaches control whole',
  async ({ method, body, args, answer }) => {
    const cpe = newCpe();
    await cpe.inform();
    const { args: answered, envelope } = responseOf(
      await cpe.say(`<cwmp:${method}>${body}</cwmp:${method}>`, 'told'),
      method,
    );
    expect([envelope.id, flat(answered)]).toEqual(['told', answer ?? []]);
    const fact = await edge.until(() => edge.factsOf('request').find((one) => one.cpeId === cpe.cpeId));
    expect(fact).toMatchObject({ method, args });
    expect((await cpe.empty()).status).toBe(204);
  },
);

test('CWMP 1.8 TransferComplete: in a session without its event, of an unknown key, and again: acknowledged each time', async () => {
  const cpe = newCpe();
  const body = `<cwmp:TransferComplete><CommandKey>nobody’s</CommandKey>${fault(0)}<StartTime>${T0}</StartTime><CompleteTime>${T1}</CompleteTime></cwmp:TransferComplete>`;
  for (let i = 0; i < 3; i++) {
    await cpe.inform({ events: ['2 PERIODIC'] });
    responseOf(await cpe.say(body), 'TransferComplete');
    responseOf(await cpe.say(body), 'TransferComplete');
    expect((await cpe.empty()).status).toBe(204);
  }
});

test('CWMP 1.8 anything else: fault 8000 with the request’s ID, counted, and the session goes on', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await cpe.inform();
  const before = await edge.metric('starling_acs_faults_total', '8000');
  for (const method of ['Bogus', 'X_ACME_Report', 'SetParameterValues', 'constructor', '__proto__']) {
    const refused = faultOf(await cpe.say(`<cwmp:${method}><A>1</A></cwmp:${method}>`, `id-${method}`));
    expect([refused.code, refused.envelope.id]).toEqual([8000, `id-${method}`]);
  }
  expect(await edge.metric('starling_acs_faults_total', '8000')).toBe(before + 5);
  requestOf(await cpe.empty(), 'GetRPCMethods');
});

// ── ACS → CPE ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Asked {
  args?: Record<string, unknown>;
  /** The request as a parser finds it. */
  wire: unknown[];
  /** The answer, and what becomes of it. */
  answer?: string;
  data?: Record<string, unknown>;
}

const download = {
  CommandKey: 'k',
  FileType: '1 Firmware Upgrade Image',
  URL: 'http://f/',
  Username: 'u',
  Password: 'p',
  FileSize: 9,
  TargetFileName: 't',
};
const downloadWire = [
  ['CommandKey', 'k'],
  ['FileType', '1 Firmware Upgrade Image'],
  ['URL', 'http://f/'],
  ['Username', 'u'],
  ['Password', 'p'],
  ['FileSize', '9'],
  ['TargetFileName', 't'],
];
const times = `<StartTime>${T0}</StartTime><CompleteTime>${T1}</CompleteTime>`;
const ASKED: Record<CpeMethod, Asked> = {
  GetRPCMethods: {
    wire: [],
    answer: '<MethodList><string>Inform</string></MethodList>',
    data: { MethodList: ['Inform'] },
  },
  SetParameterValues: {
    args: { ParameterList: [{ Name: 'Device.A', Value: 'a&b', Type: 'xsd:string' }], ParameterKey: 'k' },
    wire: [
      [
        'ParameterList',
        [
          [
            'ParameterValueStruct',
            [
              ['Name', 'Device.A'],
              ['Value', 'a&b'],
            ],
          ],
        ],
      ],
      ['ParameterKey', 'k'],
    ],
    answer: '<Status>1</Status>',
    data: { Status: 1 },
  },
  GetParameterValues: {
    args: { ParameterNames: ['Device.', ''] },
    wire: [
      [
        'ParameterNames',
        [
          ['string', 'Device.'],
          ['string', ''],
        ],
      ],
    ],
    answer: valueList(value('Device.A', '1')),
  },
  GetParameterNames: {
    args: { ParameterPath: 'Device.', NextLevel: true },
    wire: [
      ['ParameterPath', 'Device.'],
      ['NextLevel', '1'],
    ],
    answer:
      '<ParameterList><ParameterInfoStruct><Name>Device.A</Name><Writable>1</Writable></ParameterInfoStruct></ParameterList>',
  },
  SetParameterAttributes: {
    args: {
      ParameterList: [
        {
          Name: 'Device.A',
          NotificationChange: true,
          Notification: 2,
          AccessListChange: true,
          AccessList: ['Subscriber'],
        },
      ],
    },
    wire: [
      [
        'ParameterList',
        [
          [
            'SetParameterAttributesStruct',
            [
              ['Name', 'Device.A'],
              ['NotificationChange', '1'],
              ['Notification', '2'],
              ['AccessListChange', '1'],
              ['AccessList', [['string', 'Subscriber']]],
            ],
          ],
        ],
      ],
    ],
  },
  GetParameterAttributes: {
    args: { ParameterNames: ['Device.A'] },
    wire: [['ParameterNames', [['string', 'Device.A']]]],
    answer:
      '<ParameterList><ParameterAttributeStruct><Name>Device.A</Name><Notification>2</Notification><AccessList><string>subscriber</string></AccessList></ParameterAttributeStruct></ParameterList>',
  },
  AddObject: {
    args: { ObjectName: 'Device.T.', ParameterKey: 'k' },
    wire: [
      ['ObjectName', 'Device.T.'],
      ['ParameterKey', 'k'],
    ],
    answer: '<InstanceNumber>12</InstanceNumber><Status>0</Status>',
    data: { InstanceNumber: 12, Status: 0 },
  },
  DeleteObject: {
    args: { ObjectName: 'Device.T.12.' },
    wire: [
      ['ObjectName', 'Device.T.12.'],
      ['ParameterKey', ''],
    ],
    answer: '<Status>0</Status>',
    data: { Status: 0 },
  },
  Download: {
    args: download,
    wire: [...downloadWire, ['DelaySeconds', '0'], ['SuccessURL', ''], ['FailureURL', '']],
    answer: `<Status>1</Status>${times}`,
    data: { Status: 1, StartTime: T0, CompleteTime: T1 },
  },
  Reboot: { args: { CommandKey: 'k' }, wire: [['CommandKey', 'k']] },
  GetQueuedTransfers: {
    wire: [],
    answer:
      '<TransferList><QueuedTransferStruct><CommandKey>k</CommandKey><State>2</State></QueuedTransferStruct></TransferList>',
    data: { TransferList: [{ CommandKey: 'k', State: 2 }] },
  },
  ScheduleInform: {
    args: { DelaySeconds: 60, CommandKey: 'k' },
    wire: [
      ['DelaySeconds', '60'],
      ['CommandKey', 'k'],
    ],
  },
  SetVouchers: { args: { VoucherList: ['AAEC'] }, wire: [['VoucherList', [['base64', 'AAEC']]]] },
  GetOptions: {
    args: { OptionName: '' },
    wire: [['OptionName', '']],
    answer: `<OptionList><OptionStruct><OptionName>o</OptionName><VoucherSN>7</VoucherSN><State>1</State><Mode>2</Mode><StartDate>${T0}</StartDate><IsTransferable>0</IsTransferable></OptionStruct></OptionList>`,
    data: { OptionList: [{ OptionName: 'o', VoucherSN: 7 }] },
  },
  Upload: {
    args: { CommandKey: 'k', FileType: '2 Vendor Log File', URL: 'http://f/', DelaySeconds: 5 },
    wire: [
      ['CommandKey', 'k'],
      ['FileType', '2 Vendor Log File'],
      ['URL', 'http://f/'],
      ['Username', ''],
      ['Password', ''],
      ['DelaySeconds', '5'],
    ],
    answer: `<Status>0</Status>${times}`,
    data: { Status: 0 },
  },
  FactoryReset: { wire: [] },
  GetAllQueuedTransfers: {
    wire: [],
    answer:
      '<TransferList><AllQueuedTransferStruct><CommandKey>k</CommandKey><State>1</State><IsDownload>1</IsDownload><FileType>1</FileType><FileSize>9</FileSize><TargetFileName/></AllQueuedTransferStruct></TransferList>',
    data: { TransferList: [{ CommandKey: 'k', State: 1, IsDownload: true, FileSize: 9 }] },
  },
  ScheduleDownload: {
    args: {
      ...download,
      TimeWindowList: [{ WindowStart: 0, WindowEnd: 60, WindowMode: '1 At Any Time', UserMessage: '', MaxRetries: -1 }],
    },
    wire: [
      ...downloadWire,
      [
        'TimeWindowList',
        [
          [
            'TimeWindowStruct',
            [
              ['WindowStart', '0'],
              ['WindowEnd', '60'],
              ['WindowMode', '1 At Any Time'],
              ['UserMessage', ''],
              ['MaxRetries', '-1'],
            ],
          ],
        ],
      ],
    ],
  },
  CancelTransfer: { args: { CommandKey: 'k' }, wire: [['CommandKey', 'k']] },
  ChangeDUState: {
    args: {
      Operations: [
        { type: 'InstallOpStruct', URL: 'http://f/du', UUID: 'u-1' },
        { type: 'UninstallOpStruct', UUID: 'u-2' },
      ],
      CommandKey: 'k',
    },
    wire: [
      [
        'Operations',
        [
          ['URL', 'http://f/du'],
          ['UUID', 'u-1'],
        ],
      ],
      ['Operations', [['UUID', 'u-2']]],
      ['CommandKey', 'k'],
    ],
  },
};

test.each(Object.entries(ASKED))(
  'CWMP 1.10 %s: the request is written as the schema has it, and its answer is read',
  async (method, { args = {}, wire, answer = '', data = {} }) => {
    const cpe = newCpe();
    const action = await edge.act(cpe.cpeId, 'rpc', { method, arguments: args });
    const headers = '<cwmp:SupportedCWMPVersions>1.4</cwmp:SupportedCWMPVersions>';
    const request = requestOf(await cpe.begin({ headers }), method);
    expect(flat(request.args)).toEqual(wire);
    expect((await cpe.answer(request, answer)).status).toBe(204);
    const result = await edge.result(action);
    expect(result.outcome).toBe(CPE_METHODS[method as CpeMethod].effect === 'reads' ? 'done' : 'applied');
    expect(result.data).toMatchObject(data);
    expect(result.rpcs).toMatchObject([{ method, answer: 'response' }]);
  },
);

test('CWMP 1.10 ChangeDUState: each operation says its type in the form of the schema', async () => {
  const cpe = newCpe();
  await edge.act(cpe.cpeId, 'rpc', { method: 'ChangeDUState', arguments: ASKED.ChangeDUState.args });
  const reply = await cpe.begin();
  expect(reply.body).toContain('<Operations xsi:type="cwmp:InstallOpStruct"><URL>');
  expect(reply.body).toContain('<Operations xsi:type="cwmp:UninstallOpStruct"><UUID>');
});

test('CWMP 1.10 X_<VENDOR>_: a method of a vendor passes both ways as it is, and another name is refused', async () => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'X_ACME_Blink', arguments: { Lamp: 'red', Times: 3 } });
  const refused = await edge.act(cpe.cpeId, 'rpc', { method: 'FormatDisk', arguments: {} });
  const request = requestOf(await cpe.begin(), 'X_ACME_Blink');
  expect(flat(request.args)).toEqual([
    ['Lamp', 'red'],
    ['Times', '3'],
  ]);
  await cpe.answer(request, '<Done>yes</Done>');
  expect((await edge.result(action)).data).toEqual({ Done: 'yes' });
  expect((await edge.result(refused)).outcome).toBe('refused');
});

/** A simulated CPE that has been in touch once. */
async function simulate(serialNumber: string): Promise<SimulatedCpe> {
  const cpe = new SimulatedCpe({
    acsUrl: edge.url,
    serialNumber,
    model: 'tr181',
    connectionRequests: 'none',
    downMs: 50,
    diagnosticMs: 50,
  });
  simulated.push(cpe);
  await cpe.start();
  return cpe;
}

const CARRIED_OUT: [CpeMethod, Record<string, unknown>][] = [
  ['GetRPCMethods', {}],
  ['GetParameterNames', { ParameterPath: 'Device.DeviceInfo.', NextLevel: false }],
  ['GetParameterValues', { ParameterNames: ['Device.DeviceInfo.'] }],
  [
    'SetParameterValues',
    {
      ParameterList: [{ Name: 'Device.DeviceInfo.ProvisioningCode', Value: 'p', Type: 'xsd:string' }],
      ParameterKey: 'k',
    },
  ],
  [
    'SetParameterAttributes',
    {
      ParameterList: [
        {
          Name: 'Device.ManagementServer.PeriodicInformInterval',
          NotificationChange: true,
          Notification: 1,
          AccessListChange: false,
          AccessList: [],
        },
      ],
    },
  ],
  ['GetParameterAttributes', { ParameterNames: ['Device.DeviceInfo.ProvisioningCode'] }],
  ['AddObject', { ObjectName: 'Device.NAT.PortMapping.', ParameterKey: 'k' }],
  ['DeleteObject', { ObjectName: 'Device.NAT.PortMapping.1.', ParameterKey: 'k' }],
  ['GetAllQueuedTransfers', {}],
  ['CancelTransfer', { CommandKey: 'nothing' }],
  ['ScheduleInform', { DelaySeconds: 3_600, CommandKey: 'k' }],
  ['Download', { ...download, URL: 'http://127.0.0.1:9/none', DelaySeconds: 3_600 }],
  ['Upload', { CommandKey: 'up', FileType: '2 Vendor Log File', URL: 'http://127.0.0.1:9/none', DelaySeconds: 3_600 }],
  [
    'ScheduleDownload',
    {
      ...download,
      CommandKey: 'sd',
      URL: 'http://127.0.0.1:9/none',
      TimeWindowList: [
        { WindowStart: 3_600, WindowEnd: 7_200, WindowMode: '1 At Any Time', UserMessage: '', MaxRetries: 0 },
      ],
    },
  ],
  ['Reboot', { CommandKey: 'k' }],
  ['FactoryReset', {}],
];

test.each(CARRIED_OUT)(
  'CWMP 1.10 %s: the simulated CPE carries it out and finds nothing wrong with the request',
  async (method, args) => {
    const cpe = await simulate(`M-${method}`);
    if (method === 'DeleteObject') cpe.tree.add('Device.NAT.PortMapping.');
    const action = await edge.act(cpeIdOf(cpe.device), 'rpc', { method, arguments: args });
    const summary = await cpe.inform();
    expect(summary).toMatchObject({ outcome: 'ended', complaints: [], faultsReceived: [] });
    const result = await edge.result(action);
    expect(result.fault).toBeUndefined();
    expect(cpe.received.executed(method)).toBe(1);
    await cpe.stop();
  },
);

test.each(['GetQueuedTransfers', 'ChangeDUState', 'GetOptions', 'SetVouchers'])(
  'CWMP 1.10 %s: a CPE that does not have it makes the action unsupported',
  async (method) => {
    const cpe = await simulate(`U-${method}`);
    const action = await edge.act(cpeIdOf(cpe.device), 'rpc', { method, arguments: ASKED[method as CpeMethod].args });
    await cpe.inform();
    expect(await edge.result(action)).toMatchObject({ outcome: 'unsupported', fault: { FaultCode: 9000 } });
    await cpe.stop();
  },
);

test('CWMP 1.10: what breaks the limits of the schema is refused here and never sent', async () => {
  const cpe = newCpe();
  const bad: [string, Record<string, unknown>][] = [
    ['Reboot', { CommandKey: 'k'.repeat(33) }],
    ['GetParameterNames', { ParameterPath: 'D'.repeat(257), NextLevel: false }],
    ['Download', { ...download, URL: `http://f/${'x'.repeat(256)}` }],
    ['AddObject', { ObjectName: 'Device.T.', Nonsense: 1 }],
    ['ScheduleInform', { DelaySeconds: -1, CommandKey: '' }],
  ];
  const actions = await Promise.all(
    bad.map(([method, args]) => edge.act(cpe.cpeId, 'rpc', { method, arguments: args })),
  );
  expect((await cpe.begin()).status).toBe(204);
  for (const action of actions) expect((await edge.result(action)).outcome).toBe('refused');
});

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('CWMP F1: a fault of the ACS has faultcode, "CWMP fault" and the detail of CWMP, with status 200 and the request’s ID', async () => {
  const cpe = newCpe();
  await cpe.inform();
  const reply = await cpe.say('<cwmp:Bogus/>', 'f1');
  expect(reply.body).toContain(
    '<faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault><FaultCode>8000</FaultCode>',
  );
  expect([reply.status, faultOf(reply).envelope.id]).toEqual([200, 'f1']);
});

const DETAIL = '<FaultCode>9005</FaultCode><FaultString>Invalid parameter name</FaultString>';
test.each([
  [
    'in full',
    `<faultcode>soap:Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>${DETAIL}</cwmp:Fault></detail>`,
    9005,
  ],
  [
    'inside faultstring',
    `<faultcode>Client</faultcode><faultstring>CWMP fault<detail><cwmp:Fault>${DETAIL}</cwmp:Fault></detail></faultstring>`,
    9005,
  ],
  ['without detail', '<faultcode>Server</faultcode><faultstring>oops</faultstring>', 9002],
  [
    'of a vendor',
    '<detail><cwmp:Fault><FaultCode>9850</FaultCode><FaultString>own</FaultString></cwmp:Fault></detail>',
    9850,
  ],
])('CWMP F1, F2: a fault of the CPE %s is read', async (_name, inner, code) => {
  const cpe = newCpe();
  const action = await edge.act(cpe.cpeId, 'rpc', { method: 'GetRPCMethods' });
  const asked = requestOf(await cpe.begin());
  expect((await cpe.say(`<soap:Fault>${inner}</soap:Fault>`, asked.envelope.id)).status).toBe(204);
  expect((await edge.result(action)).fault).toMatchObject({ FaultCode: code });
});

test('CWMP F3: faults of single parameters reach the result, each with its own code', async () => {
  const cpe = newCpe();
  const names = ['Device.A', 'Device.B'];
  const action = await edge.act(cpe.cpeId, 'set', { values: names.map((name) => ({ name, value: 'new' })) });
  const compared = await cpe.answer(
    requestOf(await cpe.begin(), 'GetParameterValues'),
    valueList(...names.map((name) => value(name, 'old'))),
  );
  const detail = names
    .map(
      (name, i) =>
        `<SetParameterValuesFault><ParameterName>${name}</ParameterName><FaultCode>${9007 + i}</FaultCode><FaultString>no</FaultString></SetParameterValuesFault>`,
    )
    .join('');
  const readBack = await cpe.fault(requestOf(compared, 'SetParameterValues'), 9003, detail);
  await cpe.answer(requestOf(readBack, 'GetParameterValues'), valueList(...names.map((name) => value(name, 'old'))));
  const result = await edge.result(action);
  expect(result.outcome).not.toBe('done');
  expect(result.items).toMatchObject([
    { name: 'Device.A', faultCode: 9007 },
    { name: 'Device.B', faultCode: 9008 },
  ]);
});

test('CWMP F4: a fault that answers no request is a protocol error', async () => {
  const cpe = newCpe();
  await cpe.inform();
  expect(
    (await cpe.say('<soap:Fault><detail><cwmp:Fault><FaultCode>9002</FaultCode></cwmp:Fault></detail></soap:Fault>'))
      .status,
  ).toBe(400);
  expect(await edge.until(() => edge.factsOf('session').find((body) => body.cpeId === cpe.cpeId))).toMatchObject({
    ok: false,
  });
});
