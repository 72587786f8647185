// Misbehaviours in XML, SOAP and bytes: lines 1–16, 43–45, 52 and 54 of the list of what CPEs really do, on what the CPE sends.

import { deflateSync, gzipSync } from 'node:zlib';
import iconv from 'iconv-lite';
import type { Hooks, Sending } from './behaviour.ts';
import { type Element, element, findAll, type PrefixRole, type Spelling } from './envelope.ts';
import type { Misbehaviour } from './misbehaviour.ts';

/** A text that only survives when the declared charset is obeyed: it is planted as ProvisioningCode where charsets are tested. */
export const CHARSET_TEXT = 'Grüße aus Köln';
export const CYRILLIC_TEXT = 'Привет';

const spelling = (change: Partial<Spelling>): Hooks => ({
  envelope: ({ spelling: own }) => void Object.assign(own, change),
});

const prefixes = (change: Partial<Record<PrefixRole, string>>): Hooks => ({
  envelope: ({ spelling: own }) => void Object.assign(own.prefixes, change),
});

/** Drops elements by name, wherever they are below the body. */
function without(list: Element[], names: readonly string[]): Element[] {
  return list
    .filter((one) => !names.includes(one.name))
    .map((one) => ({ ...one, children: without(one.children, names) }));
}

const dropping = (method: string, ...names: string[]): Hooks => ({
  envelope(envelope, sending) {
    if (sending.method === method) envelope.body = without(envelope.body, names);
  },
});

const isAnswer = (sending: Sending): boolean => sending.kind === 'response' || sending.kind === 'fault';

const answerId = (change: (id: string) => string | null): Hooks => ({
  envelope(envelope, sending) {
    if (isAnswer(sending) && envelope.id !== null) envelope.id = change(envelope.id);
  },
});

const requestId = (id: string | null): Hooks => ({
  envelope(envelope, sending) {
    if (!isAnswer(sending)) envelope.id = id;
  },
});

const values = (change: (value: Element, struct: Element, at: number) => void): Hooks => ({
  envelope(envelope) {
    findAll(envelope.body, 'ParameterValueStruct').forEach((struct, at) => {
      for (const value of struct.children.filter((one) => one.name === 'Value')) change(value, struct, at);
    });
  },
});

/** Sends in another charset; `declared` says where that is told. */
function charset(encoding: string, contentType: string, declaration: string, text: string): Hooks {
  return {
    plant: (tree) => void tree.set(`${tree.root}DeviceInfo.ProvisioningCode`, text),
    envelope: ({ spelling: own }) => {
      own.declaration = declaration;
    },
    post(post, _, xml) {
      if (xml === '') return;
      post.body = iconv.encode(xml, encoding, { addBOM: encoding === 'utf16le' });
      post.headers['content-type'] = contentType;
    },
  };
}

const compressed = (encoding: string, compress: (body: Buffer) => Buffer): Hooks => ({
  post(post) {
    if (post.body.length === 0) return;
    post.body = compress(post.body);
    post.headers['content-encoding'] = encoding;
  },
});

const before = (junk: Buffer): Hooks => ({
  post(post) {
    if (post.body.length > 0) post.body = Buffer.concat([junk, post.body]);
  },
});

/** Turns `&amp;` in values back into what lazy firmware writes. */
const ampersands = (written: string): Hooks => ({ xml: (xml) => xml.replaceAll('&amp;', written) });

const FAULT_TEXTS = ['faultcode', 'faultstring', 'FaultCode', 'FaultString'];

