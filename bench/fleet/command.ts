// `starling fleet`: many simulated CPEs against an ACS, for people to play with. Reads flags, wires fleet and view, ends on a signal. With
// --scenario it is a measurement instead: thousands of light CPEs, and a report.

import { Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import { Fleet } from './fleet.ts';
import type { Model } from './kinds.ts';
import { MISBEHAVIOURS, misbehaviourOf } from './misbehaviour.ts';
import { runScenarioCommand, type ScenarioFlags, scenarioList } from './scenario/scenario-command.ts';
import { SCENARIOS } from './scenario/scenarios.ts';
import { FleetView } from './terminal.ts';
import { systemTimers } from './timers.ts';

interface Flags {
  count: number;
  acs: string;
  model: Model | 'mixed';
  interval: number;
  auth: 'none' | 'basic' | 'digest' | 'any';
  username: string;
  password: string;
  misbehave: string[];
  serialPrefix: string;
  parameters: number;
  rate: number;
  host: string;
  timeScale: number;
  ownPorts?: true;
}

interface Lists {
  listMisbehaviours?: true;
  listScenarios?: true;
}

const positive = (text: string): number => {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError('a number greater than 0 is needed.');
  return number;
};

/** The `fleet` command, to be mounted under `starling`. */
export function fleetCommand(): Command {
  const command = new Command('fleet')
    .description('run simulated CPEs against an ACS until interrupted')
    .option('--count <n>', 'how many CPEs', positive, 3)
    .option('--acs <url>', 'URL of the ACS', 'http://127.0.0.1:7547/')
    .addOption(new Option('--model <model>', 'data model').choices(['tr098', 'tr181', 'mixed']).default('mixed'))
    .option('--interval <seconds>', 'periodic Inform interval', positive, 30)
    .addOption(
      new Option('--auth <kind>', 'what challenges of the ACS are answered with')
        .choices(['none', 'basic', 'digest', 'any'])
        .default('none'),
    )
    .option('--username <text>', 'user name; {oui}, {class} and {serial} are filled in', '{oui}-{class}-{serial}')
    .option('--password <text>', 'password; the same placeholders', '')
    .option('--misbehave <names>', 'misbehaviours, separated by commas (see --list-misbehaviours)', names, [])
    .option('--serial-prefix <text>', 'beginning of the serial numbers', 'SIM')
    .option('--parameters <n>', 'least number of parameters per CPE', positive, 1)
    .option('--rate <n>', 'CPEs switched on per second', positive, 50)
    .option('--host <address>', 'address of the connection-request port', '127.0.0.1')
    .option('--own-ports', 'a connection-request port for each CPE instead of one for all')
    .option('--time-scale <factor>', 'seconds of real time per second of the CPEs', positive, 1)
    .option('--list-misbehaviours', 'print all misbehaviours with their line of FIELD.md and end')
    .optionsGroup('Scenarios, with light CPEs of their own (of the options above none counts):')
    .addOption(new Option('--scenario <name>', 'measure one of the scenarios and end').choices(Object.keys(SCENARIOS)))
    .option('--list-scenarios', 'print what the scenarios are and end')
    .addOption(
      new Option('--size <size>', 'size of the scenario').choices(['small', 'usual', 'large']).default('usual'),
    )
    .option('--cpes <n>', 'how many CPEs, in place of what the size says', positive)
    .option('--seconds <n>', 'length of the main phase', positive)
    .option('--url <url>', 'measure the ACS that listens there; without it an edge is started for the purpose')
    .option('--pid <pid>', 'its process on this machine, whose CPU and memory are read', positive)
    .option('--generators <n>', 'processes that make the load', positive)
    .option('--seed <n>', 'what is random can be had again', positive)
    .option('--json', 'the report as one JSON object');
  return command.action(async (flags: Flags & Partial<ScenarioFlags> & Lists) => {
    if (flags.listMisbehaviours) process.stdout.write(misbehaviourList());
    else if (flags.listScenarios) process.stdout.write(scenarioList());
    else if (flags.scenario === undefined) await run(flags);
    else {
      const met = await runScenarioCommand(flags as ScenarioFlags, process.stdout, process.stderr);
      // What the scenario has to show, it did not.
      if (!met) process.exitCode = 1;
    }
  });
}

function names(text: string): string[] {
  return text.split(',').filter((name) => name !== '');
}

function misbehaviourList(): string {
  return MISBEHAVIOURS.map(
    ({ field, name, text }) => `${String(field ?? '').padStart(2)}  ${name.padEnd(38)}  ${text}\n`,
  ).join('');
}

async function run(flags: Flags): Promise<void> {
  if (!URL.canParse(flags.acs))
    throw new ConfigError('acs-url', `--acs ${flags.acs} is not a URL; write http://host:port/`);
  const fleet = new Fleet({
    ...{ acsUrl: flags.acs, count: Math.floor(flags.count), model: flags.model, auth: flags.auth, host: flags.host },
    ...{ username: flags.username, password: flags.password, serialPrefix: flags.serialPrefix },
    ...{ parameters: flags.parameters, startsPerSecond: flags.rate, periodicInformSeconds: flags.interval },
    misbehaviours: flags.misbehave.map(misbehaviourOf),
    ownPorts: flags.ownPorts ?? false,
    timers: systemTimers(flags.timeScale),
  });
  const view = new FleetView(fleet, process.stdout);
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await fleet.start();
  process.stdout.write(`${fleet.cpes.length} CPEs inform ${flags.acs}; Ctrl-C ends them\n`);
  const drawing = setInterval(() => view.refresh(), process.stdout.isTTY ? 500 : 2_000);
  await interrupted;
  clearInterval(drawing);
  await fleet.stop();
  view.refresh();
}
