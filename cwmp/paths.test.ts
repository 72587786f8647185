import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  hasWildcard,
  instanceBelow,
  isInstance,
  isPartialPath,
  isRooted,
  joinPath,
  lastPart,
  matchesPath,
  parentPath,
  pathProblem,
  splitPath,
  templateOf,
} from './paths.ts';

test.each([
  ['', [], '', ''],
  ['Device.', ['Device'], '', 'Device'],
  ['Device.WiFi.SSID.1.SSID', ['Device', 'WiFi', 'SSID', '1', 'SSID'], 'Device.WiFi.SSID.1.', 'SSID'],
  ['Device.WiFi.SSID.1.', ['Device', 'WiFi', 'SSID', '1'], 'Device.WiFi.SSID.', '1'],
  [
    'Device.IP.Interface.[wan.1].Enable',
    ['Device', 'IP', 'Interface', '[wan.1]', 'Enable'],
    'Device.IP.Interface.[wan.1].',
    'Enable',
  ],
  ['Device.IP.Interface.[wan.1].', ['Device', 'IP', 'Interface', '[wan.1]'], 'Device.IP.Interface.', '[wan.1]'],
])('%j splits into its parts, parent and last part', (path, parts, parent, last) => {
  expect(splitPath(path)).toEqual(parts);
  expect(parentPath(path)).toBe(parent);
  expect(lastPart(path)).toBe(last);
});

test('parent and last part put together again are the path', () => {
  const part = fc.oneof(
    fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,9}$/),
    fc.stringMatching(/^[1-9][0-9]{0,3}$/),
    fc.stringMatching(/^\[[a-z0-9.-]{1,9}\]$/),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), fc.boolean(), (parts, object) => {
      const path = parts.join('.') + (object ? '.' : '');
      expect(splitPath(path)).toEqual(parts);
      expect(joinPath(parentPath(path), lastPart(path)) + (object ? '.' : '')).toBe(path);
      expect(isPartialPath(path)).toBe(object);
      expect(matchesPath(path, path)).toBe(true);
      expect(pathProblem(path)).toBeNull();
    }),
  );
});

test.each([
  ['1', true],
  ['42', true],
  ['[cpe-a.b]', true],
  ['0', false],
  ['01', false],
  ['SSID', false],
  ['*', false],
  ['[]', false],
])('%s is an instance: %s', (part, expected) => {
  expect(isInstance(part)).toBe(expected);
});

test('the instance below a table is found in any path that leads through it', () => {
  expect(instanceBelow('A.B.', 'A.B.3.C')).toBe('3');
  expect(instanceBelow('A.B.', 'A.B.[x.y].C')).toBe('[x.y]');
  expect(instanceBelow('A.B.', 'A.B.')).toBeNull();
  expect(instanceBelow('A.B.', 'A.B.Name')).toBeNull();
  expect(instanceBelow('A.B.', 'A.C.3.')).toBeNull();
});

test('the template of a path has {i} for every instance', () => {
  expect(templateOf('Device.WiFi.SSID.12.Stats.')).toBe('Device.WiFi.SSID.{i}.Stats.');
  expect(templateOf('Device.IP.Interface.[a.b].IPv4Address.*.IPAddress')).toBe(
    'Device.IP.Interface.{i}.IPv4Address.{i}.IPAddress',
  );
});

test.each([
  ['A.*.B', 'A.1.B', true],
  ['A.*.B', 'A.[x].B', true],
  ['A.*.B', 'A.Name.B', false],
  ['A.*.', 'A.3.B.C', true],
  ['A.1', 'A.1.', false],
  ['A.B', 'A.B.C', false],
  ['A.B.', 'A.B', false],
  ['A.B.', 'A.B.', true],
  ['A.B', 'A.B', true],
  ['', 'A.B', true],
])('pattern %j and path %j: %s', (pattern, path, expected) => {
  expect(matchesPath(pattern, path)).toBe(expected);
});

test('a wildcard is only a part of its own', () => {
  expect(hasWildcard('A.*.B')).toBe(true);
  expect(hasWildcard('A.[*].B')).toBe(false);
});

test.each([
  ['Device..WiFi', 'empty part'],
  ['.ExternalIPAddress', 'empty part'],
  ['Device.WiFi.SSID 1', 'white space'],
  ['Device.\u0000', 'control'],
  ['Device.[a.', 'malformed alias'],
  ['Device.a].b', 'malformed alias'],
  [`Device.[${'a'.repeat(65)}].b`, 'malformed alias'],
  [`Device.${'a'.repeat(250)}`, 'longer than 256'],
])('%j is not sent: %s', (path, why) => {
  expect(pathProblem(path)).toContain(why);
});

test('only the two root objects begin a path', () => {
  expect(['Device.A', 'InternetGatewayDevice.', 'wifi.2g.ssid', 'Devices.A', ''].filter(isRooted)).toEqual([
    'Device.A',
    'InternetGatewayDevice.',
  ]);
});
