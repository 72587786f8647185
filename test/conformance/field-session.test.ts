// FIELD 30–37: what CPEs do wrong with cookies, connections and sessions. A session belongs to its cookie and its CPE, never to a
// connection, and what was asked in one that broke is neither lost nor blindly repeated.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { changedIn, type Field, idOf, SSID, startField, VERSION, wentWell } from './field.test-helper.ts';
import { WireCpe } from './wire.test-helper.ts';

const CREDENTIALS = { username: 'shared', password: 'bootstrap secret' };
const NO_PATH =
  'id: field-no-path\ntitle: No path\nextends: tr098\nmatch: { manufacturer: Starling Simulation, productClass: NoPath }\n' +
  'quirks: { cookiePath: false }\n';

let field: Field;
let guarded: Field;
/** Opened first and looked at last: its connection is left open after its session. */
let lingering: WireCpe;
beforeAll(async () => {
  const secret = { STARLING_CPE_USERNAME: CREDENTIALS.username, STARLING_CPE_PASSWORD: CREDENTIALS.password };
  [field, guarded] = await Promise.all([
    startField({}, [NO_PATH]),
    startField({ STARLING_CPE_AUTH: 'digest', ...secret }),
  ]);
  lingering = new WireCpe(field.edge.port);
  expect((await lingering.begin()).status).toBe(204);
});
afterAll(async () => {
  lingering.close();
  await Promise.all([field.close(), guarded.close()]);
});

test('FIELD 30: the session cookie is found among others, separated by commas, and in quotes', async () => {
  for (const name of ['cookies-with-commas', 'cookies-quoted']) {
    const guessed = await field.rise('starling_tolerances_total', 'name="no-cookie"', async () =>
      field.talks(await field.booted([name])),
    );
    expect(guessed, name).toBe(0);
  }
});

test('FIELD 31: the cookie says Path=/, unless the profile leaves it out', async () => {
  const acsUrl = `${field.edge.url}some/deep/path`;
  const guessed = await field.rise('starling_tolerances_total', 'name="no-cookie"', async () => {
    await field.talks(await field.booted(['cookies-need-path'], { acsUrl }));
  });
  expect(guessed).toBe(0);

  const device = { Manufacturer: 'Starling Simulation' };
  const parameters = [
    '<ParameterValueStruct><Name>InternetGatewayDevice.DeviceSummary</Name><Value>x</Value></ParameterValueStruct>',
  ];
  const cookieOf = async (ProductClass: string): Promise<string> => {
    const cpe = new WireCpe(field.edge.port, { device: { ...device, ProductClass } });
    const reply = await cpe.inform({ parameters });
    cpe.close();
    return reply.header('Set-Cookie');
  };
  expect(await cookieOf('WithPath')).toMatch(/; Path=\/(;|$)/);
  expect(await cookieOf('NoPath')).not.toMatch(/;\s*Path/i);
});

test('FIELD 32: the cookie of the last session does not disturb a new one', async () => {
  const cpe = await field.booted(['cookies-stale']);
  const takeovers = await field.rise('starling_session_takeovers_total', '', async () => {
    await field.talks(cpe);
    wentWell(await cpe.inform());
  });
  expect(takeovers).toBe(0);
});

test('FIELD 33: a session goes on over one connection after the other', async () => {
  const cpe = await field.booted(['connection-per-request']);
  const connections = await field.rise('starling_connections_opened_total', '', async () => field.talks(cpe));
  // Two sessions of Inform, empty POST and at least one answer.
  expect(connections).toBeGreaterThanOrEqual(6);
  expect(await field.ask(cpe, 'refresh', { path: 'InternetGatewayDevice.DeviceInfo.' })).toMatchObject({
    outcome: 'done',
  });
});

test('FIELD 34: what was asked when the CPE hung up is asked again, if that does no harm, and the broken session is told', async () => {
  const hangsUp = await field.booted(['closes-with-work-outstanding']);
  const action = await field.edge.act(idOf(hangsUp), 'get', { names: [SSID] });
  expect((await hangsUp.inform()).outcome).toBe('failed');
  await hangsUp.stop();
  const again = field.cpe([], { serialNumber: hangsUp.device.SerialNumber });
  wentWell(await again.start());
  expect(await field.edge.result(action)).toMatchObject({
    outcome: 'done',
    after: [{ Value: again.tree.value(SSID) }],
  });
  expect(field.factsOf(again, 'session').map(({ ok, why }) => [ok, why])).toContainEqual([
    false,
    'taken over by a new Inform',
  ]);

  const rebooting = await field.booted(['closes-with-work-outstanding']);
  await field.edge.act(idOf(rebooting), 'reboot', {});
  expect((await rebooting.inform()).outcome).toBe('failed');
  await rebooting.stop();
  const back = field.cpe([], { serialNumber: rebooting.device.SerialNumber });
  wentWell(await back.inform());
  wentWell(await back.inform());
  // It may have been carried out: it is never sent a second time.
  expect(back.received.count('Reboot')).toBe(0);
});

test('FIELD 35: an Authorization header that cannot be read is a failed attempt where one is needed, and nothing where none is', async () => {
  wentWell(await field.cpe(['authorization-malformed']).start());
  const refused = await guarded.rise('starling_cpe_auth_total', 'outcome="ok"', async () => {
    const summary = await guarded.cpe(['authorization-malformed'], CREDENTIALS).start();
    expect(new Set(summary.statuses)).toEqual(new Set([401]));
    for (const header of [
      'Digest',
      'Basic !!',
      'Digest username="',
      'Bearer x',
      ', ,=,',
      `Digest ${'a="b",'.repeat(500)}`,
    ]) {
      const cpe = new WireCpe(guarded.edge.port);
      const reply = await cpe.inform({}, { Authorization: header });
      expect(reply.status, header).toBe(401);
      expect(reply.all('WWW-Authenticate').join(), header).toContain('Digest realm=');
      cpe.close();
    }
  });
  expect(refused).toBe(0);
  // Nobody was locked out by it.
  await guarded.talks(await guarded.booted([], CREDENTIALS));
});

test('FIELD 37: an RPC nobody knows is answered with fault 8000, and the session goes on', async () => {
  const cpe = field.cpe(['rpc-unknown']);
  const faults = await field.rise('starling_acs_faults_total', 'code="8000"', async () => {
    const summary = await cpe.start();
    wentWell(summary);
    expect(summary.faultsReceived).toMatchObject([{ method: 'X_STARLING_Unknown', FaultCode: 8000 }]);
  });
  expect(faults).toBe(1);
  expect(changedIn(await field.informOf(cpe), VERSION)).toBe(cpe.tree.value(VERSION));
  await field.talks(cpe);
});

test('FIELD 36: a connection that is never closed is closed by the ACS, a body in small pieces is waited for', async () => {
  const keeps = await field.booted(['keeps-connection-open']);
  await field.talks(keeps);
  await field.talks(await field.booted(['body-slow']));
  await lingering.wire.closed();
  // Its next session is none the worse for it.
  expect((await lingering.reconnect().begin()).status).toBe(204);
});
