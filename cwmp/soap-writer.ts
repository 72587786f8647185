// Envelopes from values: every message either side of CWMP sends. Prefixes are constant and all declared on the Envelope, because some
// CPEs compare them literally (CWMP E6). The writer obeys the style of the profile and knows nothing of sessions or sockets.

import { Refused } from '../base/errors.ts';
import type { EnvelopeStyle } from './envelope-style.ts';
import { isElementName, writeFields, writeFreeFields } from './field-writer.ts';
import type { Args, CpeFault } from './message.ts';
import { acsMethod, cpeMethod, type FieldType } from './rpc-table.ts';
import { versionOfNamespace } from './versions.ts';
import { escapeEcho, escapeText } from './xml-text.ts';

/** Headers the ACS may send besides ID (CWMP E9, E11). */
export interface AcsHeaders {
  useVersion?: string | null;
  holdRequests?: boolean;
}

/** Headers a CPE may send besides ID (CWMP E9–E12). */
export interface CpeHeaders {
  supportedVersions?: readonly string[];
  sessionTimeoutSeconds?: number;
  holdRequests?: boolean;
  noMoreRequests?: boolean;
}

const ENC_PREFIX = {
  'soap-env': 'soap-enc',
  'SOAP-ENV': 'SOAP-ENC',
  soapenv: 'soapenc',
  soap: 'soapenc',
} as const satisfies Record<EnvelopeStyle['soapPrefix'], string>;

/** The constant parts of all envelopes of one style and namespace. */
interface Frame {
  enc: string;
  /** Up to and with the start tag of the Envelope. */
  open: string;
  /** mustUnderstand="1" and "0", with a blank in front. */
  must: string;
  may: string;
  headerOpen: string;
  headerClose: string;
  bodyOpen: string;
  close: string;
  fault: string;
  /** The two halves of an InformResponse around its ID, and the whole without one. */
  informHead: string;
  informTail: string;
  informBare: string;
}

function buildFrame(style: EnvelopeStyle, namespace: string): Frame {
  const soap = style.soapPrefix;
  const enc = ENC_PREFIX[soap];
  const declaration = style.xmlDeclaration ? '<?xml version="1.0" encoding="UTF-8"?>\n' : '';
  const open =
    `${declaration}<${soap}:Envelope xmlns:${soap}="http://schemas.xmlsoap.org/soap/envelope/"` +
    ` xmlns:${enc}="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
    ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="${escapeEcho(namespace)}">`;
  const must = ` ${soap}:mustUnderstand="1"`;
  const headerOpen = `<${soap}:Header>`;
  const headerClose = `</${soap}:Header>`;
  const bodyOpen = `<${soap}:Body>`;
  const close = `</${soap}:Body></${soap}:Envelope>`;
  // Always 1: the ACS takes one envelope per message (A.3.3.1, CWMP S2).
  const inform = `${bodyOpen}<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>${close}`;
  return {
    enc,
    open,
    must,
    may: ` ${soap}:mustUnderstand="0"`,
    headerOpen,
    headerClose,
    bodyOpen,
    close,
    fault: `${soap}:Fault`,
    informHead: `${open}${headerOpen}<cwmp:ID${must}>`,
    informTail: `</cwmp:ID>${headerClose}${inform}`,
    informBare: open + inform,
  };
}

const frames = new Map<string, Frame>();

function frameOf(style: EnvelopeStyle, cpeNamespace: string): Frame {
  const namespace = style.namespace ?? cpeNamespace;
  const key = (style.xmlDeclaration ? '+' : '-') + style.soapPrefix + namespace;
  let frame = frames.get(key);
  if (frame === undefined) {
    frame = buildFrame(style, namespace);
    // Only namespaces of CWMP are kept, ten at most: what a CPE invents must not fill the memory.
    if (versionOfNamespace(namespace) !== null) frames.set(key, frame);
  }
  return frame;
}

function idHeader(frame: Frame, id: string | null): string {
  // Repeated byte for byte, the empty one too; none in, none out (CWMP E7).
  return id === null ? '' : `<cwmp:ID${frame.must}>${escapeEcho(id)}</cwmp:ID>`;
}

