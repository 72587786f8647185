// TokenService: who shows a token, and what it may. A person's token has the role of the person at the time of each request; a program's has
// its own. Either may be narrowed to a scope and have an end.

import { assert } from '../../base/assert.ts';
import { TOKEN_TEXT } from '../../base/config.ts';
import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { isPermitted, PERMISSION_NAMES, type Permission, permissionsOf, type Role } from '../permissions.ts';
import { keyOf, pageOf, rowsOf } from '../registry/cursor.ts';
import type { Authentication, NewToken, Principal, TokenService } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import { ensureAdmin } from './first-admin.ts';
import { callerOf, type PersonRow, unknownPerson } from './people.ts';
import {
  hashOf,
  insertToken,
  newTokenText,
  readToken,
  roleOf,
  selectTokens,
  type TokenRow,
  type TokenToStore,
  tokenChange,
  view,
} from './token-rows.ts';

/** TokenService over one table, with people beside it. */
export function tokenService(context: ControlContext): TokenService {
  const { sql, live, clock } = context;
  return {
    async authenticate(token) {
      if (!TOKEN_TEXT.test(token)) return { type: 'unknown' };
      const now = clock.now();
      const [row] = await sql<TokenRow[]>`${selectTokens(sql)} where t.hash = ${hashOf(token)}`;
      if (!row) return { type: 'unknown' };
      const ended = endOf(row, now);
      if (ended !== null) {
        await tellRefused(context, row, ended.type, now);
        return ended;
      }
      if (row.last_used_at === null || row.last_used_at.getTime() < now - LIMITS.tokenUsedEveryMs) {
        await sql`update api_token set last_used_at = ${new Date(now)} where id = ${row.id}`;
      }
      const { id: tokenId, person_id: person, scope } = row;
      return {
        type: 'ok',
        principal: { tokenId, name: row.person_name ?? row.name, role: roleOf(row), person, scope },
      };
    },
    async create(wanted, principal) {
      const at = clock.now();
      const expiresAt = wanted.expiresAt === undefined ? null : new Date(wanted.expiresAt);
      if (expiresAt !== null && !(expiresAt.getTime() > at))
        throw new Refused(422, 'bad-expiry', 'expiresAt must be a time to come.');
      const token = newTokenText();
      const scope = wanted.scope === undefined ? null : PERMISSION_NAMES.filter((each) => wanted.scope!.includes(each));
      const { seq, row } = await sql.begin(async (tx) => {
        const { owner, role } = await ownerOf(tx, wanted);
        refuseUseless(role, scope);
        refuseBeyond(principal, role, scope);
        const caller = callerOf(principal);
        const stored = await insertToken(tx, { token, name: wanted.name, owner, scope, expiresAt }, caller.by, at);
        assert(stored !== null, 'two random tokens are equal');
        const { event, evidence } = tokenChange('created', stored, caller, at);
        return { seq: await record(tx, [event], [evidence]), row: stored };
      });
      live.committed(seq);
      return { token, view: view(row) };
    },
    async list({ cursor, limit: wanted, personId = null }) {
      const limit = rowsOf(wanted);
      const after = keyOf(cursor);
      const rows = await sql<TokenRow[]>`
        ${selectTokens(sql)}
        where (${after}::text is null or t.id > ${after}) and (${personId}::text is null or t.person_id = ${personId})
        order by t.id limit ${limit + 1}`;
      return pageOf(rows, limit, view, (row) => row.id);
    },
    async get(id) {
      const row = await readToken(sql, id);
      if (!row) throw unknownToken(id);
      return view(row);
    },
    async revoke(id, principal) {
      const at = clock.now();
      const { seq, row } = await sql.begin(async (tx) => {
        const { count } =
          await tx`update api_token set revoked_at = ${new Date(at)} where id = ${id} and revoked_at is null`;
        const now = await readToken(tx, id);
        if (!now) throw unknownToken(id);
        if (count === 0) return { seq: null, row: now };
        const { event, evidence } = tokenChange('revoked', now, callerOf(principal), at);
        return { seq: await record(tx, [event], [evidence]), row: now };
      });
      live.committed(seq);
      return view(row);
    },
    ensureAdmin: (given) => ensureAdmin(context, given),
  };
}

