// The facts `values`, `names` and `attributes`: what was read of a device's tree.

import type { FactBody } from '../../bus/messages.ts';
import { type Effects, noteParameter, noteRemoval, type Origin } from './effects.ts';
import { foldValues } from './inform.ts';

/** `values`: what GetParameterValues brought. */
export function foldRead(effects: Effects, origin: Origin, body: FactBody<'values'>): void {
  foldValues(effects.device(body.cpeId, origin.at), origin.at, body.values);
}

/** `names`: what GetParameterNames said; a complete answer says also what is gone. */
export function foldNames(effects: Effects, origin: Origin, body: FactBody<'names'>): void {
  const device = effects.device(body.cpeId, origin.at);
  if (body.complete) {
    const keep = body.names.map((info) => info.Name);
    noteRemoval(device, body.path, keep);
  }
  for (const { Name, Writable } of body.names) noteParameter(device, Name, { writable: Writable });
}

/** `attributes`: notifications; access lists are in the transcript alone. */
export function foldAttributes(effects: Effects, origin: Origin, body: FactBody<'attributes'>): void {
  const device = effects.device(body.cpeId, origin.at);
  for (const { Name, Notification } of body.attributes) noteParameter(device, Name, { notification: Notification });
}
