// What control asks of profiles, by the id stored with a device: what a name means on it, which paths are secret. A view over profiles/,
// no I/O. A device whose profile is not known (yet, or any more) has the generic one.

import { GENERIC } from '../../profiles/choose.ts';
import { type DataModel, dataModelOf, supportedPath } from '../../profiles/data-model.ts';
import type { Profile } from '../../profiles/profile.ts';
import { canonicalOf, isSecret, isSecretLeaf, type Resolution, resolve } from '../../profiles/resolve.ts';

export type ResolvedName = Extract<Resolution, { type: 'ok' }>;

/** The loaded profiles, asked by id. */
export class ProfileBook {
  readonly #profiles: ReadonlyMap<string, Profile>;

  /** @param profiles from loadProfiles; `generic` is among them. */
  constructor(profiles: ReadonlyMap<string, Profile>) {
    this.#profiles = profiles;
  }

  get(id: string): Profile {
    return this.#profiles.get(id) ?? this.#profiles.get(GENERIC)!;
  }

  /** True for paths, and names of arguments, whose values must never be stored or shown in plain. */
  isSecret(id: string, path: string): boolean {
    return isSecretLeaf(path) || isSecret(this.get(id), path);
  }

  /** The same, of any profile: for what is not about one device yet. */
  isSecretAnywhere(path: string): boolean {
    return isSecretLeaf(path) || [...this.#profiles.values()].some((profile) => isSecret(profile, path));
  }

  /** The canonical name that means `path`, null when none does. */
  canonicalOf(id: string, path: string): string | null {
    return canonicalOf(this.get(id), path);
  }

  /** Every path a name may mean: what to look up before `resolve`. */
  candidates(id: string, name: string): string[] {
    const { names } = this.get(id);
    return Object.hasOwn(names, name) ? names[name]!.paths : [name];
  }

  /** Paths of the canonical name `prefix`, or of all that begin with it when it ends with a dot. */
  pathsByPrefix(id: string, prefix: string): string[] {
    return Object.entries(this.get(id).names)
      .filter(([name]) => name === prefix || (prefix.endsWith('.') && name.startsWith(prefix)))
      .flatMap(([, { paths }]) => paths);
  }

  resolve(id: string, name: string, exists: (path: string) => boolean): Resolution {
    return resolve(this.get(id), name, exists);
  }

  /** The data model a path lies in; null below none of its roots, and where the profile says that such a device does not keep to it. */
  dataModel(id: string, path: string): DataModel | null {
    const { ignoreDataModel } = this.get(id).quirks;
    return ignoreDataModel.some((prefix) => path.startsWith(prefix)) ? null : dataModelOf(path);
  }

  /** Where a device lists the values it supports for the parameter `path`; null when the data model knows no such place. */
  supportedPath(id: string, path: string): string | null {
    const facts = this.dataModel(id, path)?.parameter(path) ?? null;
    return facts === null ? null : supportedPath(facts, path);
  }
}
