// The XML reader and writer of the simulated CPE, held against each other.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAcsMessage } from './acs-message.ts';
import { element, envelope, render } from './envelope.ts';
import { child, parseXml } from './xml-tree.ts';

// Characters XML 1.0 allows; lone surrogates are none.
const text = fc
  .string({ unit: 'grapheme' })
  .filter((value) => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(value));

test.each(['escaped', 'cdata', 'numeric'] as const)('any text comes back from what is written %s', (how) => {
  fc.assert(
    fc.property(text, (value) => {
      const made = envelope('1', 'urn:dslforum-org:cwmp-1-2', element('cwmp:Test', [element('Value', value)]));
      made.spelling.text = how;
      const body = child(parseXml(render(made)), 'Body')!;
      // A CDATA section cannot hold a carriage return as such: XML 1.0 §2.11 turns it into a line end.
      const expected = how === 'cdata' ? value.replace(/\r\n?/g, '\n') : value;
      expect(child(body.children[0], 'Value')!.text).toBe(expected);
    }),
  );
});

const WHOLE = render(
  envelope('1', 'urn:dslforum-org:cwmp-1-2', element('cwmp:Inform', [element('A', 'x & y'), element('B')])),
);

test('a document cut off anywhere before its end is refused', () => {
  for (let end = 1; end < WHOLE.length; end++) expect(() => parseXml(WHOLE.slice(0, end)), `cut at ${end}`).toThrow();
});

test.each([
  ['a prefix that is not declared', '<a:b/>'],
  ['crossed tags', '<a><b></a></b>'],
  ['a bare ampersand', '<a>x & y</a>'],
  ['an unknown entity', '<a>&nbsp;</a>'],
  ['an attribute twice', '<a b="1" b="2"/>'],
  ['two roots', '<a/><b/>'],
  ['text after the root', '<a/>x'],
  ['a DOCTYPE', '<!DOCTYPE a><a/>'],
  ['a late XML declaration', '\n<?xml version="1.0"?><a/>'],
  ['a control character', '<a>\u0001</a>'],
  ['a reference to a control character', '<a>&#0;</a>'],
])('%s is refused', (_, source) => {
  expect(() => parseXml(source)).toThrow();
});

const SOAP = 'xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"';
const around = (inner: string, id = '<c:ID s:mustUnderstand="1">7</c:ID>'): string =>
  `<s:Envelope ${SOAP} xmlns:c="urn:dslforum-org:cwmp-1-2"><s:Header>${id}</s:Header><s:Body>${inner}</s:Body></s:Envelope>`;

test('a conforming request is read without a complaint', () => {
  const message = readAcsMessage(around('<c:Reboot><CommandKey>k</CommandKey></c:Reboot>'));
  expect(message).toMatchObject({ type: 'request', method: 'Reboot', envelope: { id: '7', complaints: [] } });
});

test.each([
  ['E2', '<c:Reboot xmlns="urn:x"><CommandKey>k</CommandKey></c:Reboot>', undefined],
  [
    'E3',
    '<c:GetParameterValues><ParameterNames e:arrayType="xsd:string[2]"><string>a</string></ParameterNames></c:GetParameterValues>',
    undefined,
  ],
  [
    'E4',
    '<c:SetParameterValues><ParameterList><ParameterValueStruct><Name>a</Name><Value>1</Value></ParameterValueStruct></ParameterList></c:SetParameterValues>',
    undefined,
  ],
  ['E7', '<c:Reboot><CommandKey>k</CommandKey></c:Reboot>', ''],
  ['E7', '<c:Reboot><CommandKey>k</CommandKey></c:Reboot>', '<c:ID>7</c:ID>'],
  ['E1', '<c:Reboot/><c:Reboot/>', undefined],
])('a breach of %s is complained of', (rule, inner, id) => {
  const message = readAcsMessage(around(inner, id));
  expect(message.type === 'empty' ? [] : message.envelope.complaints).toContainEqual(
    expect.stringContaining(`${rule}:`),
  );
});
