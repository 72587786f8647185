// What the data model costs where a change is planned, and where values are looked at one by one. Questions: is one look at a path a matter
// of a microsecond, does the search for near names stay bounded, and is a `set` of 3,000 values (far more than one action may have) planned
// within a fraction of a second? Not asked: reading what is known of the device (ingest.bench.ts has PostgreSQL's share).

import { fileURLToPath } from 'node:url';
import { plan } from '../control/actions/plan.ts';
import { ProfileBook } from '../control/registry/profile-book.ts';
import { dataModel } from '../profiles/data-model.ts';
import { loadProfiles } from '../profiles/load.ts';
import { isSecret } from '../profiles/resolve.ts';
import { checkValue } from '../profiles/value-check.ts';
import { type Measured, measure, printTable, type Row, size } from './harness.ts';

const CHANNEL = 'Device.WiFi.Radio.1.Channel';
const MODE = 'Device.WiFi.AccessPoint.1.Security.ModeEnabled';

function modelRows(): Row[] {
  const model = dataModel('Device.');
  const profile = loadProfiles().get('tr181')!;
  const facts = model.parameter(CHANNEL)!;
  const modes = model.parameter(MODE)!;
  const paths = Array.from({ length: 100 }, (_, i) => `Device.WiFi.AccessPoint.${i + 1}.Security.ModeEnabled`);
  const count = (of: (path: string) => boolean): number => paths.filter(of).length;
  return [
    { name: 'look up 100 parameters', run: () => count((path) => model.parameter(path) !== null) },
    { name: 'is it a secret: 100 paths', run: () => count((path) => !isSecret(profile, path)) },
    { name: 'check a number', run: () => Number(checkValue(facts, '11').type === 'ok') },
    { name: 'check one of 13 words', run: () => Number(checkValue(modes, 'WPA2-Personal').type === 'ok') },
    { name: 'nearest names', run: () => model.nearest('Device.Wifi.SSID.1.Sid').length },
  ];
}

function planRows(values: number): Row[] {
  const book = new ProfileBook(loadProfiles());
  const names = Array.from({ length: values }, (_, i) => `Device.WiFi.Radio.${i + 1}.Channel`);
  const request = { kind: 'set' as const, values: Object.fromEntries(names.map((name) => [name, 11])) };
  const known = new Map(
    names.map((name) => [name, { value: '6', sealed: null, type: 'xsd:unsignedInt', writable: true, readAt: 0 }]),
  );
  const run = (): number => {
    const planned = plan({
      device: { id: 'bench', root: 'Device.', profileId: 'tr181' },
      request,
      known,
      book,
      file: null,
      firmwareBefore: null,
      commandKey: 'bench',
      nowMs: 0,
      digest: (text) => String(text.length),
      unseal: () => '',
    });
    return planned.type === 'ok' ? planned.view.diff.length : 0;
  };
  return [{ name: `plan a set of ${values} values`, run }];
}

export async function planningBench(): Promise<Measured[][]> {
  const options = { rounds: size(1, 5), timeMs: size(5, 300) };
  return [await measure(modelRows(), options), await measure(planRows(size(20, 3_000)), options)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printTable(await planningBench());
