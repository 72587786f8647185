// Makes the tables of this folder of the Broadband Forum's XML (TR-106 Annex A): names, types, access, ranges and enumerations, no prose.
// Run by `npm run distil`, never by the program. It takes the files that have everything in one ("-full.xml"): no imports are followed.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DOMParser, type Element } from '@xmldom/xmldom';
import {
  type Bounds,
  isTextFormat,
  isValueType,
  type ParameterFacts,
  printFacts,
  type TextFormat,
  type ValueType,
} from './facts.ts';

/** A table of this folder: the models below one root object. */
export interface DistilledTable {
  root: 'Device.' | 'InternetGatewayDevice.';
  /** What was taken, the leading one first: `Device:2.17`. */
  models: string[];
  text: string;
}

interface Model {
  /** `Device`, 2, 17. */
  name: string;
  major: number;
  minor: number;
  objects: Map<string, ObjectLines>;
}
interface ObjectLines {
  createable: boolean;
  parameters: Map<string, ParameterFacts>;
}

/** The texts of the data models in a folder of the Broadband Forum's files. */
export function readDocuments(folder: string): string[] {
  const files = readdirSync(folder).filter((file) => /-full\.xml(?:\.gz)?$/.test(file));
  return files.sort().map((file) => {
    const bytes = readFileSync(join(folder, file));
    return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  });
}

/**
 * The tables of all models in these documents. Of each major version the newest minor one is taken; what a lower major version has beyond
 * the highest (the Device:1 of older boxes has Device.LAN) is added to its table.
 * @param documents texts of XML files.
 * @throws Error naming what a document has that is not understood; no table is better than one that is wrong.
 */
export function distil(documents: readonly string[]): DistilledTable[] {
  const newest = new Map<string, Model>();
  for (const model of documents.flatMap(modelsOf)) {
    const key = `${model.name}:${model.major}`;
    const other = newest.get(key);
    if (other === undefined || other.minor < model.minor) newest.set(key, model);
  }
  return (['Device', 'InternetGatewayDevice'] as const)
    .map((name) => {
      const models = [...newest.values()].filter((model) => model.name === name).sort((a, b) => b.major - a.major);
      const root: DistilledTable['root'] = `${name}.`;
      return { root, models: models.map(({ major, minor }) => `${name}:${major}.${minor}`), text: printTable(models) };
    })
    .filter(({ models }) => models.length > 0);
}

function printTable(models: Model[]): string {
  const objects = new Map<string, ObjectLines>();
  for (const model of models) {
    for (const [path, { createable, parameters }] of model.objects) {
      const known = objects.get(path);
      if (known === undefined) objects.set(path, { createable, parameters: new Map(parameters) });
      else for (const [name, facts] of parameters) if (!known.parameters.has(name)) known.parameters.set(name, facts);
    }
  }
  const titles = models.map(({ name, major, minor }) => `${name}:${major}.${minor}`);
  const blocks = [...objects]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, { createable, parameters }]) => {
      const lines = [...parameters]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, facts]) => ` ${name} ${printFacts(facts)}`);
      return [`${path}${createable ? ' +' : ''}`, ...lines].join('\n');
    });
  return `# ${titles.join(', ')}, printed by \`npm run distil\`; facts.ts has the drawing\n\n${blocks.join('\n\n')}\n`;
}

// ── Documents ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function modelsOf(xml: string): Model[] {
  const document = new DOMParser().parseFromString(xml, 'text/xml').documentElement;
  if (document === null) throw new Error('an empty document');
  const foreign = [...children(document, 'import'), ...children(document, 'component')][0];
  if (foreign !== undefined) {
    throw new Error(
      `${document.getAttribute('file')} imports definitions: take the file whose name ends with -full.xml`,
    );
  }
  const types = new Map(children(document, 'dataType').map((type) => [attribute(type, 'name'), type]));
  return children(document, 'model').map((model) => {
    const [, name, major, minor] = /^(\w+):(\d+)\.(\d+)$/.exec(attribute(model, 'name'))!;
    const elements = children(model, 'object');
    // enumerationRef names a parameter that may stand anywhere in the model.
    const parameters = new Map<string, Element>();
    for (const object of elements) {
      for (const parameter of children(object, 'parameter'))
        parameters.set(attribute(object, 'name') + attribute(parameter, 'name'), parameter);
    }
    const objects = new Map<string, ObjectLines>();
    for (const object of elements) {
      const path = attribute(object, 'name');
      const facts = children(object, 'parameter').map(
        (parameter) => [attribute(parameter, 'name'), factsOf(path, parameter, types, parameters)] as const,
      );
      objects.set(path, {
        createable: path.endsWith('{i}.') && object.getAttribute('access') === 'readWrite',
        parameters: new Map(facts),
      });
    }
    return { name: name!, major: Number(major), minor: Number(minor), objects };
  });
}