export const XML_MISBEHAVIOURS: Misbehaviour[] = [
  {
    field: 1,
    name: 'prefixes-arbitrary',
    text: 'prefixes that no standard uses',
    hooks: prefixes({ soap: 'q1', soapenc: 'q2', xsi: 'q3', xsd: 'q4', cwmp: 'tns' }),
  },
  {
    field: 1,
    name: 'prefixes-misleading',
    text: 'the prefix soap for the encoding namespace',
    hooks: prefixes({ soap: 'env', soapenc: 'soap' }),
  },
  {
    field: 1,
    name: 'prefix-undeclared',
    text: 'prefixes that are declared nowhere, on DeviceId and on the Fault in detail',
    hooks: {
      xml: (xml) =>
        xml
          .replace(/<(\/?)DeviceId>/g, '<$1dev:DeviceId>')
          .replace(/(<detail>)<cwmp:Fault>|<\/cwmp:Fault>(<\/detail>)/g, (_, open, close) =>
            open === undefined ? `</fault:Fault>${close}` : `${open}<fault:Fault>`,
          ),
    },
  },
  {
    field: 2,
    name: 'namespace-on-body',
    text: 'xmlns:cwmp on Body',
    hooks: spelling({ cwmpDeclaredOn: 'Body' }),
  },
  {
    field: 2,
    name: 'namespace-on-method',
    text: 'xmlns:cwmp on the method',
    hooks: spelling({ cwmpDeclaredOn: 'method' }),
  },
  {
    field: 2,
    name: 'namespace-default',
    text: 'the cwmp namespace as default xmlns of the method',
    hooks: {
      envelope(envelope) {
        envelope.spelling.cwmpDeclaredOn = 'default';
        envelope.spelling.prefixes.cwmp = '';
        // The header cannot lean on a default declared in the body.
        envelope.id = null;
        envelope.header = [];
      },
    },
  },
  {
    field: 2,
    name: 'namespace-unknown',
    text: 'a cwmp namespace nobody knows',
    hooks: { envelope: ({ spelling: own }) => void Object.assign(own.namespaces, { cwmp: 'urn:example:cwmp-9-9' }) },
  },
  { field: 3, name: 'request-id-missing', text: 'requests without cwmp:ID', hooks: requestId(null) },
  { field: 3, name: 'request-id-empty', text: 'requests with an empty cwmp:ID', hooks: requestId('') },
  {
    field: 4,
    name: 'attributes-single-quoted',
    text: 'attributes in single quotes',
    hooks: spelling({ quote: "'" }),
  },
  {
    field: 4,
    name: 'attribute-values-odd',
    text: ': = and > inside attribute values',
    hooks: spelling({ extraAttributes: ' note="a:b=c>d"' }),
  },
  {
    field: 4,
    name: 'declaration-multiline',
    text: 'an XML declaration over several lines',
    hooks: spelling({ declaration: '<?xml\n  version="1.0"\n  encoding="UTF-8"\n?>\n' }),
  },
  {
    field: 4,
    name: 'comments',
    text: 'comments between and inside elements',
    hooks: {
      xml: (xml) =>
        xml
          .replace(/(<[\w-]+:Body)/, '<!-- a <b> & > "c -->$1')
          .replaceAll('<ParameterValueStruct>', '<!--p--><ParameterValueStruct>'),
    },
  },
  {
    field: 5,
    name: 'ampersand-bare',
    text: "a bare '&' in a value",
    hooks: { ...plantAmpersand(), ...ampersands('&') },
  },
  {
    field: 5,
    name: 'entity-unknown',
    text: 'an entity nobody declared in a value',
    hooks: { ...plantAmpersand(), ...ampersands('&nbsp;') },
  },
  {
    field: 5,
    name: 'entities-numeric',
    text: 'values written as numeric references',
    hooks: spelling({ text: 'numeric' }),
  },
  {
    field: 6,
    name: 'bom',
    text: 'a byte order mark before the declaration',
    hooks: before(Buffer.from([0xef, 0xbb, 0xbf])),
  },
  {
    field: 6,
    name: 'junk-before-root',
    text: 'line ends and a NUL before the declaration',
    hooks: before(Buffer.from('\r\n\0\r\n', 'latin1')),
  },
  {
    field: 6,
    name: 'whitespace-post',
    text: 'white space in place of the empty POST',
    hooks: { traits: { emptyPost: ' \r\n' } },
  },
  {
    field: 7,
    name: 'charset-in-content-type',
    text: 'latin1, told only by Content-Type',
    hooks: charset('latin1', 'text/xml; charset=ISO-8859-1', '', CHARSET_TEXT),
  },
  {
    field: 7,
    name: 'charset-quoted',
    text: 'latin1, told only by Content-Type, in quotes',
    hooks: charset('latin1', "text/xml; charset='iso-8859-1'", '', CHARSET_TEXT),
  },
  {
    field: 7,
    name: 'charset-in-declaration',
    text: 'latin1, told only by the XML declaration',
    hooks: charset('latin1', 'text/xml', '<?xml version="1.0" encoding="ISO-8859-1"?>\n', CHARSET_TEXT),
  },
  {
    field: 7,
    name: 'charset-utf16',
    text: 'UTF-16 with a byte order mark',
    hooks: charset('utf16le', 'text/xml; charset=utf-16', '<?xml version="1.0" encoding="UTF-16"?>\n', CHARSET_TEXT),
  },
  {
    field: 7,
    name: 'charset-windows-1251',
    text: 'an exotic code page',
    hooks: charset(
      'win1251',
      'text/xml; charset=windows-1251',
      '<?xml version="1.0" encoding="windows-1251"?>\n',
      CYRILLIC_TEXT,
    ),
  },
  { field: 8, name: 'gzip', text: 'bodies in gzip', hooks: compressed('gzip', gzipSync) },
  { field: 8, name: 'deflate', text: 'bodies in deflate', hooks: compressed('deflate', deflateSync) },
  {
    field: 9,
    name: 'type-missing',
    text: 'values without xsi:type',
    hooks: values((value) => {
      value.attributes = {};
    }),
  },
  {
    field: 10,
    name: 'type-odd',
    text: 'types nobody knows: xsd:, xsd:string(64)',
    hooks: values((value, _, at) => {
      value.attributes['xsi:type'] = at % 2 === 0 ? 'xsd:' : 'xsd:string(64)';
    }),
  },
  {
    field: 11,
    name: 'values-odd',
    text: 'booleans, numbers and times that are none',
    hooks: values((value) => {
      const odd: Record<string, string> = {
        'xsd:boolean': 'Enabled',
        'xsd:unsignedInt': 'n/a',
        'xsd:int': '-',
        'xsd:dateTime': 'unknown',
      };
      value.text = odd[value.attributes['xsi:type'] ?? ''] ?? value.text;
    }),
  },
  {
    field: 12,
    name: 'name-missing',
    text: 'an entry without Name and one with an impossible one in every ParameterList',
    hooks: {
      envelope(envelope) {
        for (const list of findAll(envelope.body, 'ParameterList')) {
          const first = list.children[0];
          if (first === undefined) continue;
          const nameless = { ...first, children: first.children.filter((one) => one.name !== 'Name') };
          const impossible = {
            ...first,
            children: first.children.map((one) => (one.name === 'Name' ? element('Name', '..<>') : one)),
          };
          list.children.unshift(nameless, impossible);
        }
      },
    },
  },
  {
    field: 13,
    name: 'writable-missing',
    text: 'GetParameterNames answers without Writable',
    hooks: dropping('GetParameterNames', 'Writable'),
  },
  {
    field: 13,
    name: 'status-missing',
    text: 'answers without Status',
    hooks: {
      envelope(envelope, sending) {
        if (sending.kind === 'response') envelope.body = without(envelope.body, ['Status']);
      },
    },
  },
  {
    field: 13,
    name: 'download-times-odd',
    text: 'DownloadResponse without StartTime and with an unreadable CompleteTime',
    hooks: {
      envelope(envelope, sending) {
        if (sending.kind !== 'response' || sending.method !== 'Download') return;
        envelope.body = without(envelope.body, ['StartTime']);
        for (const time of findAll(envelope.body, 'CompleteTime')) time.text = 'soon';
      },
    },
  },
  {
    field: 14,
    name: 'inform-bare',
    text: 'Inform without ParameterList, Event and RetryCount',
    hooks: dropping('Inform', 'ParameterList', 'Event', 'RetryCount'),
  },
  { field: 14, name: 'inform-without-oui', text: 'Inform without OUI', hooks: dropping('Inform', 'OUI') },
  {
    field: 14,
    name: 'inform-without-serial-number',
    text: 'Inform without SerialNumber',
    hooks: dropping('Inform', 'SerialNumber'),
  },
  {
    field: 14,
    name: 'inform-without-product-class',
    text: 'Inform without ProductClass',
    hooks: dropping('Inform', 'ProductClass'),
  },
  {
    field: 15,
    name: 'transfer-complete-bare',
    text: 'TransferComplete without CommandKey, FaultStruct and times',
    hooks: dropping('TransferComplete', 'CommandKey', 'FaultStruct', 'StartTime', 'CompleteTime'),
  },
  {
    field: 15,
    name: 'transfer-complete-unknown-key',
    text: 'TransferComplete with a CommandKey nobody gave',
    hooks: {
      envelope(envelope, sending) {
        if (sending.method === 'TransferComplete')
          for (const key of findAll(envelope.body, 'CommandKey')) key.text = 'nobody-gave-this';
      },
    },
  },
  {
    field: 16,
    name: 'fault-without-codes',
    text: 'faults whose codes and texts are missing',
    hooks: faultsWithout(FAULT_TEXTS),
  },
  {
    field: 16,
    name: 'fault-without-detail',
    text: 'faults without detail',
    hooks: faultsWithout(['detail']),
  },
  { field: 43, name: 'cdata', text: 'values in CDATA', hooks: spelling({ text: 'cdata' }) },
  {
    field: 44,
    name: 'value-missing',
    text: 'the last entry of every ParameterList has no Value',
    hooks: {
      envelope(envelope) {
        const last = findAll(envelope.body, 'ParameterValueStruct').at(-1);
        if (last !== undefined) last.children = last.children.filter((one) => one.name !== 'Value');
      },
    },
  },
  {
    field: 45,
    name: 'body-empty',
    text: 'an envelope with an empty Body in place of the empty POST',
    hooks: {
      traits: {
        emptyPost:
          '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body/></soapenv:Envelope>',
      },
    },
  },
  { field: 52, name: 'response-id-missing', text: 'answers without cwmp:ID', hooks: answerId(() => null) },
  {
    field: 52,
    name: 'response-id-changed',
    text: 'answers with a cwmp:ID of their own',
    hooks: answerId((id) => `${id}0`),
  },
  { field: 52, name: 'response-id-empty', text: 'answers with an empty cwmp:ID', hooks: answerId(() => '') },
  {
    field: 52,
    name: 'response-id-padded',
    text: 'answers with white space around the cwmp:ID',
    hooks: answerId((id) => `\n  ${id}  `),
  },
];

function plantAmpersand(): Hooks {
  return { plant: (tree) => void tree.set(`${tree.root}DeviceInfo.ProvisioningCode`, 'cats & dogs') };
}

function faultsWithout(names: readonly string[]): Hooks {
  return {
    envelope(envelope, sending) {
      if (sending.kind === 'fault') envelope.body = without(envelope.body, names);
    },
  };
}
