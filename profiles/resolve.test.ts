import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { ProfileChooser } from './choose.ts';
import { loadProfiles } from './load.ts';
import type { CpeKind } from './profile.ts';
import { canonicalOf, isSecret, resolve, secretsOfAny } from './resolve.ts';

const profiles = loadProfiles();
const tr098 = profiles.get('tr098')!;
const tr181 = profiles.get('tr181')!;
const WLAN = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration';
const among =
  (...paths: string[]) =>
  (path: string): boolean =>
    paths.includes(path);
const nothing = among();

test('a canonical name is the first candidate while nothing is known', () => {
  expect(resolve(tr098, 'wifi.5g.ssid', nothing)).toEqual({
    type: 'ok',
    path: `${WLAN}.5.SSID`,
    canonical: 'wifi.5g.ssid',
    valueType: 'xsd:string',
    writable: true,
    secret: false,
  });
});

test.each([
  ['5 GHz on instance 5', [`${WLAN}.1.SSID`, `${WLAN}.2.SSID`, `${WLAN}.5.SSID`], `${WLAN}.5.SSID`],
  ['5 GHz on instance 2', [`${WLAN}.1.SSID`, `${WLAN}.2.SSID`], `${WLAN}.2.SSID`],
])('a canonical name is the first candidate that exists: %s', (_, tree, path) => {
  expect(resolve(tr098, 'wifi.5g.ssid', among(...tree))).toMatchObject({ type: 'ok', path });
});

test('user name and password of a PPP connection come from the same instance', () => {
  const ppp = 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.4.WANPPPConnection.1';
  const tree = among(`${ppp}.Username`, `${ppp}.Password`);
  expect(resolve(tr098, 'wan.pppoe.username', tree)).toMatchObject({ path: `${ppp}.Username`, secret: false });
  expect(resolve(tr098, 'wan.pppoe.password', tree)).toMatchObject({ path: `${ppp}.Password`, secret: true });
});

test('a path is itself, with what the profile knows of it', () => {
  expect(resolve(tr181, 'Device.DeviceInfo.UpTime', nothing)).toEqual({
    type: 'ok',
    path: 'Device.DeviceInfo.UpTime',
    canonical: 'device.uptime',
    valueType: 'xsd:unsignedInt',
    writable: false,
    secret: false,
  });
  expect(resolve(tr181, 'Device.X_000000_Thing', nothing)).toEqual({
    type: 'ok',
    path: 'Device.X_000000_Thing',
    canonical: null,
    valueType: '',
    writable: null,
    secret: false,
  });
});

test('a path that cannot be sent is said to be so', () => {
  expect(resolve(tr181, 'Device..UpTime', nothing)).toMatchObject({
    type: 'bad-path',
    why: expect.stringContaining('empty part'),
  });
});

test.each([
  ['wifi.2g.sid', 'wifi.2g.ssid'],
  ['wifi.24g.ssid', 'wifi.2g.ssid'],
  ['WIFI.5G.SSID', 'wifi.5g.ssid'],
  ['pppoe.password', 'wan.pppoe.password'],
  ['device.modelname', 'device.model'],
])('for %s the nearest name is %s', (name, best) => {
  const resolution = resolve(tr098, name, nothing);
  expect(resolution.type).toBe('unknown');
  expect(resolution.type === 'unknown' && resolution.nearest[0]).toBe(best);
});

test('names of every object’s prototype are no canonical names', () => {
  for (const name of ['constructor', 'toString', '__proto__'])
    expect(resolve(tr098, name, nothing).type).toBe('unknown');
});

test.each([
  `${WLAN}.1.KeyPassphrase`,
  `${WLAN}.1.PreSharedKey.3.PreSharedKey`,
  `${WLAN}.1.WEPKey.1.WEPKey`,
  `${WLAN}.1.X_TP_PreSharedKey`,
  'InternetGatewayDevice.ManagementServer.Password',
  'InternetGatewayDevice.ManagementServer.STUNPassword',
  'InternetGatewayDevice.ManagementServer.X_HW_CertPassword',
  'Device.WiFi.AccessPoint.1.Security.SAEPassphrase',
  'Device.WiFi.AccessPoint.1.Security.RadiusSecret',
  'Device.Optical.Interface.1.GponAuth.GponPwd',
  'InternetGatewayDevice.LANDevice.1.X_Password_BK',
  'InternetGatewayDevice.UserInterface.Password2',
  'Device.Routing.Babel.MACKeySet.1.MACKey.1.KeyValue',
])('%s is a secret on any CPE', (path) => {
  expect(isSecret(tr098, path)).toBe(true);
});

test.each([
  `${WLAN}.1.SSID`,
  `${WLAN}.1.PreSharedKey.1.AssociatedDeviceMACAddress`,
  'InternetGatewayDevice.ManagementServer.Username',
  'InternetGatewayDevice.ManagementServer.ParameterKey',
  'InternetGatewayDevice.UserInterface.PasswordRequired',
  'InternetGatewayDevice.IPPingDiagnostics.Host',
  'Device.NAT.PortMapping.',
  'Device.QoS.KeyValue',
])('%s is no secret', (path) => {
  expect(isSecret(tr098, path)).toBe(false);
});

