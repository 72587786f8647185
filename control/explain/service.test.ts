import { beforeEach, expect, test } from 'vitest';
import type { ActionResult, Work } from '../../bus/messages.ts';
import { expireActions } from '../actions/end-here.ts';
import type { ActionRequest } from '../actions/request.ts';
import { ADMIN, CPE, inform, progress, result, type TestControl, testControl, value } from '../control.test-helper.ts';
import type { ExplainService, Principal } from '../services.ts';
import { explainService } from './service.ts';

const WLAN = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.';
const SSID = `${WLAN}1.SSID`;
const KEY = `${WLAN}1.KeyPassphrase`;
const VERSION = 'InternetGatewayDevice.DeviceInfo.SoftwareVersion';
const HOUR = 3_600_000;
let control: TestControl;
let explain: ExplainService;

beforeEach(async () => {
  control = await testControl();
  explain = explainService(control.context);
  await control.send(inform({ changed: [value(SSID, 'old-name'), value(VERSION, '1.0')] }));
  control.clock.advance(HOUR);
});

const read = (...values: [string, string][]) =>
  control.send({
    type: 'values',
    body: { cpeId: CPE, sessionId: 's', values: values.map(([name, text]) => value(name, text)) },
  });
const valueChange = (...values: [string, string][]) =>
  control.send(
    inform({
      events: [{ EventCode: '4 VALUE CHANGE', CommandKey: '' }],
      changed: values.map(([name, text]) => value(name, text)),
    }),
  );

async function ask(request: ActionRequest, principal: Principal = ADMIN): Promise<{ id: string; work: Work }> {
  const { action } = await control.actions.create(CPE, request, { principal });
  await control.handOver.pass();
  return { id: action.id, work: control.bus.work().find(({ actionId }) => actionId === action.id)! };
}

/** Asks for it, and has the device answer within two seconds. */
async function act(request: ActionRequest, answer: Partial<ActionResult>): Promise<string> {
  const { id, work } = await ask(request);
  const startedAt = control.clock.now();
  control.clock.advance(2_000);
  const rpc = { at: startedAt, method: 'X', args: {}, answer: 'response' as const, durationMs: 3, sessionId: 's' };
  await control.send(result(work, { startedAt, endedAt: control.clock.now(), rpcs: [rpc], ...answer }));
  control.clock.advance(HOUR);
  return id;
}

const set = (path: string, from: string, to: string): Partial<ActionResult> => ({
  before: [value(path, from)],
  after: [value(path, to)],
  items: [{ name: path, status: 'set' }],
});
const setSsid = async (to: string): Promise<string> => {
  const id = await act(
    { kind: 'set', values: { 'wifi.2g.ssid': to }, reason: 'asked by phone', reference: 'T-1' },
    set(SSID, 'old-name', to),
  );
  await read([SSID, to]);
  return id;
};

test('set by a person: who, why, who approved, and what it was before', async () => {
  const id = await setSsid('new-name');
  const explained = await explain.parameter(CPE, 'wifi.2g.ssid');
  expect(explained).toMatchObject({
    name: SSID,
    canonical: 'wifi.2g.ssid',
    value: 'new-name',
    type: 'xsd:string',
    writable: true,
    source: {
      kind: 'action',
      actionId: id,
      by: { kind: 'person', name: 'Ada', reason: 'asked by phone', reference: 'T-1' },
    },
    history: [
      { kind: 'set', from: 'old-name', to: 'new-name', outcome: 'done', approvals: [{ decision: 'auto' }] },
      { kind: 'told', from: null, to: 'old-name', by: null, actionId: null },
    ],
  });
  expect(explained.text).toBe(
    'The name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid) is “new-name”, as the device told it on 15 November 2023 at 00:13 UTC. ' +
      `Ada (admin) set it to “new-name” on 14 November 2023 at 23:13 UTC (action ${id}). Before, it was “old-name”. ` +
      'Reason given: “asked by phone”; reference T-1. The action was approved automatically.',
  );
  expect(await explain.parameter(CPE, SSID)).toEqual(explained);
  expect((await explain.action(id)).text).toBe(
    `Ada (admin) asked on 14 November 2023 at 23:13 UTC to set the name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid) from “old-name” to “new-name” on device ${CPE}. ` +
      'Reason given: “asked by phone”; reference T-1. The plan was of low risk. Impact: Wi-Fi stations may have to connect again. ' +
      'It was approved automatically. It ran on 14 November 2023 at 23:13 UTC, took 2 s and ended as done. ' +
      'Taken, and read back: the name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid) is “new-name”. ' +
      'It can be taken back (sets the value back to what the device held before).',
  );
  expect((await explain.action(id)).forCustomer).toBe(
    'We have changed the name of your 2.4 GHz Wi-Fi network to “new-name”. We have checked that it took effect. ' +
      'Your phones and computers have to be connected again, with the new name.',
  );
});

