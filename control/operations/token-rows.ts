// Rows of API tokens: random text, shown once, stored as a hash. What they are good for is decided in tokens.ts.

import { createHash, randomBytes } from 'node:crypto';
import { newId } from '../../base/ids.ts';
import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import type { Permission, Role } from '../permissions.ts';
import type { TokenView } from '../services.ts';
import { type Fragment, iso, isoOrNull, type Sql } from '../store/postgres.ts';
import { byOf, type Caller } from './people.ts';

const TOKEN_PREFIX = 'stl_';

/** A token, and its person beside it. */
export interface TokenRow {
  id: string;
  name: string;
  /** null exactly when it is a person's. */
  role: Role | null;
  hint: string;
  scope: Permission[] | null;
  created_at: Date;
  created_by: string;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
  refused_at: Date | null;
  person_id: string | null;
  /** These are null exactly while person_id is, but for the last. */
  person_name: string | null;
  person_role: Role | null;
  person_disabled_at: Date | null;
}

/** A statement that goes on with its `where`. */
export const selectTokens = (sql: Sql): Fragment => sql`
  select t.id, t.name, t.role, t.hint, t.scope, t.created_at, t.created_by, t.expires_at, t.last_used_at, t.revoked_at, t.refused_at, t.person_id,
    p.name as person_name, p.role as person_role, p.disabled_at as person_disabled_at
  from api_token t left join person p on p.id = t.person_id`;

/** 256 random bits behind a prefix by which scanners of repositories find a token that was published. */
export const newTokenText = (): string => TOKEN_PREFIX + randomBytes(32).toString('base64url');

/** Tokens are long and random, so a plain hash keeps them: there is nothing to guess. */
export const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

export interface TokenToStore {
  token: string;
  name: string;
  owner: { role: Role } | { personId: string };
  scope: Permission[] | null;
  expiresAt: Date | null;
}

/** Writes a token in the caller's transaction. Null when this very token is known already. */
export async function insertToken(tx: Sql, given: TokenToStore, by: string, at: number): Promise<TokenRow | null> {
  const { token, name, owner, scope, expiresAt } = given;
  const [role, personId] = 'role' in owner ? [owner.role, null] : [null, owner.personId];
  const hint = `${token.slice(0, TOKEN_PREFIX.length + 4)}…`;
  const id = newId(at);
  const written = await tx`
    insert into api_token (id, hash, name, role, person_id, scope, hint, created_at, created_by, expires_at)
    values (${id}, ${hashOf(token)}, ${name}, ${role}, ${personId}, ${scope}, ${hint}, ${new Date(at)}, ${by}, ${expiresAt})
    on conflict (hash) do nothing`;
  return written.count === 0 ? null : await readToken(tx, id);
}

export async function readToken(sql: Sql, id: string): Promise<TokenRow | null> {
  const [row] = await sql<TokenRow[]>`${selectTokens(sql)} where t.id = ${id}`;
  return row ?? null;
}

/** The role that a token has now. */
export const roleOf = ({ role, person_role }: TokenRow): Role => (person_role ?? role)!;

export function view(row: TokenRow): TokenView {
  const { id, name, scope, hint } = row;
  return {
    id,
    name,
    role: roleOf(row),
    person: personOf(row),
    scope,
    hint,
    createdAt: iso(row.created_at),
    createdBy: row.created_by,
    expiresAt: isoOrNull(row.expires_at),
    lastUsedAt: isoOrNull(row.last_used_at),
    revokedAt: isoOrNull(row.revoked_at),
  };
}

const personOf = ({ person_id, person_name }: TokenRow) =>
  person_id === null ? null : { id: person_id, name: person_name! };

/** That a token was made or revoked, to be recorded at the end of the transaction. */
export function tokenChange(
  what: 'created' | 'revoked',
  row: TokenRow,
  caller: Caller,
  at: number,
): { event: NewEvent; evidence: NewEvidence } {
  const { id, name, hint, scope } = row;
  const person = personOf(row);
  const role = roleOf(row);
  const summary = `Token ${name} of ${person === null ? `a program, role ${role},` : person.name} ${what} by ${caller.by}`;
  const token = { id, name, hint, role, person, scope, expiresAt: isoOrNull(row.expires_at) };
  const body = { tokenId: id, name, role, personId: person?.id ?? null, ...byOf(caller) };
  return {
    event: { deviceId: null, actionId: null, at, kind: `token.${what}`, summary, body },
    evidence: { actionId: '', at, kind: 'token', body: { what, token, by: caller } },
  };
}
