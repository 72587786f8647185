import { expect, test } from 'vitest';
import { eventRow } from '../../../cwmp/events.ts';
import { CLASS_NAMES, SAYINGS, SCENARIOS, type ScenarioName, scenarioOf } from './scenarios.ts';

const NAMES = Object.keys(SCENARIOS) as ScenarioName[];

test.each(NAMES)('%s: its main phase is one, it ends by draining, and its contract names phases it has', (name) => {
  const { phases, contract, mix } = scenarioOf(name);
  expect(phases.filter(({ main }) => main)).toHaveLength(1);
  expect(phases.at(-1)).toMatchObject({ drains: true, streams: [] });
  const names = phases.map((phase) => phase.name);
  for (const phase of contract?.phases ?? []) expect(names).toContain(phase);
  for (const [of] of Object.entries(mix)) expect(CLASS_NAMES).toContain(of);
  // The operator's sessions have arrivals of their own.
  for (const { streams } of phases) for (const stream of streams) expect(stream.mix).not.toHaveProperty('operator');
});

test.each(CLASS_NAMES)('%s: every event is one of CWMP', (name) => {
  for (const [code] of SAYINGS[name].events) expect(eventRow(code)?.code).toBe(code);
});

test('the small size is short in everything, retries included', () => {
  const small = scenarioOf('storm', 'small');
  expect(small.cpes).toBeLessThan(1_000);
  expect(small.phases[1]!.seconds).toBe(1);
  expect(small.retry.minimumSeconds).toBeLessThan(0.1);
});

test('the flags change the number of CPEs, and the length of the main phase alone', () => {
  const { cpes, phases } = scenarioOf('mass-reboot', 'usual', { cpes: 7, seconds: 3 });
  expect(cpes).toBe(7);
  expect(phases.map(({ seconds }) => seconds)).toEqual([10, 3, 300]);
  expect(phases[1]!.streams[0]!.arrivals).toEqual({ pattern: 'everyone', withinSeconds: 3 });
});
