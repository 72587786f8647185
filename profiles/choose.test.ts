import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { writeInformResponse, writeRequest } from '../cwmp/soap-writer.ts';
import { ProfileChooser } from './choose.ts';
import { loadProfiles } from './load.ts';
import type { CpeKind, Profile } from './profile.ts';

const profiles = loadProfiles();
const chooser = new ProfileChooser(profiles);

function kind(changes: Partial<CpeKind>): CpeKind {
  return {
    root: 'InternetGatewayDevice.',
    manufacturer: '',
    oui: '00005E',
    productClass: '',
    softwareVersion: '',
    ...changes,
  };
}

test.each<[string, Partial<CpeKind>, string]>([
  ['a CPE that told no data model', { root: '' }, 'generic'],
  ['a vendor’s CPE that told no data model', { root: '', manufacturer: 'Huawei' }, 'generic'],
  ['an unknown TR-098 gateway', { manufacturer: 'Nobody' }, 'tr098'],
  ['an unknown TR-181 CPE', { root: 'Device.', manufacturer: 'Nobody' }, 'tr181'],
  [
    'a Huawei HG8245H',
    { manufacturer: 'Huawei Technologies Co., Ltd', oui: '00259E', productClass: 'HG8245H' },
    'huawei',
  ],
  ['the vendor in other letters', { manufacturer: 'HUAWEI' }, 'huawei'],
  ['a Huawei with TR-181, of which nothing is known', { root: 'Device.', manufacturer: 'Huawei' }, 'tr181'],
  ['a TP-Link EC220-G5', { manufacturer: 'TP-Link', oui: '9CA2F4', productClass: 'IGD' }, 'tplink-tr098'],
  [
    'a TP-Link XX230v',
    { root: 'Device.', manufacturer: 'TP-Link', oui: '1C61B4', productClass: 'Device2' },
    'tplink-tr181',
  ],
  ['an Intelbras W5-2100G', { manufacturer: 'INTELBRAS', oui: '00E04C', productClass: 'W5-2100G' }, 'realtek-w5-2100g'],
  ['another model with Realtek’s OUI', { manufacturer: 'INTELBRAS', oui: '00E04C', productClass: 'W4-300' }, 'tr098'],
  ['a SpeedTouch 780', { manufacturer: 'THOMSON', oui: '00147F', productClass: 'SpeedTouch 780' }, 'thomson'],
  ['a ZTE F600W', { manufacturer: 'ZTE', oui: '44F436', productClass: 'F600W' }, 'zte-f600w'],
  ['a Cisco 867', { manufacturer: 'Cisco Systems', productClass: 'CISCO867VAE' }, 'cisco-860'],
  ['a Sagemcom 2764', { manufacturer: 'Sagemcom', productClass: 'F@ST2764' }, 'sagemcom-2764'],
  [
    'a MikroTik hAP',
    { root: 'Device.', manufacturer: 'MikroTik', oui: 'E48D8C', productClass: 'RB941-2nD' },
    'mikrotik',
  ],
  ['the netcwmp client', { manufacturer: 'ChinaNMS', oui: 'A00001', productClass: 'OT2800' }, 'netcwmp'],
])('%s gets its profile', (_, changes, id) => {
  expect(chooser.choose(kind(changes)).id).toBe(id);
});

test('patterns are anchored: a name that merely contains the vendor does not match', () => {
  expect(chooser.choose(kind({ manufacturer: 'Not Huawei' })).id).toBe('tr098');
});

const plain = profiles.get('generic')!;
function made(id: string, match: Profile['match']): [string, Profile] {
  return [id, { ...plain, id, match }];
}

test('a firmware is more specific than a model, a model than an OUI, an OUI than a maker, a maker than a data model', () => {
  const all = new Map([
    made('generic', {}),
    made('root', { root: 'InternetGatewayDevice.' }),
    made('maker', { manufacturer: 'A' }),
    made('oui', { oui: ['00005E'], root: 'InternetGatewayDevice.' }),
    made('model', { productClass: 'M' }),
    made('firmware', { softwareVersion: '1\\..*' }),
  ]);
  const order: string[] = [];
  const left = new Map(all);
  while (left.size > 0) {
    const id = new ProfileChooser(new Map([...left, ['generic', plain]])).choose(
      kind({ manufacturer: 'A', productClass: 'M', softwareVersion: '1.2' }),
    ).id;
    order.push(id);
    left.delete(id);
  }
  expect(order).toEqual(['firmware', 'model', 'oui', 'maker', 'root', 'generic']);
});

