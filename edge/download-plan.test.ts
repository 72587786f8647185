import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planDownload } from './download-plan.ts';
import type { FileMeta } from './files.ts';

const file: FileMeta = {
  fileId: 'f',
  name: 'f.bin',
  fileType: '1 Firmware Upgrade Image',
  bytes: 1_000,
  sha256: 'ab'.repeat(32),
  createdAt: 1_700_000_000_123,
  source: 'operator',
  actionId: null,
  data: 'f.1',
};
const ETAG = `"${'ab'.repeat(16)}"`;
const MODIFIED = 'Tue, 14 Nov 2023 22:13:20 GMT';
const plan = (range: string, ifRange = '', bytes = 1_000) =>
  planDownload({ method: 'GET', range, ifRange }, { ...file, bytes });

test.each([
  ['no range', '', '200 OK', 0, 1_000],
  ['from the middle', 'bytes=500-', '206 Partial Content', 500, 500],
  ['a part', 'bytes=0-99', '206 Partial Content', 0, 100],
  ['one byte', 'bytes=999-999', '206 Partial Content', 999, 1],
  ['past the end, cut', 'bytes=900-5000', '206 Partial Content', 900, 100],
  ['the last bytes', 'bytes=-100', '206 Partial Content', 900, 100],
  ['more last bytes than there are', 'bytes=-5000', '206 Partial Content', 0, 1_000],
  ['blanks and capitals', ' Bytes = 1 - 2 ', '206 Partial Content', 1, 2],
  ['past the end', 'bytes=1000-', '416 Range Not Satisfiable', 0, 0],
  ['no last bytes', 'bytes=-0', '416 Range Not Satisfiable', 0, 0],
  ['several ranges', 'bytes=0-1,5-6', '200 OK', 0, 1_000],
  ['another unit', 'lines=0-1', '200 OK', 0, 1_000],
  ['backwards', 'bytes=5-1', '200 OK', 0, 1_000],
  ['nothing in it', 'bytes=-', '200 OK', 0, 1_000],
  ['a number too long', `bytes=${'9'.repeat(20)}-`, '200 OK', 0, 1_000],
])('range: %s', (_name, range, status, start, bytes) => {
  expect(plan(range)).toMatchObject({ status, start, bytes });
});

test('range: the headers say what is sent, of what, and which version', () => {
  expect(Object.fromEntries(plan('bytes=0-99').headers)).toEqual({
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    ETag: ETAG,
    'Last-Modified': MODIFIED,
    'Content-Range': 'bytes 0-99/1000',
  });
  expect(plan('bytes=1000-').headers).toEqual([['Content-Range', 'bytes */1000']]);
});

test.each([
  ['the same version by ETag', ETAG, 206],
  ['the same version by date', MODIFIED, 206],
  ['another version', '"cd"', 200],
  ['another date', 'Tue, 14 Nov 2023 22:13:21 GMT', 200],
  ['a weak ETag', `W/${ETAG}`, 200],
])('If-Range: %s', (_name, ifRange, status) => {
  expect(plan('bytes=10-', ifRange).status.startsWith(String(status))).toBe(true);
});

test('an empty file is whole whatever the range', () => {
  for (const range of ['', 'bytes=0-', 'bytes=-5', 'bytes=3-4']) {
    expect(plan(range, '', 0)).toMatchObject({ status: '200 OK', start: 0, bytes: 0 });
  }
});

test('HEAD plans the same answer without its body', () => {
  const head = planDownload({ method: 'HEAD', range: 'bytes=10-', ifRange: '' }, file);
  expect(head).toEqual({ ...plan('bytes=10-'), sendBody: false });
});

test('whatever the range, what is sent lies within the file', () => {
  const number = fc.oneof(fc.constant(''), fc.nat(2_000).map(String));
  fc.assert(
    fc.property(number, number, fc.nat(1_500), (from, to, size) => {
      const { start, bytes, status } = plan(`bytes=${from}-${to}`, '', size);
      expect(start).toBeGreaterThanOrEqual(0);
      expect(start + bytes).toBeLessThanOrEqual(size);
      if (status.startsWith('206')) expect(bytes).toBeGreaterThan(0);
    }),
  );
});
