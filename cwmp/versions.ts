// Which version of CWMP a session speaks (CWMP V1–V5, TR-069 §3.4.4). Namespaces and versions are not the same: 1.2, 1.3 and 1.4 share
// one namespace, and only SOAP headers tell them apart.

import type { CwmpVersion } from './rpc-table.ts';

/** Oldest first. */
export const VERSIONS: readonly CwmpVersion[] = ['1.0', '1.1', '1.2', '1.3', '1.4'];

const NAMESPACE = /^urn:dslforum-org:cwmp-1-(\d)$/;

/**
 * The version a namespace stands for when no header says more; null when it is no namespace of CWMP. `cwmp-1-3` and higher exist in
 * no specification and in real stacks (V4): they count as what they say, at most 1.4.
 */
export function versionOfNamespace(namespace: string): CwmpVersion | null {
  const match = NAMESPACE.exec(namespace);
  if (match === null) return null;
  return VERSIONS[Math.min(Number(match[1]), VERSIONS.length - 1)]!;
}

export type Negotiation =
  /** `useVersion` is the UseCWMPVersion header of the InformResponse, null when there must be none (E11). */
  { type: 'ok'; version: CwmpVersion; useVersion: CwmpVersion | null } | { type: 'fault'; code: 8006; text: string };

/**
 * The version of a session from what the Inform said (V3).
 * @param namespace of the Inform, already accepted by the reader.
 * @param supported from SupportedCWMPVersions, null when the CPE sent none.
 */
export function negotiate(namespace: string, supported: readonly string[] | null): Negotiation {
  // A header without content says nothing; an Inform is not refused for it (CWMP S12).
  if (supported === null || supported.length === 0) {
    return { type: 'ok', version: versionOfNamespace(namespace) ?? '1.0', useVersion: null };
  }
  for (let i = VERSIONS.length - 1; i >= 0; i--) {
    const version = VERSIONS[i]!;
    if (supported.includes(version)) return { type: 'ok', version, useVersion: version };
  }
  const text = `ACS supports CWMP ${VERSIONS.join(', ')}; the CPE offers ${supported.join(', ')}`;
  return { type: 'fault', code: 8006, text };
}

/** The version of that name; the oldest for a name of none, so that nothing is asked of a CPE whose version is not known. */
export function versionNamed(name: string): CwmpVersion {
  return VERSIONS.find((version) => version === name) ?? '1.0';
}

/** True when a session of `version` has what came with `since` (V5). */
export function isAtLeast(version: CwmpVersion, since: CwmpVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(since);
}
