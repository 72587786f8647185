// The second reader: the same messages out of a tree that @xmldom/xmldom builds. It is there for documents the first reader declines,
// after one repair, and as the oracle of the tests: it shares the rules for texts and parts with the first reader and nothing that finds
// them. It is thirty times as slow and takes a tree's memory, hence the smaller bounds.

import { DOMParser, type Element } from '@xmldom/xmldom';
import { LIMITS } from '../base/limits.ts';
import { decode } from './decode.ts';
import { booleanOf, cleanCdata, cleanText, infoOf, numberOf, parameterOf, timeOf, trimmed } from './lenient.ts';
import type { Args, EnvelopeInfo, ParameterInfo, ParameterValue, ReadResult, RefusalReason } from './message.ts';
import {
  eventOf,
  type FaultParts,
  faultOf,
  flagOf,
  type InformParts,
  idOf,
  informOf,
  sessionTimeoutOf,
  versionsOf,
} from './parts.ts';
import { refused } from './refusals.ts';
import { repair, UNDECLARED } from './repair.ts';
import { acsMethod, cpeMethod, type FieldType } from './rpc-table.ts';
import { addFree, neutralFields } from './table-reader.ts';
import { type Tolerance, ToleranceSet } from './tolerances.ts';
import { parseBoolean } from './values.ts';

type Fields = Record<string, FieldType>;

const ELEMENT = 1;
const TEXT = 3;
const CDATA = 4;

/** Ends the walk through a tree; it never leaves this file. */
class Decline extends Error {
  readonly reason: RefusalReason;
  constructor(reason: RefusalReason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * Reads one POST of a CPE, as readMessage of soap-reader.ts does: same arguments, same result for what both accept.
 * @returns too-large and too-many earlier than the first reader (LIMITS.secondReaderBytesMax, secondReaderTagsMax). Never throws.
 */
export function readMessage(bytes: Uint8Array, contentType: string | null): ReadResult {
  if (bytes.length > LIMITS.secondReaderBytesMax) return refused('too-large');
  const tolerances = new ToleranceSet();
  const decoded = decode(bytes, contentType, tolerances);
  if (decoded === null) return refused('encoding');
  const repaired = repair(decoded.text, tolerances);
  if (repaired.type === 'refused') return refused(repaired.reason);
  if (repaired.type === 'empty') return { type: 'ok', message: { type: 'empty' }, tolerances: tolerances.list() };
  const root = parse(repaired.text);
  if (root === null) return refused('not-well-formed');
  try {
    return new Walk(tolerances).envelope(root);
  } catch (error) {
    if (error instanceof Decline) return refused(error.reason);
    throw error;
  }
}

/** The root element; null when xmldom finds a fault. It throws what it calls fatal, and reports what it would go on after. */
function parse(text: string): Element | null {
  let faults = 0;
  const parser = new DOMParser({ normalizeLineEndings: (same) => same, onError: () => faults++ });
  try {
    const document = parser.parseFromString(text, 'text/xml');
    return faults === 0 ? (document.documentElement as Element | null) : null;
  } catch {
    return null;
  }
}

function childrenOf(element: Element): Element[] {
  const out: Element[] = [];
  for (let node = element.firstChild; node !== null; node = node.nextSibling) {
    if (node.nodeType === ELEMENT) out.push(node as Element);
  }
  return out;
}

/** The first attribute of this local name that declares no namespace. */
function attributeOf(element: Element, local: string): string | null {
  for (const attribute of Array.from(element.attributes)) {
    if (attribute.localName === local && attribute.prefix !== 'xmlns') return attribute.value;
  }
  return null;
}

/** The cwmp namespace declared last on the element, or null. */
function cwmpDeclaredOn(element: Element): string | null {
  for (const { name, value } of Array.from(element.attributes).reverse()) {
    if ((name === 'xmlns' || name.startsWith('xmlns:')) && isCwmp(value)) return value;
  }
  return null;
}

function isCwmp(uri: string | null): uri is string {
  return uri !== null && /^urn:dslforum-org:cwmp-1-[0-9]$/.test(uri);
}

class Walk {
  readonly #tolerances: ToleranceSet;

  constructor(tolerances: ToleranceSet) {
    this.#tolerances = tolerances;
  }

  #note(name: Tolerance): void {
    this.#tolerances.add(name);
  }

  // ── Envelope ─────────────────────────────────────────────────────────────────────────────────────────────────────

  envelope(root: Element): ReadResult {
    if (root.localName !== 'Envelope') return refused('not-soap');
    this.#checkSoap(root);
    const parts = childrenOf(root);
    const bodies = parts.filter(({ localName }) => localName === 'Body');
    if (bodies.length === 0) return refused('no-body');
    if (bodies.length > 1) return refused('several-bodies');
    const body = bodies[0]!;
    const [method, ...others] = childrenOf(body);
    if (others.length > 0) return refused('several-bodies');
    const headers = parts.filter(({ localName }) => localName === 'Header').flatMap(childrenOf);
    const header = this.#header(headers);
    if (method === undefined) {
      this.#note('empty-body');
      return { type: 'ok', message: { type: 'empty' }, tolerances: this.#tolerances.list() };
    }
    const namespace = this.#namespace(root, body, method);
    const envelope = { ...header, id: header.id, namespace };
    return this.#message(envelope, method);
  }

  #checkSoap({ namespaceURI, prefix }: Element): void {
    if (namespaceURI === 'http://schemas.xmlsoap.org/soap/envelope/') return;
    if (/^http:\/\/www\.w3\.org\/200\d\/\d\d\/soap-envelope/.test(namespaceURI ?? ''))
      throw new Decline('soap-version');
    this.#note(namespaceURI === UNDECLARED && prefix ? 'undeclared-prefix' : 'envelope-namespace');
  }

  /** FIELD 2: the method's own, else the nearest one declared on method, Body or Envelope. */
  #namespace(root: Element, body: Element, method: Element): string {
    const isFault = method.localName === 'Fault';
    if (method.namespaceURI === UNDECLARED) this.#note('undeclared-prefix');
    let namespace = isFault || !isCwmp(method.namespaceURI) ? null : method.namespaceURI;
    if (namespace === null) {
      namespace = cwmpDeclaredOn(method) ?? cwmpDeclaredOn(body) ?? cwmpDeclaredOn(root);
      if (namespace !== null && !isFault) this.#note('method-namespace');
    }
    if (namespace === null) {
      if (!isFault) throw new Decline('not-cwmp');
      this.#note('no-cwmp-namespace');
      return '';
    }
    if (!/[012]$/.test(namespace)) this.#note('namespace-version');
    return namespace;
  }

