// What the Broadband Forum's data models say of a path: type, access, ranges, enumerations, and what was probably meant by a path they do
// not have. Looked up in the tables of data-models/. What a CPE says of itself, and its profile, count before it: see control/actions.

import { readFileSync } from 'node:fs';
import { isInstance, lastPart, parentPath, splitPath, templateOf } from '../cwmp/paths.ts';
import { type ParameterFacts, parseFacts } from './data-models/facts.ts';
import { nearest } from './nearest.ts';

/** The tables of data-models/, by the root object of what is in them. */
export const TABLE_FILES = {
  'Device.': 'device.txt',
  'InternetGatewayDevice.': 'internet-gateway-device.txt',
} as const;
export type ModelRoot = keyof typeof TABLE_FILES;

/** table: AddObject takes its path; instance: DeleteObject does. */
export interface ObjectFacts {
  kind: 'object' | 'table' | 'instance';
  /** Whether instances may be added and deleted; false for a plain object. */
  createable: boolean;
}

interface ObjectEntry {
  createable: boolean;
  /** The lines of its parameters, as they stand in the table. */
  lines: string;
  /** Facts as text by name; null until somebody asks. */
  parameters: Map<string, string> | null;
}

/** Parts that begin so are the vendor's own, and all below them (TR-106 §3.3). */
const VENDOR_PART = /^X_/i;

export class DataModel {
  readonly root: string;
  /** By path with {i}, the tables themselves left out. */
  readonly #objects = new Map<string, ObjectEntry>();
  /** Parts of the objects below a path, with the dot; of a table that is `{i}.` alone. */
  readonly #below = new Map<string, Set<string>>();
  /** Facts by their text: most parameters share theirs with others. */
  readonly #facts = new Map<string, ParameterFacts>();
  /** Last parts of the secrets: nearly every other path is told from them at one look. */
  readonly #secretLeaves: ReadonlySet<string>;

  /**
   * @param table text of a table as distil.ts prints it.
   */
  constructor(root: string, table: string) {
    this.root = root;
    const [, ...blocks] = table.split('\n\n');
    for (const block of blocks) {
      const end = block.indexOf('\n');
      const header = end === -1 ? block : block.slice(0, end);
      const createable = header.endsWith(' +');
      const path = createable ? header.slice(0, -2) : header.trimEnd();
      this.#objects.set(path, { createable, lines: end === -1 ? '' : block.slice(end + 1), parameters: null });
      // A table has no line of its own: it lies between the object it is in and its instances.
      for (let below = path; below !== root; ) {
        const above = parentPath(below);
        const known = this.#below.get(above);
        if (known === undefined) this.#below.set(above, new Set([below.slice(above.length)]));
        else if (known.has(below.slice(above.length))) break;
        else known.add(below.slice(above.length));
        below = above;
      }
    }
    this.#secretLeaves = new Set([...table.matchAll(/^ (\S+) [rw] \S+ secret/gm)].map((match) => match[1]!));
  }

  /**
   * True for paths of which the model can say that they do not exist: none of a vendor, and none of the services that other models
   * define (voice, storage, set-top boxes).
   */
  covers(path: string): boolean {
    const services = `${this.root}Services.`;
    if (path.startsWith(services) && path !== services) return false;
    return path.startsWith(this.root) && !splitPath(path).some((part) => VENDOR_PART.test(part));
  }

  knows(path: string): boolean {
    return this.parameter(path) !== null || this.object(path) !== null;
  }

  /** What is said of a parameter; null for objects, and for what the model does not have. Instances may be numbers, aliases or {i}. */
  parameter(path: string): ParameterFacts | null {
    if (path.endsWith('.')) return null;
    const template = templateOf(path);
    const text = this.#parametersOf(parentPath(template))?.get(lastPart(template));
    if (text === undefined) return null;
    let facts = this.#facts.get(text);
    if (facts === undefined) {
      facts = parseFacts(text);
      this.#facts.set(text, facts);
    }
    return facts;
  }

