// The parameters a device's Informs tell, one text each: all that is looked at when an Inform comes that was not glanced away.
//
// CPEs of one kind and firmware send the same names with the same types. So names and types are stored once, as a shape, and a device's
// text holds the shape's key and the values: a third of the bytes, and compared in one pass without an object per parameter. Names are
// whatever a CPE invents, so there is a bound on shapes; a list beyond it is stored with its names.
//
//   hot          cpeId                'S' key NUL, each value and a NUL; or 'P' and the list in full (codec.ts)
//   shapes       key                  the list in full, with empty values; the key is its hash
//
// A list is that of the last Inform, and behind it what earlier ones had besides.

import { hash } from 'node:crypto';
import { LIMITS } from '../../base/limits.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { cleanText, decodeHot, encodeHot } from './codec.ts';
import type { Environment } from './environment.ts';
import type { InformDifference } from './store.ts';
import { Table } from './table.ts';

interface Shape {
  key: string;
  names: string[];
  types: string[];
}

const SHAPED = 'S';
const PLAIN = 'P';
const NUL = '\0';
const UNCHANGED: InformDifference = { changed: [], update: null };

export class HotTexts {
  readonly #texts: Table<string>;
  readonly #shapes: Table<string>;
  readonly #known = new Map<string, Shape>();
  /** The shape last used: a fleet has few, and Informs of one come in a row. */
  #last: Shape = { key: '', names: [], types: [] };
  #isFull = false;

  constructor(environment: Environment) {
    this.#texts = new Table(environment, 'hot', { encoding: 'string' });
    this.#shapes = new Table(environment, 'shapes', { encoding: 'string' });
  }

  has(cpeId: string): boolean {
    return this.#texts.get(cpeId) !== undefined;
  }

  /** The list of a device; undefined when there is none. */
  list(cpeId: string): ParameterValue[] | undefined {
    const text = this.#texts.get(cpeId);
    if (text === undefined) return undefined;
    if (text.startsWith(PLAIN)) return decodeHot(text.slice(1));
    const shape = this.#shapeIn(text);
    if (shape === null) return undefined;
    const values = text.split(NUL);
    return shape.names.map((Name, i) => ({ Name, Value: values[i + 1] ?? '', Type: shape.types[i] ?? '' }));
  }

  /** One of them; undefined when it is not among them. */
  find(cpeId: string, path: string): ParameterValue | undefined {
    const text = this.#texts.get(cpeId);
    if (text === undefined) return undefined;
    // Cheap first: most paths asked for are not among the parameters of an Inform.
    const has = text.startsWith(PLAIN) ? text.includes(path) : this.#shapeIn(text)?.names.includes(path);
    return has ? this.list(cpeId)?.find(({ Name }) => Name === path) : undefined;
  }

  /** Compares a list with the stored one; null when there is none, or it does not begin with the same names and types in the same order. */
  compare(cpeId: string, list: readonly ParameterValue[]): InformDifference | null {
    const text = this.#texts.get(cpeId);
    const shape = text === undefined || text.startsWith(PLAIN) ? null : this.#shapeIn(text);
    if (text === undefined || shape === null || list.length > shape.names.length) return null;
    const { names, types, key } = shape;
    let at = SHAPED.length + key.length + 1;
    let changed: ParameterValue[] | null = null;
    for (let i = 0; i < list.length; i++) {
      const entry = list[i]!;
      if (entry.Name !== names[i] || entry.Type !== types[i]) return null;
      const { Value } = entry;
      const end = at + Value.length;
      // A NUL in what was sent never equals what was stored of it.
      if (text.startsWith(Value, at) && text.charCodeAt(end) === 0 && !Value.includes(NUL)) at = end + 1;
      else {
        changed ??= [];
        changed.push(entry);
        at = text.indexOf(NUL, at) + 1;
      }
    }
    if (changed === null) return UNCHANGED;
    let update = SHAPED + key + NUL;
    for (let i = 0; i < list.length; i++) update += cleanText(list[i]!.Value) + NUL;
    return { changed, update: update + text.slice(at) };
  }

  /** Stores what `compare` made of a list. */
  update(cpeId: string, update: string): Promise<void> {
    return this.#texts.put(cpeId, update);
  }

  put(cpeId: string, list: readonly ParameterValue[]): Promise<void> {
    const shape = this.#shapeOf(list);
    if (shape === null) return this.#texts.put(cpeId, PLAIN + encodeHot(list));
    let text = SHAPED + shape.key + NUL;
    for (const { Value } of list) text += cleanText(Value) + NUL;
    return this.#texts.put(cpeId, text);
  }

  remove(cpeId: string): Promise<void> {
    return this.#texts.remove(cpeId);
  }

  /** The shape a text is in; null when it is not stored, which nobody but a damaged store says. */
  #shapeIn(text: string): Shape | null {
    const key = text.slice(SHAPED.length, text.indexOf(NUL));
    if (key === this.#last.key) return this.#last;
    let shape = this.#known.get(key);
    if (shape === undefined) {
      const names = this.#shapes.get(key);
      if (names === undefined) return null;
      shape = this.#remember(key, decodeHot(names));
    }
    this.#last = shape;
    return shape;
  }

  /** The shape of a list, stored when it is a new one; null when there is no room for more. */
  #shapeOf(list: readonly ParameterValue[]): Shape | null {
    const { names, types } = this.#last;
    if (names.length === list.length && list.every(({ Name, Type }, i) => Name === names[i] && Type === types[i])) {
      return this.#last;
    }
    const text = encodeHot(list.map(({ Name, Type }) => ({ Name, Type, Value: '' })));
    const key = hash('sha256', text, 'base64url').slice(0, KEY_CHARS);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#shapes.get(key) === undefined) {
      if (this.#isFull || this.#shapes.size() >= LIMITS.shadowShapesMax) {
        this.#isFull = true;
        return null;
      }
      void this.#shapes.put(key, text);
    }
    return this.#remember(key, decodeHot(text));
  }

  #remember(key: string, list: readonly ParameterValue[]): Shape {
    const shape = { key, names: list.map(({ Name }) => Name), types: list.map(({ Type }) => Type) };
    if (this.#known.size >= LIMITS.shadowShapesMax) this.#known.clear();
    this.#known.set(key, shape);
    return shape;
  }
}

/** 96 bits of the hash. */
const KEY_CHARS = 16;
