// Sessions, events and retries of the conforming CPE against a scripted ACS.

import { afterEach, expect, test } from 'vitest';
import { type CpeOptions, SimulatedCpe } from './cpe.ts';
import { misbehaviourOf } from './misbehaviour.ts';
import { rpc, TestAcs, type TestAcsOptions } from './test-acs.ts';
import { ManualTimers } from './timers.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setUp(acsOptions: TestAcsOptions = {}, cpeOptions: Partial<CpeOptions> = {}) {
  const acs = await new TestAcs(acsOptions).listen();
  const timers = new ManualTimers();
  const cpe = new SimulatedCpe({
    acsUrl: acs.url,
    serialNumber: 'SIM000001',
    timers,
    random: () => 0.5,
    ...cpeOptions,
  });
  cleanups.push(
    () => acs.close(),
    () => cpe.stop(),
  );
  return { acs, cpe, timers };
}

const IGD = 'InternetGatewayDevice.';

test('a session without work: Inform, empty POST, 204, on one connection', async () => {
  const { acs, cpe } = await setUp();
  const summary = await cpe.inform('2 PERIODIC');
  expect(summary).toMatchObject({ outcome: 'ended', why: '', posts: 2, statuses: [200, 204], complaints: [] });
  expect(acs.posts[1]!.body.length).toBe(0);
  expect(acs.posts[1]!.headers).not.toHaveProperty('soapaction');
  expect(acs.posts[0]!.headers['soapaction']).toBe('');
  expect(acs.connectionCount).toBe(1);
});

test('the first Inform after power-up carries 0 BOOTSTRAP and 1 BOOT, the next power-up only 1 BOOT', async () => {
  const { cpe } = await setUp();
  const codes = (summary: { events: { EventCode: string }[] }) => summary.events.map((event) => event.EventCode);
  expect(codes(await cpe.start())).toEqual(['0 BOOTSTRAP', '1 BOOT']);
  await cpe.stop();
  expect(codes(await cpe.start())).toEqual(['1 BOOT']);
});

test.each([
  ['tr098', `${IGD}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress`],
  ['tr181', 'Device.RootDataModelVersion'],
] as const)('%s: the Inform lists the forced parameters', async (model, path) => {
  const { acs, cpe } = await setUp({}, { model });
  await cpe.inform();
  expect(acs.posts[0]!.text).toContain(`<Name>${path}</Name>`);
  expect(cpe.tree.parameterCount()).toBeGreaterThanOrEqual(150);
  expect(cpe.tree.parameterCount()).toBeLessThanOrEqual(450);
});

test.each(['tr098', 'tr181'] as const)(
  '%s: the size knob adds parameters up to the number asked for',
  async (model) => {
    const { cpe } = await setUp({}, { model, parameters: 3_000 });
    expect(cpe.tree.parameterCount()).toBe(3_000);
  },
);

test('CWMP 1.4 offers its versions in the Inform, 1.2 does not', async () => {
  const older = await setUp({}, { cwmpVersion: '1.2' });
  const newer = await setUp({}, { cwmpVersion: '1.4' });
  await older.cpe.inform();
  const summary = await newer.cpe.inform();
  expect(older.acs.posts[0]!.text).not.toContain('SupportedCWMPVersions');
  expect(newer.acs.posts[0]!.text).toContain('1.0,1.1,1.2,1.3,1.4</cwmp:SupportedCWMPVersions>');
  // The scripted ACS does not answer it, and the CPE notices.
  expect(summary.complaints).toEqual([expect.stringMatching(/^E11/)]);
});

test('requests of the ACS are answered in the next POST with its cwmp:ID, and counted', async () => {
  const ssid = `${IGD}LANDevice.1.WLANConfiguration.1.SSID`;
  const { acs, cpe } = await setUp({
    script: [
      rpc.setValues('rev-1', [
        ssid,
        'string',
        'New & <name>'.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;'),
      ]),
      rpc.getValues(ssid),
    ],
  });
  const summary = await cpe.inform();
  expect(summary.requests.map((one) => one.method)).toEqual(['SetParameterValues', 'GetParameterValues']);
  expect(acs.posts[2]!.text).toMatch(
    /<cwmp:ID soapenv:mustUnderstand="1">acs-1<.*SetParameterValuesResponse.*<Status>0</s,
  );
  expect(acs.posts[3]!.text).toContain('New &amp; &lt;name&gt;</Value>');
  expect(cpe.tree.value(`${IGD}ManagementServer.ParameterKey`)).toBe('rev-1');
  expect(cpe.received.executed('SetParameterValues', 'rev-1')).toBe(1);
  expect(cpe.acknowledged.responses.map((one) => one.method)).toEqual(['SetParameterValues', 'GetParameterValues']);
});

