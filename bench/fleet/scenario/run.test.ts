import { expect, test, vi } from 'vitest';
import { generatorBench } from './generator.bench.ts';
import { type Report, reportOf } from './report.ts';
import { operatorCpesOf, runScenario } from './run.ts';
import { type ScenarioName, scenarioOf } from './scenarios.ts';

/** Every attempt has one outcome, and every CPE that wanted a session had one or still wants it. */
function expectReconciled({ total }: Report): void {
  expect(total.offered).toBe(total.served + total.shed + total.failed + total.cut);
  expect(total.lost).toBe(0);
  // Work that was not handed over yet when the run ended is wanted, and was no attempt.
  expect(total.first).toBeLessThanOrEqual(total.done + total.leftWanting);
}

test.each(['steady', 'mass-reboot', 'firmware-wave'] satisfies ScenarioName[])(
  'scenario: %s in its small size, against a real edge, every count reconciled',
  async (name) => {
    const scenario = scenarioOf(name, 'small');
    const report = reportOf(await runScenario({ scenario, generators: 1, seed: 1 }));
    expectReconciled(report);
    expect(report.total).toMatchObject({ failed: 0, leftWanting: 0 });
    const introduction = report.phases[0]!;
    expect(introduction).toMatchObject({ name: 'introduction', served: 2 * scenario.cpes });
    const classes = new Map(report.classes.map((one) => [one.name, one]));
    if (name === 'mass-reboot') expect(classes.get('reboot')!.served).toBe(scenario.cpes - operatorCpesOf(scenario, 1));
  },
);

test('scenario: two generators share the CPEs, and the operator’s work is done in the sessions that are counted', async () => {
  const scenario = scenarioOf('steady', 'small', { seconds: 2, cpes: 60 });
  const report = reportOf(
    await runScenario({ scenario: { ...scenario, operatorPerSecond: 10 }, generators: 2, seed: 1 }),
  );
  expectReconciled(report);
  expect(report.phases[0]!.served).toBe(2 * 60);
  const operator = report.classes.find(({ name }) => name === 'operator')!;
  // Only sessions in which the value was written count as what the operator waited for.
  expect(operator.whole.p95Ms).not.toBeNull();
});

test('scenario: a CPE that lost its settings gets them in the session in which it says so', async () => {
  const scenario = scenarioOf('steady', 'small', { seconds: 2, cpes: 60 });
  const reset = { arrivals: { pattern: 'rate', perSecond: 40 }, mix: { reset: 1 } } as const;
  const phases = [{ ...scenario.phases[0]!, streams: [reset] }, scenario.phases[1]!];
  const report = reportOf(await runScenario({ scenario: { ...scenario, phases }, generators: 1, seed: 1 }));
  expectReconciled(report);
  // Each of the small number of CPEs had one session or more, and none a second one for the want of work.
  const { served, shed, cut, leftWanting } = report.total;
  expect(report.total).toMatchObject({ retries: 0, failed: 0, done: served });
  // Whoever still wants one was turned away, or under way when the clock ran out: both happen where other tests have the cores.
  expect(leftWanting).toBe(shed + cut);
  expect(report.classes.find(({ name }) => name === 'reset')!.served).toBeGreaterThan(40);
});

test('scenario: a server that refuses everything sheds everything, and CPEs come again', async () => {
  const scenario = scenarioOf('outage-return', 'small');
  const [before] = scenario.phases;
  const everyone = { arrivals: { pattern: 'everyone', withinSeconds: 0.3 }, mix: { return: 1 } } as const;
  const phases = [{ ...before!, seconds: 1, streams: [everyone] }];
  const result = await runScenario({
    scenario: { ...scenario, phases },
    served: 'refuser',
    areKnown: true,
    generators: 1,
    seed: 1,
  });
  const report = reportOf(result);
  expectReconciled(report);
  const { served, shed, retries } = report.total;
  expect([served, shed > 50, retries > 0]).toEqual([0, true, true]);
});

test('bench: a generator against fixed answers and against refusals does its work', async () => {
  vi.stubEnv('STARLING_BENCH_SIZE', 'small');
  const [sessions, refusals] = await generatorBench();
  vi.unstubAllEnvs();
  expect(sessions).toMatchObject({ shed: 0, failed: 0 });
  expect(sessions!.served).toBeGreaterThan(0);
  expect(refusals).toMatchObject({ served: 0, failed: 0 });
  expect(refusals!.shed).toBeGreaterThan(0);
});
