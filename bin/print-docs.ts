// `npm run docs`: writes every printed document into the working folder and says which of them changed.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DOCUMENTS } from './documents.ts';

for (const { file, print } of DOCUMENTS) {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const text = print(old);
  if (old === text) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  process.stdout.write(`${file} printed anew\n`);
}
