// The reader of CPE messages: bytes in, message out, in one bounded pass without a tree. Inform, the two long answers and faults are
// written out by hand; every other method is read by its row in the RPC table (table-reader.ts). Elements are matched by local name and
// in any order (FIELD 1, CWMP E5, E14). It declines what is not well-formed; read.ts then asks the second reader.
//
// Texts in a message are slices of the document and keep all of it alive: whoever stores one beyond the request copies it.

import { LIMITS } from '../base/limits.ts';
import { decode } from './decode.ts';
import { Entries } from './entries.ts';
import { infoOf } from './lenient.ts';
import type { Args, EnvelopeInfo, EventStruct, ParameterInfo, ReadResult } from './message.ts';
import { Namespaces } from './namespaces.ts';
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
import { Prologues } from './prologues.ts';
import { refused } from './refusals.ts';
import { acsMethod, cpeMethod } from './rpc-table.ts';
import { OPEN, Scanner } from './scanner.ts';
import { readFields, readFree, readParameterValues } from './table-reader.ts';
import { parseBoolean } from './values.ts';

/** The one scanner of this thread, and what goes with it: reading never waits, so two documents cannot meet in them. */
const scanner = new Scanner();

const namespaces = new Namespaces();
const prologues = new Prologues();
const infoEntries = new Entries('Name', 'Writable');

/** What the header said; null is what it did not say. */
interface HeaderParts {
  id: string | null;
  holdRequests: boolean;
  noMoreRequests: boolean;
  sessionTimeoutSeconds: number | null;
  supportedVersions: string[] | null;
}

/** What the Body held, before the envelope is known as a whole: the header may come last. */
type Content =
  | { type: 'inform'; parts: InformParts }
  | { type: 'fault'; parts: FaultParts }
  | { type: 'call'; method: string; values: Args };

/**
 * Reads one POST of a CPE (TR-069 §3.4, CWMP §1.4).
 * @param bytes the body, inflated.
 * @param contentType the header as sent, or null; only its charset counts (CWMP H6).
 * @returns the message with the tolerances it needed, or the refusal. Never throws, whatever the bytes.
 */
export function readMessage(bytes: Uint8Array, contentType: string | null): ReadResult {
  if (bytes.length > LIMITS.bodyBytesMax) return refused('too-large');
  const s = scanner;
  const decoded = decode(bytes, contentType, s.tolerances);
  const result = decoded === null ? refused('encoding') : readDocument(s, decoded.text, decoded.codes);
  s.release();
  return result;
}

function readDocument(s: Scanner, doc: string, codes: Uint8Array): ReadResult {
  const start = startOf(s, doc);
  if (start < 0) return { type: 'ok', message: { type: 'empty' }, tolerances: s.tolerances.list() };
  s.start(doc, codes, start);
  namespaces.clear();
  const header: HeaderParts = {
    id: null,
    holdRequests: false,
    noMoreRequests: false,
    sessionTimeoutSeconds: null,
    supportedVersions: null,
  };
  let namespace: string | null = null;
  let content: Content | null = null;
  let bodies = 0;
  if (openEnvelope(s)) {
    while (s.next() === OPEN) {
      if (s.is('Header')) readHeader(s, header);
      else if (s.is('Body')) {
        if (++bodies > 1) s.refuse('several-bodies');
        namespaces.declare(s);
        if (s.next() === OPEN) {
          namespace = namespaces.ofMethod(s);
          content = readContent(s);
          if (s.next() === OPEN) s.refuse('several-bodies');
        }
      } else s.skip();
    }
    s.finish();
  }
  if (s.refusal !== null) return refused(s.refusal);
  if (bodies === 0) return refused('no-body');
  if (content === null || namespace === null) {
    // FIELD 45: nothing to say is what an empty POST says.
    s.tolerances.add('empty-body');
    return { type: 'ok', message: { type: 'empty' }, tolerances: s.tolerances.list() };
  }
  return messageOf(s, namespace, header, content);
}

/** Reads up to the end of the Envelope tag; false when there is none, with the reason in the scanner. */
function openEnvelope(s: Scanner): boolean {
  if (prologues.recall(s, namespaces)) return true;
  if (s.root() !== OPEN) return false;
  if (!s.is('Envelope')) {
    s.refuse('not-soap');
    return false;
  }
  namespaces.enterEnvelope(s);
  if (s.tolerances.isEmpty()) prologues.keep(s, namespaces);
  return true;
}

