import { expect, test } from 'vitest';
import { arrangeNames, batchLeaves } from './names.ts';

const infos = (...names: string[]) => names.map((Name) => ({ Name, Writable: false }));

test('FIELD 17: an object without its dot is told by its children, or by its instance number', () => {
  const { objects, leaves } = arrangeNames(
    'Device.',
    infos('Device.WiFi', 'Device.WiFi.Radio', 'Device.Hosts.Host.3', 'Device.Up'),
  );
  expect(objects.sort()).toEqual(['Device.Hosts.', 'Device.Hosts.Host.', 'Device.Hosts.Host.3.', 'Device.WiFi.']);
  expect(leaves).toEqual(['Device.WiFi.Radio', 'Device.Up']);
});

test('FIELD 18: objects that were left out are put in as writable', () => {
  const { names } = arrangeNames('Device.', infos('Device.A.B.1.C'));
  expect(names).toEqual([
    { Name: 'Device.A.B.1.C', Writable: false },
    { Name: 'Device.A.', Writable: true },
    { Name: 'Device.A.B.', Writable: true },
    { Name: 'Device.A.B.1.', Writable: true },
  ]);
});

test('FIELD 19: names outside the path are dropped, the path itself is no trouble, doubles count once', () => {
  const { names } = arrangeNames(
    'Device.A.',
    infos('Device.A.', 'Device.A', 'Device.B.X', 'Device.A.X', 'Device.A.X', ''),
  );
  expect(names.map(({ Name }) => Name)).toEqual(['Device.A.', 'Device.A.X']);
});

test('a parameter asked for by its full name is not mistaken for the beginning of another', () => {
  expect(arrangeNames('Device.Up', infos('Device.Up', 'Device.UpTime')).leaves).toEqual(['Device.Up']);
});

test('a dot inside an alias separates nothing (CWMP X1)', () => {
  const { objects } = arrangeNames('Device.', infos('Device.T.[a.b].X'));
  expect(objects).toEqual(['Device.T.', 'Device.T.[a.b].']);
});

test('an object that fits is read by its partial path, one that does not is split', () => {
  const leaves = ['D.A.1', 'D.A.B.1', 'D.A.B.2', 'D.C.1', 'D.E.1', 'D.E.2', 'D.E.3', 'D.E.4', 'D.E.F.1'];
  expect(batchLeaves('D.', leaves, 4)).toEqual([['D.A.', 'D.C.'], ['D.E.F.'], ['D.E.1', 'D.E.2', 'D.E.3', 'D.E.4']]);
});

test('a tree that fits whole is one request, and a single parameter is asked for by its name', () => {
  expect(batchLeaves('D.A.', ['D.A.1', 'D.A.B.2'], 4)).toEqual([['D.A.']]);
  expect(batchLeaves('D.A', ['D.A'], 4)).toEqual([['D.A']]);
});

test('every leaf of a large tree is in exactly one batch, and the list of batches stays short', () => {
  const leaves: string[] = [];
  for (let i = 1; i <= 300; i++) for (let j = 0; j < 30; j++) leaves.push(`Device.Table.${i}.Parameter${j}`);
  const batches = batchLeaves('Device.', leaves, 32);
  expect(batches).toHaveLength(300);
  const asked = new Set(batches.flat());
  const askedBy = (leaf: string) => [...asked].filter((name) => leaf.startsWith(name));
  for (const leaf of [leaves[0]!, leaves[4567]!, leaves[8999]!]) expect(askedBy(leaf)).toHaveLength(1);
  // Each batch is one row of the table, so that all rows being there means all leaves are.
  expect(asked).toEqual(new Set(leaves.map((leaf) => leaf.slice(0, leaf.lastIndexOf('.') + 1))));
  expect(JSON.stringify(batches).length).toBeLessThan(JSON.stringify(leaves).length / 20);
});
