// Prints docs/rpc.md and docs/faults.md from the tables of this folder, so that the documents cannot say anything else than the code.

import { EVENTS } from './events.ts';
import { FAULT_RANGES, FAULTS, type FaultRow } from './faults.ts';
import { ACS_METHODS, CPE_METHODS, type FieldType, type MethodRow } from './rpc-table.ts';

const PRINTED = '<!-- Printed by `npm run docs` from the tables in cwmp/. Change those, not this file. -->';

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A type in words: `string ≤ 32`, `list of ParameterInfoStruct { Name: string ≤ 256, Writable: boolean }`. */
function typeText(type: FieldType): string {
  const notes = [type.optional === true ? 'optional' : '', type.secret === true ? 'secret' : ''].filter(
    (note) => note !== '',
  );
  return baseText(type) + (notes.length > 0 ? ` (${notes.join(', ')})` : '');
}

function baseText(type: FieldType): string {
  switch (type.kind) {
    case 'struct': {
      if (type.variants === undefined) return `${type.typeName} ${fieldsText(type.fields)}`;
      return Object.entries(type.variants)
        .map(([name, fields]) => `${name} ${fieldsText(fields)}`)
        .join(' or ');
    }
    case 'list': {
      const bound = type.itemsMax === undefined ? 'list' : `list (≤ ${type.itemsMax})`;
      return `${bound} of ${typeText(type.item)}`;
    }
    case 'repeated':
      return `repeated ${typeText(type.item)}`;
    case 'parameterValues':
      return 'list of ParameterValueStruct { Name: string ≤ 256, Value: any type }';
    default:
      return type.charsMax === undefined ? type.kind : `${type.kind} ≤ ${type.charsMax}`;
  }
}

function fieldsText(fields: Record<string, FieldType>): string {
  const parts = Object.entries(fields).map(([name, type]) => `${name}: ${typeText(type)}`);
  return `{ ${parts.join(', ')} }`;
}

function fieldList(title: string, fields: Record<string, FieldType>): string {
  const lines = Object.entries(fields).map(([name, type]) => `- \`${name}\`: ${typeText(type)}`);
  return lines.length === 0 ? `${title}: none.` : `${title}:\n\n${lines.join('\n')}`;
}

function overview(rows: Record<string, MethodRow>, receiver: string): string {
  const yes = (flag: boolean) => (flag ? 'yes' : 'no');
  return table(
    ['method', 'clause', 'since', `${receiver} must have it`, 'may be repeated', 'effect'],
    Object.entries(rows).map(([name, row]) => [
      name,
      row.clause,
      row.since,
      yes(row.required),
      yes(row.idempotent),
      row.effect,
    ]),
  );
}

function details(rows: Record<string, MethodRow>): string {
  return Object.entries(rows)
    .map(([name, row]) => {
      const args = fieldList('Arguments', row.args);
      return `### ${name}\n\n${row.text}\n\n${args}\n\n${fieldList('Result', row.result)}`;
    })
    .join('\n\n');
}

/** docs/rpc.md: methods of both directions and event codes. */
export function printRpcDoc(): string {
  return `# Methods and events of CWMP

${PRINTED}

Names are those of the XSDs; clauses are those of TR-069 Issue 1 Amendment 6. A method that may not be repeated is never sent again by
itself when its response got lost: the device is read back first. Numbers after ≤ are characters or entries.

## Methods of the CPE (the ACS calls)

${overview(CPE_METHODS, 'CPE')}

Methods of vendors (\`X_…\`) take any arguments and can be called with an action of kind \`rpc\`.

${details(CPE_METHODS)}

## Methods of the ACS (the CPE calls)

${overview(ACS_METHODS, 'ACS')}

Any other method is answered with fault 8000; the session goes on.

${details(ACS_METHODS)}

## Events of an Inform

An event that cannot be learned again is on the disk before the response that acknowledges it leaves.

${table(
  ['event', 'per Inform', 'acknowledged by', 'since', 'can be learned again', 'meaning'],
  EVENTS.map(({ code, kind, deliveredBy, since, relearnable, text }) => [
    code,
    kind === 'single' ? 'once' : 'once for each CommandKey',
    deliveredBy,
    since,
    relearnable ? 'yes' : 'no',
    text,
  ]),
)}

Other codes, such as those of vendors (\`X <OUI> <event>\`, \`M X_…\`), are kept as sent.
`;
}

const NEXT: Record<FaultRow['next'], string> = {
  never: 'no: it would fail the same way',
  'at-once': 'yes, in the same session',
  'next-session': 'yes, in the next session',
  backoff: 'yes, later and ever less often',
};

/** docs/faults.md: every fault code with what to do about it. */
export function printFaultsDoc(): string {
  const rows = (side: FaultRow['side']) =>
    table(
      ['code', 'text', 'try again', 'what it means'],
      FAULTS.filter((row) => row.side === side).map(({ code, text, next, advice }) => [
        String(code),
        text,
        NEXT[next],
        advice,
      ]),
    );
  return `# Fault codes

${PRINTED}

## From the CPE

${rows('cpe')}

## From the ACS

${rows('acs')}

## Ranges

${table(
  ['codes', 'from', 'text'],
  FAULT_RANGES.map(({ from, to, side, text }) => [`${from}–${to}`, side === 'cpe' ? 'CPE' : 'ACS', text]),
)}

Any other code is kept and shown as an unknown fault. Codes of the ranges and unknown ones are tried again in the next session.
`;
}
