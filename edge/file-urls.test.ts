import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '../base/assert.ts';
import { ConfigError } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import { FileUrls } from './file-urls.ts';

const NOW = 1_700_000_000_000;
const BASE = 'http://acs.example.net:7547';
const urls = new FileUrls({ key: Buffer.alloc(32, 1), baseUrl: `${BASE}/` });
const cpeId = '00D09E-Box~20X-1';
const pathOf = (url: string): string => url.slice(BASE.length);

test('a URL is taken until it expires, and not a second longer', () => {
  const path = pathOf(urls.download('file-1', NOW + 60_000));
  expect(urls.judge(path, NOW + 60_000)).toEqual({ type: 'download', fileId: 'file-1' });
  expect(urls.judge(path, NOW + 60_001)).toMatchObject({
    type: 'refused',
    status: 403,
    text: expect.stringContaining('expired'),
  });
  expect(urls.judge(pathOf(urls.upload(cpeId, 'A1', NOW)), NOW)).toEqual({ type: 'upload', actionId: 'A1', cpeId });
});

test('every altered character of a URL is refused', () => {
  for (const path of [pathOf(urls.download('file-1', NOW + 60_000)), pathOf(urls.upload(cpeId, 'A1', NOW + 60_000))]) {
    for (let i = 0; i < path.length; i++) {
      for (const other of ['x', '/', '0']) {
        if (path[i] === other) continue;
        expect(urls.judge(path.slice(0, i) + other + path.slice(i + 1), NOW).type).toBe('refused');
      }
      expect(urls.judge(path.slice(0, i), NOW).type).toBe('refused');
    }
  }
});

test('a signature of a download is none of an upload, of another installation none of ours', () => {
  const download = pathOf(urls.download('A1', NOW + 60_000));
  expect(urls.judge(download.replace('/d/', '/u/'), NOW).type).toBe('refused');
  expect(new FileUrls({ key: Buffer.alloc(32, 2), baseUrl: BASE }).judge(download, NOW).type).toBe('refused');
});

test('a name at the end is for the CPE: kept safe, shortened from the left, not judged (T5)', () => {
  const url = urls.download('file-1', NOW + 60_000, `../${'ä'.repeat(300)} v5.bin`);
  expect(url).toHaveLength(LIMITS.fileUrlCharsMax);
  expect(url).toMatch(/\/[A-Za-z0-9._-]+_v5\.bin$/);
  expect(urls.judge(pathOf(url), NOW).type).toBe('download');
  expect(urls.judge(`${pathOf(urls.upload(cpeId, 'A1', NOW))}/appended by the CPE.cfg`, NOW).type).toBe('upload');
});

test('URLs with ids of full length fit into 256 characters (T5)', () => {
  const longest = new FileUrls({ key: Buffer.alloc(32), baseUrl: `https://${'a'.repeat(100)}` });
  const cpe = `00D09E-${'P'.repeat(20)}-${'S'.repeat(30)}`;
  expect(longest.upload(cpe, newId(NOW), NOW).length).toBeLessThanOrEqual(LIMITS.fileUrlCharsMax);
  expect(() => new FileUrls({ key: Buffer.alloc(32), baseUrl: `https://${'a'.repeat(200)}` })).toThrow(ConfigError);
});

test('an id that is none of ours does not become a URL', () => {
  for (const id of ['', '../x', 'a/b', 'a b', 'a'.repeat(65)])
    expect(() => urls.download(id, NOW)).toThrow(AssertionError);
});

test('any path is judged without a throw, and none is taken', () => {
  const piece = fc.constantFrom('/', 'files', 'd', 'u', '..', '%2e', 'a', '\u0000', '~', 'zzzzzzzz');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((p) => `/files/${p.join('')}`),
      ),
      (path) => {
        expect(urls.judge(path, NOW).type).toBe('refused');
      },
    ),
  );
});