function envelope(frame: Frame, headers: string, body: string): string {
  const header = headers === '' ? '' : frame.headerOpen + headers + frame.headerClose;
  return frame.open + header + frame.bodyOpen + body + frame.close;
}

function acsHeaders(style: EnvelopeStyle, frame: Frame, headers: AcsHeaders): string {
  let xml = '';
  if (headers.holdRequests !== undefined) xml += holdRequests(style, frame, headers.holdRequests);
  if (headers.useVersion)
    xml += `<cwmp:UseCWMPVersion${frame.must}>${escapeText(headers.useVersion)}</cwmp:UseCWMPVersion>`;
  return xml;
}

function holdRequests(style: EnvelopeStyle, frame: Frame, hold: boolean): string {
  const value = style.booleans === 'words' ? String(hold) : hold ? '1' : '0';
  return `<cwmp:HoldRequests${frame.must}>${value}</cwmp:HoldRequests>`;
}

function message(
  style: EnvelopeStyle,
  frame: Frame,
  element: string,
  fields: Record<string, FieldType>,
  args: Args,
): string {
  return `<cwmp:${element}>${writeFields(style, frame.enc, fields, args)}</cwmp:${element}>`;
}

/**
 * The answer to nearly every Inform, assembled from constant parts: the hot path.
 * @param id of the Inform; null when it had none.
 * @param useVersion only when the CPE sent SupportedCWMPVersions (E11).
 */
export function writeInformResponse(
  style: EnvelopeStyle,
  namespace: string,
  id: string | null,
  useVersion: string | null,
): string {
  const frame = frameOf(style, namespace);
  if (useVersion !== null) {
    const headers = idHeader(frame, id) + acsHeaders(style, frame, { useVersion });
    return envelope(frame, headers, '<cwmp:InformResponse><MaxEnvelopes>1</MaxEnvelopes></cwmp:InformResponse>');
  }
  return id === null ? frame.informBare : frame.informHead + escapeEcho(id) + frame.informTail;
}

/**
 * A request of the ACS (A.3.2, A.4.1).
 * @param namespace as the CPE wrote it in its Inform (V2).
 * @param id unique per request, at most 32 characters (E7).
 * @param method of CPE_METHODS, or a vendor's `X_…` with any arguments.
 * @throws Refused `unknown-method`, `unknown-argument`, `bad-argument`, `xml-character`.
 */
export function writeRequest(
  style: EnvelopeStyle,
  namespace: string,
  id: string,
  method: string,
  args: Args,
  headers: AcsHeaders = {},
): string {
  const frame = frameOf(style, namespace);
  const header = idHeader(frame, id) + acsHeaders(style, frame, headers);
  const row = cpeMethod(method);
  if (row !== undefined) return envelope(frame, header, message(style, frame, method, row.args, args));
  if (!method.startsWith('X_') || !isElementName(method)) {
    throw new Refused(422, 'unknown-method', `CWMP has no method ${method}; methods of vendors start with X_.`);
  }
  return envelope(frame, header, `<cwmp:${method}>${writeFreeFields(style, args)}</cwmp:${method}>`);
}

/**
 * The ACS's answer to a request of the CPE (A.3.3, A.4.2).
 * @param id of that request; null when it had none.
 * @throws Refused `unknown-method` when ACS_METHODS has no such row: answer fault 8000 instead.
 */
export function writeResponse(
  style: EnvelopeStyle,
  namespace: string,
  id: string | null,
  method: string,
  args: Args,
  headers: AcsHeaders = {},
): string {
  const frame = frameOf(style, namespace);
  const row = acsMethod(method);
  if (row === undefined) throw new Refused(422, 'unknown-method', `This ACS has no method ${method}.`);
  const header = idHeader(frame, id) + acsHeaders(style, frame, headers);
  return envelope(frame, header, message(style, frame, `${method}Response`, row.result, args));
}

