// PersonService: who may use control, and with which role. Every change is evidence. Nobody is deleted, and an enabled admin is always left.

import { Refused } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import type { Role } from '../permissions.ts';
import { keyOf, pageOf, rowsOf } from '../registry/cursor.ts';
import type { NewPerson, PersonService, PersonView, Principal } from '../services.ts';
import { iso, isoOrNull, type Sql } from '../store/postgres.ts';

export interface PersonRow {
  id: string;
  name: string;
  name_key: string;
  role: Role;
  email: string | null;
  created_at: Date;
  created_by: string;
  disabled_at: Date | null;
}

/** Who did something, as events and evidence tell it; `by` alone where it was no caller of the API. */
export interface Caller {
  by: string;
  role?: Role;
  person?: string | null;
  tokenId?: string;
}
export const callerOf = ({ name, role, person, tokenId }: Principal): Caller => ({ by: name, role, person, tokenId });

/**
 * What two names must differ in: not in case, nor in ways to write the same letters or the blanks between them. Made here, as what
 * PostgreSQL makes lower case depends on the locale of the database.
 */
export const nameKey = (name: string): string => name.normalize('NFKC').replace(/\s+/g, ' ').toLowerCase();

export const isEnabledAdmin = ({ role, disabled_at }: PersonRow): boolean => role === 'admin' && disabled_at === null;

/** PersonService over one table. */
export function personService({ sql, live, clock }: ControlContext): PersonService {
  return {
    async list({ cursor, limit: wanted }) {
      const limit = rowsOf(wanted);
      const after = keyOf(cursor);
      const rows = await sql<PersonRow[]>`
        select * from person where ${after}::text is null or name_key > ${after} order by name_key limit ${limit + 1}`;
      return pageOf(rows, limit, view, (row) => row.name_key);
    },
    async get(id) {
      const [row] = await sql<PersonRow[]>`select * from person where id = ${id}`;
      if (!row) throw unknownPerson(id);
      return view(row);
    },
    async create(person, principal) {
      const { seq, row } = await refuseTakenName(person.name, () =>
        sql.begin(async (tx) => {
          const made = await insertPerson(tx, person, callerOf(principal), clock.now());
          return { seq: await record(tx, made.events, made.evidence), row: made.row };
        }),
      );
      live.committed(seq);
      return view(row);
    },
    async change(id, change, principal) {
      const at = clock.now();
      const { seq, row } = await refuseTakenName(change.name ?? '', () =>
        sql.begin(async (tx) => {
          // The enabled admins with it, in the order of ids: of two changes that would each leave the other's, the second sees the first.
          const rows = await tx<PersonRow[]>`
            select * from person where id = ${id} or (role = 'admin' and disabled_at is null)
            order by id for no key update`;
          const before = rows.find((each) => each.id === id);
          if (!before) throw unknownPerson(id);
          const after = changed(before, change, at);
          if (JSON.stringify(told(before)) === JSON.stringify(told(after))) return { seq: null, row: before };
          const isLast = !rows.some((each) => each.id !== id && isEnabledAdmin(each));
          if (isEnabledAdmin(before) && !isEnabledAdmin(after) && isLast) throw lastAdmin(before.name);
          await tx`
            update person set name = ${after.name}, name_key = ${after.name_key}, role = ${after.role}, email = ${after.email},
              disabled_at = ${after.disabled_at} where id = ${id}`;
          const { event, evidence } = personChange(before, after, callerOf(principal), at);
          return { seq: await record(tx, [event], [evidence]), row: after };
        }),
      );
      live.committed(seq);
      return view(row);
    },
  };
}

/** Writes a person in the caller's transaction, which ends with what is returned to record. A name that is taken fails the statement. */
export async function insertPerson(
  tx: Sql,
  { name, role, email }: NewPerson,
  caller: Caller,
  at: number,
): Promise<{ row: PersonRow; events: NewEvent[]; evidence: NewEvidence[] }> {
  const [row] = await tx<PersonRow[]>`
    insert into person (id, name, name_key, role, email, created_at, created_by)
    values (${newId(at)}, ${name}, ${nameKey(name)}, ${role}, ${email ?? null}, ${new Date(at)}, ${caller.by}) returning *`;
  const { event, evidence } = personChange(null, row!, caller, at);
  return { row: row!, events: [event], evidence: [evidence] };
}

function changed(before: PersonRow, change: Parameters<PersonService['change']>[1], at: number): PersonRow {
  const {
    name = before.name,
    role = before.role,
    email = before.email,
    disabled = before.disabled_at !== null,
  } = change;
  const disabled_at = disabled ? (before.disabled_at ?? new Date(at)) : null;
  return { ...before, name, name_key: nameKey(name), role, email, disabled_at };
}

/** What of a person is told when it changes. */
const told = ({ name, role, email, disabled_at }: PersonRow) => ({ name, role, email, disabled: disabled_at !== null });

/** The event is for everybody who may follow events, so it is silent about the address. */
function personChange(
  before: PersonRow | null,
  after: PersonRow,
  caller: Caller,
  at: number,
): { event: NewEvent; evidence: NewEvidence } {
  const { email, ...shown } = told(after);
  const person = { id: after.id, name: after.name };
  const what = before === null ? 'created' : 'changed';
  const kind = `person.${what}`;
  const summary = `Person ${(before ?? after).name} ${what} by ${caller.by}: ${differences(before, after).join(', ')}`;
  return {
    event: {
      deviceId: null,
      actionId: null,
      at,
      kind,
      summary,
      body: { personId: after.id, ...shown, ...byOf(caller) },
    },
    evidence: {
      actionId: '',
      at,
      kind: 'person',
      body: { what, person, before: before && told(before), after: { ...shown, email }, by: caller },
    },
  };
}

/** The caller in the body of an event, beside the fields of whom it is about. */
export const byOf = ({ by, person = null }: Caller) => ({ by, byPerson: person });

function differences(before: PersonRow | null, after: PersonRow): string[] {
  if (before === null) return [`role ${after.role}`];
  return [
    before.name === after.name ? '' : `is ${after.name} now`,
    before.role === after.role ? '' : `role ${after.role} in place of ${before.role}`,
    before.email === after.email ? '' : 'another e-mail address',
    isoOrNull(before.disabled_at) === isoOrNull(after.disabled_at) ? '' : after.disabled_at ? 'disabled' : 'enabled',
  ].filter((text) => text !== '');
}

function view(row: PersonRow): PersonView {
  const { id, name, role, email } = row;
  return {
    ...{ id, name, role, email },
    createdAt: iso(row.created_at),
    createdBy: row.created_by,
    disabledAt: isoOrNull(row.disabled_at),
  };
}

export const unknownPerson = (id: string): Refused =>
  new Refused(404, 'unknown-person', `There is no person ${id}. GET /people lists them.`);

const lastAdmin = (name: string): Refused =>
  new Refused(
    409,
    'last-admin',
    `${name} is the last enabled admin: nobody could make another one. Give somebody else the role admin first.`,
  );

/** SQLSTATE 23505: another person has the name, perhaps since a moment ago. */
async function refuseTakenName<T>(name: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if ((error as { code?: unknown }).code !== '23505') throw error;
    throw new Refused(
      409,
      'name-taken',
      `Another person is called ${name}; case makes no difference. Choose another name.`,
    );
  }
}
