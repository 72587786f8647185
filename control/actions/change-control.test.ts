// Preview, approval, drift, recovery and the queue, on a real database, with an edge that says what the test wants.

import { beforeEach, expect, test } from 'vitest';
import { ADMIN, CPE, inform, progress, result, type TestControl, testControl, value } from '../control.test-helper.ts';
import { DEFAULT_MATRIX } from '../policy/approval-matrix.ts';
import { matrixService } from '../policy/matrix-store.ts';
import type { ActionDetail, Principal } from '../services.ts';
import { expireActions } from './end-here.ts';
import type { ActionRequest } from './request.ts';

const WLAN = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.';
const SSID = `${WLAN}SSID`;
const KEY = `${WLAN}KeyPassphrase`;
const MAPPINGS = 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.';

const person = (name: string, role: Principal['role']): Principal => ({
  tokenId: `token-${name}`,
  name,
  role,
  person: name.toLowerCase(),
  scope: null,
});
const SUPPORT = person('Sue', 'support');
const NOC = person('Nora', 'noc');
const ENGINEER = person('Eve', 'engineer');

let control: TestControl;
beforeEach(async () => {
  control = await testControl();
  await control.send(inform({ changed: [value(SSID, 'Old'), value(KEY, 'old-secret')] }));
});

const set = (ssid: string, more: Partial<ActionRequest> = {}): ActionRequest =>
  ({ kind: 'set', values: { 'wifi.2g.ssid': ssid }, ...more }) as ActionRequest;

async function create(request: ActionRequest, principal = ADMIN): Promise<ActionDetail> {
  // Ids rise with time.
  control.clock.advance(1);
  const { action } = await control.actions.create(CPE, request, { principal });
  await control.handOver.pass();
  return action;
}
/** Everything takes a person other than the owner. */
async function askSecondPerson(): Promise<void> {
  const rules = [
    { ...DEFAULT_MATRIX.rules[0]! },
    { name: 'two', need: 'second-person' as const, approvers: ['noc' as const, 'engineer' as const], holdsHours: 4 },
  ];
  await matrixService(control.context).put({ rules }, ADMIN);
}
const kinds = async (id: string): Promise<string[]> => (await control.actions.get(id)).evidence.map(({ kind }) => kind);
const read = (...values: [string, string][]) => {
  const body = { cpeId: CPE, sessionId: 's', values: values.map(([name, text]) => value(name, text)) };
  return control.send({ type: 'values', body });
};
async function ended(action: ActionDetail, more: Parameters<typeof result>[1]): Promise<ActionDetail> {
  await control.handOver.pass();
  const work = control.bus.work().findLast(({ actionId }) => actionId === action.id)!;
  await control.send(progress(work, 'running', 'In session.'), result(work, more));
  control.clock.advance(1);
  return await control.actions.get(action.id);
}

test('a preview does nothing before it is submitted with the hash of its plan', async () => {
  const preview = await create(set('New', { preview: true }));
  expect(preview).toMatchObject({ state: 'planned', approvals: [], plan: { diff: [{ from: 'Old', to: 'New' }] } });
  expect(control.bus.work()).toEqual([]);
  const wrong = control.actions.submit(preview.id, 'f'.repeat(64), ADMIN);
  await expect(wrong).rejects.toMatchObject({ status: 409, code: 'stale-plan' });
  const submitted = await control.actions.submit(preview.id, preview.plan.hash, ADMIN);
  expect(submitted).toMatchObject({ state: 'ready', approvals: [{ decision: 'auto', planHash: preview.plan.hash }] });
  await control.handOver.pass();
  expect(control.bus.work()).toHaveLength(1);
  expect(await kinds(preview.id)).toEqual(['planned', 'submitted', 'approved', 'sent']);
  const again = control.actions.submit(preview.id, preview.plan.hash, ADMIN);
  await expect(again).rejects.toMatchObject({ status: 409, code: 'not-planned' });
});

test('a preview says in words what it touches, and that the service may be cut', async () => {
  const preview = await create({ kind: 'set', values: { 'wan.pppoe.username': 'line-2' }, preview: true });
  expect(preview.plan).toMatchObject({
    risk: 'medium',
    words: expect.stringContaining('the user name of the Internet connection (wan.pppoe.username)'),
    impact: {
      serviceCut: true,
      text: "The user name of the Internet connection (wan.pppoe.username) carries the customer's service or our way to the device.",
    },
  });
});