test('set by a policy: it is named, and secrets are told nowhere', async () => {
  control = await testControl({ manageConnectionRequest: true });
  explain = explainService(control.context);
  await control.send(inform({ changed: [value(SSID, 'a')] }));
  await control.handOver.pass();
  const [work] = control.bus.work();
  const values = work!.args['values'] as { name: string; value: string }[];
  const { name: path, value: password } = values.find(({ name }) => name.endsWith('RequestPassword'))!;
  const items = values.map(({ name }) => ({ name, status: name === path ? 'unverified' : 'set' }));
  await control.send(result(work!, { outcome: 'applied', items, after: [value(path, '••••')] }));
  const name = 'management.connection-request-password';
  const explained = await explain.parameter(CPE, name);
  expect(explained).toMatchObject({
    secret: true,
    value: null,
    source: { kind: 'policy', by: { kind: 'policy', name: 'connection-request-credentials' } },
    history: [{ to: '••••', outcome: 'applied' }],
  });
  expect(explained.text).toContain('The policy connection-request-credentials asked to set it to a secret value');
  expect(explained.text).toContain('the device accepted it, and nobody could verify it');
  const told = await explain.action(work!.actionId);
  expect(told.forCustomer).toContain('We have automatically changed the user name that lets us reach your device');
  expect(JSON.stringify([explained, told])).not.toContain(password);
});

test('changed at the device afterwards: told in a VALUE CHANGE, or found by a later read', async () => {
  const id = await setSsid('new-name');
  control.clock.advance(HOUR);
  await valueChange([SSID, 'theirs']);
  const told = await explain.parameter(CPE, 'wifi.2g.ssid');
  expect(told.source).toMatchObject({
    kind: 'cpe',
    actionId: null,
    by: null,
    at: new Date(control.clock.now()).toISOString(),
  });
  expect(told.history[0]).toMatchObject({ kind: 'told', from: 'new-name', to: 'theirs' });
  expect(told.text).toContain(
    'The device itself, or somebody at it, changed it from “new-name” to “theirs”: told by the device in its Inform (4 VALUE CHANGE) on 15 November 2023 at 01:13 UTC',
  );
  expect(told.text).toContain(`Before that: Ada (admin) set it to “new-name”`);

  control.clock.advance(HOUR);
  await read([SSID, 'theirs-again']);
  const found = await explain.parameter(CPE, 'wifi.2g.ssid');
  expect(found.history.map(({ kind, to }) => [kind, to])).toEqual([
    ['read', 'theirs-again'],
    ['told', 'theirs'],
    ['set', 'new-name'],
    ['told', 'old-name'],
  ]);
  expect(found.source.kind).toBe('cpe');
  expect(found.history[2]!.actionId).toBe(id);
});

test('an action that reads notices a change, and is named as who noticed', async () => {
  await setSsid('new-name');
  await read([SSID, 'theirs']);
  const id = await act({ kind: 'get', names: ['wifi.2g.ssid'] }, { after: [value(SSID, 'theirs')] });
  const { source, history, text } = await explain.parameter(CPE, SSID);
  expect(source).toMatchObject({ kind: 'cpe', by: null, actionId: null });
  expect(history[0]).toMatchObject({ kind: 'read', actionId: id, by: null, from: 'new-name', to: 'theirs' });
  expect(text).toContain(`found by action ${id} of Ada (admin)`);
});