type Ended = Exclude<Authentication, { type: 'ok' | 'unknown' }>;

/** Why a token is good for nothing any more; what somebody decided stands before what time did. */
function endOf(row: TokenRow, now: number): Ended | null {
  if (row.revoked_at !== null) return { type: 'revoked' };
  if (row.person_disabled_at !== null) return { type: 'disabled' };
  if (row.expires_at !== null && row.expires_at.getTime() <= now)
    return { type: 'expired', at: row.expires_at.toISOString() };
  return null;
}

const ENDS = {
  revoked: 'was revoked',
  disabled: 'belongs to somebody who is disabled',
  expired: 'has expired',
} as const satisfies Record<Ended['type'], string>;

/** Records and logs that a token was used after its end: by a program that nobody told, or by who found it. Once a minute, in all controls together. */
async function tellRefused(context: ControlContext, row: TokenRow, why: Ended['type'], now: number): Promise<void> {
  const { sql, live, log } = context;
  const before = new Date(now - LIMITS.tokenRefusedEveryMs);
  if (row.refused_at !== null && row.refused_at > before) return;
  const { id: tokenId, name, person_id: personId } = row;
  const whose = row.person_name === null ? '' : ` of ${row.person_name}`;
  const summary = `Token ${name}${whose} was used and refused: it ${ENDS[why]}`;
  const seq = await sql.begin(async (tx) => {
    const { count } = await tx`
      update api_token set refused_at = ${new Date(now)} where id = ${tokenId} and (refused_at is null or refused_at <= ${before})`;
    if (count === 0) return null;
    const body = { tokenId, name, personId, why };
    return await record(tx, [{ deviceId: null, actionId: null, at: now, kind: 'token.refused', summary, body }], []);
  });
  if (seq === null) return;
  live.committed(seq);
  log.warn({ tokenId, name, why }, 'a token that has ended was used');
}

/** Whose the token will be, and the role that it has today. */
async function ownerOf(tx: Sql, { role, personId }: NewToken): Promise<{ owner: TokenToStore['owner']; role: Role }> {
  if (personId === undefined && role !== undefined) return { owner: { role }, role };
  if (personId === undefined || role !== undefined) {
    const message = "Give role for a program's token or personId for a person's, whose role it has; not both.";
    throw new Refused(422, 'bad-owner', message);
  }
  const [person] = await tx<PersonRow[]>`select * from person where id = ${personId}`;
  if (!person) throw unknownPerson(personId);
  if (person.disabled_at !== null) {
    const message = `${person.name} is disabled, and all tokens of ${person.name} are refused. Enable the person first.`;
    throw new Refused(409, 'person-disabled', message);
  }
  return { owner: { personId }, role: person.role };
}

/** A scope that names what the role may not would look as if the token could do it. */
function refuseUseless(role: Role, scope: Permission[] | null): void {
  const useless = (scope ?? []).filter((permission) => !isPermitted({ role, scope: null }, permission));
  if (useless.length === 0) return;
  const message = `Role '${role}' has no permission ${useless.join(', ')}: leave it out of scope, or choose another role.`;
  throw new Refused(422, 'bad-scope', message);
}

/**
 * Nobody makes a token that may more than the one he makes it with. One of a person without a scope could grow with the person's role, so
 * who is narrowed cannot make it.
 */
function refuseBeyond(principal: Principal, role: Role, scope: Permission[] | null): void {
  const isWithin = permissionsOf({ role, scope }).every((permission) => isPermitted(principal, permission));
  if (isWithin && (scope !== null || principal.scope === null)) return;
  const message = `A token made with yours may do no more than yours: give a scope within ${permissionsOf(principal).join(', ')}.`;
  throw new Refused(403, 'beyond-own-scope', message);
}

const unknownToken = (id: string): Refused =>
  new Refused(404, 'unknown-token', `There is no token ${id}. GET /tokens lists them.`);
