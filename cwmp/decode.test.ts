// Charsets that no message of the corpus shows. The usual ones are tested there, as messages.

import { expect, test } from 'vitest';
import { decode } from './decode.ts';
import { ToleranceSet } from './tolerances.ts';

function decoded(bytes: Buffer, contentType: string | null): { text: string | null; tolerances: readonly string[] } {
  const tolerances = new ToleranceSet();
  return { text: decode(bytes, contentType, tolerances)?.text ?? null, tolerances: tolerances.list() };
}

test.each(['utf-7', 'UTF7-IMAP', 'unicode-1-1-utf-7', 'base64', 'hex', 'binary', '_internal'])(
  'a charset called %s is not obeyed',
  (label) => {
    const bytes = Buffer.from('<a>+ADw-b+AD4-</a>');
    expect(decoded(bytes, `text/xml; charset=${label}`)).toEqual({
      text: '<a>+ADw-b+AD4-</a>',
      tolerances: ['unknown-charset'],
    });
  },
);

test('a byte order mark wins over what the headers say', () => {
  const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('<a>é</a>')]);
  expect(decoded(bytes, 'text/xml; charset=iso-8859-1')).toEqual({ text: '<a>é</a>', tolerances: [] });
});

test('the Content-Type wins over the XML declaration', () => {
  const bytes = Buffer.from('<?xml version="1.0" encoding="utf-8"?><a>é</a>', 'latin1');
  expect(decoded(bytes, 'text/xml; charset=iso-8859-1').text).toContain('<a>é</a>');
});

test('halves of surrogate pairs and an odd last byte leave UTF-16 well-formed', () => {
  const bytes = Buffer.concat([Buffer.from('\ufeff<a>\ud83d</a>', 'utf16le'), Buffer.from([0x41])]);
  expect(decoded(bytes, null)).toEqual({ text: '<a>\ufffd</a>', tolerances: [] });
});

test.each([
  ['utf-8', Buffer.from('<a>é\u{1f422}Ż</a>'), 'utf-8'],
  ['latin1', Buffer.from('<a>é</a>', 'latin1'), 'iso-8859-1'],
  ['utf-16', Buffer.from('\ufeff<a>\u013c\u{1f422}</a>', 'utf16le'), 'utf-16'],
  ['a code page', Buffer.from([0x3c, 0xc4, 0x3e]), 'windows-1251'],
])('codes of %s line up with the characters and hide none above 0x7f as markup', (_, bytes, charset) => {
  const result = decode(bytes, `text/xml; charset=${charset}`, new ToleranceSet())!;
  expect(result.codes).toHaveLength(result.text.length);
  for (const [i, code] of result.codes.entries()) {
    const c = result.text.charCodeAt(i);
    expect(c < 0x80 ? code === c : code >= 0x80).toBe(true);
  }
});

test('more Content-Types than are remembered are all obeyed', () => {
  const bytes = Buffer.from('<a>é</a>', 'latin1');
  for (let i = 0; i < 200; i++) expect(decoded(bytes, `text/xml; n=${i}; charset=iso-8859-1`).tolerances).toEqual([]);
});
