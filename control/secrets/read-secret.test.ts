import { expect, test } from 'vitest';
import { ADMIN, CPE, inform, result, testControl, value } from '../control.test-helper.ts';
import { evidenceService } from '../evidence/export.ts';
import type { Role } from '../permissions.ts';
import type { Principal } from '../services.ts';
import { readSecret } from './read-secret.ts';
import { mayReadSecret, type SecretClass, secretClassOf } from './secret-class.ts';

const WLAN = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.';
const PPP = 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Password';
const ACS = 'InternetGatewayDevice.ManagementServer.Password';
const as = (role: Role): Principal => ({ ...ADMIN, role, name: `${role} of the test`, person: `p-${role}` });

test.each<[SecretClass, string]>([
  ['wifi', `${WLAN}KeyPassphrase`],
  ['wifi', `${WLAN}PreSharedKey.1.KeyPassphrase`],
  ['wifi', `${WLAN}WEPKey.1.WEPKey`],
  ['wifi', 'Device.WiFi.AccessPoint.10.Security.KeyPassphrase'],
  ['wifi', 'Device.WiFi.AccessPoint.1.Security.X_TP_PreSharedKey'],
  ['other', 'Device.WiFi.AccessPoint.1.Security.RadiusSecret'],
  ['other', 'Device.WiFi.AccessPoint.1.WPS.PIN'],
  ['ppp', PPP],
  ['ppp', 'Device.PPP.Interface.1.Password'],
  ['management', ACS],
  ['management', 'Device.ManagementServer.ConnectionRequestPassword'],
  ['management', 'Device.Users.User.2.Password'],
  ['other', 'Device.Services.VoiceService.1.VoiceProfile.1.Line.1.SIP.AuthPassword'],
  ['other', 'Device.X_KeyPassphrase.AccessPoint.KeyPassphrase'],
])('a secret is of kind %s: %s', (kind, path) => {
  expect(secretClassOf(path)).toBe(kind);
});

test('who may read which kind', () => {
  const table = (['support', 'noc', 'field', 'finance', 'engineer', 'admin', 'auditor', 'agent'] as const).map(
    (role) => [
      role,
      (['wifi', 'ppp', 'management', 'other'] as const).filter((kind) => mayReadSecret(role, kind)).join(' '),
    ],
  );
  const all = 'wifi ppp management other';
  expect(Object.fromEntries(table)).toEqual({
    ...{ support: 'wifi', noc: 'wifi ppp', engineer: all, admin: all },
    ...{ field: '', finance: '', auditor: '', agent: '' },
  });
});

async function withSecrets() {
  const control = await testControl();
  const changed = [
    value(`${WLAN}KeyPassphrase`, 'customer-key'),
    value(PPP, 'ppp-password'),
    value(ACS, ''),
    value(`${WLAN}SSID`, 'home'),
  ];
  await control.send(inform({ changed }));
  const { context } = control;
  const recorded = (kind: string) =>
    context.sql<{ action_id: string; body: Record<string, unknown> }[]>`
      select action_id, body from evidence where kind = ${kind} order by seq`;
  const read = (name: string, by: Principal = ADMIN) => readSecret(context, CPE, { name, reason: 'T-17' }, by);
  return { ...control, recorded, read };
}

test('a secret is read by path or canonical name, and that is evidence and on the timeline, without the secret', async () => {
  const { read, recorded, devices, context } = await withSecrets();
  const found = { name: `${WLAN}KeyPassphrase`, value: 'customer-key', source: 'device', actionId: null };
  expect(await read(found.name, as('support'))).toMatchObject(found);
  expect(await read('wifi.2g.password')).toMatchObject(found);
  const body = { deviceId: CPE, name: found.name, reason: 'T-17', class: 'wifi', tokenId: 'token-1' };
  expect(await recorded('secret-read')).toEqual([
    { action_id: '', body: { ...body, by: 'support of the test', role: 'support', person: 'p-support' } },
    { action_id: '', body: { ...body, by: 'Ada', role: 'admin', person: 'ada' } },
  ]);
  const { items } = await devices.timeline(CPE, {});
  expect(items.slice(0, 2).map(({ kind, summary }) => [kind, summary])).toEqual([
    ['secret.read', `Ada read the secret ${found.name}: T-17`],
    ['secret.read', `support of the test read the secret ${found.name}: T-17`],
  ]);
  const everywhere = JSON.stringify([items, await context.sql`select body from evidence`]);
  expect(everywhere).not.toContain('customer-key');
});