test.each([
  ['the device shows it', 'hunter22', 'action'],
  ['the device shows another one', 'their-own', 'cpe'],
  ['the device hides it', '', 'action'],
] as const)('a Wi-Fi password set by an action, when %s', async (_, shown, kind) => {
  await act({ kind: 'set', values: { 'wifi.2g.password': 'hunter22' } }, set(KEY, '••••', '••••'));
  await read([KEY, shown]);
  const explained = await explain.parameter(CPE, 'wifi.2g.password');
  expect(explained).toMatchObject({ secret: true, value: shown === '' ? '' : '••••', source: { kind } });
  expect(JSON.stringify(explained)).not.toMatch(/hunter22|their-own/);
});

test('never read, and never set: nobody knows', async () => {
  const explained = await explain.parameter(CPE, 'wifi.5g.ssid');
  expect(explained).toMatchObject({ value: null, readAt: null, history: [], source: { kind: 'unknown', at: null } });
  expect(explained.text).toBe(
    'The name of the 5 GHz Wi-Fi network (wifi.5g.ssid) has never been read from this device. No action known here has set it. An action of kind get reads it.',
  );
});

test('what the device had when it was first heard of is its own', async () => {
  const { source, text } = await explain.parameter(CPE, SSID);
  expect(source.kind).toBe('cpe');
  expect(text).toContain('No action known here has set it: the device had it when it was first heard of');
});

test('a factory reset in between: what was set before counts no more', async () => {
  await setSsid('new-name');
  const { id, work } = await ask({ kind: 'factory-reset', reason: 'sold on' });
  const startedAt = control.clock.now();
  control.clock.advance(60_000);
  const bootstrap = inform({
    reset: true,
    events: [{ EventCode: '0 BOOTSTRAP', CommandKey: '' }],
    changed: [value(VERSION, '1.0')],
  });
  await control.send(bootstrap, result(work, { startedAt, endedAt: control.clock.now() }));
  expect((await explain.parameter(CPE, 'wifi.2g.ssid')).source.kind).toBe('unknown');
  control.clock.advance(HOUR);
  await read([SSID, 'vendor-1234']);
  const explained = await explain.parameter(CPE, 'wifi.2g.ssid');
  expect(explained).toMatchObject({
    value: 'vendor-1234',
    source: { kind: 'factory', actionId: id, by: { name: 'Ada' } },
    history: [{ kind: 'factory-reset', from: 'new-name', to: 'vendor-1234' }, { kind: 'set' }, { kind: 'told' }],
  });
  expect(explained.text).toContain('Ada (admin) reset the device to its factory settings');
  expect(explained.text).toContain('No action has set it since');
  expect((await explain.parameter(CPE, VERSION)).source.kind).toBe('cpe'); // Read-only: no factory setting.
  expect((await explain.action(id)).forCustomer).toContain(
    'We have reset your device to its factory settings. It is in touch with us again.',
  );
});

test('a 0 BOOTSTRAP nobody here asked for is told as such', async () => {
  await setSsid('new-name');
  await control.send(
    inform({ reset: true, events: [{ EventCode: '0 BOOTSTRAP', CommandKey: '' }], changed: [value(SSID, 'vendor')] }),
  );
  const { source, text } = await explain.parameter(CPE, SSID);
  expect(source).toMatchObject({ kind: 'factory', actionId: null, by: null });
  expect(text).toContain('(a factory reset, or its first contact)');
});