test('SetParameterValues is all or nothing and names every bad parameter', async () => {
  const wlan = `${IGD}LANDevice.1.WLANConfiguration.1.`;
  const { acs, cpe } = await setUp({
    script: [
      rpc.setValues(
        'k',
        [`${wlan}SSID`, 'string', 'good'],
        [`${wlan}Nonsense`, 'string', 'x'],
        [`${wlan}Channel`, 'string', '6'],
        [`${wlan}TransmitPower`, 'unsignedInt', '101'],
        [`${wlan}BSSID`, 'string', 'x'],
      ),
    ],
  });
  const before = cpe.tree.value(`${wlan}SSID`);
  await cpe.inform();
  const codes = [...acs.posts[2]!.text.matchAll(/<FaultCode>(\d+)</g)].map((match) => match[1]);
  expect(codes).toEqual(['9003', '9005', '9006', '9007', '9008']);
  expect(cpe.tree.value(`${wlan}SSID`)).toBe(before);
  expect(cpe.received.executed('SetParameterValues')).toBe(0);
});

test.each([
  ['a method of no version', rpc.plain('ChangeDUState'), '9000'],
  ['a method of a later version than the CPE', rpc.keyed('CancelTransfer', 'x'), '9000'],
  ['an unknown name', rpc.getValues(`${IGD}Nothing`), '9005'],
  ['a full name with NextLevel', rpc.getNames(`${IGD}DeviceInfo.Manufacturer`, true), '9003'],
  ['ScheduleInform without delay', rpc.scheduleInform(0, 'x'), '9003'],
  ['AddObject on what is no table', rpc.add(`${IGD}DeviceInfo.`), '9005'],
  ['active notification of a counter', rpc.setAttributes(`${IGD}DeviceInfo.UpTime`, 2), '9009'],
  ['a scheme that is not HTTP', rpc.download('k', '1 Firmware Upgrade Image', 'tftp://127.0.0.1/x'), '9013'],
])('%s is refused', async (_, request, code) => {
  const { acs, cpe } = await setUp({ script: [request] }, { cwmpVersion: '1.1' });
  const summary = await cpe.inform();
  expect(summary.outcome).toBe('ended');
  expect(acs.posts[2]!.text).toContain(`<FaultCode>${code}</FaultCode>`);
});

test('passwords read as empty and are kept', async () => {
  const path = `${IGD}LANDevice.1.WLANConfiguration.1.KeyPassphrase`;
  const { acs, cpe } = await setUp({ script: [rpc.setValues('', [path, 'string', 'secret-1']), rpc.getValues(path)] });
  await cpe.inform();
  expect(acs.posts[3]!.text).toContain('<Value xsi:type="xsd:string"></Value>');
  expect(cpe.tree.value(path)).toBe('secret-1');
});

test('instance numbers are never used twice, and the count of entries follows', async () => {
  const table = `${IGD}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.`;
  const { acs, cpe } = await setUp({
    script: [rpc.add(table), rpc.delete(`${table}1.`), rpc.add(table), rpc.getNames(table)],
  });
  await cpe.inform();
  const numbers = acs.texts('AddObjectResponse').map((text) => /<InstanceNumber>(\d+)</.exec(text)?.[1]);
  expect(numbers).toEqual(['1', '2']);
  expect(cpe.tree.value(`${table.replace('PortMapping.', '')}PortMappingNumberOfEntries`)).toBe('1');
  expect(acs.posts.at(-1)!.text).toContain(`<Name>${table}2.ExternalPort</Name>`);
});

test('a notification asked for brings the change with 4 VALUE CHANGE, and what the ACS writes does not', async () => {
  const path = `${IGD}LANDevice.1.Hosts.HostNumberOfEntries`;
  const { acs, cpe } = await setUp({ script: [rpc.setAttributes(path, 2), rpc.getAttributes(path)] });
  await cpe.inform();
  expect(acs.posts[3]!.text).toContain('<Notification>2</Notification>');
  cpe.change(path, '3');
  await cpe.waitFor(({ acknowledged }) => acknowledged.events.some((event) => event.EventCode === '4 VALUE CHANGE'));
  expect(cpe.acknowledged.informs.at(-1)!.values).toContainEqual({ Name: path, Value: '3', Type: 'xsd:unsignedInt' });
  await cpe.inform('2 PERIODIC');
  expect(cpe.acknowledged.informs.at(-1)!.values.map((value) => value.Name)).not.toContain(path);
});

