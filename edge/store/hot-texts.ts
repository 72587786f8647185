// The parameters a device's Informs tell, one text each: all that is looked at when an Inform comes that was not glanced away.
//
// CPEs of one kind and firmware send the same names with the same types. So names and types are stored once, as a shape, and a device's
// text holds the shape's key and the values: a third of the bytes, and compared in one pass without an object per parameter. Names are
// whatever a CPE invents, so there is a bound on shapes; a list beyond it is stored with its names.
//
//   inform       cpeId                behind the device text (inform-records.ts): 'S' key NUL, each value and a NUL; or 'P' and the
//                                     list in full (codec.ts)
//   shapes       key                  the list in full, with empty values; the key is its hash
//
// A list is that of the last Inform, and behind it what earlier ones had besides.

import { hash } from 'node:crypto';
import { latin1 } from '../../base/bytes.ts';
import { LIMITS } from '../../base/limits.ts';
import type { InformValues, ValuePlaces } from '../../cwmp/inform-values.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { cleanText, decodeHot, encodeHot } from './codec.ts';
import type { Environment } from './environment.ts';
import { hotAt, type InformRecords } from './inform-records.ts';
import type { StoreSeal } from './seal.ts';
import type { InformDifference } from './store.ts';
import { Table } from './table.ts';

/** Which values are secrets, and how they are kept. */
export interface Secrets {
  isSecret(path: string): boolean;
  seal: StoreSeal;
}

interface Shape {
  key: string;
  names: string[];
  types: string[];
  /** Places of names whose values are secrets; rising. */
  secrets: readonly number[];
}

/** Where the values of one kind of Inform stand in a shape. */
interface Mapping {
  shape: Shape;
  /** 'S' key NUL. */
  head: Buffer;
  places: Int32Array;
  /** The document has the names of the shape from the first one on, in its order: the values are found while they are compared. */
  isInOrder: boolean;
}

const SHAPED = 'S';
const PLAIN = 'P';
const NUL = '\0';
const NONE: number[] = [];
const UNCHANGED: InformDifference = { changed: [], update: null };

export class HotTexts {
  readonly #records: InformRecords;
  readonly #shapes: Table<string>;
  readonly #mappings = new Map<InformValues, Mapping[]>();
  /** Where the values of the record in hand begin, one more than it has. */
  #valuesAt = new Int32Array(64);
  readonly #known = new Map<string, Shape>();
  /** The shape last used: a fleet has few, and Informs of one come in a row. */
  #last: Shape = { key: '', names: [], types: [], secrets: NONE };
  #isFull = false;
  readonly #secrets: Secrets;

  constructor(environment: Environment, records: InformRecords, secrets: Secrets) {
    this.#records = records;
    this.#secrets = secrets;
    this.#shapes = new Table(environment, environment.database('shapes', { encoding: 'string' }));
  }

  has(cpeId: string): boolean {
    return this.#records.hotText(cpeId) !== undefined;
  }

  /** The list of a device; undefined when there is none. */
  list(cpeId: string): ParameterValue[] | undefined {
    const text = this.#records.hotText(cpeId);
    if (text === undefined) return undefined;
    if (text.startsWith(PLAIN)) return decodeHot(text.slice(1));
    const shape = this.#shapeIn(text);
    if (shape === null) return undefined;
    const values = text.split(NUL);
    return shape.names.map((Name, i) => ({ Name, Value: values[i + 1] ?? '', Type: shape.types[i] ?? '' }));
  }

  /** One of them; undefined when it is not among them. */
  find(cpeId: string, path: string): ParameterValue | undefined {
    const text = this.#records.hotText(cpeId);
    if (text === undefined) return undefined;
    // Cheap first: most paths asked for are not among the parameters of an Inform.
    const has = text.startsWith(PLAIN) ? text.includes(path) : this.#shapeIn(text)?.names.includes(path);
    return has ? this.list(cpeId)?.find(({ Name }) => Name === path) : undefined;
  }

