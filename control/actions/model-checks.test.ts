import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { canonicalValue } from '../../cwmp/values.ts';
import { dataModel } from '../../profiles/data-model.ts';
import { loadProfiles } from '../../profiles/load.ts';
import type { Quirks } from '../../profiles/profile.ts';
import { ProfileBook } from '../registry/profile-book.ts';
import { checkLeaf, nameRefusal } from './model-checks.ts';
import { type KnownParameter, type Planned, type PlanRefusal, plan } from './plan.ts';
import type { ActionRequest } from './request.ts';

const profiles = new Map(loadProfiles());
const quirky = (id: string, quirks: Partial<Quirks>): void => {
  const base = profiles.get('tr181')!;
  profiles.set(id, { ...base, id, quirks: { ...base.quirks, ...quirks } });
};
quirky('own-model', { ignoreDataModel: ['Device.WiFi.'] });
quirky('mislabelled', { ignoreWritable: true });
const book = new ProfileBook(profiles);

/** What a device told: path → what differs from a writable string that was never read. */
type Told = Record<string, Partial<KnownParameter>>;

function planned(request: ActionRequest, told: Told = {}, profileId = 'tr181'): Planned | PlanRefusal {
  const nothing: KnownParameter = { value: null, sealed: null, type: '', writable: null, readAt: null };
  return plan({
    device: { id: 'device', root: 'Device.', profileId },
    request,
    known: new Map(Object.entries(told).map(([path, known]) => [path, { ...nothing, ...known }])),
    book,
    file: null,
    firmwareBefore: null,
    commandKey: 'key',
    nowMs: 0,
    digest: (text) => text,
    unseal: (_, sealed) => sealed,
  });
}

const set = (values: Record<string, string | number | boolean>): ActionRequest => ({ kind: 'set', values });
const CHANNEL = 'Device.WiFi.Radio.1.Channel';
const BANDWIDTH = 'Device.WiFi.Radio.1.OperatingChannelBandwidth';
const MODE = 'Device.WiFi.AccessPoint.1.Security.ModeEnabled';
const MODES = 'Device.WiFi.AccessPoint.1.Security.ModesSupported';
const MAPPING = 'Device.NAT.PortMapping.';

test.each<[string, ActionRequest, PlanRefusal['code'], RegExp]>([
  [
    'a misspelt leaf',
    set({ 'Device.WiFi.SSID.1.Sid': 'x' }),
    'unknown-name',
    /Nearest names: Device\.WiFi\.SSID\.1\.SSID,/,
  ],
  [
    'a misspelt object',
    { kind: 'get', names: ['Device.Wifi.SSID.1.SSID'] },
    'unknown-name',
    /Device\.WiFi\.SSID\.1\.SSID/,
  ],
  [
    'a forgotten instance',
    { kind: 'get', names: ['Device.WiFi.SSID.SSID'] },
    'unknown-name',
    /Device\.WiFi\.SSID\.\{i\}\.SSID/,
  ],
  ['an unknown object to refresh', { kind: 'refresh', name: 'Device.WiFy.' }, 'unknown-name', /Device\.WiFi\./],
  ['a number out of range', set({ [CHANNEL]: 256 }), 'bad-value', /Channel must be between 1 and 255/],
  [
    'a canonical name out of range',
    set({ 'wifi.2g.channel': 0 }),
    'bad-value',
    /wifi\.2g\.channel must be between 1 and 255/,
  ],
  ['a value that is none of the list', set({ [BANDWIDTH]: '30MHz' }), 'bad-value', /must be one of 20MHz, 40MHz/],
  ['a type of the model', set({ 'Device.WiFi.SSID.1.Enable': 'yes' }), 'bad-value', /neither true.*xsd:boolean/],
  ['a text that is too long', set({ 'wifi.2g.ssid': 'x'.repeat(33) }), 'bad-value', /at most 32 characters/],
  ['a read-only parameter', set({ 'Device.DeviceInfo.UpTime': 1 }), 'read-only', /UpTime is read-only/],
  [
    'a state that only the device sets',
    set({ 'Device.IP.Diagnostics.IPPing.DiagnosticsState': 'Complete' }),
    'bad-value',
    /Requested/,
  ],
  ['adding to what is no table', { kind: 'add', name: 'Device.WiFi.' }, 'bad-action', /is not a table/],
  [
    'adding to what only the device fills',
    { kind: 'add', name: 'Device.WiFi.Radio.' },
    'read-only',
    /no instances can be added/,
  ],
  ['deleting a table', { kind: 'delete', name: MAPPING }, 'bad-action', /is not an instance/],
  [
    'deleting what only the device fills',
    { kind: 'delete', name: 'Device.Hosts.Host.1.' },
    'read-only',
    /cannot be deleted/,
  ],
  [
    'an unknown name in a new instance',
    { kind: 'add', name: MAPPING, values: { ExternPort: 80 } },
    'unknown-name',
    /Nearest names: ExternalPort,/,
  ],
  [
    'a bad value in a new instance',
    { kind: 'add', name: MAPPING, values: { ExternalPort: 70_000 } },
    'bad-value',
    /0 and 65535/,
  ],
  [
    'a read-only name in a new instance',
    { kind: 'add', name: MAPPING, values: { Status: 'Enabled' } },
    'read-only',
    /Status/,
  ],
])('%s is refused', (_, request, code, message) => {
  expect(planned(request)).toMatchObject({ type: 'refused', code, message: expect.stringMatching(message) });
});

