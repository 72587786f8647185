import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_STYLE } from '../cwmp/envelope-style.ts';
import { ProfileChooser } from './choose.ts';
import { DEFAULT_QUIRKS, expandBraces, loadProfiles } from './load.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'starling-profiles-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

const BASE = `
id: base
title: Base
root: Device.
quirks: { getBatchNames: 10 }
names:
  wifi.ssid: { paths: ['Device.A.{1,2}.SSID'], type: string, text: Name. }
  wifi.table: { paths: ['Device.A.'], type: object, writable: false, text: Table. }
`;

test('the shipped profiles load, and none of them is without a title or a known root', () => {
  const profiles = loadProfiles();
  expect(profiles.size).toBeGreaterThanOrEqual(12);
  for (const profile of profiles.values()) {
    expect(profile.title).not.toBe('');
    expect(['', 'Device.', 'InternetGatewayDevice.']).toContain(profile.root);
  }
});

const REQUIRED_NAMES = [
  ...['2g', '5g'].flatMap((band) =>
    ['ssid', 'password', 'enable', 'channel', 'security'].map((leaf) => `wifi.${band}.${leaf}`),
  ),
  ...['username', 'password', 'status', 'address'].map((leaf) => `wan.pppoe.${leaf}`),
  ...['wan.ipv4.address', 'lan.ip.address', 'lan.dhcp.enable', 'hosts.table', 'time.ntp.1'],
  ...['model', 'serial', 'manufacturer', 'hardware-version', 'software-version', 'uptime', 'provisioning-code'].map(
    (leaf) => `device.${leaf}`,
  ),
  ...['inform-interval', 'inform-enable', 'acs-url', 'acs-username', 'acs-password'].map(
    (leaf) => `management.${leaf}`,
  ),
  ...['url', 'username', 'password'].map((leaf) => `management.connection-request-${leaf}`),
];

test.each(['tr098', 'tr181'])(
  '%s has all canonical names, and both models agree on type, secrecy and writability',
  (id) => {
    const names = loadProfiles().get(id)!.names;
    const other = loadProfiles().get('tr098')!.names;
    for (const name of REQUIRED_NAMES) {
      expect(names[name], name).toBeDefined();
      const { type, secret, writable } = names[name]!;
      expect({ type, secret, writable }).toEqual({
        type: other[name]!.type,
        secret: other[name]!.secret,
        writable: other[name]!.writable,
      });
    }
  },
);

test('every password is a secret', () => {
  for (const profile of loadProfiles().values()) {
    for (const [name, entry] of Object.entries(profile.names)) expect(entry.secret).toBe(name.endsWith('password'));
  }
});

test('a profile without anything of its own has the defaults', () => {
  write('plain.yaml', "id: plain\ntitle: Plain\nroot: ''\n");
  expect(loadProfiles(folder).get('plain')).toEqual({
    id: 'plain',
    title: 'Plain',
    root: '',
    match: {},
    names: {},
    style: DEFAULT_STYLE,
    quirks: DEFAULT_QUIRKS,
  });
});

test('base, vendor, model and firmware are laid over one another, key by key', () => {
  write('base.yaml', BASE);
  write(
    'v/vendor.yaml',
    "id: vendor\ntitle: V\nextends: base\nmatch: { manufacturer: 'V.*' }\nstyle: { booleans: words }\n",
  );
  write(
    'v/model.yaml',
    "id: model\ntitle: M\nextends: vendor\nmatch: { productClass: 'M1' }\nquirks: { skipRootGpn: true }\n" +
      "names: { wifi.ssid: { paths: ['Device.B.SSID'] } }\n",
  );
  write(
    'v/firmware.yaml',
    "id: firmware\ntitle: F\nextends: model\nmatch: { softwareVersion: '2\\..*' }\nstyle: { xmlDeclaration: false }\n",
  );
  const firmware = loadProfiles(folder).get('firmware')!;
  expect(firmware.match).toEqual({
    root: 'Device.',
    manufacturer: 'V.*',
    productClass: 'M1',
    softwareVersion: '2\\..*',
  });
  expect(firmware.style).toEqual({ ...DEFAULT_STYLE, booleans: 'words', xmlDeclaration: false });
  expect(firmware.quirks).toEqual({ ...DEFAULT_QUIRKS, getBatchNames: 10, skipRootGpn: true });
  expect(firmware.names['wifi.ssid']).toEqual({
    paths: ['Device.B.SSID'],
    type: 'xsd:string',
    writable: true,
    secret: false,
    text: 'Name.',
  });
  expect(firmware.names['wifi.table']).toMatchObject({ type: '', writable: false });
  expect(loadProfiles(folder).get('base')!.names['wifi.ssid']!.paths).toEqual(['Device.A.1.SSID', 'Device.A.2.SSID']);
});

test('braces expand with the leftmost varying slowest', () => {
  expect(expandBraces('A.{1,2}.{b,c.d}')).toEqual(['A.1.b', 'A.1.c.d', 'A.2.b', 'A.2.c.d']);
  expect(expandBraces('A.B')).toEqual(['A.B']);
});

