// `npm run distil -- FOLDER`: makes the tables of profiles/data-models/ anew of the data models in FOLDER, files of the Broadband Forum
// whose names end with -full.xml or -full.xml.gz, and says which of them changed. For developers: the tables are part of the repository.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TABLE_FILES } from '../profiles/data-model.ts';
import { distil, readDocuments } from '../profiles/data-models/distil.ts';

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('usage: npm run distil -- FOLDER, where the data models lie as *-full.xml or *-full.xml.gz\n');
  process.exit(2);
}
for (const { root, models, text } of distil(readDocuments(folder))) {
  const file = join('profiles', 'data-models', TABLE_FILES[root]);
  const isNew = !existsSync(file) || readFileSync(file, 'utf8') !== text;
  if (isNew) writeFileSync(file, text);
  process.stdout.write(`${file}: ${models.join(', ')}; ${isNew ? 'printed anew' : 'as it was'}\n`);
}
