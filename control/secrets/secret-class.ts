// What kind of secret a path is, and which roles may read which kind: pure, one table. That a role may read secrets at all is said by the
// permission `secrets` (permissions.ts).

import { lastPart } from '../../cwmp/paths.ts';
import type { Role } from '../permissions.ts';

export type SecretClass = 'wifi' | 'ppp' | 'management' | 'other';

/** Customers ask support for their Wi-Fi key, and technicians need PPP logins; whoever has a management password has the CPE. */
export const SECRET_READERS = {
  wifi: ['support', 'noc', 'engineer', 'admin'],
  ppp: ['noc', 'engineer', 'admin'],
  management: ['engineer', 'admin'],
  other: ['engineer', 'admin'],
} as const satisfies Record<SecretClass, readonly Role[]>;

const WIFI_OBJECT = /\.(?:WLANConfiguration|AccessPoint|EndPoint)\.\d+\./;
/** What a customer types into a telephone; not the secret of a RADIUS server or the PIN of WPS. */
const WIFI_KEY = /^(?:X_[A-Za-z0-9]+_)?(?:KeyPassphrase|PreSharedKey|SAEPassphrase|WEPKey)\d*$/;
const PPP_OBJECT = /\.(?:WANPPPConnection\.\d+|PPP\.Interface\.\d+)\./;
const MANAGEMENT_OBJECT =
  /^(?:Device|InternetGatewayDevice)\.(?:ManagementServer|UserInterface|Users|LANConfigSecurity)\./;

/** @param path of a parameter that is a secret, with numbers of instances. */
export function secretClassOf(path: string): SecretClass {
  if (WIFI_OBJECT.test(path) && WIFI_KEY.test(lastPart(path))) return 'wifi';
  if (PPP_OBJECT.test(path)) return 'ppp';
  if (MANAGEMENT_OBJECT.test(path)) return 'management';
  return 'other';
}

export const mayReadSecret = (role: Role, kind: SecretClass): boolean =>
  (SECRET_READERS[kind] as readonly Role[]).includes(role);