test.each([
  ['an unknown key', 'id: a\ntitle: A\nroot: Device.\ncolour: red\n', 'a.yaml: the file: Unrecognized key: "colour"'],
  ['a misspelt quirk', 'id: a\ntitle: A\nquirks: { skipRoot: true }\n', 'quirks: Unrecognized key: "skipRoot"'],
  [
    'a quirk that names no path',
    "id: a\ntitle: A\nquirks: { ignoreDataModel: ['WiFi.'] }\n",
    'quirks.ignoreDataModel.0: is a path, or its beginning',
  ],
  ['a wrong value', 'id: a\ntitle: A\nstyle: { booleans: yes-no }\n', 'style.booleans'],
  ['a bad id', 'id: A B\ntitle: A\n', 'id: is lower-case letters'],
  ['no title', 'id: a\n', 'title'],
  ['a bad pattern', "id: a\ntitle: A\nmatch: { manufacturer: '(' }\n", 'match.manufacturer: is no regular expression'],
  ['a lower-case OUI', "id: a\ntitle: A\nmatch: { oui: ['00259e'] }\n", 'match.oui.0: is six upper-case'],
  ['an unknown parent', 'id: a\ntitle: A\nextends: nobody\n', 'extends: there is no profile nobody'],
  ['itself as parent', 'id: a\ntitle: A\nextends: a\n', 'extends: a extends this profile in turn'],
  ['no YAML', 'id: [a\n', 'a.yaml:'],
  ['a key twice', 'id: a\nid: b\ntitle: A\n', 'unique'],
  [
    'a name without paths',
    'id: a\ntitle: A\nnames: { x.y: { type: string, text: T } }\n',
    'names.x.y: paths, type and text are needed',
  ],
  ['a name in capitals', 'id: a\ntitle: A\nnames: { X.y: { type: string } }\n', 'names.X.y'],
  [
    'a path of another root',
    "id: a\ntitle: A\nroot: Device.\nnames: { x.y: { paths: ['Internet.A'], type: string, text: T } }\n",
    'names.x.y.paths: Internet.A is not below Device.',
  ],
  [
    'a path that is no path',
    "id: a\ntitle: A\nroot: Device.\nnames: { x.y: { paths: ['Device..A'], type: string, text: T } }\n",
    'names.x.y.paths: Device..A has an empty part',
  ],
  [
    'a parameter with a dot at its end',
    "id: a\ntitle: A\nroot: Device.\nnames: { x.y: { paths: ['Device.A.'], type: string, text: T } }\n",
    'must not end with a dot',
  ],
  [
    'too many candidates',
    "id: a\ntitle: A\nroot: Device.\nnames: { x.y: { paths: ['Device.{1,2,3,4,5,6,7,8,9}.{1,2,3,4,5,6,7,8}'], type: string, text: T } }\n",
    '72 paths, at most 64',
  ],
])('a file with %s is refused by name and key', (_, text, why) => {
  write('a.yaml', text);
  expect(() => loadProfiles(folder)).toThrow(
    expect.objectContaining({ tag: 'config', code: 'bad-profile', message: expect.stringContaining(why) }),
  );
});

test('the operator’s profiles extend shipped ones and come before them, so that of two equally specific ones theirs is chosen', () => {
  write('mine.yaml', 'id: zz-mine\ntitle: Mine\nextends: huawei\nquirks: { getBatchNames: 3 }\n');
  const profiles = loadProfiles(folder);
  expect([...profiles.keys()].slice(0, 2)).toEqual(['zz-mine', [...loadProfiles().keys()][0]]);
  const huawei = profiles.get('huawei')!;
  expect(profiles.get('zz-mine')).toMatchObject({
    match: huawei.match,
    names: huawei.names,
    quirks: { getBatchNames: 3 },
  });
  const kind = {
    root: 'InternetGatewayDevice.',
    manufacturer: 'Huawei',
    oui: '00259E',
    productClass: 'HG',
    softwareVersion: '',
  };
  expect(new ProfileChooser(profiles).choose(kind).id).toBe('zz-mine');
});

test('an operator’s profile with the id of a shipped one is refused, and a folder that is not there', () => {
  write('huawei.yaml', 'id: huawei\ntitle: Mine\n');
  expect(() => loadProfiles(folder)).toThrow(
    'profile huawei.yaml: id: huawei is already the id of vendors/huawei.yaml',
  );
  expect(() => loadProfiles(join(folder, 'nowhere'))).toThrow(
    /^STARLING_PROFILES_DIR .*nowhere cannot be read: ENOENT/,
  );
});

test('two files with one id are refused', () => {
  write('a.yaml', 'id: a\ntitle: A\n');
  write('b.yaml', 'id: a\ntitle: B\n');
  expect(() => loadProfiles(folder)).toThrow('profile b.yaml: id: a is already the id of a.yaml');
});
