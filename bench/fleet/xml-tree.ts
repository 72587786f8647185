// A small XML reader for what an ACS sends. Deliberately independent of the ACS's own readers, so that a mistake there cannot hide here.
// It wants well-formed XML with declared prefixes, and has no DTD; it throws XmlError with the offset otherwise.

export interface XmlNode {
  prefix: string;
  local: string;
  /** Namespace URI, '' when the element has none. */
  namespace: string;
  /** By qualified name as written. */
  attributes: Map<string, string>;
  children: XmlNode[];
  /** Character data directly inside, entities decoded, untrimmed. */
  text: string;
  /** Prefixes in scope, for values that are qualified names (xsi:type). */
  scope: ReadonlyMap<string, string>;
}

export class XmlError extends Error {
  override name = 'XmlError';
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const NAME = /[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?/y;
const ATTRIBUTE = /\s+([A-Za-z_][\w.:-]*)\s*=\s*("[^"<]*"|'[^'<]*')/y;
const EMPTY_SCOPE: ReadonlyMap<string, string> = new Map([['xml', 'http://www.w3.org/XML/1998/namespace']]);

/** Reads a whole document; throws XmlError when it is not well-formed (XML 1.0 without DTD, Namespaces in XML 1.0). */
export function parseXml(source: string): XmlNode {
  let at = source.charCodeAt(0) === 0xfeff ? 1 : 0;
  const open: XmlNode[] = [];
  let root: XmlNode | null = null;
  // An XML declaration stands at the very start or not at all.
  if (source.startsWith('<?xml ', at)) at = skipPast(source, '?>', at);
  while (at < source.length) {
    const current = open.at(-1);
    if (source[at] !== '<') {
      const end = source.indexOf('<', at);
      const text = source.slice(at, end === -1 ? source.length : end);
      if (current !== undefined) current.text += decodeText(text, at);
      else if (text.trim() !== '') throw new XmlError(`text outside the root element at ${at}`);
      at = end === -1 ? source.length : end;
    } else if (source.startsWith('<!--', at)) {
      at = skipPast(source, '-->', at);
    } else if (source.startsWith('<![CDATA[', at)) {
      const end = skipPast(source, ']]>', at);
      if (current === undefined) throw new XmlError(`CDATA outside the root element at ${at}`);
      current.text += source.slice(at + 9, end - 3);
      at = end;
    } else if (source.startsWith('<?', at)) {
      if (/^<\?xml\s/i.test(source.slice(at, at + 6))) throw new XmlError(`XML declaration not at the start, at ${at}`);
      at = skipPast(source, '?>', at);
    } else if (source.startsWith('<!', at)) {
      throw new XmlError(`DOCTYPE at ${at}: it is not part of CWMP`);
    } else if (source[at + 1] === '/') {
      const end = source.indexOf('>', at);
      const name = source.slice(at + 2, end).trimEnd();
      const closed = open.pop();
      if (end === -1 || closed === undefined || qualified(closed) !== name)
        throw new XmlError(`</${name}> at ${at} closes nothing`);
      at = end + 1;
    } else {
      if (root !== null && current === undefined) throw new XmlError(`a second root element at ${at}`);
      const start = startTag(source, at, current?.scope ?? EMPTY_SCOPE);
      current?.children.push(start.node);
      root ??= start.node;
      if (!start.selfClosed) open.push(start.node);
      at = start.end;
    }
  }
  if (root === null) throw new XmlError('no root element');
  if (open.length > 0) throw new XmlError(`<${qualified(open.at(-1)!)}> is never closed`);
  return root;
}

function startTag(source: string, at: number, outer: ReadonlyMap<string, string>) {
  NAME.lastIndex = at + 1;
  const name = NAME.exec(source)?.[0];
  if (name === undefined) throw new XmlError(`'<' without a name at ${at}`);
  let end = NAME.lastIndex;
  const attributes = new Map<string, string>();
  let scope = outer;
  for (;;) {
    ATTRIBUTE.lastIndex = end;
    const match = ATTRIBUTE.exec(source);
    if (match === null) break;
    const key = match[1]!;
    if (attributes.has(key)) throw new XmlError(`attribute ${key} twice at ${end}`);
    const value = decodeText(match[2]!.slice(1, -1), end);
    attributes.set(key, value);
    if (key === 'xmlns' || key.startsWith('xmlns:')) {
      if (scope === outer) scope = new Map(outer);
      (scope as Map<string, string>).set(key === 'xmlns' ? '' : key.slice(6), value);
    }
    end = ATTRIBUTE.lastIndex;
  }
  while (/\s/.test(source[end] ?? '')) end++;
  const selfClosed = source[end] === '/';
  if (selfClosed) end++;
  if (source[end] !== '>') throw new XmlError(`<${name}> at ${at} is not ended`);
  const [prefix, local] = split(name);
  const namespace = scope.get(prefix) ?? '';
  if (prefix !== '' && namespace === '') throw new XmlError(`prefix ${prefix} at ${at} is not declared`);
  for (const key of attributes.keys()) {
    const [keyPrefix] = split(key);
    if (keyPrefix !== '' && keyPrefix !== 'xmlns' && !scope.has(keyPrefix))
      throw new XmlError(`prefix ${keyPrefix} of an attribute at ${at} is not declared`);
  }
  const node: XmlNode = { prefix, local, namespace, attributes, children: [], text: '', scope };
  return { node, end: end + 1, selfClosed };
}

function decodeText(text: string, at: number): string {
  // XML 1.0 §2.2: these may not stand in a document, not even as references.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) throw new XmlError(`control character near ${at}`);
  if (!text.includes('&')) return text.replace(/\r\n?/g, '\n');
  return text.replace(/\r\n?/g, '\n').replace(/&([^;&<\s]*);?/g, (whole, name: string) => {
    if (!whole.endsWith(';')) throw new XmlError(`bare '&' near ${at}`);
    if (name.startsWith('#')) {
      const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
      if (!(code === 9 || code === 10 || code === 13 || (code >= 32 && code <= 0x10ffff)))
        throw new XmlError(`character reference ${whole} near ${at}`);
      return String.fromCodePoint(code);
    }
    const known = ENTITIES[name];
    if (known === undefined) throw new XmlError(`entity ${whole} near ${at} is not declared`);
    return known;
  });
}

function skipPast(source: string, mark: string, at: number): number {
  const end = source.indexOf(mark, at);
  if (end === -1) throw new XmlError(`no ${mark} after ${at}`);
  return end + mark.length;
}

function split(name: string): [prefix: string, local: string] {
  const colon = name.indexOf(':');
  return colon === -1 ? ['', name] : [name.slice(0, colon), name.slice(colon + 1)];
}

function qualified(node: XmlNode): string {
  return node.prefix === '' ? node.local : `${node.prefix}:${node.local}`;
}

/** The first child called `local`, whatever its prefix. */
export function child(node: XmlNode | undefined, local: string): XmlNode | undefined {
  return node?.children.find((other) => other.local === local);
}

/** Trimmed text of the child called `local`, or '' when there is none. */
export function childText(node: XmlNode | undefined, local: string): string {
  return child(node, local)?.text.trim() ?? '';
}