type Types = ReadonlyMap<string, Element>;
type Parameters = ReadonlyMap<string, Element>;

/** What the facets of a syntax, and of the data types it is derived from, come to. Nearer ones replace, enumerations add up. */
interface Facets {
  type: ValueType | null;
  format: TextFormat | null;
  list: Element | null;
  nested: boolean;
  ranges: Bounds[];
  lengths: Bounds[];
  values: Map<string, 'anyone' | 'cpe'>;
  patterns: string[];
  units: string | null;
}

function factsOf(object: string, parameter: Element, types: Types, parameters: Parameters): ParameterFacts {
  const path = object + attribute(parameter, 'name');
  const syntax = children(parameter, 'syntax')[0];
  if (syntax === undefined) throw new Error(`${path} has no syntax`);
  const facets = facetsOf(path, syntax, types);
  const { type, format, list, ranges, values, patterns, units } = facets;
  if (type === null) throw new Error(`${path} has no type`);
  if (ranges.length > 0 && !/int|long|decimal/i.test(type)) throw new Error(`${path} is a ${type} with a range`);
  const referred = referredValues(object, syntax, types, parameters);
  for (const value of referred?.values ?? []) values.set(value, 'anyone');
  // writeOnceReadOnly is written right after AddObject; without a word (one is so) it is read-only by the schema.
  const writable = ['readWrite', 'writeOnceReadOnly'].includes(parameter.getAttribute('access') ?? 'readOnly');
  const by = (who: 'anyone' | 'cpe'): string[] =>
    [...values].filter(([, writer]) => writer === who).map(([value]) => value);
  // What nobody may write is told apart only where somebody may write.
  const told = writable && by('anyone').length > 0;
  const hidden = syntax.getAttribute('hidden') === 'true' || syntax.getAttribute('secured') === 'true';
  const common = { type, writable, secret: hidden && type !== 'boolean', units };
  // A list of lists in brackets (DSL measurements) is kept as the text it is.
  if (facets.nested) {
    const none = { ranges: [], lengths: [], values: [], valuesOfCpe: [], patterns: [] };
    return { ...common, type: 'string', format: null, list: null, supportedBy: null, ...none };
  }
  return {
    ...common,
    format,
    list: list === null ? null : { items: boundsOf(list, 'minItems', 'maxItems'), whole: sizesOf(list) },
    ranges,
    // The formats say more than the lengths and patterns they come with.
    lengths: format === null ? facets.lengths : [],
    values: told ? by('anyone') : [...values.keys()],
    valuesOfCpe: told ? by('cpe') : [],
    supportedBy: referred?.path ?? null,
    patterns: format === null && values.size === 0 ? patterns : [],
  };
}

function facetsOf(path: string, holder: Element, types: Types): Facets {
  const list = children(holder, 'list')[0] ?? null;
  const syntax = elements(holder).find(({ localName }) => localName === 'dataType' || isValueType(localName!));
  if (syntax === undefined) {
    // A data type that only renames its base, or has its facets directly below it.
    const base = holder.getAttribute('base');
    if (base === null) throw new Error(`${path} has no type`);
    return narrowed(path, namedFacets(path, base, types), holder);
  }
  const inner =
    syntax.localName === 'dataType'
      ? namedFacets(path, syntax.getAttribute('ref') ?? attribute(syntax, 'base'), types)
      : plainFacets(syntax.localName as ValueType);
  const facets = narrowed(path, inner, syntax);
  const nested = facets.nested || (list !== null && (facets.list !== null || list.hasAttribute('nestedBrackets')));
  return { ...facets, list: list ?? facets.list, nested };
}

