// The fact `inform`: identity, address and versions of the device, its changed parameters, its events on the timeline.

import { LIMITS } from '../../base/limits.ts';
import { REDACTED } from '../../base/secret-box.ts';
import type { FactBody } from '../../bus/messages.ts';
import type { ParameterValue } from '../../cwmp/message.ts';
import { type DeviceEffect, type Effects, noteParameter, type Origin } from './effects.ts';

/** Leaf of an Inform's parameter → member of the device; the same below both roots. */
const IDENTITY: ReadonlyMap<string, 'modelName' | 'hardwareVersion' | 'softwareVersion' | 'connectionRequestUrl'> =
  new Map([
    ['DeviceInfo.ModelName', 'modelName'],
    ['DeviceInfo.HardwareVersion', 'hardwareVersion'],
    ['DeviceInfo.SoftwareVersion', 'softwareVersion'],
    ['ManagementServer.ConnectionRequestURL', 'connectionRequestUrl'],
  ]);

/** Into the device, its tree and its timeline; after 0 BOOTSTRAP what was stored of the tree goes first (CWMP 1.9). */
export function foldInform(effects: Effects, origin: Origin, body: FactBody<'inform'>): void {
  const { cpeId, cpe, events, changed } = body;
  const device = effects.device(cpeId, origin.at);
  device.cpe = cpe;
  device.edgeId = origin.edgeId;
  device.pop = origin.pop;
  device.informAt = origin.at;
  const codes = events.map((event) => event.EventCode);
  if (codes.includes('1 BOOT')) device.bootAt = origin.at;
  if (codes.includes('0 BOOTSTRAP')) device.bootstrapAt = origin.at;
  if (body.reset) {
    device.reset = true;
    device.removals.length = 0;
    device.parameters.clear();
  }
  foldValues(device, origin.at, changed);

  const isSecret = effects.isSecretOf(cpeId);
  const listed = changed.slice(0, LIMITS.timelineValuesMax).map(({ Name, Value }) => ({
    name: Name,
    value: isSecret(Name) ? REDACTED : Value.slice(0, LIMITS.timelineValueCharsMax),
  }));
  const told = codes.length === 0 ? 'without an event' : codes.join(', ');
  const count =
    changed.length === 0 ? '' : `; ${changed.length} ${changed.length === 1 ? 'value' : 'values'} new or changed`;
  const reset = body.reset ? '; what was stored of it is dropped' : '';
  effects.event(origin, cpeId, body.reset ? 'bootstrap' : 'inform', `Informed: ${told}${count}${reset}`, {
    events,
    changed: listed,
    changedCount: changed.length,
    sessionId: body.sessionId,
    retryCount: body.retryCount,
    currentTime: body.currentTime,
    address: cpe.address,
    tolerances: body.tolerances,
  });
}

/** Values the CPE told, into the tree and, where they are its identity, into the device. */
export function foldValues(device: DeviceEffect, at: number, values: readonly ParameterValue[]): void {
  for (const { Name, Value, Type } of values) {
    noteParameter(device, Name, { value: Value, type: Type, readAt: at });
    const member = IDENTITY.get(Name.slice(Name.indexOf('.') + 1));
    // Cut for the row and its index; whole in the tree. The data models allow 64 characters, and 256 for the URL.
    if (member) device[member] = Value.slice(0, LIMITS.identityCharsMax);
  }
}
