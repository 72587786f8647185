import { expect, test } from 'vitest';
import { deviationsOf, type SessionTolerance } from './deviations.ts';

function namesAnswered(path: string, nextLevel: boolean, ...names: string[]): readonly SessionTolerance[] {
  const ParameterList = names.map((Name) => ({ Name, Writable: false }));
  return deviationsOf(
    { method: 'GetParameterNames', args: { ParameterPath: path, NextLevel: nextLevel } },
    { ParameterList },
  );
}

test.each<[string, string, boolean, string[], SessionTolerance[]]>([
  ['a whole tree', '', false, ['Device.', 'Device.A.', 'Device.A.1.', 'Device.A.1.B'], []],
  ['one level', 'Device.', true, ['Device.A.', 'Device.B'], []],
  ['one parameter', 'Device.A.B', false, ['Device.A.B'], []],
  ['an object and all below it', 'Device.A.', false, ['Device.A.', 'Device.A.B'], []],
  ['an alias with a dot', 'Device.', false, ['Device.', 'Device.A.', 'Device.A.[x.y].', 'Device.A.[x.y].B'], []],
  ['nothing', 'Device.A.', true, [], []],
  ['an object without its dot', 'Device.', false, ['Device.', 'Device.A', 'Device.A.B'], ['object-without-dot']],
  ['an instance without its dot', 'Device.A.', true, ['Device.A.1'], ['object-without-dot']],
  ['the object itself without its dot', 'Device.A.', false, ['Device.A', 'Device.A.B'], ['object-without-dot']],
  ['parameters only', 'Device.', false, ['Device.', 'Device.A.1.B'], ['missing-object']],
  ['a name from elsewhere', 'Device.A.', true, ['Device.A.B', 'Device.C'], ['outside-path']],
  ['the object itself with NextLevel', 'Device.A.', true, ['Device.A.', 'Device.A.B'], ['outside-path']],
])('names: %s', (_, path, nextLevel, names, expected) => {
  expect(namesAnswered(path, nextLevel, ...names)).toEqual(expected);
});

test.each<[string, string[], string[], SessionTolerance[]]>([
  ['what was asked for', ['A.B', 'C.'], ['C.D', 'A.B', 'C.E.F'], []],
  ['what a wildcard means', ['A.*.B'], ['A.1.B', 'A.2.B'], []],
  ['an empty object', ['A.'], [], []],
  ['something more', ['A.B'], ['A.B', 'X'], ['unasked-parameter']],
  ['something else that a wildcard does not mean', ['A.*.B'], ['A.1.C'], ['unasked-parameter']],
  ['one less', ['A.B', 'A.C'], ['A.B'], ['omitted-parameter']],
  ['another one', ['A.B'], ['A.C'], ['unasked-parameter', 'omitted-parameter']],
])('values and attributes: %s', (_, asked, told, expected) => {
  for (const method of ['GetParameterValues', 'GetParameterAttributes']) {
    const ParameterList = told.map((Name) => ({ Name, Value: '', Type: 'xsd:string' }));
    expect(deviationsOf({ method, args: { ParameterNames: asked } }, { ParameterList }), method).toEqual(expected);
  }
});

test('answers to anything else are not looked at', () => {
  expect(deviationsOf({ method: 'SetParameterValues', args: {} }, { Status: 0 })).toEqual([]);
});
