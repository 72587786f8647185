import { expect, test } from 'vitest';
import { isAtLeast, negotiate, versionOfNamespace } from './versions.ts';

test.each([
  ['urn:dslforum-org:cwmp-1-0', '1.0'],
  ['urn:dslforum-org:cwmp-1-1', '1.1'],
  ['urn:dslforum-org:cwmp-1-2', '1.2'],
  ['urn:dslforum-org:cwmp-1-3', '1.3'],
  ['urn:dslforum-org:cwmp-1-4', '1.4'],
  ['urn:dslforum-org:cwmp-1-9', '1.4'],
  ['urn:dslforum-org:cwmp-2-0', null],
  ['urn:dslforum-org:cwmp-1-10', null],
  ['http://schemas.xmlsoap.org/soap/envelope/', null],
  ['', null],
])('namespace %j stands for version %s (CWMP V1, V4)', (namespace, version) => {
  expect(versionOfNamespace(namespace)).toBe(version);
});

test.each([
  ['no header: the namespace decides', 'urn:dslforum-org:cwmp-1-1', null, '1.1', null],
  ['an empty header: the namespace decides', 'urn:dslforum-org:cwmp-1-2', [], '1.2', null],
  ['all versions: the highest', 'urn:dslforum-org:cwmp-1-2', ['1.0', '1.1', '1.2', '1.3', '1.4'], '1.4', '1.4'],
  ['any order', 'urn:dslforum-org:cwmp-1-2', ['1.3', '1.0'], '1.3', '1.3'],
  ['newer than ours: the highest common', 'urn:dslforum-org:cwmp-1-2', ['1.4', '1.5', '2.0'], '1.4', '1.4'],
])('negotiation with %s (CWMP V3, E11)', (_, namespace, supported, version, useVersion) => {
  expect(negotiate(namespace, supported)).toEqual({ type: 'ok', version, useVersion });
});

test('no common version is fault 8006 (CWMP V3)', () => {
  expect(negotiate('urn:dslforum-org:cwmp-1-2', ['1.5', '2.0'])).toEqual({
    type: 'fault',
    code: 8006,
    text: 'ACS supports CWMP 1.0, 1.1, 1.2, 1.3, 1.4; the CPE offers 1.5, 2.0',
  });
});

test('features are asked for by their first version (CWMP V5)', () => {
  expect(isAtLeast('1.0', '1.1')).toBe(false);
  expect(isAtLeast('1.2', '1.2')).toBe(true);
  expect(isAtLeast('1.4', '1.2')).toBe(true);
});
