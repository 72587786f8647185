// Facts as a fleet tells them, without a fleet: what the benches of ingest and of the road hand over.

import type { AnyFactBody, CpeFacts } from '../bus/messages.ts';

/** What an edge has of a device; `turn` makes each fact another one. */
export type Make = (device: number, turn: number) => AnyFactBody;

/** Facts in one record of the outbox, and so in one message: what a thread appends in one turn under load. */
export const RECORD_FACTS = 10;
/** Quiet devices in one `seen`. */
const SEEN_DEVICES = 50;
const READ_VALUES = 32;
const ROOT = 'InternetGatewayDevice.';

/** Eight letters, of each number others, in which a packer finds as little as in serial numbers of a fleet. */
const scattered = (n: number): string => (Math.imul(n, 0x9e3779b1) >>> 0).toString(16).toUpperCase().padStart(8, '0');
export const serialOf = scattered;
export const cpeIdOf = (device: number): string => `00D09E-Bench-${serialOf(device)}`;
const sessionIdOf = (turn: number): string => `${scattered(turn)}${scattered(turn ^ 0x5bd1e995)}`;
const cpeOf = (device: number): CpeFacts => ({
  device: {
    Manufacturer: 'Bench',
    OUI: '00D09E',
    ProductClass: 'Bench',
    SerialNumber: serialOf(device),
  },
  root: ROOT,
  namespace: 'urn:dslforum-org:cwmp-1-2',
  version: '1.2',
  address: '192.0.2.1',
  profile: 'tr098',
});
const value = (Name: string, Value: string) => ({ Name: `${ROOT}${Name}`, Value, Type: 'xsd:string' });

export const inform: Make = (device, turn) => ({
  type: 'inform',
  body: {
    cpeId: cpeIdOf(device),
    sessionId: sessionIdOf(turn),
    cpe: cpeOf(device),
    events: [{ EventCode: '4 VALUE CHANGE', CommandKey: '' }],
    retryCount: 0,
    currentTime: '2026-01-31T12:00:00Z',
    changed: [
      value('WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress', `198.51.100.${turn % 250}`),
      value('DeviceInfo.UpTime', String(turn)),
    ],
    reset: false,
    tolerances: [],
  },
});
const session: Make = (device, turn) => ({
  type: 'session',
  body: {
    cpeId: cpeIdOf(device),
    sessionId: sessionIdOf(turn),
    why: 'done',
    ok: true,
    startedAt: turn,
    endedAt: turn,
    rpcs: 3,
  },
});
const values: Make = (device, turn) => ({
  type: 'values',
  body: {
    cpeId: cpeIdOf(device),
    sessionId: sessionIdOf(turn),
    values: Array.from({ length: READ_VALUES }, (_, i) => value(`LANDevice.1.Hosts.Host.${i}.HostName`, `h${turn}`)),
  },
});
const seen: Make = (device) => ({
  type: 'seen',
  body: {
    devices: Array.from({ length: SEEN_DEVICES }, (_, i) => ({
      cpeId: cpeIdOf(device - (device % 50) + i),
      at: Date.now(),
    })),
  },
});
/** As a fleet that is neither quiet nor in a storm: of ten facts six Informs with news, two ends of sessions, one read, one `seen`. */
export const mix: Make = (device, turn) => {
  const tenth = device % 10;
  return (tenth < 6 ? inform : tenth < 8 ? session : tenth < 9 ? values : seen)(device, turn);
};
export const FACT_ROWS: [string, Make][] = [
  ['inform, 2 values changed', inform],
  ['session', session],
  [`values, ${READ_VALUES} read`, values],
  [`seen, ${SEEN_DEVICES} devices`, seen],
  ['mix', mix],
];
