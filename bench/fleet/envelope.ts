// What a CPE sends, as elements and as text. Every spelling that real CPEs vary (prefixes, quotes, where namespaces are declared) is a
// member of Spelling, so that a misbehaviour is a changed value and not a second writer.

/** An element to write. Names carry the role of their prefix: `soap:Body`, `cwmp:Inform`; arguments have none. */
export interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  text: string;
}

export type PrefixRole = 'soap' | 'soapenc' | 'xsd' | 'xsi' | 'cwmp';

export interface Spelling {
  /** Literal text before the root, '' for none. */
  declaration: string;
  /** Prefix by role; '' writes the element without one. */
  prefixes: Record<PrefixRole, string>;
  namespaces: Record<PrefixRole, string>;
  /** Where xmlns of the cwmp namespace stands; `default` is xmlns="…" on the method. */
  cwmpDeclaredOn: 'Envelope' | 'Body' | 'method' | 'default' | 'nowhere';
  quote: '"' | "'";
  /** Attributes added to the Envelope as they are. */
  extraAttributes: string;
  /** How values are escaped. */
  text: 'escaped' | 'cdata' | 'numeric';
}

export interface Envelope {
  spelling: Spelling;
  /** cwmp:ID; null writes none. */
  id: string | null;
  header: Element[];
  body: Element[];
}

const DEFAULT_SPELLING: Spelling = {
  declaration: '<?xml version="1.0" encoding="UTF-8"?>\n',
  prefixes: { soap: 'soapenv', soapenc: 'soapenc', xsd: 'xsd', xsi: 'xsi', cwmp: 'cwmp' },
  namespaces: {
    soap: 'http://schemas.xmlsoap.org/soap/envelope/',
    soapenc: 'http://schemas.xmlsoap.org/soap/encoding/',
    xsd: 'http://www.w3.org/2001/XMLSchema',
    xsi: 'http://www.w3.org/2001/XMLSchema-instance',
    cwmp: 'urn:dslforum-org:cwmp-1-2',
  },
  cwmpDeclaredOn: 'Envelope',
  quote: '"',
  extraAttributes: '',
  text: 'escaped',
};

/** An element with children, or with text. */
export function element(
  name: string,
  content: Element[] | string = '',
  attributes: Record<string, string> = {},
): Element {
  return typeof content === 'string'
    ? { name, attributes, children: [], text: content }
    : { name, attributes, children: content, text: '' };
}

/** A SOAP array: `arrayType` carries the number of entries (CWMP E3). */
export function list(name: string, type: string, entries: Element[]): Element {
  return element(name, entries, { 'soapenc:arrayType': `${type}[${entries.length}]` });
}

/** The envelope around one body element, in the given cwmp namespace. */
export function envelope(id: string | null, namespace: string, body: Element): Envelope {
  const { prefixes, namespaces } = DEFAULT_SPELLING;
  const spelling = { ...DEFAULT_SPELLING, prefixes: { ...prefixes }, namespaces: { ...namespaces, cwmp: namespace } };
  return { spelling, id, header: [], body: [body] };
}

/** Every element below and with `from` called `name`, in document order. */
export function findAll(from: Element[], name: string): Element[] {
  return from.flatMap((one) => [...(one.name === name ? [one] : []), ...findAll(one.children, name)]);
}

/** The envelope as text. */
export function render(from: Envelope): string {
  const { spelling } = from;
  const q = spelling.quote;
  const declare = (role: PrefixRole): string => {
    const prefix = spelling.prefixes[role];
    return ` xmlns${prefix === '' ? '' : `:${prefix}`}=${q}${spelling.namespaces[role]}${q}`;
  };
  const onEnvelope = (['soap', 'soapenc', 'xsd', 'xsi'] as const)
    // An element without a prefix must not be pulled into a default namespace that was meant for another role.
    .filter((role) => spelling.prefixes[role] !== '')
    .map(declare)
    .join('');
  const cwmp = declare('cwmp');
  const soap = (local: string): string => qualified(spelling, `soap:${local}`);
  const header = [...from.header];
  if (from.id !== null) header.unshift(element('cwmp:ID', from.id, { 'soap:mustUnderstand': '1' }));
  const body = from.body.map((one) => {
    if (spelling.cwmpDeclaredOn === 'method') return write(one, spelling, cwmp);
    if (spelling.cwmpDeclaredOn === 'default')
      return write(one, spelling, ` xmlns=${q}${spelling.namespaces.cwmp}${q}`);
    return write(one, spelling, '');
  });
  const headerDeclares = spelling.cwmpDeclaredOn === 'Envelope' || spelling.cwmpDeclaredOn === 'nowhere' ? '' : cwmp;
  const headerText = header.map((one) => write(one, spelling, headerDeclares)).join('');
  return (
    `${spelling.declaration}<${soap('Envelope')}${onEnvelope}` +
    `${spelling.cwmpDeclaredOn === 'Envelope' ? cwmp : ''}${spelling.extraAttributes}>` +
    (headerText === '' ? '' : `<${soap('Header')}>${headerText}</${soap('Header')}>`) +
    `<${soap('Body')}${spelling.cwmpDeclaredOn === 'Body' ? cwmp : ''}>${body.join('')}</${soap('Body')}></${soap('Envelope')}>`
  );
}

function write(one: Element, spelling: Spelling, declarations: string): string {
  const name = qualified(spelling, one.name);
  const q = spelling.quote;
  let open = `<${name}${declarations}`;
  for (const [key, value] of Object.entries(one.attributes)) {
    // Values that are qualified names (xsi:type, arrayType) follow the prefixes as well.
    const shown = /^(xsd|cwmp|soapenc):/.test(value) ? qualified(spelling, value) : value;
    open += ` ${qualified(spelling, key)}=${q}${escapeText(shown)}${q}`;
  }
  if (one.children.length === 0 && one.text === '') return `${open}></${name}>`;
  const inner =
    one.children.length > 0 ? one.children.map((c) => write(c, spelling, '')).join('') : valueText(one.text, spelling);
  return `${open}>${inner}</${name}>`;
}

function qualified(spelling: Spelling, name: string): string {
  const colon = name.indexOf(':');
  if (colon === -1) return name;
  const prefix = spelling.prefixes[name.slice(0, colon) as PrefixRole] ?? name.slice(0, colon);
  return prefix === '' ? name.slice(colon + 1) : `${prefix}:${name.slice(colon + 1)}`;
}

function valueText(text: string, spelling: Spelling): string {
  if (spelling.text === 'cdata') return `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;
  if (spelling.text === 'numeric') return text.replace(/[^A-Za-z0-9]/gu, (c) => `&#${c.codePointAt(0)};`);
  return escapeText(text);
}

/** Escapes for text and attributes alike (CWMP E17). */
export function escapeText(text: string): string {
  if (!/[&<>"'\r]/.test(text)) return text;
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')
    .replaceAll('\r', '&#13;');
}
