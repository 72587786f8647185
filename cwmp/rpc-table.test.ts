// The table against the XSDs of the Broadband Forum: nothing missing, nothing invented, the same order.

import { existsSync, readFileSync } from 'node:fs';
import { DOMParser, type Element } from '@xmldom/xmldom';
import { expect, expectTypeOf, test } from 'vitest';
import {
  ACS_METHODS,
  acsMethod,
  CPE_METHODS,
  type CpeArgs,
  type CpeResult,
  cpeMethod,
  type FieldType,
  type MethodRow,
} from './rpc-table.ts';

const XSD_FOLDER = '../shared/datamodels';
const haveXsd = existsSync(`${XSD_FOLDER}/cwmp-1-2.xsd`);
if (!haveXsd)
  console.log('skipped: the XSDs of ../shared/datamodels are not here, the table is not compared with them');

const ROWS: [string, string, MethodRow][] = [
  ...Object.entries(CPE_METHODS).map(([name, row]): [string, string, MethodRow] => ['cpe', name, row]),
  ...Object.entries(ACS_METHODS).map(([name, row]): [string, string, MethodRow] => ['acs', name, row]),
];

test('unknown, vendor and inherited names are not in the table', () => {
  for (const name of ['', 'X_000000_Do', 'toString', '__proto__', 'constructor', 'inform']) {
    expect(cpeMethod(name)).toBeUndefined();
    expect(acsMethod(name)).toBeUndefined();
  }
  expect(cpeMethod('Reboot')?.effect).toBe('disrupts');
  expect(acsMethod('Inform')?.clause).toBe('A.3.3.1');
});

test('no method that disrupts, makes, removes or transfers is ever sent again by itself', () => {
  const once = ROWS.filter(([, , row]) => !row.idempotent).map(([, name]) => name);
  expect(once).toEqual([
    'AddObject',
    'DeleteObject',
    'Download',
    'Reboot',
    'SetVouchers',
    'Upload',
    'FactoryReset',
    'ScheduleDownload',
    'ChangeDUState',
  ]);
});

test('every Password is a secret', () => {
  const passwords: boolean[] = [];
  const visit = (name: string, type: FieldType): void => {
    if (name === 'Password') passwords.push(type.secret === true);
    if (type.kind === 'list' || type.kind === 'repeated') visit('', type.item);
    if (type.kind !== 'struct') return;
    for (const fields of [type.fields, ...Object.values(type.variants ?? {})]) {
      for (const [field, inner] of Object.entries(fields)) visit(field, inner);
    }
  };
  for (const [, , row] of ROWS) for (const [name, type] of Object.entries(row.args)) visit(name, type);
  expect(passwords).toEqual([true, true, true, true, true]);
});

test('argument types follow from the rows', () => {
  expectTypeOf<CpeArgs<'GetParameterNames'>>().toMatchObjectType<{ ParameterPath: string; NextLevel: boolean }>();
  expectTypeOf<CpeResult<'AddObject'>['InstanceNumber']>().toEqualTypeOf<number>();
  expectTypeOf<CpeArgs<'ChangeDUState'>['CommandKey']>().toEqualTypeOf<string | undefined>();
});

const XS = 'http://www.w3.org/2001/XMLSchema';

/** Top-level elements of one XSD: name → its argument names in order. */
function messagesOf(version: number): Map<string, string[]> {
  const document = new DOMParser().parseFromString(
    readFileSync(`${XSD_FOLDER}/cwmp-1-${version}.xsd`, 'utf8'),
    'text/xml',
  );
  const messages = new Map<string, string[]>();
  for (const node of Array.from(document.documentElement!.childNodes)) {
    const element = node as Element;
    if (element.localName !== 'element') continue;
    const fields = Array.from(element.getElementsByTagNameNS(XS, 'element'));
    messages.set(
      element.getAttribute('name')!,
      fields.map((field) => field.getAttribute('name')!),
    );
  }
  return messages;
}

test.skipIf(!haveXsd).each(ROWS)(
  '%s method %s has the arguments and results of cwmp-1-2.xsd, in its order',
  (_, name, row) => {
    const messages = messagesOf(2);
    expect(Object.keys(row.args)).toEqual(messages.get(name));
    expect(Object.keys(row.result)).toEqual(messages.get(`${name}Response`));
  },
);

test.skipIf(!haveXsd)('every message of the XSDs has a row, and `since` is the first XSD that has it', () => {
  const first = new Map<string, string>();
  for (let version = 0; version <= 4; version++) {
    for (const name of messagesOf(version).keys()) if (!first.has(name)) first.set(name, `1.${version}`);
  }
  for (const name of ['ID', 'HoldRequests', 'Fault', 'SessionTimeout', 'SupportedCWMPVersions', 'UseCWMPVersion']) {
    expect(first.delete(name)).toBe(true);
  }
  const rows = new Map<string, string>();
  for (const [, name, row] of ROWS) {
    rows.set(name, row.since);
    rows.set(`${name}Response`, row.since);
  }
  expect(rows).toEqual(first);
});
