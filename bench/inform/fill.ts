// Fills the store of an edge with devices as their first Informs would leave it, in an order of no pattern, as first contacts come.

import { read } from '../../cwmp/read.ts';
import { openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { Stamps } from '../../edge/store/stamps.ts';
import { ProfileChooser } from '../../profiles/choose.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { CONTENT_TYPE } from '../reference-inform.ts';
import { cpeIdOfDevice, Informs, passwordOf, usernameOf } from './cpe.ts';
import type { ServerOptions } from './server.ts';

const BATCH = 10_000;
const STEP = 7_919;

/** Fills the store in `dir`: `devices` with their Inform's 12 parameters, `parameters` − 12 more each, and a secret where one is asked for. */
export async function fillStore(
  dir: string,
  { devices = 0, parameters = 12, auth = 'none' }: ServerOptions,
): Promise<void> {
  if (devices === 0) return;
  const stamps = Stamps.forNewStart(dir);
  const store = openEdgeStore({ dir, edgeId: 'bench', pop: 'default', lane: 0, stamps });
  const informs = new Informs('quiet');
  const profiles = new ProfileChooser(loadProfiles());
  const tree = Array.from({ length: Math.max(0, parameters - 12) }, (_, i) => ({
    Name: `Device.Hosts.Host.${(i >> 3) + 1}.${['PhysAddress', 'IPAddress', 'HostName', 'Active', 'Layer1Interface', 'X_0A1B2C_Signal', 'LeaseTimeRemaining', 'VendorClassID'][i & 7]}`,
    Value: ['0a:1b:2c:00:00:17', '192.168.1.17', 'kitchen-radio', 'true', 'Device.WiFi.SSID.1.', '-67', '86400', ''][
      i & 7
    ]!,
    Type: 'xsd:string',
  }));
  const names = tree.map(({ Name }) => ({ Name, Writable: false }));
  for (let i = 0; i < devices; i++) {
    const n = (i * STEP) % devices;
    const cpeId = cpeIdOfDevice(n);
    const { result } = read(informs.of(n), CONTENT_TYPE);
    if (result.type === 'refused' || result.message.type !== 'inform')
      throw new Error('the Inform of the bench was not read');
    const { inform } = result.message;
    const value = (leaf: string): string => inform.ParameterList.find(({ Name }) => Name.endsWith(leaf))?.Value ?? '';
    const softwareVersion = value('.SoftwareVersion');
    const { Manufacturer: manufacturer, OUI: oui, ProductClass: productClass } = inform.DeviceId;
    const profile = profiles.choose({ root: 'Device.', manufacturer, oui, productClass, softwareVersion });
    const cpe = {
      ...{ device: inform.DeviceId, root: 'Device.', namespace: 'urn:dslforum-org:cwmp-1-2', version: '1.2' },
      ...{ address: '127.0.0.1', profile: profile.id },
    };
    const connectionRequestUrl = value('.ConnectionRequestURL');
    void store.putDevice(cpeId, {
      cpe,
      softwareVersion,
      connectionRequestUrl,
      settings: null,
      lastInformAt: Date.now(),
    });
    let written: Promise<unknown> = store.applyValues(cpeId, inform.ParameterList);
    if (auth !== 'none') {
      const cpeSecret = { username: usernameOf(n), password: passwordOf(n) };
      written = store.putSettings(cpeId, { cpe: cpeSecret, connectionRequest: [] });
    }
    if (tree.length > 0) {
      void store.applyNames(cpeId, 'Device.Hosts.', true, names);
      written = store.applyValues(cpeId, tree);
    }
    // Commits of a bounded size, so that filling a million devices does not hold them all in memory.
    if (tree.length > 0 ? i % 50 === 0 : i % BATCH === 0) await written;
  }
  await store.flushed();
  await store.close();
}
