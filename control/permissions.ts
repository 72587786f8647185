// Who may do what: one table of permission × role. Pure; the API demands a permission of each route, services where it depends on what is asked.

import type { ActionKind } from '../bus/messages.ts';

export const ROLES = ['support', 'noc', 'field', 'finance', 'engineer', 'admin', 'auditor', 'agent'] as const;
export type Role = (typeof ROLES)[number];

/** Permission → roles that have it. Agents read, and ask the CPE for reads; what else they propose takes a person's approval. */
export const PERMISSIONS = {
  read: ROLES,
  'act-read': ['support', 'noc', 'field', 'engineer', 'admin', 'agent'],
  propose: ['admin', 'agent'],
  act: ['support', 'noc', 'field', 'engineer', 'admin'],
  rpc: ['engineer', 'admin'],
  approve: ['noc', 'engineer', 'admin'],
  batch: ['noc', 'engineer', 'admin'],
  credentials: ['noc', 'engineer', 'admin'],
  secrets: ['support', 'noc', 'engineer', 'admin'],
  files: ['engineer', 'admin'],
  record: ['noc', 'engineer', 'admin'],
  tokens: ['admin'],
  people: ['admin'],
  settings: ['admin'],
  audit: ['auditor', 'admin'],
} as const satisfies Record<string, readonly Role[]>;
export type Permission = keyof typeof PERMISSIONS;
export const PERMISSION_NAMES = Object.keys(PERMISSIONS) as [Permission, ...Permission[]];

/** What a caller is judged by: Principal has both. */
export interface Rights {
  role: Role;
  /** What the token is narrowed to; null: all that its role may. */
  scope: readonly Permission[] | null;
}

/** Whether the role may, and the token is not narrowed to other things. */
export function isPermitted({ role, scope }: Rights, permission: Permission): boolean {
  return rolesWith([permission]).includes(role) && (scope === null || scope.includes(permission));
}

/** All that is left to a caller after its scope, in the order of the table. */
export function permissionsOf(rights: Rights): Permission[] {
  return PERMISSION_NAMES.filter((permission) => isPermitted(rights, permission));
}

/** The roles that have at least one of these permissions, as the table names them. */
export function rolesWith(permissions: readonly Permission[]): readonly Role[] {
  return [...new Set(permissions.flatMap((permission): readonly Role[] => PERMISSIONS[permission]))];
}

const READING_KINDS: readonly ActionKind[] = ['get', 'refresh', 'diagnose'];

/** The permission an action of this kind needs. */
export function permissionFor(kind: ActionKind): Permission {
  if (kind === 'rpc') return 'rpc';
  return READING_KINDS.includes(kind) ? 'act-read' : 'act';
}
