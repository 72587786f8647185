// Taking secrets out of arguments and results before they become a transcript: values of secret parameters, and arguments that are
// secret by the RPC table or by their name. Shapes are kept, so that a reader still sees what was sent.

import type { Args } from '../../cwmp/message.ts';
import type { Profile } from '../../profiles/profile.ts';
import { isSecret, REDACTED } from '../../profiles/resolve.ts';

/** Vendor methods have no row in the table; their arguments are judged by name. */
const SECRET_ARGUMENT = /pass(word|phrase)|secret/i;

/**
 * A copy of `args` with secrets replaced.
 * @param secrets names that control marked secret: full paths, or their end after an instance (`PreSharedKey.1.KeyPassphrase`).
 */
export function redactArgs(args: Args, secrets: ReadonlySet<string>, profile: Profile): Args {
  return redactStruct(args, secrets, profile);
}

function redactStruct(struct: Args, secrets: ReadonlySet<string>, profile: Profile): Args {
  const { Name, Value } = struct;
  const secretValue = typeof Name === 'string' && Value !== '' && isSecretName(Name, secrets, profile);
  const redacted: Args = {};
  for (const [key, value] of Object.entries(struct)) {
    const secret =
      (key === 'Value' && secretValue) || (SECRET_ARGUMENT.test(key) && typeof value === 'string' && value !== '');
    redacted[key] = secret ? REDACTED : redactValue(value, secrets, profile);
  }
  return redacted;
}

function redactValue(value: unknown, secrets: ReadonlySet<string>, profile: Profile): unknown {
  if (Array.isArray(value)) return value.map((one) => redactValue(one, secrets, profile));
  if (typeof value !== 'object' || value === null) return value;
  return redactStruct(value as Args, secrets, profile);
}

function isSecretName(name: string, secrets: ReadonlySet<string>, profile: Profile): boolean {
  if (secrets.has(name) || isSecret(profile, name)) return true;
  for (const secret of secrets) if (name.endsWith(`.${secret}`)) return true;
  return false;
}
