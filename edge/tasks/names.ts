// Making sense of the names a CPE listed: which are objects, which parameters, and in what batches to read the parameters.

import type { ParameterInfo } from '../../cwmp/message.ts';
import { chunk } from './reading.ts';

export interface ArrangedNames {
  /** Everything below `path` and itself, objects with their dot, parents that were left out put in. */
  names: ParameterInfo[];
  leaves: string[];
  objects: string[];
}

/**
 * Puts right what GetParameterNames answered for `path`:
 * objects without their dot are told by their children, or by ending in an instance number (FIELD 17); objects that were left out are
 * put in as writable (FIELD 18); names outside the path are dropped (FIELD 19); of doubles the first counts.
 */
export function arrangeNames(path: string, infos: readonly ParameterInfo[]): ArrangedNames {
  const writable = new Map<string, boolean>();
  const parents = new Set<string>();
  for (const { Name, Writable } of infos) {
    if (Name === '' || !belongsTo(path, Name)) continue;
    if (!writable.has(Name)) writable.set(Name, Writable);
    for (const object of objectsAbove(path, Name)) parents.add(object);
  }
  const arranged: ArrangedNames = { names: [], leaves: [], objects: [] };
  const listedObjects = new Set<string>();
  for (const [name, Writable] of writable) {
    const object = name.endsWith('.') || parents.has(`${name}.`) || `${name}.` === path || /\.\d+$/.test(name);
    if (!object) {
      arranged.leaves.push(name);
      arranged.names.push({ Name: name, Writable });
      continue;
    }
    const Name = name.endsWith('.') ? name : `${name}.`;
    if (listedObjects.has(Name)) continue;
    listedObjects.add(Name);
    arranged.objects.push(Name);
    arranged.names.push({ Name, Writable });
  }
  for (const Name of parents) {
    if (listedObjects.has(Name)) continue;
    arranged.objects.push(Name);
    arranged.names.push({ Name, Writable: true });
  }
  return arranged;
}

/**
 * Batches of at most `batchMax` parameters. An object that fits a batch whole is asked for by its partial path, which keeps the list of
 * pending requests short (and the requests below 32 KiB, CWMP P1); an object that does not is split into its children.
 */
export function batchLeaves(path: string, leaves: readonly string[], batchMax: number): string[][] {
  const counts = new Map<string, number>();
  for (const leaf of leaves) {
    for (const object of objectsAbove(path, leaf)) counts.set(object, (counts.get(object) ?? 0) + 1);
  }
  if (path.endsWith('.')) counts.set(path, leaves.length);
  const batches: string[][] = [];
  const single: string[] = [];
  const whole = new Set<string>();
  let batch: string[] = [];
  let size = 0;
  for (const leaf of leaves) {
    const object = largestFitting(path, leaf, counts, batchMax);
    if (object === null) {
      single.push(leaf);
      continue;
    }
    if (whole.has(object)) continue;
    whole.add(object);
    const objectSize = counts.get(object)!;
    if (size + objectSize > batchMax) {
      batches.push(batch);
      batch = [];
      size = 0;
    }
    batch.push(object);
    size += objectSize;
  }
  if (batch.length > 0) batches.push(batch);
  return [...batches, ...chunk(single, batchMax)];
}

/** The highest object on the way to `leaf`, from `path` down, that has no more than `batchMax` parameters. */
function largestFitting(path: string, leaf: string, counts: Map<string, number>, batchMax: number): string | null {
  if (path.endsWith('.') && counts.get(path)! <= batchMax) return path;
  return objectsAbove(path, leaf).find((object) => counts.get(object)! <= batchMax) ?? null;
}

/** The objects strictly between `path` and `name`, outermost first. A dot inside an alias separates nothing (CWMP X1). */
function objectsAbove(path: string, name: string): string[] {
  const objects: string[] = [];
  for (let dot = name.indexOf('.', path.length); dot >= 0 && dot < name.length - 1; dot = name.indexOf('.', dot + 1)) {
    const object = name.slice(0, dot + 1);
    if (object.lastIndexOf('[') <= object.lastIndexOf(']')) objects.push(object);
  }
  return objects;
}

function belongsTo(path: string, name: string): boolean {
  if (path === '' || path.endsWith('.')) return name.startsWith(path) || `${name}.` === path;
  return name === path || name.startsWith(`${path}.`);
}
