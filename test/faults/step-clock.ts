// Loaded in front of a role by a test (`node --import`): the wall clock of that process, its threads too, is the machine's and what the file
// `clock-step` in its data folder adds, in milliseconds. Monotonic time and timers are the machine's, as when a clock is really stepped.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How soon a step is seen. */
const LOOK_MS = 20;
const file = join(process.env['STARLING_DATA_DIR'] ?? '.', 'clock-step');
const machine = Date;
const machineNow = Date.now;
let stepMs = 0;
let lookAt = 0;

function now(): number {
  const at = performance.now();
  if (at >= lookAt) {
    lookAt = at + LOOK_MS;
    stepMs = read();
  }
  return machineNow() + stepMs;
}

function read(): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0; // Not stepped yet.
  }
}

const stepped = new Proxy(machine, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new machine(now()).toString(),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
});
// Some look at what made a value.
machine.prototype.constructor = stepped;
globalThis.Date = stepped;