/** Where the document starts behind white space; −1 for a blank one (FIELD 6, CWMP H4). */
function startOf(s: Scanner, doc: string): number {
  const { length } = doc;
  let at = 0;
  while (at < length && doc.charCodeAt(at) <= 32) at++;
  if (at === length) return -1;
  // Not XML 1.0, and real (CWMP E16).
  if (at > 0 && doc.startsWith('<?xml', at)) s.tolerances.add('space-before-declaration');
  return at;
}

// ── Header ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

function readHeader(s: Scanner, header: HeaderParts): void {
  while (s.next() === OPEN) {
    if (s.is('ID')) header.id = headerText(s);
    else if (s.is('HoldRequests')) {
      // Only an ACS may send it (CWMP E9).
      s.tolerances.add('hold-requests-from-cpe');
      header.holdRequests = flagOf(headerText(s), s.tolerances);
    } else if (s.is('NoMoreRequests')) header.noMoreRequests = flagOf(headerText(s), s.tolerances);
    else if (s.is('SessionTimeout')) header.sessionTimeoutSeconds = sessionTimeoutOf(headerText(s), s.tolerances);
    else if (s.is('SupportedCWMPVersions')) header.supportedVersions = versionsOf(headerText(s));
    else {
      // Refusing would cost the session of a CPE that only says more than it must (CWMP E13).
      const flag = s.attribute('mustUnderstand');
      if (flag !== null && parseBoolean(flag) === true) s.tolerances.add('unknown-must-understand');
      s.skip();
    }
  }
}

function headerText(s: Scanner): string {
  const text = s.text();
  if (text.length > LIMITS.headerValueCharsMax) s.refuse('too-large');
  return text;
}

// ── Body ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function readContent(s: Scanner): Content {
  if (s.is('Inform')) return { type: 'inform', parts: readInform(s) };
  if (s.is('GetParameterValuesResponse')) {
    return {
      type: 'call',
      method: 'GetParameterValuesResponse',
      values: { ParameterList: readOnlyList(s, readParameterValues) },
    };
  }
  if (s.is('GetParameterNamesResponse')) {
    return {
      type: 'call',
      method: 'GetParameterNamesResponse',
      values: { ParameterList: readOnlyList(s, readParameterInfos) },
    };
  }
  if (s.is('Fault')) return { type: 'fault', parts: readFault(s) };
  // A method name is kept in the session: a copy, not a slice of the document.
  const method = Buffer.from(s.localName()).toString();
  if (isResponse(method)) {
    const row = cpeMethod(method.slice(0, -8));
    return { type: 'call', method, values: row === undefined ? readFree(s) : readFields(s, row.result) };
  }
  const row = acsMethod(method);
  if (row !== undefined) return { type: 'call', method, values: readFields(s, row.args) };
  s.skip();
  return { type: 'call', method, values: {} };
}

function readInform(s: Scanner): InformParts {
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
  while (s.next() === OPEN) {
    if (s.is('DeviceId')) readDeviceId(s, parts);
    else if (s.is('Event')) parts.Event = readEvents(s, parts.Event ?? []);
    else if (s.is('MaxEnvelopes')) parts.MaxEnvelopes = s.text();
    else if (s.is('CurrentTime')) parts.CurrentTime = s.text();
    else if (s.is('RetryCount')) parts.RetryCount = s.text();
    else if (s.is('ParameterList')) {
      parts.ParameterList ??= [];
      readParameterValues(s, parts.ParameterList);
    } else if (s.is('DeviceID')) {
      s.tolerances.add('device-id-spelling');
      readDeviceId(s, parts);
    } else s.skip();
  }
  return parts;
}

function readDeviceId(s: Scanner, parts: InformParts): void {
  while (s.next() === OPEN) {
    if (s.is('Manufacturer')) parts.Manufacturer = s.text();
    else if (s.is('OUI')) parts.OUI = s.text();
    else if (s.is('ProductClass')) parts.ProductClass = s.text();
    else if (s.is('SerialNumber')) parts.SerialNumber = s.text();
    else s.skip();
  }
}

function readEvents(s: Scanner, out: EventStruct[]): EventStruct[] {
  while (s.next() === OPEN) {
    let code: string | null = null;
    let key: string | null = null;
    while (s.next() === OPEN) {
      if (s.is('EventCode')) code = s.text();
      else if (s.is('CommandKey')) key = s.text();
      else s.skip();
    }
    const event = eventOf(code, key, s.tolerances);
    if (event !== null) out.push(event);
    if (out.length > LIMITS.listEntriesMax) s.refuse('too-many');
  }
  return out;
}