  /** Compares a list with the stored one; null when there is none, or it does not begin with the same names and types in the same order. */
  compare(cpeId: string, list: readonly ParameterValue[]): InformDifference | null {
    const text = this.#records.hotText(cpeId);
    const shape = text === undefined || text.startsWith(PLAIN) ? null : this.#shapeIn(text);
    if (text === undefined || shape === null || list.length > shape.names.length) return null;
    const { names, types, key } = shape;
    let at = SHAPED.length + key.length + 1;
    let changed: ParameterValue[] | null = null;
    const kept = this.#kept(cpeId, list, shape.secrets);
    for (let i = 0; i < list.length; i++) {
      const entry = list[i]!;
      if (entry.Name !== names[i] || entry.Type !== types[i]) return null;
      const { Value } = kept[i]!;
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
    for (let i = 0; i < list.length; i++) update += cleanText(kept[i]!.Value) + NUL;
    return { changed, update: update + text.slice(at) };
  }

  /**
   * The same of the values of an Inform as they lie in its document.
   * @param record of the CPE, as it was just read.
   * @returns the places, among `told`, of those that differ; null when the record is not known to have all of its names and types.
   */
  compareInPlace(
    record: Uint8Array,
    told: InformValues,
    { starts, ends }: ValuePlaces,
    body: Uint8Array,
  ): readonly number[] | null {
    const mapping = this.#mappingOf(record, told);
    if (mapping === null) {
      this.#map(record, told);
      return null;
    }
    const { places } = mapping;
    let changed = NONE;
    if (!mapping.isInOrder && !this.#findValues(record, mapping)) return null;
    const valuesAt = this.#valuesAt;
    let next = hotAt(record) + mapping.head.length;
    for (let i = 0; i < places.length; i++) {
      const at = mapping.isInOrder ? next : valuesAt[places[i]!]!;
      const start = starts[i]!;
      const length = ends[i]! - start;
      let same = 0;
      while (same < length && record[at + same] === body[start + same]) same++;
      const isSame = same === length && record[at + same] === 0;
      if (mapping.isInOrder) {
        let end = at + same;
        // Fewer values than names: nobody but a damaged store says that.
        while (end < record.length && record[end] !== 0) end++;
        if (end >= record.length) return null;
        valuesAt[i] = at;
        next = end + 1;
        valuesAt[i + 1] = next;
      }
      if (isSame) continue;
      if (changed === NONE) changed = [i];
      else changed.push(i);
    }
    return changed;
  }

  /** A copy of the record with values of a document in it: right after `compareInPlace`, with what it found. */
  changeInPlace(
    record: Uint8Array,
    told: InformValues,
    { starts, ends }: ValuePlaces,
    body: Uint8Array,
    changed: readonly number[],
  ): Buffer {
    const { places } = this.#mappingOf(record, told)!;
    const inOrder = changed.length <= 1 ? changed : [...changed].sort((a, b) => places[a]! - places[b]!);
    const at = this.#valuesAt;
    let length = record.length;
    for (const i of inOrder) {
      const place = places[i]!;
      length += ends[i]! - starts[i]! - (at[place + 1]! - 1 - at[place]!);
    }
    const made = Buffer.allocUnsafe(length);
    let copied = 0;
    let to = 0;
    for (const i of inOrder) {
      const place = places[i]!;
      made.set(record.subarray(copied, at[place]!), to);
      to += at[place]! - copied;
      made.set(body.subarray(starts[i]!, ends[i]!), to);
      to += ends[i]! - starts[i]!;
      copied = at[place + 1]! - 1;
    }
    made.set(record.subarray(copied, record.length), to);
    return made;
  }

  /** The list of an Inform as it is in a record of changeInPlace, which nobody's next read takes away. */
  listIn(record: Buffer, told: InformValues): ParameterValue[] {
    // It may have been forgotten meanwhile.
    if (this.#mappingOf(record, told) === null) this.#map(record, told);
    const mapping = this.#mappingOf(record, told)!;
    const { places } = mapping;
    this.#findValues(record, mapping);
    return told.names.map((Name, i) => {
      const at = this.#valuesAt[places[i]!]!;
      return { Name, Value: latin1(record, at, this.#valuesAt[places[i]! + 1]! - 1), Type: told.types[i]! };
    });
  }

  /** Stores what `compare` made of a list. */
  update(cpeId: string, update: string): Promise<void> {
    return this.#records.putHotText(cpeId, update);
  }

  put(cpeId: string, list: readonly ParameterValue[]): Promise<void> {
    const shape = this.#shapeOf(list);
    const kept = this.#kept(cpeId, list, shape?.secrets ?? this.#secretsAmong(list.map(({ Name }) => Name)));
    if (shape === null) return this.#records.putHotText(cpeId, PLAIN + encodeHot(kept));
    let text = SHAPED + shape.key + NUL;
    for (const { Value } of kept) text += cleanText(Value) + NUL;
    return this.#records.putHotText(cpeId, text);
  }

  async remove(cpeId: string): Promise<void> {
    if (this.#records.get(cpeId) !== undefined) await this.#records.putHotText(cpeId, '');
  }

  /** Where the names of `told` stand in the shape of a record; null when that is not known. */
  #mappingOf(record: Uint8Array, told: InformValues): Mapping | null {
    const known = this.#mappings.get(told);
    if (known === undefined) return null;
    const from = hotAt(record);
    for (let i = 0; i < known.length; i++) if (isAt(known[i]!.head, record, from)) return known[i]!;
    return null;
  }

  /** Looks where the names of `told` stand in the shape of a record, for the next time: looking may read, and the record is gone then. */
  #map(record: Uint8Array, told: InformValues): void {
    const from = hotAt(record);
    const headLength = SHAPED.length + KEY_CHARS + 1;
    if (record.length < from + headLength || record[from] !== SHAPED.charCodeAt(0)) return;
    const head = Buffer.from(record.subarray(from, from + headLength));
    const shape = this.#shapeIn(head.toString('latin1'));
    if (shape === null) return;
    const places = Int32Array.from(told.names, (name, i) =>
      shape.names.findIndex((other, place) => other === name && shape.types[place] === told.types[i]),
    );
    if (places.includes(-1)) return;
    // A secret is not there as it lies in a document: such a list is read.
    if (shape.secrets.some((place) => places.includes(place))) return;
    if (this.#mappings.size >= MAPPINGS_MAX) this.#mappings.clear();
    const others = this.#mappings.get(told) ?? [];
    const isInOrder = places.every((place, i) => place === i);
    this.#makeRoom(shape.names.length);
    this.#mappings.set(told, [{ shape, head, places, isInOrder }, ...others.slice(0, SHAPES_OF_A_KIND_MAX - 1)]);
  }

  /** Finds where the values of a record begin; false when it has not as many as its shape, which nobody but a damaged store says. */
  #findValues(record: Uint8Array, { head, shape }: Mapping): boolean {
    const count = shape.names.length;
    const from = hotAt(record) + head.length;
    this.#makeRoom(count);
    const at = this.#valuesAt;
    const { length } = record;
    at[0] = from;
    let found = 0;
    for (let i = from; i < length && found < count; i++) if (record[i] === 0) at[++found] = i + 1;
    return found === count;
  }

  #makeRoom(values: number): void {
    if (this.#valuesAt.length <= values) this.#valuesAt = new Int32Array(2 * values);
  }

  /** A list as it is kept: with marks in place of its secrets. */
  #kept(cpeId: string, list: readonly ParameterValue[], secrets: readonly number[]): readonly ParameterValue[] {
    if (secrets.length === 0) return list;
    const kept = [...list];
    for (const place of secrets) {
      const entry = kept[place];
      if (entry === undefined) break;
      kept[place] = { ...entry, Value: this.#secrets.seal.mask(cpeId, entry.Name, entry.Value) };
    }
    return kept;
  }

  #secretsAmong(names: readonly string[]): readonly number[] {
    const secrets = names.flatMap((name, place) => (this.#secrets.isSecret(name) ? [place] : []));
    return secrets.length === 0 ? NONE : secrets;
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
    const names = list.map(({ Name }) => Name);
    const shape = { key, names, types: list.map(({ Type }) => Type), secrets: this.#secretsAmong(names) };
    if (this.#known.size >= LIMITS.shadowShapesMax) this.#known.clear();
    this.#known.set(key, shape);
    return shape;
  }
}

/** 96 bits of the hash. */
const KEY_CHARS = 16;
/** As many as there are kinds of Informs in a large fleet; a kind that is forgotten is found again. */
const MAPPINGS_MAX = 1_024;
/** What CPEs of a kind told besides, one day, makes shapes of their own. */
const SHAPES_OF_A_KIND_MAX = 4;

function isAt(part: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}