test('a preview nobody submits expires; one whose device has changed is not submitted', async () => {
  const late = await create(set('New', { preview: true }));
  const drifted = await create(set('New', { preview: true }));
  await read([SSID, 'Other']);
  const submit = control.actions.submit(drifted.id, drifted.plan.hash, ADMIN);
  await expect(submit).rejects.toMatchObject({ status: 409, code: 'drifted', message: expect.stringContaining(SSID) });
  expect(await control.actions.get(drifted.id)).toMatchObject({
    state: 'cancelled',
    why: expect.stringContaining('changed'),
  });
  expect(await kinds(drifted.id)).toEqual(['planned', 'drifted', 'ended']);
  control.clock.advance(3_600_001);
  await expireActions(control.context);
  expect(await control.actions.get(late.id)).toMatchObject({
    state: 'expired',
    why: expect.stringContaining('nobody let it go'),
  });
});

test('a second person approves the plan he looked at, and nobody else may', async () => {
  await askSecondPerson();
  const action = await create(set('New'), NOC);
  expect(action).toMatchObject({
    state: 'awaiting-approval',
    needs: { need: 'second-person', approvers: ['noc', 'engineer'] },
  });
  expect(control.bus.work()).toEqual([]);
  const { hash } = action.plan;
  const approve = (principal: Principal, planHash = hash) => control.actions.approve(action.id, planHash, principal);
  await expect(approve(NOC)).rejects.toMatchObject({ status: 403, code: 'own-action' });
  await expect(approve({ ...NOC, tokenId: 'another' })).rejects.toMatchObject({ code: 'own-action' });
  await expect(approve(SUPPORT)).rejects.toMatchObject({ status: 403, code: 'not-an-approver' });
  await expect(approve({ ...ENGINEER, person: null })).rejects.toMatchObject({ status: 403, code: 'needs-person' });
  await expect(approve({ ...ENGINEER, scope: ['read'] })).rejects.toMatchObject({ code: 'not-an-approver' });
  await expect(approve(ENGINEER, 'f'.repeat(64))).rejects.toMatchObject({ status: 409, code: 'stale-plan' });
  const ready = await approve(ENGINEER);
  expect(ready).toMatchObject({
    state: 'ready',
    needs: null,
    approvals: [{ decision: 'approved', by: 'Eve', role: 'engineer', planHash: hash }],
  });
  // An approval holds for as long as its rule says.
  expect(Date.parse(ready.expiresAt)).toBe(control.clock.now() + 4 * 3_600_000);
  await expect(approve(ENGINEER)).rejects.toMatchObject({ status: 409, code: 'not-awaiting-approval' });
  await control.handOver.pass();
  // The edge writes over what was approved, and nothing else.
  expect(control.bus.work()[0]!.args['expected']).toEqual([{ name: SSID, value: 'Old' }]);
  expect(await kinds(action.id)).toEqual(['planned', 'approval-asked', 'approved', 'sent']);
});

test('rejected, drifted before the approval, drifted before the hand-over, and waited too long', async () => {
  await askSecondPerson();
  const rejected = await create(set('A'), NOC);
  await expect(control.actions.reject(rejected.id, 'no', SUPPORT)).rejects.toMatchObject({ code: 'not-an-approver' });
  const no = await control.actions.reject(rejected.id, 'not today', ENGINEER);
  expect(no).toMatchObject({ state: 'cancelled', approvals: [{ decision: 'rejected', why: 'not today' }] });

  const drifted = await create(set('B'), NOC);
  const approved = await create(set('C'), NOC);
  control.bus.answers = false;
  // Work waits behind the settings of its device, so this is not tried yet: what was tried may be with the edge.
  await control.devices.setCredentials(CPE, { cpe: { username: 'u', password: 'p' } }, ADMIN);
  await control.actions.approve(approved.id, approved.plan.hash, ENGINEER);
  await control.handOver.pass();
  await read([SSID, 'Changed at home']);
  await expect(control.actions.approve(drifted.id, drifted.plan.hash, ENGINEER)).rejects.toMatchObject({
    code: 'drifted',
  });
  control.bus.answers = true;
  control.clock.advance(120_000);
  await control.handOver.pass();
  await control.handOver.pass();
  expect(await control.actions.get(approved.id)).toMatchObject({
    state: 'cancelled',
    why: expect.stringContaining(SSID),
  });
  expect(control.bus.work()).toEqual([]);

  const late = await create(set('D'), NOC);
  control.clock.advance(3 * 86_400_000);
  await expect(control.actions.approve(late.id, late.plan.hash, ENGINEER)).rejects.toMatchObject({ status: 409 });
  await expireActions(control.context);
  expect(await control.actions.get(late.id)).toMatchObject({
    state: 'expired',
    why: expect.stringContaining('nobody approved'),
  });
});