/** A response whose one argument is ParameterList. */
function readOnlyList<Entry>(s: Scanner, read: (s: Scanner, out: Entry[]) => void): Entry[] {
  const out: Entry[] = [];
  let found = false;
  while (s.next() === OPEN) {
    if (s.is('ParameterList')) {
      found = true;
      read(s, out);
    } else s.skip();
  }
  if (!found) s.tolerances.add('missing-field');
  return out;
}

function readParameterInfos(s: Scanner, out: ParameterInfo[]): void {
  infoEntries.begin(s);
  while (infoEntries.next(s)) {
    const info = infoOf(infoEntries.first, infoEntries.second, s.tolerances);
    if (info !== null) out.push(info);
    if (out.length > LIMITS.listEntriesMax) s.refuse('too-many');
  }
}

/** A SOAP Fault: CWMP's parts are found at any depth, for some stacks nest the detail inside faultstring (CWMP F2). */
function readFault(s: Scanner): FaultParts {
  const parts: FaultParts = {
    faultcode: null,
    faultstring: null,
    hasDetail: false,
    nestedDetail: false,
    FaultCode: null,
    FaultString: null,
    SetParameterValuesFault: [],
  };
  readFaultParts(s, parts);
  return parts;
}

function readFaultParts(s: Scanner, parts: FaultParts): void {
  while (s.next() === OPEN) readFaultPart(s, parts);
}

/** Reads the element just opened. It calls itself once for each level, of which the scanner allows xmlDepthMax. */
function readFaultPart(s: Scanner, parts: FaultParts): void {
  if (s.is('FaultCode')) parts.FaultCode = s.text();
  else if (s.is('FaultString')) parts.FaultString = s.text();
  else if (s.is('faultcode')) parts.faultcode = s.text();
  else if (s.is('faultstring')) {
    parts.faultstring = s.text(() => {
      parts.nestedDetail = true;
      readFaultPart(s, parts);
    });
  } else if (s.is('SetParameterValuesFault')) {
    const entry = {
      ParameterName: null,
      FaultCode: null,
      FaultString: null,
    } as FaultParts['SetParameterValuesFault'][0];
    while (s.next() === OPEN) {
      if (s.is('ParameterName')) entry.ParameterName = s.text();
      else if (s.is('FaultCode')) entry.FaultCode = s.text();
      else if (s.is('FaultString')) entry.FaultString = s.text();
      else s.skip();
    }
    parts.SetParameterValuesFault.push(entry);
    if (parts.SetParameterValuesFault.length > LIMITS.listEntriesMax) s.refuse('too-many');
  } else {
    if (s.is('detail') || s.is('Fault')) parts.hasDetail = true;
    readFaultParts(s, parts);
  }
}

// ── Message ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

function isResponse(method: string): boolean {
  return method.length > 8 && method.endsWith('Response');
}

function messageOf(s: Scanner, namespace: string, header: HeaderParts, content: Content): ReadResult {
  const { tolerances } = s;
  const envelope: EnvelopeInfo = {
    id: idOf(header.id, tolerances),
    namespace,
    holdRequests: header.holdRequests,
    noMoreRequests: header.noMoreRequests,
    sessionTimeoutSeconds: header.sessionTimeoutSeconds,
    supportedVersions: header.supportedVersions,
  };
  switch (content.type) {
    case 'inform': {
      const inform = informOf(content.parts, tolerances);
      if (inform === null) return refused('bad-device-id');
      return { type: 'ok', message: { type: 'inform', envelope, inform }, tolerances: tolerances.list() };
    }
    case 'fault': {
      const fault = faultOf(content.parts, tolerances);
      if (fault === null) return refused('no-fault-detail');
      return { type: 'ok', message: { type: 'fault', envelope, fault }, tolerances: tolerances.list() };
    }
    case 'call': {
      const { method, values } = content;
      if (!isResponse(method)) {
        return {
          type: 'ok',
          message: { type: 'request', envelope, method, args: values },
          tolerances: tolerances.list(),
        };
      }
      const answered = method.slice(0, -8);
      return {
        type: 'ok',
        message: { type: 'response', envelope, method: answered, result: values },
        tolerances: tolerances.list(),
      };
    }
  }
}