  #header(headers: Element[]): Omit<EnvelopeInfo, 'namespace'> {
    const out: Omit<EnvelopeInfo, 'namespace'> = {
      id: null,
      holdRequests: false,
      noMoreRequests: false,
      sessionTimeoutSeconds: null,
      supportedVersions: null,
    };
    for (const header of headers) {
      const name = header.localName;
      if (name === 'ID') out.id = this.#headerText(header);
      else if (name === 'HoldRequests') {
        this.#note('hold-requests-from-cpe');
        out.holdRequests = flagOf(this.#headerText(header), this.#tolerances);
      } else if (name === 'NoMoreRequests') out.noMoreRequests = flagOf(this.#headerText(header), this.#tolerances);
      else if (name === 'SessionTimeout') {
        out.sessionTimeoutSeconds = sessionTimeoutOf(this.#headerText(header), this.#tolerances);
      } else if (name === 'SupportedCWMPVersions') out.supportedVersions = versionsOf(this.#headerText(header));
      else if (parseBoolean(attributeOf(header, 'mustUnderstand') ?? '') === true)
        this.#note('unknown-must-understand');
    }
    return out;
  }

  #headerText(element: Element): string {
    const text = this.#text(element);
    if (text.length > LIMITS.headerValueCharsMax) throw new Decline('too-large');
    return text;
  }

  // ── Texts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Text and CDATA directly in the element. `inner` reads elements within; without it they are left out. */
  #text(element: Element, inner?: (child: Element) => void): string {
    let out = '';
    let run = '';
    const flush = () => {
      if (run !== '') out += cleanText(run, this.#tolerances);
      run = '';
    };
    for (let node = element.firstChild; node !== null; node = node.nextSibling) {
      if (node.nodeType === TEXT) {
        run += node.nodeValue ?? '';
        continue;
      }
      flush();
      if (node.nodeType === CDATA) out += cleanCdata(node.nodeValue ?? '', this.#tolerances);
      else if (node.nodeType === ELEMENT) {
        if (inner === undefined) this.#note('markup-in-text');
        else inner(node as Element);
      }
    }
    flush();
    if (out.length > LIMITS.valueCharsMax) throw new Decline('too-large');
    return out;
  }

  #pushed<Entry>(list: Entry[], entry: Entry | null): void {
    if (entry !== null) list.push(entry);
    if (list.length > LIMITS.listEntriesMax) throw new Decline('too-many');
  }

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #message(envelope: EnvelopeInfo, element: Element): ReadResult {
    const name = element.localName ?? '';
    const tolerances = this.#tolerances;
    if (name === 'Inform') {
      const parts = this.#inform(element);
      envelope.id = idOf(envelope.id, tolerances);
      const inform = informOf(parts, tolerances);
      if (inform === null) return refused('bad-device-id');
      return { type: 'ok', message: { type: 'inform', envelope, inform }, tolerances: tolerances.list() };
    }
    if (name === 'Fault') {
      const parts: FaultParts = {
        faultcode: null,
        faultstring: null,
        hasDetail: false,
        nestedDetail: false,
        FaultCode: null,
        FaultString: null,
        SetParameterValuesFault: [],
      };
      for (const child of childrenOf(element)) this.#faultPart(child, parts);
      envelope.id = idOf(envelope.id, tolerances);
      const fault = faultOf(parts, tolerances);
      if (fault === null) return refused('no-fault-detail');
      return { type: 'ok', message: { type: 'fault', envelope, fault }, tolerances: tolerances.list() };
    }
    envelope.id = idOf(envelope.id, tolerances);
    const answered = /^(.+)Response$/s.exec(name);
    if (answered === null) {
      const row = acsMethod(name);
      const args = row === undefined ? {} : this.#fields(element, row.args);
      return { type: 'ok', message: { type: 'request', envelope, method: name, args }, tolerances: tolerances.list() };
    }
    const method = answered[1]!;
    const result = this.#result(method, element);
    return { type: 'ok', message: { type: 'response', envelope, method, result }, tolerances: tolerances.list() };
  }

  #result(method: string, element: Element): Args {
    if (method === 'GetParameterValues' || method === 'GetParameterNames') {
      const lists = childrenOf(element).filter(({ localName }) => localName === 'ParameterList');
      if (lists.length === 0) this.#note('missing-field');
      if (method === 'GetParameterValues') return { ParameterList: this.#parameterValues(lists) };
      return { ParameterList: this.#parameterInfos(lists) };
    }
    const row = cpeMethod(method);
    return row === undefined
      ? this.#free(element, { entries: LIMITS.listEntriesMax })
      : this.#fields(element, row.result);
  }

  #inform(element: Element): InformParts {
    const parts: InformParts = {
      Manufacturer: null,
      OUI: null,
      ProductClass: null,
      SerialNumber: null,
      Event: null,
      MaxEnvelopes: null,
      CurrentTime: null,
      RetryCount: null,
      ParameterList: null,
    };
    const lists: Element[] = [];
    for (const child of childrenOf(element)) {
      switch (child.localName) {
        case 'DeviceID':
          this.#note('device-id-spelling');
          this.#deviceId(child, parts);
          break;
        case 'DeviceId':
          this.#deviceId(child, parts);
          break;
        case 'Event':
          parts.Event ??= [];
          for (const each of childrenOf(child)) {
            const code = this.#last(each, 'EventCode');
            this.#pushed(parts.Event, eventOf(code, this.#last(each, 'CommandKey'), this.#tolerances));
          }
          break;
        case 'MaxEnvelopes':
        case 'CurrentTime':
        case 'RetryCount':
          parts[child.localName] = this.#text(child);
          break;
        case 'ParameterList':
          lists.push(child);
      }
    }
    if (lists.length > 0) parts.ParameterList = this.#parameterValues(lists);
    return parts;
  }

  #deviceId(element: Element, parts: InformParts): void {
    for (const child of childrenOf(element)) {
      switch (child.localName) {
        case 'Manufacturer':
        case 'OUI':
        case 'ProductClass':
        case 'SerialNumber':
          parts[child.localName] = this.#text(child);
      }
    }
  }

