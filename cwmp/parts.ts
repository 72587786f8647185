// What the parts of a message mean once a reader has found them: the Inform, the fault and the headers, with what is missing filled in
// or refused. Both readers end here, so that the rules of FIELD 14–16 exist once. It does not know how the parts were found.

import type { DeviceIdStruct } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { normaliseEventCode } from './events.ts';
import { nameOf, numberIn, numberOf, trimmed } from './lenient.ts';
import type { CpeFault, EventStruct, Inform, ParameterValue } from './message.ts';
import type { ToleranceSet } from './tolerances.ts';
import { parseBoolean, UNKNOWN_TIME } from './values.ts';

/** What a reader found of an Inform; null is what it did not find. */
export interface InformParts {
  Manufacturer: string | null;
  OUI: string | null;
  ProductClass: string | null;
  SerialNumber: string | null;
  Event: EventStruct[] | null;
  MaxEnvelopes: string | null;
  CurrentTime: string | null;
  RetryCount: string | null;
  ParameterList: ParameterValue[] | null;
}

/** The Inform of its parts (FIELD 14, A.3.3.1); null when DeviceId cannot be an identity. */
export function informOf(parts: InformParts, tolerances: ToleranceSet): Inform | null {
  const DeviceId = deviceIdOf(parts, tolerances);
  if (DeviceId === null) return null;
  if (parts.Event === null) tolerances.add('missing-event');
  else if (parts.Event.length > LIMITS.eventsMax) tolerances.add('many-events');
  if (parts.ParameterList === null) tolerances.add('missing-parameter-list');
  if (parts.RetryCount === null) tolerances.add('missing-retry-count');
  return {
    DeviceId,
    Event: parts.Event ?? [],
    MaxEnvelopes: parts.MaxEnvelopes === null ? 1 : numberOf(parts.MaxEnvelopes, false, tolerances),
    CurrentTime: currentTimeOf(parts.CurrentTime, tolerances),
    RetryCount: parts.RetryCount === null ? 0 : numberOf(parts.RetryCount, false, tolerances),
    ParameterList: parts.ParameterList ?? [],
  };
}

/** As sent, also from clocks in 1970 or without zone (CWMP I6): nothing here orders by it. */
function currentTimeOf(raw: string | null, tolerances: ToleranceSet): string {
  const text = raw === null ? '' : trimmed(raw, tolerances);
  if (text !== '') return text;
  tolerances.add('bad-time');
  return UNKNOWN_TIME;
}

function deviceIdOf(parts: InformParts, tolerances: ToleranceSet): DeviceIdStruct | null {
  const max = LIMITS.deviceIdPartCharsMax;
  const OUI = trimmed(parts.OUI ?? '', tolerances);
  const SerialNumber = trimmed(parts.SerialNumber ?? '', tolerances);
  const ProductClass = trimmed(parts.ProductClass ?? '', tolerances);
  if (OUI === '' || SerialNumber === '') return null;
  if (OUI.length > max || SerialNumber.length > max || ProductClass.length > max) return null;
  if (parts.ProductClass === null) tolerances.add('missing-product-class');
  let Manufacturer = trimmed(parts.Manufacturer ?? '', tolerances);
  if (Manufacturer.length > max) {
    // It names no one (CWMP I2), so it is no reason to refuse an Inform.
    tolerances.add('long-manufacturer');
    Manufacturer = Manufacturer.slice(0, max);
  }
  return { Manufacturer, OUI, ProductClass, SerialNumber };
}

/** One EventStruct; null without an EventCode, and then it is skipped (CWMP E-4). */
export function eventOf(rawCode: string | null, rawKey: string | null, tolerances: ToleranceSet): EventStruct | null {
  const sent = rawCode === null ? '' : trimmed(rawCode, tolerances);
  if (sent === '') {
    tolerances.add('missing-event-code');
    return null;
  }
  const EventCode = normaliseEventCode(sent);
  if (EventCode !== sent) tolerances.add('event-spelling');
  return { EventCode, CommandKey: rawKey === null ? '' : trimmed(rawKey, tolerances) };
}

