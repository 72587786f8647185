// Fills the store of an edge with devices as their first Informs would leave it. First contacts come in an order of no pattern, and pages are
// as full as that leaves them; here they come so in blocks of neighbours, which leaves them as full, and touches each page in one
// transaction instead of in nearly all of them.

import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { LIMITS } from '../../base/limits.ts';
import { loadInstallationSecret } from '../../base/secret-file.ts';
import { read } from '../../cwmp/read.ts';
import { NOTHING_TO_READ, SessionMetrics } from '../../edge/edge-metrics.ts';
import type { HttpExchange } from '../../edge/http.ts';
import { QuietInforms } from '../../edge/quiet-informs.ts';
import { Environment } from '../../edge/store/environment.ts';
import { openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { storeKeyOf } from '../../edge/store/seal.ts';
import { Stamps } from '../../edge/store/stamps.ts';
import { ProfileChooser } from '../../profiles/choose.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { randomFrom } from '../../test/random.ts';
import { CONTENT_TYPE } from '../reference-inform.ts';
import { cpeIdOfDevice, Informs, passwordOf, serialOf, usernameOf } from './cpe.ts';
import type { ServerOptions } from './server.ts';

const CLAIMS = {
  ...{ sessionId: '', incarnation: 0, generation: 0, startedAtSeconds: 0, authTag: '' },
  ...{ timeoutSeconds: LIMITS.sessionTimeoutMs / 1_000, namespaceDigit: '2', version: '1.2' },
};
/** Devices of one transaction: as many as fit one, and enough pages that their order within it is of no pattern. */
const BLOCK = 10_000;
/** Those with a tree have megabytes a hundred. */
const BLOCK_WITH_TREE = 50;

/**
 * Fills the store in `dir`: `devices` with their Inform's 12 parameters, `parameters` − 12 more each, and a secret where one is asked for.
 * @returns the bytes of the store that hold something.
 */
export async function fillStore(
  dir: string,
  { devices = 0, parameters = 12, auth = 'none' }: ServerOptions,
): Promise<number> {
  if (devices === 0) return 0;
  const stamps = Stamps.forNewStart(dir);
  // Beside the secret that the edge will find in its data folder.
  const key = storeKeyOf(loadInstallationSecret(dirname(dir)));
  const store = openEdgeStore({ dir, edgeId: 'bench', pop: 'default', lane: 0, stamps, key });
  const informs = new Informs('quiet');
  const profiles = new ProfileChooser(loadProfiles());
  const unused = () => ({ sessionId: '', cookie: '' });
  const quiet = new QuietInforms({
    ...{ store, profiles, clock: systemClock, sessions: { beginQuiet: unused }, lastContacts: { mark() {} } },
    metrics: new SessionMetrics(NOTHING_TO_READ),
  });
  const exchange = { addressBytes: Uint8Array.of(127, 0, 0, 1), contentType: CONTENT_TYPE } as HttpExchange;
  const namespace = 'urn:dslforum-org:cwmp-1-2';
  const tree = treeNames(Math.max(0, parameters - 12));
  const treeOf = (n: number) => tree.map((Name, i) => ({ Name, Value: hostValue(i, n), Type: 'xsd:string' }));
  const names = tree.map((Name) => ({ Name, Writable: false }));
  // What an Inform of this fleet tells differs in the serial number alone: the first one is read for all of them.
  const { result } = read(informs.of(0), CONTENT_TYPE);
  if (result.type === 'refused' || result.message.type !== 'inform')
    throw new Error('the Inform of the bench was not read');
  const { DeviceId, ParameterList } = result.message.inform;
  const value = (leaf: string): string => ParameterList.find(({ Name }) => Name.endsWith(leaf))?.Value ?? '';
  const softwareVersion = value('.SoftwareVersion');
  const connectionRequestUrl = value('.ConnectionRequestURL');
  const { Manufacturer: manufacturer, OUI: oui, ProductClass: productClass } = DeviceId;
  const profile = profiles.choose({ root: 'Device.', manufacturer, oui, productClass, softwareVersion });
  const fillOne = (n: number): void => {
    const cpeId = cpeIdOfDevice(n);
    const bytes = informs.of(n);
    const cpe = {
      ...{ device: { ...DeviceId, SerialNumber: serialOf(n) }, root: 'Device.', namespace, version: '1.2' },
      ...{ address: '127.0.0.1', profile: profile.id },
    };
    void store.putDevice(cpeId, { cpe, softwareVersion, connectionRequestUrl, settings: null });
    void store.applyValues(cpeId, ParameterList);
    if (auth !== 'none') {
      const cpeSecret = { username: usernameOf(n), password: passwordOf(n) };
      void store.putSettings(cpeId, { cpe: cpeSecret, connectionRequest: [] });
    }
    if (tree.length > 0) {
      void store.applyNames(cpeId, 'Device.Hosts.', true, names);
      void store.applyValues(cpeId, treeOf(n));
    }
    // As the end of a second, quiet session would.
    quiet.answer(exchange, null, bytes);
    const token = quiet.tokenFor({ cpeId, id: '1', namespace, useVersion: null });
    if (token === '') throw new Error('the Inform of the bench was not glanced at');
    quiet.remember({ ...CLAIMS, cpeId, quiet: token }, store.openMark(cpeId));
  };
  // In transactions of this thread's own, which take a quarter of the time, each of a bounded size.
  const environment = Environment.acquire(dir);
  const { root } = environment;
  const block = tree.length > 0 ? BLOCK_WITH_TREE : BLOCK;
  for (let first = 0; first < devices; first += block) {
    const places = shuffled(Math.min(block, devices - first));
    root.transactionSync(() => {
      for (const place of places) fillOne(first + place);
    });
    // What was written is laid over what is read until its promises are told.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await store.flushed();
  const used = statSync(join(dir, 'data.mdb')).size - environment.reusableBytes();
  // Without the free pages that large transactions leave, which no store in use has so many of: LMDB walks their list at each commit.
  const compact = join(dir, 'compact');
  mkdirSync(compact);
  await root.backup(compact, true);
  await store.close();
  await environment.release();
  renameSync(join(compact, 'data.mdb'), join(dir, 'data.mdb'));
  rmSync(join(dir, 'lock.mdb'), { force: true });
  return used;
}

/** The numbers below `count` in an order of no pattern, the same in each run: equal steps would fill, and split, all pages at once. */
function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  const random = randomFrom(1);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [numbers[i], numbers[other]] = [numbers[other]!, numbers[i]!];
  }
  return numbers;
}

