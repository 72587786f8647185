import { expect, test } from 'vitest';
import { Refused } from '../../base/errors.ts';
import type { ActionKind } from '../../bus/messages.ts';
import { testWork } from './operation.test-helper.ts';
import { TASKS } from './table.ts';

const value = (name: unknown, text: unknown = 'x') => ({ values: [{ name, value: text }] });
const long = 'x'.repeat(257);

test.each<[string, ActionKind, Record<string, unknown>]>([
  ['get without names', 'get', {}],
  ['get of an empty list', 'get', { names: [] }],
  ['get of something that is no name', 'get', { names: [7] }],
  ['get of a path with a blank', 'get', { names: ['Device. X'] }],
  ['get of a path longer than 256 characters', 'get', { names: [`Device.${long}`] }],
  ['set without values', 'set', {}],
  ['set of an object', 'set', value('Device.WiFi.')],
  ['set of a value that is no text', 'set', value('Device.X', 5)],
  ['set of nothing', 'set', { values: [null] }],
  ['set of the same name twice (A.3.2.1: 9003)', 'set', { values: [...value('D.X').values, ...value('D.X').values] }],
  ['refresh of a path that is no text', 'refresh', { path: 5 }],
  ['add to something without a dot', 'add', { objectName: 'Device.NAT.PortMapping' }],
  ['add without a table', 'add', {}],
  ['add with values that are no list', 'add', { objectName: 'Device.T.', values: 'x' }],
  ['delete of a table instead of an instance', 'delete', { objectName: 'Device.NAT.PortMapping.' }],
  ['delete without its dot', 'delete', { objectName: 'Device.NAT.PortMapping.1' }],
  ['download of nothing', 'download', { fileType: '1 Firmware Upgrade Image' }],
  ['download of two things', 'download', { fileType: '1', fileId: 'a', url: 'http://b' }],
  ['download without a file type', 'download', { fileId: 'a' }],
  ['download from a URL with a user name (A.3.2.8)', 'download', { fileType: '1', url: 'http://u:p@host/f' }],
  ['download from a URL longer than 256 characters', 'download', { fileType: '1', url: `http://${long}` }],
  ['download with a negative delay', 'download', { fileType: '1', fileId: 'a', delaySeconds: -1 }],
  ['download of a size that is no number', 'download', { fileType: '1', fileId: 'a', fileSize: '12' }],
  ['upload without a file type', 'upload', {}],
  ['schedule-inform without a delay (A.4.1.2: 9003)', 'schedule-inform', {}],
  ['schedule-inform in a fraction of a second', 'schedule-inform', { delaySeconds: 0.5 }],
])('%s is refused at the start', (_what, kind, args) => {
  expect(() => TASKS[kind].start(testWork(kind, args))).toThrow(Refused);
});

test('names asked for twice are read once', () => {
  const work = testWork('get', { names: ['Device.A', 'Device.A', 'Device.B'] });
  expect(TASKS.get.start(work)).toEqual({ phase: 'starting', names: ['Device.A', 'Device.B'] });
});
