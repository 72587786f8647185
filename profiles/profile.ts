// What is known about a kind of CPE, as data: which CPEs it matches, how canonical names map to its paths, and its quirks.
// Chosen once per Inform by both edge and control, from the same files. No I/O here: load.ts reads the YAML.

import type { EnvelopeStyle } from '../cwmp/envelope-style.ts';

/** What a profile matches on; every member that is present must match. Regular expressions are anchored, case-insensitive. */
export interface ProfileMatch {
  root?: 'Device.' | 'InternetGatewayDevice.';
  manufacturer?: string;
  oui?: string[];
  productClass?: string;
  softwareVersion?: string;
}

export interface CanonicalName {
  /** Candidate paths; the first that exists on the device is meant, or the first of all while nothing is known of it. */
  paths: string[];
  /** xsd type to write when the device did not tell, e.g. 'xsd:string'. */
  type: string;
  writable: boolean;
  /** Secrets are redacted wherever they are shown. */
  secret: boolean;
  text: string;
}

/** Behaviour to expect of this kind of CPE. Each switch exists because a FIELD.md line or a transcript shows the need. */
export interface Quirks {
  /** Names in one GetParameterValues / values in one SetParameterValues (FIELD 23). */
  getBatchNames: number;
  setBatchValues: number;
  /** Walk with NextLevel=1 instead of asking for the whole tree (FIELD 23). */
  walkNextLevel: boolean;
  /** GetParameterNames on '' is refused: start at the root object (FIELD 22). */
  skipRootGpn: boolean;
  /** Write parameters that claim to be read-only (FIELD 24). */
  ignoreWritable: boolean;
  /** TransferComplete never comes: call a download successful after this many seconds, null: never (FIELD 26). */
  transferCompleteAfterSeconds: number | null;
  /** RPCs this CPE answers so slowly that the connection is closed after sending them (ECOSYSTEM, uWebSockets.js limits). */
  slowMethods: string[];
  /** Paths (prefixes or full) that read back blank or masked: a write cannot be verified by reading (FIELD 27). */
  blankReads: string[];
  /** Paths (prefixes or full) where this CPE has names or takes values that the data model does not have: nothing is refused by it there. */
  ignoreDataModel: string[];
  /** `Path=/` on Set-Cookie (FIELD 31). */
  cookiePath: boolean;
}

export interface Profile {
  id: string;
  title: string;
  /** Root object of the data model, with its dot. */
  root: string;
  match: ProfileMatch;
  names: Record<string, CanonicalName>;
  style: EnvelopeStyle;
  quirks: Quirks;
}

/** What choosing a profile looks at. */
export interface CpeKind {
  root: string;
  manufacturer: string;
  oui: string;
  productClass: string;
  softwareVersion: string;
}
