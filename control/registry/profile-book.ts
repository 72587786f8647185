// What control asks of profiles: which one a device has, what a name means on it, which paths are secret. A view over profiles/, no I/O.

import type { Profile } from '../../profiles/profile.ts';

/** A name as an operator wrote it, understood. */
export interface ResolvedName {
  path: string;
  /** null when the operator gave a path. */
  canonical: string | null;
  /** xsd type of the profile, '' when only the device can tell. */
  type: string;
  secret: boolean;
}
export type Resolution = { type: 'ok'; name: ResolvedName } | { type: 'unknown'; nearest: string[] };

/** Leaf names that are secrets whatever the profile. */
const SECRET_LEAF = /(password|passphrase|presharedkey|wepkey|secret)\d*$/i;

export class ProfileBook {
  readonly #profiles: ReadonlyMap<string, Profile>;
  /** profile id → path → canonical name; filled when first asked. */
  readonly #canonical = new Map<string, Map<string, string>>();

  constructor(profiles: ReadonlyMap<string, Profile>) {
    this.#profiles = profiles;
  }

  /** The profile of a device, by the id its edge chose; null while it has none, or an id that is not shipped any more. */
  get(id: string): Profile | null {
    return this.#profiles.get(id) ?? null;
  }

  /** True for paths whose values must never be stored or shown in plain. */
  isSecret(profileId: string, path: string): boolean {
    if (SECRET_LEAF.test(path)) return true;
    const canonical = this.canonicalOf(profileId, path);
    return canonical !== null && this.get(profileId)!.names[canonical]!.secret;
  }

  /** The canonical name that means `path` on this profile, null when none does. */
  canonicalOf(profileId: string, path: string): string | null {
    let byPath = this.#canonical.get(profileId);
    if (!byPath) {
      byPath = new Map();
      for (const [name, { paths }] of Object.entries(this.get(profileId)?.names ?? {})) {
        for (const candidate of paths) if (!byPath.has(candidate)) byPath.set(candidate, name);
      }
      this.#canonical.set(profileId, byPath);
    }
    return byPath.get(path) ?? null;
  }

  /** Every path a name may mean: what to look up before `resolve`. */
  candidates(profileId: string, name: string): string[] {
    return this.get(profileId)?.names[name]?.paths ?? [name];
  }

  /** Canonical names that begin with `prefix`, with their candidate paths. */
  pathsByPrefix(profileId: string, prefix: string): string[] {
    return Object.entries(this.get(profileId)?.names ?? {})
      .filter(([name]) => name === prefix || (prefix.endsWith('.') && name.startsWith(prefix)))
      .flatMap(([, { paths }]) => paths);
  }

  /** What `name` means on the device: a canonical name of its profile, or a path, which begins with a root object. */
  resolve(profileId: string, name: string, exists: (path: string) => boolean): Resolution {
    const profile = this.get(profileId);
    const known = profile?.names[name];
    if (known) {
      const path = known.paths.find(exists) ?? known.paths[0]!;
      return {
        type: 'ok',
        name: { path, canonical: name, type: known.type, secret: known.secret || SECRET_LEAF.test(path) },
      };
    }
    if (/^(Device|InternetGatewayDevice)\./.test(name)) {
      const canonical = this.canonicalOf(profileId, name);
      const type = canonical === null ? '' : profile!.names[canonical]!.type;
      return { type: 'ok', name: { path: name, canonical, type, secret: this.isSecret(profileId, name) } };
    }
    return { type: 'unknown', nearest: nearest(name, Object.keys(profile?.names ?? {})) };
  }
}

/** The up to three names least different from `name`, best first. */
function nearest(name: string, names: string[]): string[] {
  return names
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