test('a 0 BOOTSTRAP counts also when the timeline has it no more', async () => {
  await setSsid('new-name');
  const at = control.clock.now();
  await control.send(inform({ reset: true, events: [{ EventCode: '0 BOOTSTRAP', CommandKey: '' }] }));
  control.clock.advance(HOUR);
  await read([SSID, 'new-name']); // As it was, and yet by nobody.
  await control.context.sql`delete from event where kind = 'bootstrap'`;
  const { source } = await explain.parameter(CPE, SSID);
  expect(source).toMatchObject({ kind: 'factory', at: new Date(at).toISOString() });
});

test('an instance that was made and deleted: its parameters say by whom', async () => {
  const table = 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.';
  const object = `${table}3.`;
  const added = await act(
    { kind: 'add', name: table, values: { ExternalPort: 8080 } },
    {
      after: [value(`${object}ExternalPort`, '8080')],
      items: [{ name: `${object}ExternalPort`, status: 'set' }],
      data: { InstanceNumber: 3, object },
    },
  );
  await read([`${object}ExternalPort`, '8080'], [`${object}InternalPort`, '6']);
  expect(await explain.parameter(CPE, `${object}ExternalPort`)).toMatchObject({
    value: '8080',
    source: { kind: 'action', actionId: added },
    history: [{ kind: 'add', to: '8080' }],
  });
  const channel = await explain.parameter(CPE, `${object}InternalPort`);
  expect(channel).toMatchObject({
    source: { kind: 'action', actionId: added },
    history: [{ kind: 'add', from: null, to: '6' }],
  });
  expect(channel.text).toContain(`added ${object} on`);
  expect((await explain.action(added)).text).toContain(
    `The device made ${object}. Taken, and read back: ${object}ExternalPort is “8080”.`,
  );

  const deleted = await act({ kind: 'delete', name: object }, { why: `${object} is deleted.` });
  await control.send({ type: 'names', body: { cpeId: CPE, sessionId: 's', path: object, complete: true, names: [] } });
  const gone = await explain.parameter(CPE, `${object}ExternalPort`);
  expect(gone).toMatchObject({
    value: null,
    source: { kind: 'action', actionId: deleted },
    history: [{ kind: 'delete', from: '8080' }, { kind: 'add' }],
  });
  expect(gone.text).toContain('does not exist on this device any more');
});

test('firmware: the version came with the action that installed it', async () => {
  const request: ActionRequest = {
    kind: 'download',
    fileType: '1 Firmware Upgrade Image',
    url: 'http://files.example/fw.bin',
  };
  const { id, work } = await ask(request);
  const startedAt = control.clock.now();
  control.clock.advance(300_000);
  const events = ['1 BOOT', '7 TRANSFER COMPLETE', 'M Download'].map((EventCode) => ({ EventCode, CommandKey: '' }));
  await control.send(inform({ events, changed: [value(VERSION, '2.0')] }));
  control.clock.advance(1_000);
  await control.send(result(work, { startedAt, endedAt: control.clock.now(), why: 'The download is complete.' }));
  const { source, history, text } = await explain.parameter(CPE, 'device.software-version');
  expect(source).toMatchObject({ kind: 'action', actionId: id });
  expect(history[0]).toMatchObject({ kind: 'download', from: '1.0', to: '2.0' });
  expect(text).toContain('It came with the firmware that Ada (admin) installed');
  expect((await explain.action(id)).forCustomer).toBe('We have installed new software on your device.');
});

test('partial: what took and what did not, in words and with the reason', async () => {
  const id = await act(
    { kind: 'set', values: { 'wifi.2g.ssid': 'new-name', 'wifi.2g.channel': 14 } },
    {
      outcome: 'partial',
      before: [value(SSID, 'old-name'), value(`${WLAN}1.Channel`, '6')],
      after: [value(SSID, 'new-name'), value(`${WLAN}1.Channel`, '6')],
      items: [
        { name: SSID, status: 'set' },
        { name: `${WLAN}1.Channel`, status: 'refused', faultCode: 9007, text: 'fault 9007 (bad channel)' },
      ],
      fault: { FaultCode: 9003, FaultString: 'Invalid arguments' },
    },
  );
  const { text, forCustomer } = await explain.action(id);
  expect(text).toContain('Taken, and read back: the name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid) is “new-name”.');
  expect(text).toContain(
    'Not taken: the radio channel of the 2.4 GHz Wi-Fi network (wifi.2g.channel): fault 9007 (Invalid parameter value)',
  );
  expect(forCustomer).toBe(
    'We have changed the name of your 2.4 GHz Wi-Fi network to “new-name”. ' +
      'We could not change the radio channel of your 2.4 GHz Wi-Fi network to 14: your device did not accept that. ' +
      'Your phones and computers have to be connected again, with the new name. It stays on our list until somebody has looked at it.',
  );
  const channel = await explain.parameter(CPE, 'wifi.2g.channel');
  expect(channel.source.kind).toBe('cpe');
  expect(channel.text).toContain('Ada (admin) asked to set it to “14”');
  expect(channel.text).toContain('it did not take: fault 9007');
});