test('a secret that changed is drift too, and no value of it is shown', async () => {
  await askSecondPerson();
  const action = await create({ kind: 'set', values: { [KEY]: 'new-secret' } }, NOC);
  await read([KEY, 'other-secret']);
  await expect(control.actions.approve(action.id, action.plan.hash, ENGINEER)).rejects.toMatchObject({
    code: 'drifted',
  });
  expect(JSON.stringify(await control.actions.get(action.id))).not.toMatch(/(old|new|other)-secret/);
});

test('an agent proposes, a person approves; what the matrix denies is not made', async () => {
  const agent: Principal = { ...person('Robot', 'agent'), person: null };
  const proposed = await create(set('New'), agent);
  expect(proposed).toMatchObject({ state: 'awaiting-approval', owner: { kind: 'agent' } });
  await control.actions.approve(proposed.id, proposed.plan.hash, NOC);
  const denied = [
    { name: 'no restarts', kinds: ['reboot'], need: 'denied' as const, approvers: ['admin' as const], holdsHours: 1 },
    ...DEFAULT_MATRIX.rules,
  ];
  await matrixService(control.context).put({ rules: denied }, ADMIN);
  await expect(create({ kind: 'reboot' })).rejects.toMatchObject({
    status: 403,
    code: 'denied',
    message: expect.stringContaining('no restarts'),
  });
});

test('a set is taken back by what the device held before, by one call, and only once', async () => {
  const done = await ended(await create(set('New')), {
    before: [value(SSID, 'Really')],
    after: [value(SSID, 'New')],
    items: [{ name: SSID, status: 'set' }],
  });
  expect(done).toMatchObject({ state: 'done', recovery: { possible: true, state: 'not-run' } });
  const recovery = await control.actions.recover(done.id, NOC);
  // The device said more than was known when it was planned.
  expect(recovery).toMatchObject({
    recovers: done.id,
    kind: 'set',
    request: { values: { [SSID]: 'Really' } },
    state: 'ready',
  });
  expect(await control.actions.get(done.id)).toMatchObject({
    state: 'recovering',
    recovery: { state: 'running', actionId: recovery.id },
  });
  await expect(control.actions.recover(done.id, NOC)).rejects.toMatchObject({ status: 409, code: 'not-recoverable' });
  await ended(recovery, { after: [value(SSID, 'Really')], items: [{ name: SSID, status: 'set' }] });
  const back = await control.actions.get(done.id);
  expect(back).toMatchObject({ state: 'recovered', recovery: { state: 'done' } });
  expect((await kinds(done.id)).slice(-2)).toEqual(['recovery-begun', 'recovery-ended']);
  await expect(control.actions.recover(done.id, NOC)).rejects.toMatchObject({ code: 'not-recoverable' });
});

test('a recovery that fails is stuck, loud, in the queue, and may be tried again', async () => {
  const done = await ended(await create(set('New')), {
    before: [value(SSID, 'Old')],
    after: [value(SSID, 'New')],
    items: [{ name: SSID, status: 'set' }],
  });
  const first = await control.actions.recover(done.id, NOC);
  await ended(first, {
    outcome: 'failed',
    why: 'The CPE answered 9002.',
    fault: { FaultCode: 9002, FaultString: 'Internal error' },
  });
  expect(await control.actions.get(done.id)).toMatchObject({ state: 'stuck', why: expect.stringContaining('9002') });
  const { items } = await control.actions.queue({});
  expect(items.map(({ action, nextStep }) => [action.id, action.state, nextStep])).toEqual([
    [first.id, 'failed', expect.stringContaining('failed')],
    [done.id, 'stuck', expect.stringContaining('put it right by hand')],
  ]);
  expect(items[0]!.faults).toEqual([{ code: 9002, text: 'Internal error' }]);
  const second = await control.actions.recover(done.id, NOC);
  await ended(second, { after: [value(SSID, 'Old')], items: [{ name: SSID, status: 'set' }] });
  expect((await control.actions.get(done.id)).state).toBe('recovered');
});