/** Parameters of a tree beside those of the Inform: hosts of a LAN, eight each. */
function treeNames(count: number): string[] {
  const leaves = [
    'PhysAddress',
    'IPAddress',
    'HostName',
    'Active',
    'Layer1Interface',
    'X_0A1B2C_Signal',
    'LeaseTimeRemaining',
  ];
  return Array.from(
    { length: count },
    (_, i) => `Device.Hosts.Host.${(i >> 3) + 1}.${leaves[i & 7] ?? 'VendorClassID'}`,
  );
}

/** Value `i` of that tree on device `n`: no two hosts are alike, and none is of two devices. */
function hostValue(i: number, n: number): string {
  const host = (Math.imul(n, 2_654_435) + Math.imul(i >> 3, 40_503)) >>> 0;
  const hex = host.toString(16).padStart(8, '0');
  const values = [
    `0a:1b:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`,
    `192.168.${(host >> 8) & 255}.${host & 255}`,
    `${['kitchen-radio', 'tv', 'phone', 'laptop', 'printer'][host % 5]}-${hex.slice(3)}`,
    host & 1 ? 'true' : 'false',
    `Device.WiFi.SSID.${(host % 4) + 1}.`,
    String(-30 - (host % 60)),
    String(host % 86_400),
    host % 3 === 0 ? 'android-dhcp-13' : '',
  ];
  return values[i & 7]!;
}