test('a profile makes further paths secret', () => {
  const odd = {
    ...tr098,
    names: { 'voice.key': { paths: ['Device.X_Key'], type: '', writable: true, secret: true, text: '' } },
  };
  expect(isSecret(odd, 'Device.X_Key')).toBe(true);
  expect(isSecret(tr098, 'Device.X_Key')).toBe(false);
  expect(canonicalOf(odd, 'Device.X_Key')).toBe('voice.key');
});

// ── Real trees ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const DUMPS = '../shared/dumps';
const haveDumps = existsSync(DUMPS);
if (!haveDumps)
  console.log('skipped: there are no parameter dumps in ../shared/dumps, names are resolved on made trees only');

/** Paths of all parameters of a dump; objects get the dot they are dumped without. */
function dumpedPaths(file: string): Set<string> {
  const text = gunzipSync(readFileSync(`${DUMPS}/${file}`)).toString('utf8');
  const paths = new Set<string>();
  for (const [, path, object] of text.matchAll(/^((?:Device|InternetGatewayDevice)\.[^,]*),(true|false),/gm)) {
    paths.add(object === 'true' ? `${path}.` : path!);
  }
  return paths;
}

const NO_OPTICS = ['optical.rx', 'optical.tx'];
const kind = (root: string, manufacturer: string, oui: string, productClass: string): CpeKind => ({
  root,
  manufacturer,
  oui,
  productClass,
  softwareVersion: '',
});
const IGD = 'InternetGatewayDevice.';

// Expected per device: the profile, the names it does not have, and some paths that tell one tree from another.
const TREES: [string, CpeKind, string, string[], Record<string, string>][] = [
  [
    'huawei-eg8145v5.csv.gz',
    kind(IGD, 'Huawei Technologies Co., Ltd', '00259E', 'EG8145V5'),
    'huawei',
    [],
    {
      'wifi.5g.ssid': `${WLAN}.5.SSID`,
      'optical.rx': 'InternetGatewayDevice.WANDevice.1.X_GponInterafceConfig.RXPower',
    },
  ],
  [
    'huawei-eg8145x6.csv.gz',
    kind(IGD, 'Huawei Technologies Co., Ltd', '00259E', 'EG8145X6'),
    'huawei',
    // Its WAN is a static address: there is no PPP connection. The Time object was not read.
    [
      'time.ntp.1',
      'wan.pppoe.username',
      'wan.pppoe.password',
      'wan.pppoe.enable',
      'wan.pppoe.status',
      'wan.pppoe.address',
    ],
    {
      'wifi.2g.password': `${WLAN}.1.KeyPassphrase`,
      'wan.ipv4.address': 'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress',
    },
  ],
  [
    'realtek-w5-2100g.csv.gz',
    kind(IGD, 'INTELBRAS', '00E04C', 'W5-2100G'),
    'realtek-w5-2100g',
    NO_OPTICS,
    { 'wifi.2g.ssid': `${WLAN}.2.SSID`, 'wifi.5g.ssid': `${WLAN}.1.SSID` },
  ],
  [
    'tplink-ec220-g5-v2.csv.gz',
    kind(IGD, 'TP-Link', '9CA2F4', 'IGD'),
    'tplink-tr098',
    // The only PPP connection is the one of a USB modem, which is not meant.
    [
      ...NO_OPTICS,
      'wan.pppoe.username',
      'wan.pppoe.password',
      'wan.pppoe.enable',
      'wan.pppoe.status',
      'wan.pppoe.address',
    ],
    { 'wifi.5g.ssid': `${WLAN}.2.SSID`, 'wifi.2g.password': `${WLAN}.1.X_TP_PreSharedKey` },
  ],
  [
    'tplink-xx230v.csv.gz',
    kind('Device.', 'TP-Link', '1C61B4', 'Device2'),
    'tplink-tr181',
    [],
    {
      'wifi.5g.ssid': 'Device.WiFi.SSID.3.SSID',
      'wan.pppoe.username': 'Device.PPP.Interface.3.Username',
      'wan.ipv4.address': 'Device.IP.Interface.6.IPv4Address.1.IPAddress',
    },
  ],
];

test.skipIf(!haveDumps).each(TREES)(
  'every canonical name is found on the tree of %s',
  (file, cpe, id, absent, chosen) => {
    const paths = dumpedPaths(file);
    const profile = new ProfileChooser(profiles).choose(cpe);
    expect(profile.id).toBe(id);
    const missing: string[] = [];
    for (const name of Object.keys(profile.names)) {
      const resolution = resolve(profile, name, (path) => paths.has(path));
      if (resolution.type !== 'ok' || !paths.has(resolution.path)) missing.push(name);
      if (chosen[name] !== undefined) expect(resolution).toMatchObject({ path: chosen[name] });
    }
    expect(missing.sort()).toEqual(absent.filter((name) => profile.names[name] !== undefined).sort());
  },
);

test('what is a secret on any of several profiles: by the last part of its path, or because one of them says so', () => {
  const generic = loadProfiles().get('generic')!;
  const path = 'Device.X_VENDOR_Lock.Code';
  const own = {
    ...generic,
    names: { 'vendor.lock': { paths: [path], type: 'xsd:string', writable: true, secret: true } },
  } as unknown as typeof generic;
  expect(secretsOfAny([generic])(path)).toBe(false);
  const isSecret = secretsOfAny([generic, own]);
  expect([path, 'Device.PPP.Interface.9.Password', 'Device.WiFi.SSID.1.SSID'].map(isSecret)).toEqual([
    true,
    true,
    false,
  ]);
});