test('a recovery that is cancelled, or never runs, leaves the action stuck', async () => {
  const done = await ended(await create(set('New')), {
    before: [value(SSID, 'Old')],
    after: [value(SSID, 'New')],
    items: [{ name: SSID, status: 'set' }],
  });
  control.bus.answers = false;
  const { id } = await control.actions.recover(done.id, NOC);
  // A pass that is under way has the action locked, and what is locked expires with the next look.
  await control.handOver.pass();
  control.clock.advance(3 * 86_400_000);
  await expireActions(control.context);
  expect((await control.actions.get(id)).state).toBe('expired');
  expect((await control.actions.get(done.id)).state).toBe('stuck');
});

test('a recovery that is heard of after its deadline has taken the action back all the same', async () => {
  const done = await ended(await create(set('New')), {
    before: [value(SSID, 'Old')],
    after: [value(SSID, 'New')],
    items: [{ name: SSID, status: 'set' }],
  });
  const { id } = await control.actions.recover(done.id, NOC);
  await control.handOver.pass();
  const work = control.bus.work().findLast(({ actionId }) => actionId === id)!;
  control.clock.advance(3 * 86_400_000);
  await expireActions(control.context);
  expect((await control.actions.get(done.id)).state).toBe('stuck');
  await control.send(result(work, {}));
  expect((await control.actions.get(id)).state).toBe('done');
  expect(await control.actions.get(done.id)).toMatchObject({ state: 'recovered', recovery: { state: 'done' } });
  expect((await control.actions.queue({})).items).toEqual([]);
});

test('what was made is deleted, what was deleted is made anew, and where that cannot be the reason is said', async () => {
  const added = await ended(await create({ kind: 'add', name: MAPPINGS, values: { ExternalPort: 80 } }), {
    data: { InstanceNumber: 3, object: `${MAPPINGS}3.` },
  });
  expect(added.recovery).toMatchObject({ possible: true, text: expect.stringContaining(`${MAPPINGS}3.`) });
  expect(await control.actions.recover(added.id, ADMIN)).toMatchObject({
    kind: 'delete',
    request: { name: `${MAPPINGS}3.` },
  });

  const unread = await create({ kind: 'delete', name: `${MAPPINGS}1.`, preview: true });
  expect(unread.plan.recovery).toMatchObject({ possible: false, text: expect.stringContaining('refresh it first') });
  const names = ['ExternalPort', 'InternalClient', 'PortMappingEnabled'].map((name) => ({
    Name: `${MAPPINGS}1.${name}`,
    Writable: true,
  }));
  const body = { cpeId: CPE, sessionId: 's', path: `${MAPPINGS}1.`, complete: true, names };
  await control.send({ type: 'names', body });
  await read(
    [`${MAPPINGS}1.ExternalPort`, '443'],
    [`${MAPPINGS}1.InternalClient`, '192.0.2.3'],
    [`${MAPPINGS}1.PortMappingEnabled`, '1'],
  );
  const deleted = await ended(await create({ kind: 'delete', name: `${MAPPINGS}1.` }), {});
  expect(deleted.recovery.possible).toBe(true);
  expect(await control.actions.recover(deleted.id, ADMIN)).toMatchObject({
    kind: 'add',
    request: { name: MAPPINGS, values: { ExternalPort: '443', InternalClient: '192.0.2.3', PortMappingEnabled: '1' } },
  });

  const reboot = await ended(await create({ kind: 'reboot' }), {});
  await expect(control.actions.recover(reboot.id, ADMIN)).rejects.toMatchObject({
    code: 'not-recoverable',
    message: expect.stringContaining('restart'),
  });
  const nothing = await ended(await create(set('Same')), { items: [{ name: SSID, status: 'unchanged' }] });
  expect(nothing.recovery).toMatchObject({ possible: false, text: expect.stringContaining('Nothing was changed') });
  const open = await create(set('Open'));
  await expect(control.actions.recover(open.id, ADMIN)).rejects.toMatchObject({
    message: expect.stringContaining('not ended'),
  });
});