  /** Text of the last child of this name: where an element comes twice, the later one counts. */
  #last(element: Element, name: string): string | null {
    let text: string | null = null;
    for (const child of childrenOf(element)) if (child.localName === name) text = this.#text(child);
    return text;
  }

  #parameterValues(lists: Element[]): ParameterValue[] {
    const out: ParameterValue[] = [];
    for (const entry of lists.flatMap(childrenOf)) {
      const values = childrenOf(entry).filter(({ localName }) => localName === 'Value');
      const type = values.length === 0 ? null : attributeOf(values.at(-1)!, 'type');
      const name = this.#last(entry, 'Name');
      this.#pushed(out, parameterOf(name, this.#last(entry, 'Value'), type, this.#tolerances));
    }
    return out;
  }

  #parameterInfos(lists: Element[]): ParameterInfo[] {
    const out: ParameterInfo[] = [];
    for (const entry of lists.flatMap(childrenOf)) {
      const name = this.#last(entry, 'Name');
      this.#pushed(out, infoOf(name, this.#last(entry, 'Writable'), this.#tolerances));
    }
    return out;
  }

  #faultPart(element: Element, parts: FaultParts): void {
    switch (element.localName) {
      case 'FaultCode':
      case 'FaultString':
      case 'faultcode':
        parts[element.localName] = this.#text(element);
        return;
      case 'faultstring':
        parts.faultstring = this.#text(element, (child) => {
          parts.nestedDetail = true;
          this.#faultPart(child, parts);
        });
        return;
      case 'SetParameterValuesFault': {
        const ParameterName = this.#last(element, 'ParameterName');
        const FaultCode = this.#last(element, 'FaultCode');
        const FaultString = this.#last(element, 'FaultString');
        this.#pushed(parts.SetParameterValuesFault, { ParameterName, FaultCode, FaultString });
        return;
      }
      case 'detail':
      case 'Fault':
        parts.hasDetail = true;
    }
    for (const child of childrenOf(element)) this.#faultPart(child, parts);
  }

  // ── By the table ─────────────────────────────────────────────────────────────────────────────────────────────────

  #fields(element: Element, fields: Fields): Args {
    const out = neutralFields(fields);
    const seen = new Set<string>();
    this.#fieldsInto(element, fields, out, seen);
    this.#noteMissing(fields, seen);
    return out;
  }

  #fieldsInto(element: Element, fields: Fields, out: Args, seen: Set<string>): void {
    for (const child of childrenOf(element)) {
      if (this.#field(child, fields, out, seen) || !child.localName!.endsWith('Struct')) continue;
      this.#note('wrapped-struct');
      this.#fieldsInto(child, fields, out, seen);
    }
  }

  #field(child: Element, fields: Fields, out: Args, seen: Set<string>): boolean {
    const name = child.localName!;
    if (!Object.hasOwn(fields, name)) return false;
    const type = fields[name]!;
    if (type.kind === 'repeated') this.#repeated(child, type.item, out[name] as Args[]);
    else out[name] = this.#value(child, type);
    seen.add(name);
    return true;
  }

  #value(element: Element, type: FieldType): unknown {
    switch (type.kind) {
      case 'string':
      case 'base64':
        return trimmed(this.#text(element), this.#tolerances);
      case 'int':
      case 'unsignedInt':
        return numberOf(this.#text(element), type.kind === 'int', this.#tolerances);
      case 'boolean':
        return booleanOf(this.#text(element), this.#tolerances);
      case 'dateTime':
        return timeOf(this.#text(element), this.#tolerances);
      case 'struct':
        return this.#fields(element, type.fields);
      case 'parameterValues':
        return this.#parameterValues([element]);
      case 'list':
      case 'repeated': {
        const items: unknown[] = [];
        for (const child of childrenOf(element)) this.#pushed(items, this.#value(child, type.item));
        return items;
      }
    }
  }

  #repeated(element: Element, item: FieldType, out: Args[]): void {
    if (item.kind !== 'struct') return;
    const direct = neutralFields(item.fields);
    const seen = new Set<string>();
    for (const child of childrenOf(element)) {
      if (this.#field(child, item.fields, direct, seen) || !child.localName!.endsWith('Struct')) continue;
      this.#note('wrapped-struct');
      this.#pushed(out, this.#fields(child, item.fields));
    }
    if (seen.size === 0) return;
    this.#noteMissing(item.fields, seen);
    this.#pushed(out, direct);
  }

  #noteMissing(fields: Fields, seen: Set<string>): void {
    for (const [name, { kind, optional }] of Object.entries(fields)) {
      if (optional === true || kind === 'repeated' || seen.has(name)) continue;
      this.#note(kind === 'dateTime' ? 'bad-time' : 'missing-field');
    }
  }

  #free(element: Element, budget: { entries: number }): Args {
    const out: Args = {};
    for (const child of childrenOf(element)) this.#putFree(child, out, budget);
    return out;
  }

  #putFree(element: Element, out: Args, budget: { entries: number }): void {
    if (--budget.entries < 0) throw new Decline('too-many');
    let inner: Args | null = null;
    const text = this.#text(element, (child) => {
      inner ??= {};
      this.#putFree(child, inner, budget);
    });
    addFree(out, element.localName!, inner ?? trimmed(text, this.#tolerances));
  }
}