  /** What is said of an object, whose path ends with a dot; null for what the model does not have. */
  object(path: string): ObjectFacts | null {
    if (!path.endsWith('.')) return null;
    const template = templateOf(path);
    const instance = this.#objects.get(`${template}{i}.`);
    if (instance !== undefined) return { kind: 'table', createable: instance.createable };
    const entry = this.#objects.get(template);
    if (entry === undefined) return null;
    return { kind: template.endsWith('{i}.') ? 'instance' : 'object', createable: entry.createable };
  }

  /** True for parameters that read as '' by the model (TR-106: hidden, secured). */
  isSecret(path: string): boolean {
    return this.#secretLeaves.has(lastPart(path)) && this.parameter(path)?.secret === true;
  }

  /**
   * Up to `count` paths of the model that were probably meant by one it does not have, best first. Goes down as far as the model knows
   * the way, and looks among the names there: some hundred at most.
   */
  nearest(path: string, count = 3): string[] {
    const [, ...parts] = splitPath(path);
    let way = this.root;
    for (const [index, part] of parts.entries()) {
      const below = this.#below.get(templateOf(way)) ?? new Set<string>();
      if (below.has('{i}.')) {
        if (isInstance(part) || part === '*' || part === '{i}') {
          way += `${part}.`;
          continue;
        }
        // The instance was forgotten: look on as if it stood there.
        way += '{i}.';
      }
      const rest = parts.slice(index + 1).join('.') + (path.endsWith('.') ? '.' : '');
      const names = this.#namesIn(templateOf(way));
      if (rest !== '' && names.includes(`${part}.`)) {
        way += `${part}.`;
        continue;
      }
      // What is to have something below it is an object, where there are any.
      const objects = rest.length < 2 ? [] : names.filter((name) => name.endsWith('.'));
      const found = nearest(part, objects.length > 0 ? objects : names, count).map((name) => {
        const whole = way + name + (name.endsWith('.') ? rest.replace(/^\.$/, '') : '');
        return this.knows(whole) ? whole : way + name;
      });
      return [...new Set(found)];
    }
    // Every part is known: a dot is missing, or an instance.
    return [way];
  }

  /** Parameters and objects directly in an object, the objects with their dot. */
  #namesIn(template: string): string[] {
    return [...(this.#parametersOf(template)?.keys() ?? []), ...(this.#below.get(template) ?? [])];
  }

  #parametersOf(template: string): Map<string, string> | undefined {
    const entry = this.#objects.get(template);
    if (entry === undefined) return undefined;
    if (entry.parameters === null) {
      entry.parameters = new Map();
      for (const line of entry.lines.split('\n')) {
        const name = /^ (\S+) /.exec(line)?.[1];
        if (name !== undefined) entry.parameters.set(name, line.slice(name.length + 2));
      }
    }
    return entry.parameters;
  }
}

/** Where the CPE lists the values it supports for the parameter `path`; null when the data model knows no such place. */
export function supportedPath({ supportedBy }: ParameterFacts, path: string): string | null {
  if (supportedBy === null) return null;
  const parts = splitPath(path);
  return splitPath(supportedBy)
    .map((part, index) => (part === '{i}' ? parts[index] : part))
    .join('.');
}

const loaded = new Map<ModelRoot, DataModel>();

/** The data model below this root object; read at the first call (loadProfiles makes it), some milliseconds. */
export function dataModel(root: ModelRoot): DataModel {
  let model = loaded.get(root);
  if (model === undefined) {
    model = new DataModel(root, readFileSync(new URL(`data-models/${TABLE_FILES[root]}`, import.meta.url), 'utf8'));
    loaded.set(root, model);
  }
  return model;
}

/** The data model a path lies in; null for a path below no root object. */
export function dataModelOf(path: string): DataModel | null {
  if (path.startsWith('Device.')) return dataModel('Device.');
  return path.startsWith('InternetGatewayDevice.') ? dataModel('InternetGatewayDevice.') : null;
}