test('a secret is taken back without ever being shown', async () => {
  const done = await ended(await create({ kind: 'set', values: { [KEY]: 'new-secret' } }), {
    before: [value(KEY, '••••')],
    after: [value(KEY, '••••')],
    items: [{ name: KEY, status: 'set' }],
  });
  const recovery = await control.actions.recover(done.id, ADMIN);
  await control.handOver.pass();
  expect(control.bus.work().at(-1)!.args['values']).toMatchObject([{ name: KEY, value: 'old-secret', secret: true }]);
  expect(JSON.stringify([recovery, await control.actions.get(done.id)])).not.toMatch(/(old|new)-secret/);
});

test('a secret that the device hides is not blanked by taking it back', async () => {
  const hidden = { before: [value(KEY, '')], after: [value(KEY, '')], items: [{ name: KEY, status: 'unverified' }] };
  const known = await ended(await create({ kind: 'set', values: { [KEY]: 'new-secret' } }), hidden);
  await control.actions.recover(known.id, ADMIN);
  await control.handOver.pass();
  expect(control.bus.work().at(-1)!.args['values']).toMatchObject([{ name: KEY, value: 'old-secret' }]);
  const other = KEY.replace('WLANConfiguration.1', 'WLANConfiguration.2');
  await read([other, '']);
  const items = [{ name: other, status: 'unverified' }];
  const blank = await ended(await create({ kind: 'set', values: { [other]: 'new-secret' } }), {
    before: [value(other, '')],
    items,
  });
  expect(blank.recovery).toMatchObject({ possible: false, text: expect.stringContaining('hides') });
});

test('what did not end well stays in the queue until a person closes it with a note', async () => {
  const forgotten = [{ name: SSID, status: 'differs', text: 'reads back as "Old"' }];
  const refused = await ended(await create(set('Bad')), { outcome: 'refused', why: 'Forgotten.', items: forgotten });
  const changed = [{ name: SSID, status: 'drifted' }];
  const drifted = await ended(await create(set('Late')), { outcome: 'refused', why: 'Drifted.', items: changed });
  const unknown = await ended(await create({ kind: 'reboot' }), {
    outcome: 'failed',
    why: 'Nobody knows.',
    unknown: true,
  });
  const fault = { FaultCode: 9003, FaultString: 'Bad arguments' };
  const items = [{ name: SSID, status: 'refused', faultCode: 9007, text: 'as this CPE says it' }];
  const faulted = await ended(await create(set('Worse')), { outcome: 'refused', why: '9007', fault, items });
  const good = await ended(await create(set('Good')), {});
  control.clock.advance(90_000);
  const { items: queue } = await control.actions.queue({});
  expect(queue.map(({ action, isKnown, nextStep }) => [action.id, isKnown, nextStep])).toEqual([
    [faulted.id, true, expect.stringMatching(/nothing was changed.*fault/)],
    [unknown.id, false, expect.stringContaining('Unknown, needs a look')],
    [drifted.id, true, expect.stringContaining('Make a new preview')],
    [refused.id, true, expect.stringContaining('says yes and keeps what it had')],
  ]);
  expect(queue[0]!.faults).toEqual([
    { code: 9003, text: 'Bad arguments' },
    { code: 9007, text: 'Invalid parameter value' },
  ]);
  const closed = await control.actions.close(refused.id, 'The customer has it.', SUPPORT);
  expect(closed.closed).toMatchObject({ by: 'Sue', note: 'The customer has it.' });
  expect((await control.actions.queue({ deviceId: CPE })).items).toHaveLength(3);
  expect((await control.actions.queue({ state: 'refused' })).items).toHaveLength(2);
  await expect(control.actions.close(refused.id, 'again', SUPPORT)).rejects.toMatchObject({
    status: 409,
    code: 'not-in-queue',
  });
  await expect(control.actions.close(good.id, 'why', SUPPORT)).rejects.toMatchObject({ code: 'not-in-queue' });
  expect((await kinds(refused.id)).at(-1)).toBe('closed');
});