test('refused: nothing was changed, and both are told why in their words', async () => {
  const id = await act(
    { kind: 'set', values: { 'wifi.2g.ssid': 'x'.repeat(32) } },
    {
      outcome: 'refused',
      before: [value(SSID, 'old-name')],
      after: [value(SSID, 'old-name')],
      items: [{ name: SSID, status: 'refused', faultCode: 9007 }],
      fault: { FaultCode: 9003, FaultString: '' },
    },
  );
  const { text, forCustomer } = await explain.action(id);
  expect(text).toContain(
    'ended as refused. Not taken: the name of the 2.4 GHz Wi-Fi network (wifi.2g.ssid): fault 9007',
  );
  expect(forCustomer).toMatch(
    /^We wanted to change the name .* but your device did not accept that\. Nothing was changed\.$/,
  );
  expect((await explain.parameter(CPE, SSID)).source.kind).toBe('cpe');
});

test('expired before it ran: it is told as asked for, and as the source of nothing', async () => {
  const { id } = await ask({
    kind: 'set',
    values: { 'wifi.2g.ssid': 'new-name' },
    expiresAt: new Date(control.clock.now() + HOUR).toISOString(),
  });
  control.clock.advance(24 * HOUR);
  await expireActions(control.context);
  const { text, forCustomer } = await explain.action(id);
  expect(text).toContain(
    'It never ran; it ended on 15 November 2023 at 23:13 UTC as expired. Expired: the device did not connect in time.',
  );
  expect(forCustomer).toBe(
    'We wanted to change the name of your 2.4 GHz Wi-Fi network to “new-name”, but your device did not contact us in time. Nothing was changed. ' +
      'Please see that your device is switched on and connected.',
  );
  const { source, history } = await explain.parameter(CPE, SSID);
  expect(source.kind).toBe('cpe');
  expect(history[0]).toMatchObject({ kind: 'set', outcome: 'expired', actionId: id });
  expect(history[0]!.text).toContain('it never ran (expired)');
});

test('what waits and what runs is told so', async () => {
  const { id, work } = await ask({ kind: 'set', values: { 'wifi.2g.enable': false }, wake: true });
  expect((await explain.action(id)).forCustomer).toBe(
    'We are going to switch off your 2.4 GHz Wi-Fi network, as soon as your device contacts us. Please leave it switched on and connected.',
  );
  expect((await explain.parameter(CPE, 'wifi.2g.enable')).text).toContain('it has not run yet');
  await control.send(progress(work, 'running', 'SetParameterValues is under way.'));
  const { text, forCustomer } = await explain.action(id);
  expect(text).toContain('and goes on: SetParameterValues is under way.');
  expect(forCustomer).toContain('We are switching off your 2.4 GHz Wi-Fi network at this moment.');
});

test('an rpc that writes no value is none of its story', async () => {
  const attributes = { Name: SSID, NotificationChange: true, Notification: 2, AccessListChange: false, AccessList: [] };
  const request: ActionRequest = {
    ...{ kind: 'rpc', method: 'SetParameterAttributes' },
    arguments: { ParameterList: [attributes] },
  };
  await act(request, { outcome: 'applied' });
  await valueChange([SSID, 'theirs']);
  expect((await explain.parameter(CPE, SSID)).source.kind).toBe('cpe');
});

