// The documents that are printed from tables: which file, and what prints it. print-docs.ts writes them, test/docs.test.ts compares them.

import { printConfigDoc } from '../base/config.ts';
import { printFaultsDoc, printRpcDoc } from '../cwmp/documents.ts';

export interface PrintedDocument {
  /** Path from the root of the repository. */
  file: string;
  print(): string;
}

export const DOCUMENTS: readonly PrintedDocument[] = [
  { file: 'docs/config.md', print: printConfigDoc },
  { file: 'docs/faults.md', print: printFaultsDoc },
  { file: 'docs/rpc.md', print: printRpcDoc },
];
