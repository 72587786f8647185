// What a name means on a device: canonical names and paths to paths, which of them are secret, and what was probably meant by a name
// that is neither. Pure.

import { isRooted, lastPart, pathProblem } from '../cwmp/paths.ts';
import { dataModelOf } from './data-model.ts';
import { nearest } from './nearest.ts';
import type { Profile } from './profile.ts';

export { REDACTED } from '../base/secret-box.ts';

export type Resolution =
  | {
      type: 'ok';
      path: string;
      /** The canonical name that means this path, null when none does. */
      canonical: string | null;
      /** xsd type of the profile; '' when only the device can tell, and for objects. */
      valueType: string;
      /** null when the profile does not know the path. */
      writable: boolean | null;
      secret: boolean;
    }
  /** `nearest`: canonical names that look alike, best first. */
  | { type: 'unknown'; nearest: string[] }
  | { type: 'bad-path'; why: string };

/**
 * What `name` means: a canonical name of the profile, or a path, which begins with a root object.
 * @param exists whether the device is known to have the path; of several candidates the first that exists is meant, the first of all
 *   while none is known to.
 */
export function resolve(profile: Profile, name: string, exists: (path: string) => boolean): Resolution {
  const known = Object.hasOwn(profile.names, name) ? profile.names[name]! : undefined;
  if (known !== undefined) {
    const path = known.paths.find(exists) ?? known.paths[0]!;
    const secret = isSecret(profile, path);
    return { type: 'ok', path, canonical: name, valueType: known.type, writable: known.writable, secret };
  }
  if (!isRooted(name)) return { type: 'unknown', nearest: nearest(name, Object.keys(profile.names)) };
  const why = pathProblem(name);
  if (why !== null) return { type: 'bad-path', why };
  const canonical = canonicalOf(profile, name);
  const entry = canonical === null ? undefined : profile.names[canonical];
  return {
    type: 'ok',
    path: name,
    canonical,
    valueType: entry?.type ?? '',
    writable: entry?.writable ?? null,
    secret: isSecret(profile, name),
  };
}

const canonicalByPath = new WeakMap<Profile, Map<string, string>>();

/** The canonical name that means `path` on this profile, null when none does. */
export function canonicalOf(profile: Profile, path: string): string | null {
  let byPath = canonicalByPath.get(profile);
  if (byPath === undefined) {
    byPath = new Map();
    for (const [name, { paths }] of Object.entries(profile.names)) {
      for (const candidate of paths) if (!byPath.has(candidate)) byPath.set(candidate, name);
    }
    canonicalByPath.set(profile, byPath);
  }
  return byPath.get(path) ?? null;
}

// Last parts that are secrets on any CPE. Seen among vendors' own: X_HW_CertPassword, X_TP_PreSharedKey, GponPwd, GponAuthCtcPwd,
// X_HW_RouteProtocolAuthKey, names ending in _BK or a number.
const SECRET_LEAF =
  /(?:password|passwd|passphrase|passcode|pwd|psk|presharedkey|wepkey|privatekey|authkey|encryptionkey|sharedsecret|secret|pin)(?:_[a-z]{1,3})?\d*$/i;

/** True for a path whose value must not be stored or shown in plain: by its last part, the data model, or the profile. */
export function isSecret(profile: Profile, path: string): boolean {
  if (isSecretLeaf(lastPart(path)) || dataModelOf(path)?.isSecret(path) === true) return true;
  const canonical = canonicalOf(profile, path);
  return canonical !== null && profile.names[canonical]!.secret;
}

/** Tells paths that are secrets on some CPE: by their last part, or by any of these profiles. */
export function secretsOfAny(profiles: Iterable<Profile>): (path: string) => boolean {
  const paths = new Set<string>();
  for (const { names } of profiles) {
    for (const name of Object.values(names)) if (name.secret) for (const path of name.paths) paths.add(path);
  }
  return (path) => paths.has(path) || isSecretLeaf(lastPart(path));
}

/** True for the last part of a path, or the name of an argument, that is a secret whatever the profile says. */
export function isSecretLeaf(name: string): boolean {
  return SECRET_LEAF.test(name);
}
