// The first admin of an installation, and the way back in for who holds the machine: STARLING_ADMIN_TOKEN.

import { checkAdminToken } from '../../base/config.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import type { Sql } from '../store/postgres.ts';
import { type Caller, insertPerson, isEnabledAdmin, nameKey, type PersonRow } from './people.ts';
import { hashOf, insertToken, newTokenText, type TokenToStore, tokenChange } from './token-rows.ts';

const NAME = 'admin';

/** What TokenService.ensureAdmin says. Throws ConfigError `weak-token` for a given token that nobody should use. */
export async function ensureAdmin({ sql, live, clock }: ControlContext, given: string | null): Promise<string | null> {
  if (given !== null) checkAdminToken(given);
  const at = clock.now();
  const caller: Caller = { by: given === null ? 'first start' : 'STARLING_ADMIN_TOKEN' };
  const { seq, token } = await sql.begin(async (tx) => {
    // Two controls that start at once must not both make the first token, nor the person.
    await tx`lock table person, api_token in share row exclusive mode`;
    if (given === null ? await hasBegun(tx) : await isKnown(tx, given)) return { seq: null, token: null };
    const token = given ?? newTokenText();
    const { owner, events, evidence } = await ownerOf(tx, caller, at);
    const stored = await insertToken(tx, { token, name: NAME, owner, scope: null, expiresAt: null }, caller.by, at);
    const made = tokenChange('created', stored!, caller, at);
    return { seq: await record(tx, [...events, made.event], [...evidence, made.evidence]), token };
  });
  live.committed(seq);
  return given === null ? token : null;
}

/** An installation from before there were people has admin tokens of programs, which can make people. */
async function hasBegun(tx: Sql): Promise<boolean> {
  const [row] = await tx<{ yes: boolean }[]>`
    select exists (select from person) or exists (select from api_token where role = 'admin') as yes`;
  return row!.yes;
}

async function isKnown(tx: Sql, given: string): Promise<boolean> {
  return (await tx`select from api_token where hash = ${hashOf(given)}`).length > 0;
}

/**
 * The person 'admin', made when nobody is called so. Where people have disabled him or given him another role, that stays: the token is a
 * program's then, and opens the door all the same.
 */
async function ownerOf(
  tx: Sql,
  caller: Caller,
  at: number,
): Promise<{ owner: TokenToStore['owner']; events: NewEvent[]; evidence: NewEvidence[] }> {
  const [person] = await tx<PersonRow[]>`select * from person where name_key = ${nameKey(NAME)}`;
  if (!person) {
    const { row, events, evidence } = await insertPerson(tx, { name: NAME, role: 'admin' }, caller, at);
    return { owner: { personId: row.id }, events, evidence };
  }
  const owner = isEnabledAdmin(person) ? { personId: person.id } : { role: 'admin' as const };
  return { owner, events: [], evidence: [] };
}