test('of equally specific profiles the earlier one wins', () => {
  const all = new Map([made('b', { manufacturer: 'A' }), made('generic', {}), made('a', { manufacturer: 'A.*' })]);
  expect(new ProfileChooser(all).choose(kind({ manufacturer: 'A' })).id).toBe('b');
});

test('a profile is found by id, and an id that is gone falls back to the generic one', () => {
  expect(chooser.byId('huawei').id).toBe('huawei');
  expect(chooser.byId('retired').id).toBe('generic');
});

test('without a generic profile nothing starts', () => {
  expect(() => new ProfileChooser(new Map())).toThrow('there is no profile generic');
});

test('the choice stays right when more kinds come by than are remembered', () => {
  const busy = new ProfileChooser(profiles);
  for (let i = 0; i <= LIMITS.profileKindsMax; i++) busy.choose(kind({ productClass: String(i) }));
  expect(busy.choose(kind({ manufacturer: 'Huawei' })).id).toBe('huawei');
});

// ── Wire switches reach the wire (FIELD 54) ──────────────────────────────────────────────────────────────────────────────

const NS = 'urn:dslforum-org:cwmp-1-0';

test.each<[string, Partial<CpeKind>, RegExp]>([
  ['an unknown CPE gets the XML declaration', {}, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<soap-env:Envelope /],
  ['a Huawei gets the XML declaration', { manufacturer: 'Huawei' }, /^<\?xml /],
  ['netcwmp gets none', { oui: 'A00001', productClass: 'OT2800' }, /^<soap-env:Envelope /],
])('FIELD 54: %s', (_, changes, expected) => {
  expect(writeInformResponse(chooser.choose(kind(changes)).style, NS, '1', null)).toMatch(expected);
});

test('FIELD 54: TP-Link gets booleans as digits', () => {
  const { style } = chooser.choose(kind({ manufacturer: 'TP-Link' }));
  const ParameterList = [{ Name: 'InternetGatewayDevice.A', Value: 'true', Type: 'xsd:boolean' }];
  expect(writeRequest(style, NS, '1', 'SetParameterValues', { ParameterList })).toContain('>1</Value>');
});

test('FIELD 54: prefix, words, milliseconds and an older namespace are switched by a profile alone', () => {
  const style = {
    ...plain.style,
    soapPrefix: 'SOAP-ENV',
    booleans: 'words',
    dateTimeMilliseconds: true,
    namespace: 'urn:dslforum-org:cwmp-1-0',
  } as const;
  const odd = new ProfileChooser(
    new Map([made('generic', {}), ['odd', { ...plain, id: 'odd', match: { productClass: 'ODD' }, style }]]),
  );
  const ParameterList = [
    { Name: 'Device.A', Value: '1', Type: 'xsd:boolean' },
    { Name: 'Device.B', Value: '2024-01-01T00:00:00Z', Type: 'xsd:dateTime' },
  ];
  const request = (changes: Partial<CpeKind>) =>
    writeRequest(odd.choose(kind(changes)).style, 'urn:dslforum-org:cwmp-1-2', '1', 'SetParameterValues', {
      ParameterList,
    });
  expect(request({ productClass: 'ODD' })).toMatch(
    /<SOAP-ENV:Envelope .*xmlns:cwmp="urn:dslforum-org:cwmp-1-0".*>true<.*>2024-01-01T00:00:00\.000Z</s,
  );
  expect(request({})).toMatch(
    /<soap-env:Envelope .*xmlns:cwmp="urn:dslforum-org:cwmp-1-2".*>1<.*>2024-01-01T00:00:00Z</s,
  );
});

test.each<[string, Partial<CpeKind>, object]>([
  [
    'FIELD 22: no GetParameterNames on the empty path',
    { manufacturer: 'Sagemcom', productClass: '2764' },
    { skipRootGpn: true },
  ],
  ['FIELD 23: the tree level by level', { manufacturer: 'Cisco', productClass: '867' }, { walkNextLevel: true }],
  ['FIELD 31: Path=/ on the cookie for all', {}, { cookiePath: true }],
])('%s', (_, changes, quirks) => {
  expect(chooser.choose(kind(changes)).quirks).toMatchObject(quirks);
});