function namedFacets(path: string, name: string, types: Types): Facets {
  const type = types.get(name);
  if (type === undefined) throw new Error(`${path} is a ${name}, and there is no such data type`);
  const facets = facetsOf(path, type, types);
  return isTextFormat(name) ? { ...facets, format: name } : facets;
}

const plainFacets = (type: ValueType): Facets => ({
  type,
  format: null,
  list: null,
  nested: false,
  ranges: [],
  lengths: [],
  values: new Map(),
  patterns: [],
  units: null,
});

/** `facets` with what stands below `element` laid over them. */
function narrowed(path: string, facets: Facets, element: Element): Facets {
  const ranges = children(element, 'range').map((range) => boundsOf(range, 'minInclusive', 'maxInclusive'));
  for (const { least, most } of ranges) {
    if (![least ?? 0, most ?? 0].every((end) => Math.abs(end) <= Number.MAX_SAFE_INTEGER))
      throw new Error(`${path}: a range beyond 2^53`);
  }
  const lengths = sizesOf(element);
  const patterns = children(element, 'pattern').map((pattern) => attribute(pattern, 'value'));
  const values = new Map(facets.values);
  for (const value of children(element, 'enumeration'))
    values.set(attribute(value, 'value'), value.getAttribute('access') === 'readOnly' ? 'cpe' : 'anyone');
  return {
    ...facets,
    ranges: ranges.length > 0 ? ranges : facets.ranges,
    lengths: lengths.length > 0 ? lengths : facets.lengths,
    values,
    patterns: patterns.length > 0 ? patterns : facets.patterns,
    units: children(element, 'units')[0]?.getAttribute('value') ?? facets.units,
  };
}

/** The parameter an enumerationRef points to, and the values it may list with the one that stands for none of them; null without. */
function referredValues(
  object: string,
  syntax: Element,
  types: Types,
  parameters: Parameters,
): { path: string; values: string[] } | null {
  const [reference] = syntax.getElementsByTagName('enumerationRef');
  if (reference === undefined) return null;
  const path = referredPath(object, attribute(reference, 'targetParam'));
  const target = parameters.get(path);
  const listed = target === undefined ? undefined : children(target, 'syntax')[0];
  const values = listed === undefined ? [] : [...facetsOf(path, listed, types).values.keys()];
  // What the CPE supports may be known to it alone: then anything may be meant.
  if (values.length === 0) return null;
  const none = reference.getAttribute('nullValue');
  return { path, values: none === null ? values : [none, ...values] };
}

/** TR-106 A.2.3.4: a name beside it, `#` for each step up, `.` for the root. Instances do not count as steps. */
function referredPath(object: string, target: string): string {
  const root = object.slice(0, object.indexOf('.') + 1);
  if (target.startsWith(root)) return target;
  if (target.startsWith('.')) return root + target.slice(1);
  const [, ups = '', name = ''] = /^(#*)\.?(.*)$/.exec(target)!;
  let from = object;
  for (let step = 0; step < ups.length; step++) from = from.replace(/[^.]+\.(?:\{i\}\.)?$/, '');
  return from + name;
}

// ── Elements ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function elements(parent: Element): Element[] {
  return Array.from(parent.childNodes).filter((node): node is Element => node.nodeType === 1);
}

const children = (parent: Element, name: string): Element[] =>
  elements(parent).filter(({ localName }) => localName === name);

function attribute(element: Element, name: string): string {
  const value = element.getAttribute(name);
  if (value === null) throw new Error(`<${element.localName}> has no ${name}`);
  // Some names of InternetGatewayDevice:1.14 have a blank behind them.
  return value.trim();
}

function boundsOf(element: Element, least: string, most: string): Bounds {
  const end = (name: string): number | null => {
    const text = element.getAttribute(name);
    return text === null ? null : Number(text);
  };
  return { least: end(least), most: end(most) };
}

/** Lengths that bound something: some sizes in the files are empty, or were deleted. */
function sizesOf(element: Element): Bounds[] {
  return children(element, 'size')
    .map((size) => boundsOf(size, 'minLength', 'maxLength'))
    .filter(({ least, most }) => least !== null || most !== null);
}
