// The trees of the simulated CPEs and the data models of the Broadband Forum: what the trees have of them is as the models say.

import { expect, test } from 'vitest';
import { dataModel } from '../../profiles/data-model.ts';
import { checkValue } from '../../profiles/value-check.ts';
import { TR098 } from './tree-tr098.ts';
import { TR181 } from './tree-tr181.ts';

/** As real CPEs have it: no session yet, and a standard newer than the model. */
const DIFFERING = [
  'Device.PPP.Interface.{i}.PPPoE.SessionID',
  'InternetGatewayDevice.LANDevice.{i}.WLANConfiguration.{i}.Standard',
];

test.each([
  ['Device.', TR181],
  ['InternetGatewayDevice.', TR098],
] as const)('the tree below %s has names and values of the data model', (root, { entries, instances }) => {
  const model = dataModel(root);
  const all = [
    ...entries,
    ...[...instances].flatMap(([at, inner]) => inner.map((one) => [at + one.path, one.entry] as const)),
  ];
  const wrong = new Set<string>();
  let checked = 0;
  for (const [path, entry] of all) {
    if (!model.covers(path)) continue;
    const facts = model.parameter(path);
    const isKnown = 'object' in entry ? model.object(path) !== null : facts !== null;
    // Texts with {placeholders} are filled for each CPE.
    const isFine =
      'object' in entry ||
      facts === null ||
      /^$|\{/.test(entry.value) ||
      checkValue(facts, entry.value, 'cpe').type === 'ok';
    if (!isKnown || !isFine) wrong.add(path.replace(/\.\d+(?=\.)/g, '.{i}'));
    else checked++;
  }
  expect([...wrong]).toEqual(DIFFERING.filter((path) => path.startsWith(root)));
  expect(checked).toBeGreaterThan(250);
});