/** What a reader found of a SOAP Fault; null is what it did not find. */
export interface FaultParts {
  faultcode: string | null;
  faultstring: string | null;
  /** A `detail` or a `Fault` inside the SOAP Fault was there. */
  hasDetail: boolean;
  nestedDetail: boolean;
  FaultCode: string | null;
  FaultString: string | null;
  SetParameterValuesFault: { ParameterName: string | null; FaultCode: string | null; FaultString: string | null }[];
}

/** Internal error: what a fault without a readable code is taken for (CWMP F2). */
const FAULT_DEFAULT = 9002;

/** The fault of its parts (CWMP F1–F3, FIELD 16); null when nothing in it says what went wrong. */
export function faultOf(parts: FaultParts, tolerances: ToleranceSet): CpeFault | null {
  if (!parts.hasDetail && parts.FaultCode === null) return soapFaultOf(parts, tolerances);
  if (parts.nestedDetail) tolerances.add('nested-fault-detail');
  const SetParameterValuesFault: CpeFault['SetParameterValuesFault'] = [];
  for (const each of parts.SetParameterValuesFault) {
    const ParameterName = nameOf(each.ParameterName, tolerances);
    if (ParameterName === null) continue;
    const FaultString = trimmed(each.FaultString ?? '', tolerances);
    SetParameterValuesFault.push({ ParameterName, FaultCode: faultCodeOf(each.FaultCode, tolerances), FaultString });
  }
  return {
    FaultCode: faultCodeOf(parts.FaultCode, tolerances),
    FaultString: trimmed(parts.FaultString ?? '', tolerances),
    SetParameterValuesFault,
  };
}

function faultCodeOf(raw: string | null, tolerances: ToleranceSet): number {
  const text = raw === null ? '' : trimmed(raw, tolerances);
  if (text === '') {
    tolerances.add('missing-fault-code');
    return FAULT_DEFAULT;
  }
  const value = numberIn(text, false);
  if (value !== null) return value;
  tolerances.add('bad-number');
  return FAULT_DEFAULT;
}

/**
 * A fault without detail. One that calls itself a CWMP fault has lost it and says nothing (FIELD 16). Any other is a plain SOAP fault
 * of the stack below: the code in its text, or 9002 (CWMP F2).
 */
function soapFaultOf(parts: FaultParts, tolerances: ToleranceSet): CpeFault | null {
  const faultstring = trimmed(parts.faultstring ?? '', tolerances);
  const faultcode = trimmed(parts.faultcode ?? '', tolerances);
  const match = /(?<!\d)9[0-9]{3}(?!\d)/.exec(faultstring) ?? /(?<!\d)9[0-9]{3}(?!\d)/.exec(faultcode);
  if (match === null && (faultstring === '' || /^cwmp fault$/i.test(faultstring))) return null;
  tolerances.add('soap-fault');
  const FaultCode = match === null ? FAULT_DEFAULT : Number(match[0]);
  return { FaultCode, FaultString: faultstring, SetParameterValuesFault: [] };
}

// ── Headers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** cwmp:ID trimmed; null when there was none, '' when it was empty (CWMP E7). */
export function idOf(raw: string | null, tolerances: ToleranceSet): string | null {
  if (raw === null) {
    tolerances.add('missing-id');
    return null;
  }
  const id = trimmed(raw, tolerances);
  if (id === '') tolerances.add('empty-id');
  return id;
}

/** cwmp:SessionTimeout in seconds (CWMP E10); null when it is no number. */
export function sessionTimeoutOf(raw: string, tolerances: ToleranceSet): number | null {
  const value = numberIn(trimmed(raw, tolerances), false);
  if (value === null) tolerances.add('bad-header-value');
  return value;
}

/** cwmp:SupportedCWMPVersions (CWMP E11), e.g. `1.0, 1.2` → ['1.0', '1.2']. */
export function versionsOf(raw: string): string[] {
  return raw
    .split(',')
    .map((version) => version.trim())
    .filter((version) => version !== '');
}

/** HoldRequests and NoMoreRequests of a CPE (CWMP E9, E12). */
export function flagOf(raw: string, tolerances: ToleranceSet): boolean {
  const value = parseBoolean(raw);
  if (value === null) tolerances.add('bad-header-value');
  return value === true;
}
