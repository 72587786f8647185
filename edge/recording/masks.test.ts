// recording: what masks hide and what they keep, for values and for documents in any state.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readMessage } from '../../cwmp/soap-reader.ts';
import { writeRequest } from '../../cwmp/soap-writer.ts';
import { GENERIC } from '../../profiles/choose.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { bodyBytes, maskBody } from './document-masks.ts';
import { Masks } from './masks.ts';

const KEY = Buffer.alloc(32, 5);
const PATH = 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase';
const { style } = loadProfiles().get(GENERIC)!;
const newMasks = (): Masks => new Masks(KEY, (path) => path === 'Device.X_Own.Code', ['00D09E', 'Box', '4711-4711']);
/** What XML can carry, and a reader does not trim. */
const secretText = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 40 })
  .filter((text) => text.trim() === text && !/[\p{Cc}\p{Cs}\ufffe\uffff]/u.test(text));

const textOf = (body: Uint8Array | string, masks = newMasks()): string => bodyBytes(maskBody(body, masks)).toString();
const pair = (name: string, value: string): string =>
  `<ParameterValueStruct><Name>${name}</Name><Value xsi:type="xsd:string">${value}</Value></ParameterValueStruct>`;

test('a document of ours is as long masked, and the same as one written with the mask of its secret', () => {
  fc.assert(
    fc.property(secretText, (secret) => {
      const masks = newMasks();
      const write = (Value: string): string => {
        const ParameterList = [{ Name: PATH, Value, Type: 'xsd:string' }];
        return writeRequest(style, 'urn:dslforum-org:cwmp-1-0', '1', 'SetParameterValues', {
          ParameterList,
          ParameterKey: '',
        });
      };
      const written = write(secret);
      const masked = textOf(written, masks);
      expect(masked).toBe(write(masks.of(secret)));
      expect(Buffer.byteLength(masked)).toBe(Buffer.byteLength(written));
    }),
  );
});

test('masks are equal where secrets are, in documents as in values, and say nothing else of them', () => {
  fc.assert(
    fc.property(secretText, secretText, (one, other) => {
      const masks = newMasks();
      const longEnough = Math.min(one.length, other.length) >= 8 && !/^[*•●]+$/.test(one + other);
      const wanted = masks.value({ values: [{ name: PATH, value: one }] }).values[0]!.value;
      const read = masks.value({ Name: PATH, Value: other }).Value;
      if (longEnough) expect(wanted === read).toBe(one === other);
      if (longEnough) expect(wanted).not.toContain(one);
    }),
  );
});

test('of the same secret another recording has another mask', () => {
  const other = new Masks(Buffer.alloc(32, 6), () => false, []);
  expect(other.of('correct horse')).not.toBe(newMasks().of('correct horse'));
});

test('what shows nothing stays: empty, blanked out by the CPE', () => {
  for (const shown of ['', '********', '••••']) expect(newMasks().of(shown)).toBe(shown);
});

test('a number stays a number of as many digits', () => {
  expect(newMasks().of('12345678')).toMatch(/^1\d{7}$/);
});

test.each([
  ['plain', pair(PATH, 'planted-secret')],
  ['by the profile alone', pair('Device.X_Own.Code', 'planted-secret')],
  ['with prefixes and blanks', `<a:Name>\n ${PATH} </a:Name><a:Value>\n planted-secret </a:Value>`],
  ['in CDATA', pair(PATH, '<![CDATA[planted-secret]]>')],
  ['partly in CDATA', pair(PATH, 'planted<![CDATA[-secret]]>')],
  ['in references', pair(PATH, '&#112;lanted-&#x73;ecret')],
  ['cut off within', `<Name>${PATH}</Name><Value>planted-secr`],
  ['with markup of its own', pair(PATH, 'planted<b-secret')],
  ['as an argument', '<Download><URL>http://x/</URL><Password>planted-secret</Password></Download>'],
  ['quoted in a fault', `${pair(PATH, 'planted-secret')}<FaultString>bad value planted-secret!</FaultString>`],
  ['quoted before it is met', `<FaultString>'planted-secret'</FaultString>${pair(PATH, 'planted-secret')}`],
  ['as a login', '<URL>ftp://user:planted-secret@host/fw</URL>'],
  ['as the signature of a file', '<URL>http://acs/files/d/01ABC/t2k3/planted-secret-planted/fw.bin</URL>'],
])('a secret in a document is masked: %s', (_, xml) => {
  const masked = textOf(xml);
  expect(masked).not.toMatch(/planted|secr|lanted/);
});

test('other values, names and tags stay as they are', () => {
  const xml = `${pair('Device.DeviceInfo.UpTime', '4711')}${pair('Device.Users.1.Username', 'admin')}`;
  expect(textOf(xml)).toBe(xml);
  // The secret is a word of the markup, and part of the identity.
  const odd = `${pair(PATH, 'Value')}<SerialNumber>4711-4711</SerialNumber>${pair(PATH, '4711-4711')}`;
  expect(textOf(odd)).toMatch(/^<ParameterValueStruct><Name>.*<SerialNumber>4711-4711<\/SerialNumber>/);
});

test('names that control called secret count, in full and after an instance', () => {
  const masks = newMasks();
  const work = { args: { values: [{ name: 'Key.1.Own', value: 'planted-secret', secret: true }] } };
  const state = {
    current: [{ Name: 'Device.Table.3.Key.1.Own', Value: 'planted-secret' }],
    password: 'planted-secret',
  };
  expect(JSON.stringify(masks.value([state, work]))).not.toContain('planted');
});

test('bytes that are no UTF-8, and UTF-16, are masked where they lie', () => {
  const xml = `<?xml version="1.0"?><x>\u00e9${pair(PATH, 'planted-secret')}</x>`;
  const latin = bodyBytes(maskBody(Buffer.from(xml, 'latin1'), newMasks()));
  expect(latin.toString('latin1')).not.toContain('planted');
  expect(latin.toString('latin1')).toContain('\u00e9');
  for (const swap of [false, true]) {
    const bytes = Buffer.from(`\ufeff${xml}`, 'utf16le');
    const masked = bodyBytes(maskBody(swap ? bytes.swap16() : bytes, newMasks()));
    const text = (swap ? masked.swap16() : masked).toString('utf16le');
    expect(text).toContain(PATH);
    expect(text).not.toContain('planted');
  }
});

test('a masked answer is read as the one before it, but for the secret', () => {
  const open =
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:cwmp="urn:dslforum-org:cwmp-1-0" xmlns:xsi="x">';
  const xml = `${open}<soap:Body><cwmp:GetParameterValuesResponse><ParameterList>${pair(PATH, 'a&amp;b &lt;c&gt;')}</ParameterList></cwmp:GetParameterValuesResponse></soap:Body></soap:Envelope>`;
  const masks = newMasks();
  const result = readMessage(Buffer.from(textOf(xml, masks)), null);
  const message = result.type === 'ok' && result.message.type === 'response' ? result.message : null;
  expect(message?.result['ParameterList']).toMatchObject([{ Name: PATH, Value: masks.of('a&b <c>') }]);
});