test.each<[string, ActionRequest, Told]>([
  ['a name that the device told of', set({ 'Device.WiFi.SSID.1.Sid': 'x' }), { 'Device.WiFi.SSID.1.Sid': {} }],
  ['names of vendors', set({ 'Device.WiFi.X_ACME_Mode': 'x', 'Device.X_ACME.Foo': 'y' }), {}],
  ['services that other data models define', set({ 'Device.Services.VoiceService.1.Enable': true }), {}],
  ['values of vendors', set({ [BANDWIDTH]: 'X_ACME_30MHz' }), {}],
  [
    'a parameter the device calls writable',
    set({ 'Device.DeviceInfo.ModelName': 'x' }),
    { 'Device.DeviceInfo.ModelName': { writable: true } },
  ],
  [
    'a range the device does not keep itself',
    set({ [CHANNEL]: 300 }),
    { [CHANNEL]: { value: '0', type: 'xsd:unsignedInt' } },
  ],
  ['values the device does not keep itself', set({ [BANDWIDTH]: '30MHz' }), { [BANDWIDTH]: { value: '20' } }],
  [
    'values of a parameter that is of another type on the device',
    set({ [CHANNEL]: 'auto' }),
    { [CHANNEL]: { type: 'xsd:string' } },
  ],
  ['what the device lists as supported', set({ [MODE]: 'WPA2-WPA3' }), { [MODES]: { value: 'None,WPA2-WPA3' } }],
  [
    'a path of the profile the data model has otherwise',
    set({ 'wifi.2g.password': 'pass phrase' }),
    {
      'Device.WiFi.AccessPoint.1.Security.PreSharedKey': {},
    },
  ],
  [
    'a table the device calls writable',
    { kind: 'add', name: 'Device.WiFi.Radio.' },
    { 'Device.WiFi.Radio.': { writable: true } },
  ],
  ['tables of vendors', { kind: 'add', name: 'Device.X_ACME.' }, {}],
  [
    'a name the instances of the device have',
    { kind: 'add', name: MAPPING, values: { Zone: 1 } },
    { [`${MAPPING}*.Zone`]: {} },
  ],
  ['an object the device told of', { kind: 'refresh', name: 'Device.WiFy.' }, { 'Device.WiFy.': {} }],
  ['all of a table at once', { kind: 'get', names: ['Device.WiFi.SSID.*.SSID'] }, {}],
])('%s: planned', (_, request, told) => {
  expect(planned(request, told).type).toBe('ok');
});

test('an integer of another size on the device keeps the range of the data model', () => {
  const told = { [CHANNEL]: { type: 'xsd:int', value: '6' } };
  expect(planned(set({ [CHANNEL]: 256 }), told)).toMatchObject({ code: 'bad-value' });
  expect(planned(set({ [CHANNEL]: 11 }), told).type).toBe('ok');
});

test('a blank says nothing of what the device keeps to', () => {
  expect(planned(set({ [BANDWIDTH]: '30MHz' }), { [BANDWIDTH]: { value: '' } })).toMatchObject({ code: 'bad-value' });
});

