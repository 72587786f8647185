// Tells whether the installation key is the one this database was sealed with: a keyed digest of a fixed text, kept in the database. Without
// it a second control with a key of its own would seal what the first cannot open, and both would find out much later.

import { ConfigError } from '../../base/errors.ts';
import type { SecretBox } from '../../base/secret-box.ts';
import { type Database, jsonText } from './postgres.ts';

const NAME = 'installation-key';

/** The first control leaves its mark, all later ones must have the same key. Throws ConfigError with what to copy when it is another one. */
export async function checkInstallationKey(sql: Database, box: SecretBox): Promise<void> {
  const mark = { digest: box.digest('the key of this database') };
  await sql`insert into setting (name, value) values (${NAME}, ${jsonText(mark)}::text::jsonb) on conflict (name) do nothing`;
  const [row] = await sql<{ digest: string }[]>`select value->>'digest' as digest from setting where name = ${NAME}`;
  if (row?.digest === mark.digest) return;
  const where =
    'Copy installation.key from the data folder of the control that was first, or name it with STARLING_INSTALLATION_KEY_FILE.';
  throw new ConfigError('other-key', `The secrets in this database are sealed with another installation key. ${where}`);
}