test('the events of a failed session come again with RetryCount, after the wait of the retry policy', async () => {
  let refuse = true;
  const { acs, cpe, timers } = await setUp({
    intercept: (_, response) => {
      if (refuse) response.writeHead(503).end();
      return refuse;
    },
  });
  expect(await cpe.start()).toMatchObject({ outcome: 'failed', why: expect.stringContaining('HTTP 503') });
  expect(timers.nextInMs()).toBe(7_500); // Half way between 5 and 10 s.
  timers.advance(7_500);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(timers.nextInMs()).toBe(15_000);
  refuse = false;
  timers.advance(15_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 3);
  expect(acs.posts.at(-2)!.text).toContain('<RetryCount>2</RetryCount>');
  expect(cpe.acknowledged.events.map((event) => event.EventCode)).toEqual(['0 BOOTSTRAP', '1 BOOT']);
});

test('6 CONNECTION REQUEST is not retried', async () => {
  let refuse = true;
  const { cpe } = await setUp({
    intercept: (_, response) => {
      if (refuse) response.writeHead(500).end();
      return refuse;
    },
  });
  await cpe.inform('6 CONNECTION REQUEST', '1 BOOT');
  refuse = false;
  const summary = await cpe.inform();
  expect(summary.events.map((event) => event.EventCode)).toEqual(['1 BOOT']);
});

test('periodic Informs follow the interval that the ACS sets', async () => {
  const { cpe, timers } = await setUp({
    script: [rpc.setValues('', [`${IGD}ManagementServer.PeriodicInformInterval`, 'unsignedInt', '60'])],
  });
  await cpe.start();
  timers.advance(60_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events).toEqual([{ EventCode: '2 PERIODIC', CommandKey: '' }]);
});

test('Reboot happens after the session: down, then 1 BOOT with M Reboot, once', async () => {
  const { cpe, timers } = await setUp({
    script: [rpc.keyed('Reboot', 'boot-7'), rpc.getValues(`${IGD}DeviceInfo.UpTime`)],
  });
  const first = await cpe.inform();
  expect(first.requests).toHaveLength(2);
  timers.advance(2_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events).toEqual([
    { EventCode: '1 BOOT', CommandKey: '' },
    { EventCode: 'M Reboot', CommandKey: 'boot-7' },
  ]);
  expect(cpe.received.executed('Reboot', 'boot-7')).toBe(1);
});

test('FactoryReset forgets what was written and begins with 0 BOOTSTRAP', async () => {
  const path = `${IGD}DeviceInfo.ProvisioningCode`;
  const { cpe, timers } = await setUp({
    script: [rpc.setValues('k', [path, 'string', 'x']), rpc.plain('FactoryReset')],
  });
  await cpe.inform();
  expect(cpe.tree.value(path)).toBe('x');
  timers.advance(2_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.tree.value(path)).toBe('');
  expect(cpe.sessions[1]!.events.map((event) => event.EventCode)).toEqual(['0 BOOTSTRAP', '1 BOOT']);
});

test('ScheduleInform brings 3 SCHEDULED with M ScheduleInform after its delay', async () => {
  const { cpe, timers } = await setUp({ script: [rpc.scheduleInform(30, 'later')] });
  await cpe.inform();
  timers.advance(30_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events).toEqual([
    { EventCode: 'M ScheduleInform', CommandKey: 'later' },
    { EventCode: '3 SCHEDULED', CommandKey: '' },
  ]);
});

test('another ACS URL leads to 0 BOOTSTRAP there', async () => {
  const second = await setUp();
  const { cpe } = await setUp({
    script: [rpc.setValues('', [`${IGD}ManagementServer.URL`, 'string', second.acs.url])],
  });
  await cpe.start();
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(second.acs.posts[0]!.text).toContain('0 BOOTSTRAP');
});

test.each(['not a url', 'ftp://127.0.0.1/', ''])('the ACS URL %o is refused with 9007', async (url) => {
  const { acs, cpe } = await setUp({ script: [rpc.setValues('', [`${IGD}ManagementServer.URL`, 'string', url])] });
  await cpe.inform();
  expect(acs.posts[2]!.text).toContain('<FaultCode>9007</FaultCode>');
});

