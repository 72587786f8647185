// TLS on the CWMP port without a front: with a real certificate, made by openssl, and with what is none.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONTENT_TYPE, referenceInform } from '../../bench/reference-inform.ts';
import { startTestEdge } from '../edge.test-helper.ts';

const dir = mkdtempSync(join(tmpdir(), 'starling-tls-'));
const files = { certificate: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), other: join(dir, 'other.pem') };

beforeAll(() => {
  const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const out = (key: string, certificate: string): string[] => ['-keyout', key, '-out', certificate];
  execFileSync('openssl', [...make, ...subject, ...out(files.key, files.certificate)], { stdio: 'ignore' });
  execFileSync('openssl', [...make, ...subject, ...out(files.other, join(dir, 'unused.pem'))], { stdio: 'ignore' });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const env = (certificate: string, key: string): Record<string, string> => ({
  STARLING_CWMP_TLS_CERTIFICATE: certificate,
  STARLING_CWMP_TLS_KEY: key,
});

test('a CPE that trusts the certificate informs over TLS; files are told as https; plain HTTP gets no answer', async () => {
  const edge = await startTestEdge(env(files.certificate, files.key));
  try {
    const post = request({
      ...{ host: 'localhost', port: edge.port, method: 'POST', path: '/', ca: readFileSync(files.certificate) },
      headers: { 'content-type': CONTENT_TYPE },
    });
    post.end(referenceInform());
    const [response] = await once(post, 'response');
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(String(response.headers['set-cookie'])).toContain('sid=');
    const plain = connect(edge.port, '127.0.0.1');
    plain.on('error', () => {});
    plain.write('POST / HTTP/1.1\r\nHost: acs\r\nContent-Length: 0\r\n\r\n');
    let heard = '';
    plain.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    await once(plain, 'close');
    expect(heard).not.toContain('HTTP/1.1');
  } finally {
    await edge.close();
  }
});

test.each([
  ['no certificate', () => [files.key, files.key]],
  ['a key that belongs to another certificate', () => [files.certificate, files.other]],
  ['a file that is not there', () => [join(dir, 'none.pem'), files.key]],
])('%s: refused at start, with the files and the reason', async (_, pair) => {
  writeFileSync(join(dir, 'empty.pem'), '');
  const [certificate, key] = pair() as [string, string];
  await expect(startTestEdge(env(certificate, key))).rejects.toMatchObject({
    code: 'bad-certificate',
    message: expect.stringContaining(certificate),
  });
});
