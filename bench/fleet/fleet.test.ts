// A fleet against the scripted ACS: all CPEs inform, each answers its own connection requests on the shared port, all of it ends.

import { expect, test } from 'vitest';
import { fleetCommand } from './command.ts';
import { Fleet, type FleetOptions } from './fleet.ts';
import { FleetView } from './terminal.ts';
import { rpc, TestAcs } from './test-acs.ts';

const options = (acsUrl: string): FleetOptions => ({
  ...{ acsUrl, count: 6, model: 'mixed', periodicInformSeconds: 3_600, auth: 'none', username: '', password: '' },
  ...{
    misbehaviours: [],
    serialPrefix: 'FLEET',
    parameters: 1,
    startsPerSecond: 1_000,
    host: '127.0.0.1',
    ownPorts: false,
  },
});

async function all(fleet: Fleet): Promise<void> {
  await Promise.all(fleet.cpes.map((cpe) => cpe.waitFor(({ sessions }) => sessions.length > 0)));
}

test('all CPEs of a fleet inform, mixed models alternate, and a connection request reaches the one it is for', async () => {
  const acs = await new TestAcs().listen();
  const fleet = new Fleet(options(acs.url));
  await fleet.start();
  await all(fleet);
  expect(fleet.counts).toMatchObject({ started: 6, sessions: 6, failed: 0 });
  expect(acs.texts('<ProductClass>SimFibre<')).toHaveLength(3);
  const url = fleet.cpes[3]!.tree.value('Device.ManagementServer.ConnectionRequestURL')!;
  expect((await fetch(url)).status).toBe(200);
  await fleet.cpes[3]!.waitFor(({ sessions }) => sessions.length === 2);
  expect(fleet.cpes[3]!.sessions[1]!.events[0]!.EventCode).toBe('6 CONNECTION REQUEST');
  expect(fleet.cpes.filter((cpe) => cpe.sessions.length > 1)).toHaveLength(1);
  await fleet.stop();
  await expect(fetch(url)).rejects.toThrow();
  await acs.close();
});

test('with own ports each CPE listens for itself', async () => {
  const acs = await new TestAcs().listen();
  const fleet = new Fleet({ ...options(acs.url), count: 2, ownPorts: true });
  await fleet.start();
  await all(fleet);
  const ports = fleet.cpes.map(
    (cpe) => new URL(cpe.tree.value(`${cpe.tree.root}ManagementServer.ConnectionRequestURL`)!).port,
  );
  expect(new Set(ports).size).toBe(2);
  await fleet.stop();
  await acs.close();
});

test('the view prints sessions as lines, redraws on a terminal, and says the last error', async () => {
  const acs = await new TestAcs({ script: [rpc.getValues('Nothing.At.All')] }).listen();
  const fleet = new Fleet({ ...options(acs.url), count: 1 });
  await fleet.start();
  await all(fleet);
  let plain = '';
  const lines = new FleetView(fleet, { write: (text) => (plain += text) });
  lines.refresh();
  lines.refresh();
  expect(plain).toBe(
    '00005E-SimGateway-FLEET000001  session 1 ended  0 BOOTSTRAP, 1 BOOT  GetParameterValues 9005\n' +
      'CPEs 1/1  sessions 1  failed 0  RPCs 1  faults 1  complaints 0\n',
  );
  let drawn = '';
  const table = new FleetView(fleet, { isTTY: true, columns: 80, write: (text) => (drawn += text) });
  table.refresh();
  await acs.close();
  await fleet.cpes[0]!.inform();
  table.refresh();
  expect(drawn).toContain('\u001b[3A');
  expect(drawn).toMatch(/CPE +2.4 GHz SSID +sessions +last +events/);
  expect(drawn).toMatch(/00005E-SimGateway-FLEET000001 +Home-\S+ +1 +ended +0 BOOTSTRAP/);
  expect(drawn).toContain('last error  00005E-SimGateway-FLEET000001: cannot reach the ACS');
  await fleet.stop();
});

test('the command refuses a misbehaviour it does not know and says which are near', async () => {
  const command = fleetCommand().exitOverride();
  await expect(command.parseAsync(['--misbehave', 'cookies'], { from: 'user' })).rejects.toThrow(/cookies-quoted/);
});
