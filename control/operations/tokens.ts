// API tokens: random, shown once, stored as a hash. Looked up by that hash, so that the time of the answer tells nothing of a token.

import { createHash, randomBytes } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { checkAdminToken, TOKEN_TEXT } from '../../base/config.ts';
import { Refused } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { Role } from '../permissions.ts';
import type { TokenService, TokenView } from '../services.ts';
import { iso, isoOrNull, type Sql } from '../store/postgres.ts';

const TOKEN_PREFIX = 'stl_';

interface TokenRow {
  id: string;
  name: string;
  role: Role;
  hint: string;
  created_at: Date;
  created_by: string;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

/** TokenService over one table. */
export function tokenService({ sql, clock, log }: ControlContext): TokenService {
  return {
    async authenticate(token) {
      if (!TOKEN_TEXT.test(token)) return null;
      const now = new Date(clock.now());
      const [row] = await sql<TokenRow[]>`
        select * from api_token where hash = ${hashOf(token)} and revoked_at is null and (expires_at is null or expires_at > ${now})`;
      if (!row) return null;
      if (row.last_used_at === null || row.last_used_at.getTime() < now.getTime() - LIMITS.tokenUsedEveryMs) {
        await sql`update api_token set last_used_at = ${now} where id = ${row.id}`;
      }
      return { tokenId: row.id, name: row.name, role: row.role, person: null, scope: null };
    },
    async create({ name, role, expiresAt }, by) {
      const expires = expiresAt === undefined ? null : new Date(expiresAt);
      if (expires !== null && !(expires.getTime() > clock.now()))
        throw new Refused(422, 'bad-expiry', 'expiresAt must be a time to come.');
      const token = TOKEN_PREFIX + randomBytes(32).toString('base64url');
      const view = await store(sql, { token, name, role, by, expires, now: clock.now() });
      assert(view !== null, 'two random tokens are equal');
      return { token, view };
    },
    async list() {
      return (await sql<TokenRow[]>`select * from api_token order by id`).map(view);
    },
    async revoke(id, by) {
      const [row] = await sql<TokenRow[]>`
        update api_token set revoked_at = coalesce(revoked_at, ${new Date(clock.now())}) where id = ${id} returning *`;
      if (!row) throw new Refused(404, 'unknown-token', `There is no token ${id}. GET /tokens lists them.`);
      log.info({ tokenId: id, name: row.name, by }, 'token revoked');
      return view(row);
    },
    async ensureAdmin(given) {
      if (given !== null) {
        checkAdminToken(given);
        const by = 'STARLING_ADMIN_TOKEN';
        await store(sql, { token: given, name: 'admin', role: 'admin', by, expires: null, now: clock.now() });
        return null;
      }
      return await sql.begin(async (tx) => {
        // Two controls that start at once must not both make the first token.
        await tx`lock table api_token in share row exclusive mode`;
        const [admin] = await tx`select from api_token where role = 'admin' limit 1`;
        if (admin) return null;
        const token = TOKEN_PREFIX + randomBytes(32).toString('base64url');
        await store(tx, { token, name: 'admin', role: 'admin', by: 'first start', expires: null, now: clock.now() });
        return token;
      });
    },
  };
}

/** Null when this very token is known already: two controls may be given the same one and start at once. */
async function store(
  sql: Sql,
  {
    token,
    name,
    role,
    by,
    expires,
    now,
  }: { token: string; name: string; role: Role; by: string; expires: Date | null; now: number },
): Promise<TokenView | null> {
  const hint = `${token.slice(0, TOKEN_PREFIX.length + 4)}…`;
  const [row] = await sql<TokenRow[]>`
    insert into api_token (id, hash, name, role, hint, created_at, created_by, expires_at)
    values (${newId(now)}, ${hashOf(token)}, ${name}, ${role}, ${hint}, ${new Date(now)}, ${by}, ${expires})
    on conflict (hash) do nothing returning *`;
  return row ? view(row) : null;
}

function view(row: TokenRow): TokenView {
  const { id, name, role, hint } = row;
  return {
    id,
    name,
    role,
    hint,
    createdAt: iso(row.created_at),
    createdBy: row.created_by,
    expiresAt: isoOrNull(row.expires_at),
    lastUsedAt: isoOrNull(row.last_used_at),
    revokedAt: isoOrNull(row.revoked_at),
  };
}

/** Tokens are long and random, so a plain hash keeps them: there is nothing to guess. */
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
