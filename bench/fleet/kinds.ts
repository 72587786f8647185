// The kinds of CPE that can be simulated and what makes one CPE of a kind itself: serial number, addresses, names, keys, all derived
// from the serial number, so that the same CPE comes back in the next run.

import { createHash } from 'node:crypto';
import type { DeviceIdStruct } from '../../base/ids.ts';
import { enlarge, type TreeTemplate } from './tree-template.ts';
import { TR098, TR098_FORCED } from './tree-tr098.ts';
import { TR181, TR181_FORCED } from './tree-tr181.ts';

export type Model = 'tr098' | 'tr181';
export type CwmpVersion = '1.0' | '1.1' | '1.2' | '1.3' | '1.4';

export interface Kind {
  model: Model;
  device: Omit<DeviceIdStruct, 'SerialNumber'>;
  modelName: string;
  softwareVersion: string;
  cwmpVersion: CwmpVersion;
  template: TreeTemplate;
  /** Paths below the root that every Inform carries. */
  forced: readonly string[];
  /** Paths below the root of the diagnostics objects. */
  diagnostics: { ping: string; traceRoute: string; download: string; upload: string; nsLookup: string };
}

/** OUIs of the range for documentation (RFC 9542): no vendor is meant. */
export const KINDS: Record<Model, Kind> = {
  tr098: {
    model: 'tr098',
    device: { Manufacturer: 'Starling Simulation', OUI: '00005E', ProductClass: 'SimGateway' },
    modelName: 'SG-98',
    softwareVersion: '3.12.5',
    cwmpVersion: '1.2',
    template: TR098,
    forced: TR098_FORCED,
    diagnostics: {
      ping: 'IPPingDiagnostics.',
      traceRoute: 'TraceRouteDiagnostics.',
      download: 'DownloadDiagnostics.',
      upload: 'UploadDiagnostics.',
      nsLookup: 'NSLookupDiagnostics.',
    },
  },
  tr181: {
    model: 'tr181',
    device: { Manufacturer: 'Starling Simulation', OUI: '00005E', ProductClass: 'SimFibre' },
    modelName: 'SF-181',
    softwareVersion: '7.0.1',
    cwmpVersion: '1.4',
    template: TR181,
    forced: TR181_FORCED,
    diagnostics: {
      ping: 'IP.Diagnostics.IPPing.',
      traceRoute: 'IP.Diagnostics.TraceRoute.',
      download: 'IP.Diagnostics.DownloadDiagnostics.',
      upload: 'IP.Diagnostics.UploadDiagnostics.',
      nsLookup: 'DNS.Diagnostics.NSLookupDiagnostics.',
    },
  },
};

const templates = new Map<string, TreeTemplate>();

/** The template of a model with at least `parameters` parameters; built once per size, shared by all CPEs. */
export function templateOf(model: Model, parameters: number): TreeTemplate {
  const key = `${model} ${parameters}`;
  let template = templates.get(key);
  if (template === undefined) {
    template = enlarge(KINDS[model].template, parameters);
    templates.set(key, template);
  }
  return template;
}

/** Texts of the {placeholders} that follow from kind and serial number. */
export function identityTexts(kind: Kind, device: DeviceIdStruct): Record<string, string> {
  const digest = createHash('sha256').update(`${device.OUI}-${device.ProductClass}-${device.SerialNumber}`).digest();
  const mac = (offset: number): string =>
    ['02', ...[...digest.subarray(0, 4)].map(hex), hex((digest[4]! + offset) & 255)].join(':').toUpperCase();
  return {
    manufacturer: device.Manufacturer,
    oui: device.OUI,
    'product-class': device.ProductClass,
    serial: device.SerialNumber,
    model: kind.modelName,
    software: kind.softwareVersion,
    mac: mac(0),
    'wifi-mac': mac(1),
    'wifi5-mac': mac(2),
    'host-mac': mac(64),
    'host2-mac': mac(65),
    // 100.64.0.0/10 is the shared space of carriers: what a customer behind an ISP often really has.
    'wan-ip': `100.${64 + (digest[5]! & 63)}.${digest[6]}.${1 + (digest[7]! % 254)}`,
    ssid: `Home-${digest.toString('hex', 8, 10).toUpperCase()}`,
    'wifi-key': digest.toString('hex', 10, 16),
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