test('a configuration file is what the next change of a setting is owed to, and of nothing else', async () => {
  const request: ActionRequest = {
    ...{ kind: 'download', fileType: '3 Vendor Configuration File' },
    url: 'http://files.example/settings',
  };
  const id = await act(request, {});
  await valueChange([SSID, 'by-file'], [VERSION, '1.1']);
  const { source, text } = await explain.parameter(CPE, SSID);
  expect(source).toMatchObject({ kind: 'action', actionId: id });
  expect(text).toContain('and most likely with it');
  expect((await explain.parameter(CPE, VERSION)).source.kind).toBe('cpe');
  control.clock.advance(HOUR);
  await valueChange([SSID, 'theirs']);
  expect((await explain.parameter(CPE, SSID)).source.kind).toBe('cpe');
});

test('of values that were so already a customer is told nothing', async () => {
  const { id, work } = await ask({ kind: 'set', values: { 'wifi.2g.ssid': 'old-name', 'wifi.2g.enable': false } });
  const items = [
    { name: SSID, status: 'unchanged' },
    { name: `${WLAN}1.Enable`, status: 'set' },
  ];
  await control.send(result(work, { items }));
  expect((await explain.action(id)).forCustomer).toBe(
    'We have switched off your 2.4 GHz Wi-Fi network. We have checked that it took effect.',
  );
});

test('an object is told apart from a value', async () => {
  await control.send({
    type: 'names',
    body: {
      ...{ cpeId: CPE, sessionId: 's', path: WLAN, complete: false },
      names: [{ Name: `${WLAN}1.`, Writable: false }],
    },
  });
  expect((await explain.parameter(CPE, `${WLAN}1.`)).text).toBe(
    `${WLAN}1. is an object of the device, which has no value itself. No action known here has added it.`,
  );
});

test('an rpc that writes is told as what wrote it', async () => {
  const args = { ParameterList: [{ Name: SSID, Value: 'by-hand', Type: 'xsd:string' }] };
  const id = await act(
    { kind: 'rpc', method: 'SetParameterValues', arguments: args },
    { outcome: 'applied', data: { Status: 0 } },
  );
  expect((await explain.parameter(CPE, SSID)).source).toMatchObject({ kind: 'action', actionId: id });
  await read([SSID, 'by-hand']);
  expect((await explain.parameter(CPE, SSID)).text).toContain('Ada (admin) set it to “by-hand”');
});

test.each([
  ['wifi.2g.sid', /wifi\.2g\.sid is not a name on this device.*Nearest names: wifi\.2g\.ssid/],
  [`${WLAN}1.SSIDD`, /Nearest names: InternetGatewayDevice\.LANDevice\.1\.WLANConfiguration\.1\.SSID/],
  ['InternetGatewayDevice..X', /empty part/],
  ['Device.WiFi.SSID.1.SSID', /is not a name on this device/],
])('the unknown parameter %s is 404 and the nearest names are offered', async (name, message) => {
  await expect(explain.parameter(CPE, name)).rejects.toMatchObject({
    status: 404,
    code: 'unknown-name',
    message: expect.stringMatching(message),
  });
});

test('unknown devices and actions are 404', async () => {
  await expect(explain.parameter('00259E-HG8245-NOBODY', SSID)).rejects.toMatchObject({
    status: 404,
    code: 'unknown-device',
  });
  await expect(explain.action('01NOBODY')).rejects.toMatchObject({ status: 404, code: 'unknown-action' });
});

test('history is bounded, newest first', async () => {
  for (let i = 0; i < 25; i++) {
    control.clock.advance(60_000);
    await valueChange([VERSION, `1.${i}`]);
  }
  const { history } = await explain.parameter(CPE, VERSION);
  expect(history).toHaveLength(20);
  expect(history[0]!.to).toBe('1.24');
  expect(history[19]!.to).toBe('1.5');
});
