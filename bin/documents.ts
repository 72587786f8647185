// The documents that are printed from tables: which file, and what prints it. print-docs.ts writes them, test/docs.test.ts compares them.

import { printConfigDoc } from '../base/config.ts';
import { printFaultsDoc, printRpcDoc } from '../cwmp/documents.ts';
import { TOLERANCES } from '../cwmp/tolerances.ts';
import { SESSION_TOLERANCES } from '../edge/deviations.ts';
import { printMetricsDoc } from './metrics-document.ts';
import { printPermissions } from './permissions-document.ts';

export interface PrintedDocument {
  /** Path from the root of the repository. */
  file: string;
  /** @param old what stands there: of a page that people write, a part is printed. */
  print(old: string): string;
}

export const DOCUMENTS: readonly PrintedDocument[] = [
  { file: 'docs/config.md', print: printConfigDoc },
  { file: 'docs/faults.md', print: printFaultsDoc },
  { file: 'docs/metrics.md', print: printMetricsDoc },
  { file: 'docs/operating/people.md', print: printPermissions },
  { file: 'docs/rpc.md', print: printRpcDoc },
  { file: 'docs/tolerances.md', print: printTolerancesDoc },
];

/** Of cwmp/ and of edge/, which is why it stands here. */
function printTolerancesDoc(): string {
  const rows = (table: Record<string, string>): string[] =>
    Object.entries(table).map(([name, text]) => `| \`${name}\` | ${text} |`);
  return [
    '# Tolerances',
    '',
    '<!-- Printed by `npm run docs` from cwmp/tolerances.ts and edge/deviations.ts. Change those, not this file. -->',
    '',
    'What CPEs do otherwise than CWMP says and Starling accepts. Each is counted in `starling_tolerances_total` under its `name`, once per message.',
    '',
    '## In what a CPE writes',
    '',
    '| name | what it did, and what was made of it |',
    '| --- | --- |',
    ...rows(TOLERANCES),
    '',
    '## In how it behaves',
    '',
    '| name | what it did, and what was made of it |',
    '| --- | --- |',
    ...rows(SESSION_TOLERANCES),
    '',
  ].join('\n');
}