test('307 sends the same POST elsewhere for this session only', async () => {
  const second = await setUp();
  const { acs, cpe } = await setUp({
    intercept: (_, response) => {
      response.writeHead(307, { location: second.acs.url }).end();
      return true;
    },
  });
  expect((await cpe.inform()).statuses).toEqual([307, 200, 204]);
  expect(second.acs.posts[0]!.body).toEqual(acs.posts[0]!.body);
  await cpe.inform();
  expect(acs.posts).toHaveLength(2);
});

test('415 makes the CPE repeat uncompressed', async () => {
  const { acs, cpe } = await setUp(
    {
      intercept: (caught, response) => {
        if (caught.headers['content-encoding'] === undefined) return false;
        response.writeHead(415).end();
        return true;
      },
    },
    { misbehaviours: [misbehaviourOf('gzip')] },
  );
  expect((await cpe.inform()).statuses).toEqual([415, 200, 204]);
  expect(acs.posts[1]!.body.toString()).toContain('<cwmp:Inform>');
});

test('a connection lost in mid-session is opened again and the session goes on with its cookie', async () => {
  const { acs, cpe } = await setUp({
    headers: { 'set-cookie': 'session=abc; Path=/' },
    script: [rpc.getValues(`${IGD}DeviceInfo.Manufacturer`)],
    intercept: (_, __, number, request) => {
      if (number === 2) request.socket.destroy();
      return number === 2;
    },
  });
  const summary = await cpe.inform();
  expect(summary.outcome).toBe('ended');
  expect(acs.posts.map((post) => post.connection)).toEqual([1, 1, 2, 2]);
  expect(acs.posts[2]!.headers.cookie).toBe('session=abc');
});

test('fault 8005 to the Inform is answered by the same Inform in the same session', async () => {
  const { acs, cpe } = await setUp({
    intercept: (_, response, number) => {
      if (number > 1) return false;
      const detail =
        '<detail><cwmp:Fault><FaultCode>8005</FaultCode><FaultString>Retry request</FaultString></cwmp:Fault></detail>';
      const fault = `<soap-env:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring>${detail}</soap-env:Fault>`;
      acs.reply(response, acs.envelope('1-1', fault));
      return true;
    },
  });
  expect(await cpe.inform()).toMatchObject({
    outcome: 'ended',
    faultsReceived: [{ method: 'Inform', FaultCode: 8005 }],
  });
  expect(acs.posts[1]!.body).toEqual(acs.posts[0]!.body);
});

test('what is wrong with an ACS is told: malformed XML fails the session, a breach is a complaint', async () => {
  const broken = await setUp({
    intercept: (_, response) => {
      response.writeHead(200, { 'content-type': 'text/xml' }).end('<soap:Envelope');
      return true;
    },
  });
  expect(await broken.cpe.inform()).toMatchObject({ outcome: 'failed', why: expect.stringContaining('not ended') });
  const sloppy = await setUp({
    script: [
      '<cwmp:GetParameterNames><cwmp:ParameterPath/><cwmp:NextLevel>1</cwmp:NextLevel></cwmp:GetParameterNames>',
    ],
  });
  const { complaints } = await sloppy.cpe.inform();
  expect(complaints).toEqual([
    expect.stringMatching(/^E2: argument ParameterPath/),
    expect.stringMatching(/^E2: argument NextLevel/),
  ]);
});

test('HoldRequests keeps own requests back until it is false', async () => {
  let answered = 0;
  const { acs, cpe } = await setUp({
    intercept: (caught, response) => {
      if (!caught.text.includes('<cwmp:Inform>')) return false;
      answered++;
      const header = '</cwmp:ID><cwmp:HoldRequests soap-env:mustUnderstand="1">1</cwmp:HoldRequests>';
      const xml = acs.envelope('1-1', '<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>');
      acs.reply(response, xml.replace('</cwmp:ID>', header));
      return true;
    },
  });
  cpe.queueRequest({ method: 'GetRPCMethods', args: [], events: [] });
  await cpe.inform();
  expect(answered).toBe(1);
  const order = acs.posts.map(({ text }) =>
    text === '' ? 'empty' : /<cwmp:(\w+)>/.exec(text.slice(text.indexOf('Body')))?.[1],
  );
  expect(order).toEqual(['Inform', 'empty', 'GetRPCMethods', 'empty']);
});
