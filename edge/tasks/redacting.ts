// Taking secrets out of arguments and results before they become a transcript: values of secret parameters, and arguments that are
// secret by their name, as in Download's Password. Shapes are kept, so that a reader still sees what was sent.

import type { ActionResult, Work } from '../../bus/messages.ts';
import type { Args } from '../../cwmp/message.ts';
import type { Profile } from '../../profiles/profile.ts';
import { isSecret, isSecretLeaf, REDACTED } from '../../profiles/resolve.ts';
import type { Wanted } from './work-args.ts';

/**
 * A copy of `args` with secrets replaced.
 * @param secrets names that control marked secret: full paths, or their end after an instance (`PreSharedKey.1.KeyPassphrase`).
 */
export function redactArgs(args: Args, secrets: ReadonlySet<string>, profile: Profile): Args {
  const { Name, Value } = args;
  const secretValue = typeof Name === 'string' && Value !== '' && isSecretName(Name, secrets, profile);
  const redacted: Args = {};
  for (const [key, value] of Object.entries(args)) {
    const secret = (key === 'Value' && secretValue) || (isSecretLeaf(key) && typeof value === 'string' && value !== '');
    redacted[key] = secret ? REDACTED : redactValue(value, secrets, profile);
  }
  return redacted;
}

/** Shorter secrets are left in texts: replacing them would tear ordinary words apart. */
const SCRUBBED_CHARS_MIN = 4;

/**
 * Takes the secrets that this work writes out of the texts of a result: some CPEs quote the value they refuse in their FaultString.
 */
export function scrubResult(result: ActionResult, work: Work, profile: Profile): ActionResult {
  const wanted = Array.isArray(work.args['values']) ? (work.args['values'] as Partial<Wanted>[]) : [];
  const written = wanted
    .filter(({ name = '', secret }) => secret === true || isSecret(profile, name))
    .map(({ value = '' }) => value);
  const password = work.args['password'];
  if (typeof password === 'string') written.push(password);
  const secrets = written.filter(({ length }) => length >= SCRUBBED_CHARS_MIN);
  // Most work writes none, and a result may be a megabyte.
  if (secrets.length === 0) return result;
  let text = JSON.stringify(result);
  for (const secret of secrets) text = text.replaceAll(JSON.stringify(secret).slice(1, -1), REDACTED);
  return JSON.parse(text) as ActionResult;
}

function redactValue(value: unknown, secrets: ReadonlySet<string>, profile: Profile): unknown {
  if (Array.isArray(value)) return value.map((one) => redactValue(one, secrets, profile));
  if (typeof value !== 'object' || value === null) return value;
  return redactArgs(value as Args, secrets, profile);
}

function isSecretName(name: string, secrets: ReadonlySet<string>, profile: Profile): boolean {
  if (secrets.has(name) || isSecret(profile, name)) return true;
  for (const secret of secrets) if (name.endsWith(`.${secret}`)) return true;
  return false;
}
