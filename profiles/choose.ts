// Which profile a CPE has: the most specific one that matches. No I/O; edge and control choose from the same loaded profiles.

import { ConfigError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { CpeKind, Profile, ProfileMatch } from './profile.ts';

/** A criterion outweighs all that are left of it: a firmware is more specific than a model, a model than a vendor. */
const WEIGHTS = { root: 1, manufacturer: 2, oui: 4, productClass: 8, softwareVersion: 16 } as const;

interface Candidate {
  profile: Profile;
  matches(kind: CpeKind): boolean;
  specificity: number;
}

function anchored(pattern: string | undefined): RegExp | null {
  return pattern === undefined ? null : new RegExp(`^(?:${pattern})$`, 'i');
}

function candidate(profile: Profile): Candidate {
  const { root, oui } = profile.match;
  const manufacturer = anchored(profile.match.manufacturer);
  const productClass = anchored(profile.match.productClass);
  const softwareVersion = anchored(profile.match.softwareVersion);
  let specificity = 0;
  for (const key of Object.keys(WEIGHTS) as (keyof ProfileMatch)[]) {
    if (profile.match[key] !== undefined) specificity += WEIGHTS[key];
  }
  return {
    profile,
    specificity,
    matches: (kind) =>
      (root === undefined || root === kind.root) &&
      (oui === undefined || oui.includes(kind.oui)) &&
      (manufacturer === null || manufacturer.test(kind.manufacturer)) &&
      (productClass === null || productClass.test(kind.productClass)) &&
      (softwareVersion === null || softwareVersion.test(kind.softwareVersion)),
  };
}

/** Id of the profile that matches every CPE. */
export const GENERIC = 'generic';

/** Chooses, and remembers what it chose for each kind of CPE seen. */
export class ProfileChooser {
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #candidates: readonly Candidate[];
  readonly #generic: Profile;
  readonly #chosen = new Map<string, Profile>();
  /** All of them in one text: another one when what a CPE is taken for, or how it is spoken to, may be another. */
  readonly fingerprint: string;

  /**
   * @param profiles from loadProfiles.
   * @throws ConfigError when the profile `generic` is missing: then some CPE would have none.
   */
  constructor(profiles: ReadonlyMap<string, Profile>) {
    const generic = profiles.get(GENERIC);
    if (generic === undefined)
      throw new ConfigError('bad-profile', `there is no profile ${GENERIC}; every CPE needs one`);
    this.#generic = generic;
    this.#profiles = profiles;
    this.fingerprint = JSON.stringify([...profiles.values()]);
    // Of two that are equally specific the earlier one wins: the loader puts the operator's before the shipped ones, and orders both, so
    // that it is the same one on every machine.
    this.#candidates = [...profiles.values()].map(candidate).sort((a, b) => b.specificity - a.specificity);
  }

  /** The profile of a kind of CPE; `kind.oui` is upper-case. */
  choose(kind: CpeKind): Profile {
    const key = `${kind.root}\n${kind.oui}\n${kind.productClass}\n${kind.softwareVersion}\n${kind.manufacturer}`;
    const known = this.#chosen.get(key);
    if (known !== undefined) return known;
    const found = this.#candidates.find(({ matches }) => matches(kind))?.profile ?? this.#generic;
    // What a CPE says of itself is its own invention: the memory of it is bounded, and refilled by those that are real.
    if (this.#chosen.size >= LIMITS.profileKindsMax) this.#chosen.clear();
    this.#chosen.set(key, found);
    return found;
  }

  /** The profile of this id, the generic one for an id that is not shipped any more. */
  byId(id: string): Profile {
    return this.#profiles.get(id) ?? this.#generic;
  }
}
