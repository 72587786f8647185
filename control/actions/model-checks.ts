// What planning refuses by the data model: names it does not have, values it does not allow, what nobody may write, add to or delete. What
// the device itself said counts before it, then the profile; a device that does otherwise than the model says is believed. Pure.

import { isPartialPath } from '../../cwmp/paths.ts';
import { canonicalValue, localType } from '../../cwmp/values.ts';
import { supportedPath } from '../../profiles/data-model.ts';
import { type ParameterFacts, type ValueType, wireType } from '../../profiles/data-models/facts.ts';
import { checkValue, withSupported } from '../../profiles/value-check.ts';
import type { KnownParameter, PlanInput, PlanRefusal } from './plan.ts';

/** What planning knows of the device. */
type Knowledge = Pick<PlanInput, 'book' | 'device' | 'known'>;

const refuse = (code: PlanRefusal['code'], message: string): PlanRefusal => ({ type: 'refused', code, message });

/**
 * Why a path cannot be meant: the data model could have it, has not, and the device never told of it.
 * @param path of an instance that is yet to be made, the one with `*` for it (besidePath).
 * @returns null when there is nothing against it; what vendors define is for the device to judge.
 */
export function nameRefusal({ book, device, known }: Knowledge, name: string, path: string): PlanRefusal | null {
  const model = book.dataModel(device.profileId, path);
  if (model === null || known.has(path) || !model.covers(path) || model.knows(path)) return null;
  // Offered as they are to be written: relative where `name` is.
  const relativeTo = path.endsWith(name) ? path.slice(0, path.length - name.length) : '';
  const nearest = model.nearest(path).map((near) => near.slice(near.startsWith(relativeTo) ? relativeTo.length : 0));
  const why = `${name} is not in the data model, and the device has not told of it.`;
  const hint = 'If the device has it, refresh the object it lies in first.';
  return refuse('unknown-name', `${why} Nearest names: ${nearest.join(', ')}. ${hint}`);
}

/** A parameter that is to be written. */
export interface Leaf {
  /** As the caller wrote it. */
  name: string;
  /** Of an instance that is yet to be made, the one with `*` for it (besidePath). */
  path: string;
  /** What the profile says: '' and null when it does not know the path. */
  profileType: string;
  profileWritable: boolean | null;
}

/** Whether a parameter may be written and take `value`. `valueType`: xsd type to write, '' when only the device can tell. */
export function checkLeaf(
  context: Knowledge,
  leaf: Leaf,
  value: string,
): { type: 'ok'; valueType: string } | PlanRefusal {
  const { book, device } = context;
  const { name, path, profileType, profileWritable } = leaf;
  const known = context.known.get(path);
  const facts = book.dataModel(device.profileId, path)?.parameter(path) ?? null;
  const writable = known?.writable ?? profileWritable ?? facts?.writable;
  // Some devices call writable parameters read-only (FIELD 24); their profile says so.
  if (writable === false && !book.get(device.profileId).quirks.ignoreWritable) {
    return refuse('read-only', `${name} is read-only on this device.`);
  }
  const valueType = known?.type || profileType || (facts === null ? '' : wireType(facts));
  const checked = canonicalValue(valueType, value);
  if (checked.type === 'bad') return refuse('bad-value', `The value of ${name} ${checked.why} (${valueType}).`);
  if (facts === null) return { type: 'ok', valueType };
  // Devices list what they support of an enumeration, and values of their own among it.
  const listed = context.known.get(supportedPath(facts, path) ?? '')?.value || null;
  const why = modelProblem(listed === null ? facts : withSupported(facts, listed), known, valueType, value);
  return why === null ? { type: 'ok', valueType } : refuse('bad-value', `The value of ${name} ${why}.`);
}

const INTEGERS = ['int', 'unsignedInt', 'long', 'unsignedLong'];

/** Why the data model does not allow a value; null when it does, and when the device keeps to another one. */
function modelProblem(
  facts: ParameterFacts,
  known: KnownParameter | undefined,
  valueType: string,
  value: string,
): string | null {
  const [own, model] = [localType(valueType), localType(wireType(facts))];
  const isInteger = INTEGERS.includes(own) && INTEGERS.includes(model);
  if (own !== model && !isInteger) return null;
  // Of whole numbers the device's own type says what fits, the model what range is meant.
  const meant = isInteger ? { ...facts, type: own as ValueType } : facts;
  // A blank tells nothing: it is what is not set, or not shown (FIELD 27).
  const present = known?.value ?? '';
  if (present !== '' && checkValue(meant, present, 'cpe').type === 'bad') return null;
  const checked = checkValue(meant, value);
  return checked.type === 'bad' ? checked.why : null;
}

export const NO_OBJECT = 'is not an object: object names end with a dot.';

/**
 * Whether AddObject (`table`) or DeleteObject (`instance`) may be asked for an object.
 * What the device itself said by Writable in GetParameterNames (A.3.2.3) counts first.
 * @returns null when there is nothing against it.
 */
export function objectRefusal(
  { book, device, known }: Knowledge,
  name: string,
  path: string,
  wanted: 'table' | 'instance',
): PlanRefusal | null {
  if (!isPartialPath(path)) return refuse('bad-action', `${name} ${NO_OBJECT}`);
  const facts = book.dataModel(device.profileId, path)?.object(path) ?? null;
  const told = known.get(path)?.writable ?? null;
  if (facts !== null && facts.kind !== wanted && told !== true) {
    const example = wanted === 'table' ? 'a table, such as' : 'an instance of a table, such as';
    return refuse('bad-action', `${name} is not ${example} Device.NAT.PortMapping.${wanted === 'table' ? '' : '1.'}`);
  }
  const writable = told ?? facts?.createable;
  if (writable !== false || book.get(device.profileId).quirks.ignoreWritable) return null;
  const what = wanted === 'table' ? 'no instances can be added to it' : 'it cannot be deleted';
  return refuse('read-only', `${name} is read-only on this device: ${what}.`);
}