test('what the device calls read-only is refused, unless its profile knows better', () => {
  const told = { [CHANNEL]: { writable: false }, [MAPPING]: { writable: false } };
  for (const request of [set({ [CHANNEL]: 1 }), { kind: 'add', name: MAPPING } as const]) {
    expect(planned(request, told)).toMatchObject({ code: 'read-only' });
    expect(planned(request, told, 'mislabelled').type).toBe('ok');
  }
});

test('a profile switches the data model off where its devices keep to another', () => {
  const odd = set({ [CHANNEL]: 300, 'Device.WiFi.Foo': 'x' });
  expect(planned(odd, {}, 'own-model').type).toBe('ok');
  expect(planned(set({ 'Device.NAT.Foo': 'x' }), {}, 'own-model')).toMatchObject({ code: 'unknown-name' });
});

test('types of the data model are written when neither the device nor the profile tells one', () => {
  expect(planned(set({ [CHANNEL]: 6 }), { [CHANNEL]: {} })).toMatchObject({
    args: { values: [{ name: CHANNEL, type: 'xsd:unsignedInt' }] },
  });
  expect(planned({ kind: 'add', name: MAPPING, values: { ExternalPort: 80, Description: 'web' } })).toMatchObject({
    args: { values: [{ type: 'xsd:unsignedInt' }, { type: 'xsd:string' }] },
  });
});

test('a secret by the data model alone is redacted in the plan, and no refusal quotes one', () => {
  const key = 'Device.Routing.Babel.MACKeySet.1.MACKey.1.KeyValue';
  const made = planned(set({ [key]: '0A0B0C' }));
  expect(made.type === 'ok' && JSON.stringify(made.view)).not.toContain('0A0B0C');
  expect(made).toMatchObject({ args: { values: [{ name: key, value: '0A0B0C', secret: true }] } });
  const refused = planned(set({ 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase': 'short' }));
  expect(refused).toMatchObject({ code: 'bad-value', message: expect.stringMatching(/between 8 and 63 characters/) });
  expect(JSON.stringify(refused)).not.toContain('short');
});

test('every name a refusal offers is a name that can be planned', () => {
  for (const path of ['Device.WiFi.SSID.1.Foo', 'Device.Wifi.SSID.1.', 'Device.Hosts.Host.1', 'Device.Q']) {
    const refused = planned({ kind: 'get', names: [path] });
    const offered =
      refused.type === 'refused' ? /Nearest names: (.*?)\. If /.exec(refused.message)![1]!.split(', ') : [];
    expect(offered.length, path).toBeGreaterThan(0);
    for (const name of offered) expect(dataModel('Device.').knows(name), name).toBe(true);
  }
});

const DUMPS = '../shared/dumps';
if (!existsSync(DUMPS)) console.log('skipped: there are no parameter dumps in ../shared/dumps');

test.skipIf(!existsSync(DUMPS))(
  'real CPEs are believed: no value that one of them has is refused where it has it',
  () => {
    let checked = 0;
    for (const file of readdirSync(DUMPS).filter((name) => name.endsWith('.csv.gz'))) {
      const text = gunzipSync(readFileSync(`${DUMPS}/${file}`)).toString('utf8');
      const rows = text.matchAll(/^((?:Device|InternetGatewayDevice)\.[^,]*),false,true,([^",]*),([^,]*),/gm);
      for (const [, path = '', value = '', type = ''] of rows) {
        // Anonymized values do not always fit the type they had, and the states of tests are the CPE's to set.
        if (path.endsWith('.DiagnosticsState') || value === '' || canonicalValue(type, value).type === 'bad') continue;
        const known = new Map([[path, { value, sealed: null, type, writable: true, readAt: 0 }]]);
        const device = { id: 'device', root: '', profileId: 'generic' };
        const knowledge = { book, device, known };
        expect(nameRefusal(knowledge, path, path), path).toBeNull();
        const leaf = { name: path, path, profileType: '', profileWritable: null };
        expect(checkLeaf(knowledge, leaf, value), `${path} ${value}`).toEqual({ type: 'ok', valueType: type });
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(1_000);
  },
);
