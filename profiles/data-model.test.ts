import { expect, test } from 'vitest';
import { templateOf } from '../cwmp/paths.ts';
import { DataModel, dataModel, dataModelOf, supportedPath } from './data-model.ts';
import { wireType } from './data-models/facts.ts';
import { loadProfiles } from './load.ts';

const device = dataModel('Device.');
const igd = dataModel('InternetGatewayDevice.');

test.each([
  ['Device.WiFi.SSID.1.SSID', 'w string length=..32'],
  ['Device.WiFi.SSID.[cpe-a.b].SSID', 'w string length=..32'],
  ['Device.WiFi.SSID.*.SSID', 'w string length=..32'],
  ['Device.WiFi.Radio.2.Channel', 'w unsignedInt range=1..255'],
  ['Device.LAN.IPAddress', 'w string as=IPAddress'],
  ['Device.DeviceInfo.SerialNumber', 'r string length=..64'],
])('%s is a parameter: %s', (path, line) => {
  const [access, type, ...rest] = line.split(' ');
  const facts = device.parameter(path)!;
  expect(facts).toMatchObject({ writable: access === 'w', type });
  if (rest[0]?.startsWith('as=')) expect(facts.format).toBe(rest[0].slice(3));
  if (rest[0]?.startsWith('length=')) expect(facts.lengths).toEqual([{ least: null, most: Number(rest[0].slice(9)) }]);
  if (rest[0]?.startsWith('range=')) expect(facts.ranges).toEqual([{ least: 1, most: 255 }]);
});

test.each([
  'Device.WiFi.SSID.1.Sid',
  'Device.WiFi.SSID.SSID',
  'Device.WiFi.SSID.1.',
  'Device.X_ACME_Thing',
  'Device.',
  'InternetGatewayDevice.DeviceInfo.SerialNumber',
  'Device.DeviceInfo.constructor',
  'Device.__proto__.toString',
  '',
])('%j is no parameter of Device.', (path) => {
  expect(device.parameter(path)).toBeNull();
});

test.each([
  ['Device.', 'object', false],
  ['Device.WiFi.', 'object', false],
  ['Device.WiFi.SSID.', 'table', true],
  ['Device.WiFi.SSID.3.', 'instance', true],
  ['Device.WiFi.Radio.', 'table', false],
  ['Device.NAT.PortMapping.[a].', 'instance', true],
])('%s is a %s, createable: %s', (path, kind, createable) => {
  expect(device.object(path)).toEqual({ kind, createable });
});

test('paths of vendors and of services are not the data model’s to judge', () => {
  for (const path of ['Device.X_ACME.Foo', 'Device.WiFi.X_ACME_Mode', 'Device.Services.VoiceService.1.', 'Other.A'])
    expect(device.covers(path), path).toBe(false);
  for (const path of ['Device.Services.', 'Device.WiFi.Mode', 'Device.Hosts.X.'])
    expect(device.covers(path), path).toBe(true);
});

test.each([
  ['Device.WiFi.SSID.1.SSIDD', 'Device.WiFi.SSID.1.SSID'],
  ['Device.WiFi.SSID.1.ssid', 'Device.WiFi.SSID.1.SSID'],
  ['Device.Wifi.SSID.1.SSID', 'Device.WiFi.SSID.1.SSID'],
  ['Device.Wifi.SSID.1.Whatever', 'Device.WiFi.'],
  ['Device.WiFi.SSID.SSID', 'Device.WiFi.SSID.{i}.SSID'],
  ['Device.WiFi.SSID.1', 'Device.WiFi.SSID.1.'],
  ['Device.WiFi.SSID', 'Device.WiFi.SSID.'],
  ['Device.WiFi.SSID.1.SSID.', 'Device.WiFi.SSID.1.SSID'],
  ['Device.WiFi.AcessPoint.1.Security.ModeEnabled', 'Device.WiFi.AccessPoint.1.Security.ModeEnabled'],
  ['Device.NAT.PortMappings.', 'Device.NAT.PortMapping.'],
  ['Device.', 'Device.'],
])('the nearest to %s is %s', (path, best) => {
  expect(device.nearest(path)[0]).toBe(best);
});

test('every name that is offered is one the model has', () => {
  for (const path of ['Device.A.B.C', 'Device.WiFi.Foo', 'Device.1.2.3.', `Device.${'x'.repeat(240)}`]) {
    const offered = device.nearest(path);
    expect(offered.length, path).toBeGreaterThan(0);
    for (const name of offered) expect(device.knows(name), name).toBe(true);
  }
});

test('secrets are those that read as nothing by the model, also where their names do not tell', () => {
  expect(device.isSecret('Device.Routing.Babel.MACKeySet.1.MACKey.2.KeyValue')).toBe(true);
  expect(device.isSecret('Device.WiFi.AccessPoint.1.Security.KeyPassphrase')).toBe(true);
  expect(device.isSecret('Device.QoS.KeyValue')).toBe(false);
  expect(device.isSecret('Device.WiFi.SSID.1.SSID')).toBe(false);
  expect(igd.isSecret('InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.WPS.DevicePassword')).toBe(true);
});

test('where a CPE lists what it supports is found for each instance', () => {
  const path = 'Device.WiFi.AccessPoint.7.Security.ModeEnabled';
  expect(supportedPath(device.parameter(path)!, path)).toBe('Device.WiFi.AccessPoint.7.Security.ModesSupported');
  expect(supportedPath(device.parameter('Device.WiFi.SSID.1.SSID')!, 'Device.WiFi.SSID.1.SSID')).toBeNull();
});

// The addresses are what the network gave, whoever may write them; a passphrase goes where the CPE has a place for one.
const DIFFERING = [
  'wan.ipv4.address Device.IP.Interface.{i}.IPv4Address.{i}.IPAddress',
  'wan.ipv4.address InternetGatewayDevice.WANDevice.{i}.WANConnectionDevice.{i}.WANIPConnection.{i}.ExternalIPAddress',
  'wan.ipv4.address InternetGatewayDevice.WANDevice.{i}.WANConnectionDevice.{i}.WANPPPConnection.{i}.ExternalIPAddress',
  'wan.pppoe.address InternetGatewayDevice.WANDevice.{i}.WANConnectionDevice.{i}.WANPPPConnection.{i}.ExternalIPAddress',
  'wifi.2g.password Device.WiFi.AccessPoint.{i}.Security.PreSharedKey',
  'wifi.5g.password Device.WiFi.AccessPoint.{i}.Security.PreSharedKey',
];

test('the shipped profiles agree with the data models on type and access, but where they mean to differ', () => {
  const differing = new Set<string>();
  for (const { names } of loadProfiles().values()) {
    for (const [name, { paths, type, writable, secret }] of Object.entries(names)) {
      for (const path of paths) {
        const model = dataModelOf(path)!;
        if (!model.covers(path)) continue;
        const facts = model.parameter(path);
        if (facts === null) expect(model.object(path), path).not.toBeNull();
        else if (wireType(facts) !== type || facts.writable !== writable) differing.add(`${name} ${templateOf(path)}`);
        if (facts?.secret) expect(secret, path).toBe(true);
      }
    }
  }
  expect([...differing].sort()).toEqual(DIFFERING);
});

test('a table with a line nobody can read is an error when it is asked for', () => {
  const odd = new DataModel('Device.', '# made\n\nDevice.\n A w string colour=red\n B w string\n');
  expect(odd.parameter('Device.B')).toMatchObject({ type: 'string' });
  expect(() => odd.parameter('Device.A')).toThrow(/cannot read colour=red/);
});
