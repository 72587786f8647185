// ExplainService: finds what a name means on a device, has its story read, and has it told. Changes nothing.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { nearest } from '../../profiles/nearest.ts';
import { short } from '../actions/plan.ts';
import { readAction } from '../actions/views.ts';
import type { ControlContext } from '../context.ts';
import type { ExplainService, ParameterExplanation } from '../services.ts';
import { explainAction } from './action.ts';
import { explainForCustomer } from './customer.ts';
import { explainParameter } from './parameter.ts';
import { readNear, readStored, readStory } from './read.ts';
import type { Doing } from './story.ts';

export function explainService(context: ControlContext): ExplainService {
  return {
    parameter: (deviceId, name) => parameter(context, deviceId, name),
    async action(id) {
      const action = await readAction(context.sql, id);
      return { text: explainAction(action), forCustomer: explainForCustomer(action) };
    },
  };
}

async function parameter(context: ControlContext, deviceId: string, name: string): Promise<ParameterExplanation> {
  const { sql, book } = context;
  const [device] = await sql<
    { root: string; profile: string; last_bootstrap_at: Date | null }[]
  >`select root, profile, last_bootstrap_at from device where id = ${deviceId}`;
  if (!device)
    throw new Refused(
      404,
      'unknown-device',
      `There is no device ${deviceId}. GET /devices lists those that are known.`,
    );
  const stored = await readStored(sql, deviceId, book.candidates(device.profile, name));
  const resolved = book.resolve(device.profile, name, (path) => stored.has(path));
  if (resolved.type === 'bad-path') throw new Refused(404, 'unknown-name', `${short(name)} ${resolved.why}.`);
  if (resolved.type === 'unknown') throw unknownName(name, resolved.nearest);

  const { path, canonical, secret } = resolved;
  const row = stored.get(path);
  const isVersion = path === `${device.root}DeviceInfo.SoftwareVersion`;
  const type = row?.type || resolved.valueType;
  const writable = row?.writable ?? resolved.writable;
  const story = await readStory(context, {
    ...{ deviceId, path, type, isVersion, stored: row, readOnly: writable === false },
    bootstrapAt: device.last_bootstrap_at?.getTime() ?? null,
    // What was sealed once is a secret, whatever the profile has become since.
    secret: secret || row?.sealed != null,
  });
  // A path that nobody has heard of is more likely mistyped than never read; canonical names are not mistyped.
  const heardOf =
    row !== undefined ||
    canonical !== null ||
    story.doings.some(isAbout) ||
    story.told.some(({ value }) => value !== null);
  if (!heardOf) throw unknownName(name, nearest(name, await readNear(sql, deviceId, path)));
  return explainParameter({ path, canonical, writable, story }, LIMITS.explainStepsMax);
}

/** Resets and files concern every path, and an instance that was made any below it, whether or not there is such a one. */
function isAbout({ what, wanted, after }: Doing): boolean {
  return what === 'wrote' || what === 'looked' || what === 'deleted' || (what === 'made' && (wanted ?? after) !== null);
}

function unknownName(name: string, near: string[]): Refused {
  const offer =
    near.length > 0
      ? ` Nearest names: ${near.join(', ')}.`
      : ' Nothing of its tree is known: an action of kind refresh reads it.';
  return new Refused(404, 'unknown-name', `${short(name)} is not a name on this device, as far as is known.${offer}`);
}