/**
 * A fault of the ACS, sent with HTTP status 200 (CWMP F1, H2).
 * @param code 8000–8006 or 8800–8899.
 * @param text may carry words of the CPE: what XML cannot hold is left out.
 * @param faultcode Client when the CPE's request was wrong, Server when we could not.
 */
export function writeFault(
  style: EnvelopeStyle,
  namespace: string,
  id: string | null,
  code: number,
  text: string,
  faultcode: 'Client' | 'Server',
): string {
  const frame = frameOf(style, namespace);
  return envelope(frame, idHeader(frame, id), faultBody(frame, faultcode, code, text, ''));
}

function faultBody(frame: Frame, faultcode: string, code: number, text: string, details: string): string {
  return (
    `<${frame.fault}><faultcode>${faultcode}</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>` +
    `<FaultCode>${code}</FaultCode><FaultString>${escapeEcho(text)}</FaultString>${details}</cwmp:Fault></detail></${frame.fault}>`
  );
}

// ── The CPE's side ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A request of a CPE: Inform, TransferComplete, … For simulated CPEs and tests. Throws like writeRequest. */
export function writeCpeRequest(
  style: EnvelopeStyle,
  namespace: string,
  id: string | null,
  method: string,
  args: Args,
  headers: CpeHeaders = {},
): string {
  const frame = frameOf(style, namespace);
  const row = acsMethod(method);
  let header = idHeader(frame, id);
  if (headers.holdRequests !== undefined) header += holdRequests(style, frame, headers.holdRequests);
  if (headers.noMoreRequests !== undefined) {
    header += `<cwmp:NoMoreRequests${frame.may}>${headers.noMoreRequests ? '1' : '0'}</cwmp:NoMoreRequests>`;
  }
  if (headers.sessionTimeoutSeconds !== undefined) {
    header += `<cwmp:SessionTimeout${frame.may}>${headers.sessionTimeoutSeconds}</cwmp:SessionTimeout>`;
  }
  if (headers.supportedVersions !== undefined) {
    const versions = escapeText(headers.supportedVersions.join(','));
    header += `<cwmp:SupportedCWMPVersions${frame.may}>${versions}</cwmp:SupportedCWMPVersions>`;
  }
  if (row !== undefined) return envelope(frame, header, message(style, frame, method, row.args, args));
  if (!isElementName(method)) throw new Refused(422, 'unknown-method', `${method} cannot be the name of a method.`);
  return envelope(frame, header, `<cwmp:${method}>${writeFreeFields(style, args)}</cwmp:${method}>`);
}

/** A CPE's answer to a request of the ACS. Throws like writeResponse. */
export function writeCpeResponse(
  style: EnvelopeStyle,
  namespace: string,
  id: string | null,
  method: string,
  result: Args,
): string {
  const frame = frameOf(style, namespace);
  const row = cpeMethod(method);
  const element = `${method}Response`;
  if (row !== undefined)
    return envelope(frame, idHeader(frame, id), message(style, frame, element, row.result, result));
  if (!isElementName(method)) throw new Refused(422, 'unknown-method', `${method} cannot be the name of a method.`);
  return envelope(frame, idHeader(frame, id), `<cwmp:${element}>${writeFreeFields(style, result)}</cwmp:${element}>`);
}

/** A CPE's fault, with the faults of single parameters when SetParameterValues failed on them (A.3.2.1, F3). */
export function writeCpeFault(style: EnvelopeStyle, namespace: string, id: string | null, fault: CpeFault): string {
  const frame = frameOf(style, namespace);
  let details = '';
  for (const { ParameterName, FaultCode, FaultString } of fault.SetParameterValuesFault) {
    details +=
      `<SetParameterValuesFault><ParameterName>${escapeText(ParameterName)}</ParameterName><FaultCode>${FaultCode}</FaultCode>` +
      `<FaultString>${escapeText(FaultString)}</FaultString></SetParameterValuesFault>`;
  }
  const body = faultBody(frame, 'Client', fault.FaultCode, fault.FaultString, details);
  return envelope(frame, idHeader(frame, id), body);
}
