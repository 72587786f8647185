// Writing values and judging whether they took: the part that set and add have in common. SetParameterValues is idempotent, so whoever
// is unsure of its outcome reads, compares and writes again what still differs.

import type { ActionResult } from '../../bus/messages.ts';
import type { CpeFault, ParameterValue } from '../../cwmp/message.ts';
import type { AcsRequest } from '../../cwmp/session.ts';
import { canonicalValue, sameValue } from '../../cwmp/values.ts';
import { isSecret, REDACTED } from '../../profiles/resolve.ts';
import { request } from './answers.ts';
import { sayFault } from './fault-outcome.ts';
import type { TaskContext } from './task.ts';
import type { Wanted } from './work-args.ts';

/**
 * How a value read compares with the one wanted. hidden: the CPE shows nothing of it, so nothing can be said (FIELD 27);
 * unread: it was not among the values read.
 */
export type Comparison = 'equal' | 'differs' | 'hidden' | 'unread';

export type Item = ActionResult['items'][number];

/** Types a CPE may be sent; what some declare instead (`xsd:string(64)`, CWMP E4) would be 9006 or worse. */
const XSD_TYPES = new Set(
  [
    'string',
    'int',
    'unsignedInt',
    'long',
    'unsignedLong',
    'decimal',
    'boolean',
    'dateTime',
    'base64',
    'base64Binary',
    'hexBinary',
  ].map((type) => `xsd:${type}`),
);
const MASKED = /^[*•●]*$/;

export function compare(wanted: Wanted, read: ParameterValue | undefined, context: TaskContext): Comparison {
  if (read === undefined) return 'unread';
  const { profile } = context;
  const concealed =
    wanted.secret ||
    isSecret(profile, wanted.name) ||
    profile.quirks.blankReads.some((prefix) => wanted.name.startsWith(prefix));
  // Judged before equality: a secret that is to be emptied and reads back blank may still be the old one.
  if (concealed && MASKED.test(read.Value) && (read.Value === '' || read.Value !== wanted.value)) return 'hidden';
  return sameValue(typeToWrite(wanted, read, context), wanted.value, read.Value) ? 'equal' : 'differs';
}

/** The device's own type, else what the shadow knows, else what control believes (CWMP Y1). */
function typeToWrite(wanted: Wanted, read: ParameterValue | undefined, context: TaskContext): string {
  const candidates = [read?.Type, context.known(wanted.name)?.type, wanted.type];
  return candidates.find((type) => type != null && XSD_TYPES.has(type)) ?? 'xsd:string';
}

/** One SetParameterValues; `key` becomes the ParameterKey, and with it the mark of this action on the CPE. */
export function writeRequest(
  wanted: readonly Wanted[],
  read: readonly ParameterValue[],
  key: string,
  context: TaskContext,
): AcsRequest {
  const byName = new Map(read.map((value) => [value.Name, value]));
  const ParameterList = wanted.map((one) => ({
    Name: one.name,
    Value: one.value,
    Type: typeToWrite(one, byName.get(one.name), context),
  }));
  return request('SetParameterValues', { ParameterList, ParameterKey: key });
}

/**
 * What a refused SetParameterValues says of each of its parameters. Often it names only the first bad one, or none (CWMP F3).
 */
export function faultItems(wanted: readonly Wanted[], fault: CpeFault): Item[] {
  const named = new Map(fault.SetParameterValuesFault.map((one) => [one.ParameterName, one]));
  const alone = wanted.length === 1;
  return wanted.map(({ name }) => {
    const own = named.get(name);
    if (own !== undefined) return { name, status: 'refused', faultCode: own.FaultCode, text: sayFault(own) };
    if (alone) return { name, status: 'refused', faultCode: fault.FaultCode, text: sayFault(fault) };
    const text =
      named.size > 0
        ? 'not written, because the CPE refused another value of the same request'
        : `one value of this request was refused with ${sayFault(fault)}; the CPE did not say which`;
    return { name, status: 'not-written', text };
  });
}

/** The code that tells most: of the named parameters when they agree, else the fault's own. */
export function decisiveCode(fault: CpeFault): number {
  const codes = new Set(fault.SetParameterValuesFault.map((one) => one.FaultCode));
  return codes.size === 1 ? [...codes][0]! : fault.FaultCode;
}

/** Text of an item that did not take. Neither value of a secret is told. */
export function differsText(wanted: Wanted, read: ParameterValue | undefined, context: TaskContext): string {
  if (wanted.secret || isSecret(context.profile, wanted.name)) return 'reads back as another value';
  const type = typeToWrite(wanted, read, context);
  const spelt = canonicalValue(type, wanted.value);
  const hint = spelt.type === 'bad' ? `; the value asked for ${spelt.why}` : '';
  return `reads back as ${JSON.stringify(read?.Value ?? '')}${hint}`;
}

/** Values as they may stand in a result: those of secrets redacted. */
export function redactValues(
  values: readonly ParameterValue[],
  secrets: ReadonlySet<string>,
  context: TaskContext,
): ParameterValue[] {
  return values.map((value) => {
    const secret = secrets.has(value.Name) || isSecret(context.profile, value.Name);
    return secret && value.Value !== '' ? { ...value, Value: REDACTED } : value;
  });
}