test('refused by kind is evidence too', async () => {
  const { read, recorded } = await withSecrets();
  await expect(read(PPP, as('support'))).rejects.toMatchObject({ status: 403, code: 'secret-class' });
  expect(await recorded('refused')).toMatchObject([
    { action_id: '', body: { what: 'secret-read', deviceId: CPE, name: PPP, role: 'support', reason: 'T-17' } },
  ]);
  expect(await recorded('secret-read')).toEqual([]);
});

test.each<[string, string, string]>([
  ['what is no name', 'wifi.nothing', 'unknown-name'],
  ['what is no secret', `${WLAN}SSID`, 'no-secret'],
  ['a secret the device hides', ACS, 'hidden'],
  ['a secret nobody told', 'InternetGatewayDevice.ManagementServer.ConnectionRequestPassword', 'not-known'],
])('%s is refused with what to do, and is no reading', async (_, name, code) => {
  const { read, recorded } = await withSecrets();
  await expect(read(name)).rejects.toMatchObject({ tag: 'refused', code });
  expect(await recorded('secret-read')).toEqual([]);
});

test('of a secret the device hides it is what the last action that went through has set, until it is factory-reset', async () => {
  const { read, actions, send, handOver, bus, clock } = await withSecrets();
  const set = async (Value: string, outcome: 'applied' | 'failed'): Promise<string> => {
    const { action } = await actions.create(CPE, { kind: 'set', values: { [ACS]: Value } }, { principal: ADMIN });
    await handOver.pass();
    const work = bus.work().find(({ actionId }) => actionId === action.id)!;
    await send(result(work, { outcome, startedAt: clock.now(), endedAt: clock.now() }));
    clock.advance(1_000);
    return action.id;
  };
  await expect(read(ACS)).rejects.toMatchObject({ code: 'hidden' });
  await set('first', 'applied');
  const second = await set('second', 'applied');
  await set('third', 'failed');
  expect(await read(ACS)).toMatchObject({ value: 'second', source: 'action', actionId: second });
  await send(
    inform({ events: [{ EventCode: '0 BOOTSTRAP', CommandKey: '' }], reset: true, changed: [value(ACS, '')] }),
  );
  await expect(read(ACS)).rejects.toMatchObject({ code: 'hidden' });
});

test('nothing is told when it cannot be recorded', async () => {
  const { read, context } = await withSecrets();
  await context.sql`alter table evidence add constraint none check (kind <> 'secret-read')`;
  await expect(read(PPP)).rejects.toMatchObject({ code: '23514' });
});

test('an export of the device has what was read of it, and of another one only the place', async () => {
  const { read, send, context } = await withSecrets();
  await send(inform({ serial: 'TEST0002', changed: [value(PPP, 'x')] }));
  await read(PPP);
  await readSecret(context, CPE.replace('TEST0001', 'TEST0002'), { name: PPP, reason: 'other' }, ADMIN);
  await read(`${WLAN}KeyPassphrase`);
  let text = '';
  for await (const part of evidenceService(context).export({ deviceId: CPE })) text += part;
  const lines = text.split('\n').filter((line) => line.includes('secret-read'));
  expect(lines.map((line) => JSON.parse(line).record.body.deviceId)).toEqual([CPE, CPE]);
  expect(text).not.toContain('TEST0002');
});
