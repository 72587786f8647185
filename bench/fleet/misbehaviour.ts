// Everything a simulated CPE can do wrong, as one table: at least one switch for each line of the list of what CPEs really do. A row says
// what happens on the wire; what an ACS should make of it is the business of the ACS's tests.

import { ConfigError } from '../../base/errors.ts';
import type { Hooks } from './behaviour.ts';
import { HTTP_MISBEHAVIOURS } from './misbehave-http.ts';
import { MODEL_MISBEHAVIOURS } from './misbehave-model.ts';
import { XML_MISBEHAVIOURS } from './misbehave-xml.ts';

export interface Misbehaviour {
  /** Number of the line, FIELD 1–55; null for what is no habit of a kind of CPE, but happens. */
  field: number | null;
  name: string;
  text: string;
  hooks: Hooks;
}

export const MISBEHAVIOURS: readonly Misbehaviour[] = [
  ...XML_MISBEHAVIOURS,
  ...MODEL_MISBEHAVIOURS,
  ...HTTP_MISBEHAVIOURS,
].sort((one, other) => (one.field ?? 100) - (other.field ?? 100));

/** The hooks of a misbehaviour by name; throws ConfigError with the names that come near for an unknown one. */
export function misbehaviourOf(name: string): Hooks {
  const found = MISBEHAVIOURS.find((one) => one.name === name);
  if (found !== undefined) return found.hooks;
  const word = name.split('-')[0]!;
  const near = MISBEHAVIOURS.filter((one) => one.name.includes(word)).map((one) => one.name);
  const hint =
    near.length > 0 ? ` Did you mean ${near.join(', ')}?` : ' starling fleet --list-misbehaviours shows them all.';
  throw new ConfigError('misbehaviour', `There is no misbehaviour ${name}.${hint}`);
}
