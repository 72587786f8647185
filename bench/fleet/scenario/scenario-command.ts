// `starling fleet --scenario NAME`: runs one, shows what goes on, prints the report. Reads flags and decides nothing about load.

import { availableParallelism } from 'node:os';
import { ConfigError } from '../../../base/errors.ts';
import type { Screen } from '../terminal.ts';
import { reportOf } from './report.ts';
import { plotOf, reportText } from './report-text.ts';
import { runScenario } from './run.ts';
import { SCENARIOS, type ScenarioName, type SizeName, scenarioOf } from './scenarios.ts';

export interface ScenarioFlags {
  scenario: ScenarioName;
  size: SizeName;
  cpes?: number;
  seconds?: number;
  url?: string;
  pid?: number;
  generators?: number;
  seed?: number;
  json?: true;
}

const WIDTH = 120;
/** Wide enough for anything; the bars are cut to it. */
const WIDTH_MAX = 200;

/** Names and texts of all scenarios, one a line. */
export function scenarioList(): string {
  return Object.entries(SCENARIOS)
    .map(([name, { text }]) => `${name.padEnd(14)}  ${text}\n`)
    .join('');
}

/**
 * Runs a scenario and prints its report to `out`; what goes on meanwhile is shown on `screen`.
 * @returns false when the scenario has a contract and it was not met.
 */
export async function runScenarioCommand(flags: ScenarioFlags, out: Screen, screen: Screen): Promise<boolean> {
  if (flags.url !== undefined && !URL.canParse(flags.url)) {
    throw new ConfigError('acs-url', `--url ${flags.url} is not a URL; write http://host:port/`);
  }
  const cpes = flags.cpes === undefined ? undefined : Math.floor(flags.cpes);
  const scenario = scenarioOf(flags.scenario, flags.size, { cpes, seconds: flags.seconds });
  // With few cores a second generator only takes time from the server.
  const generators = Math.floor(flags.generators ?? (availableParallelism() > 2 ? 2 : 1));
  const result = await runScenario({
    ...{ scenario, generators, seed: flags.seed ?? 1, progress: progressOn(screen) },
    ...{ url: flags.url, pid: flags.pid },
  });
  if (screen.isTTY) screen.write('\r\u001b[K');
  const report = reportOf(result);
  const plot = plotOf(result.phases, result.seconds, result.usage, Math.min(out.columns || WIDTH, WIDTH_MAX));
  out.write(
    flags.json ? `${JSON.stringify({ ...report, counters: result.counters }, null, 2)}\n` : reportText(report, plot),
  );
  return report.verdicts.every(({ met }) => met);
}

/** One line that is written over on a terminal; elsewhere one line every few seconds. */
function progressOn(screen: Screen): (text: string) => void {
  let told = 0;
  return (text) => {
    if (screen.isTTY) screen.write(`\r${text.slice(0, (screen.columns || WIDTH) - 1)}\u001b[K`);
    else if (told++ % 5 === 0) screen.write(`${text}\n`);
  };
}
