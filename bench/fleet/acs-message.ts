// What an ACS sends, read as a CPE reads it: method, arguments, header; and what a conformance tester would say about it (complaints).
// No session knowledge here.

import { child, childText, parseXml, type XmlNode } from './xml-tree.ts';

/** SOAP header and spelling of one envelope. */
export interface AcsEnvelope {
  /** cwmp:ID as written, untrimmed; null when there is none. */
  id: string | null;
  /** null when the ACS did not send cwmp:HoldRequests. */
  holdRequests: boolean | null;
  useCwmpVersion: string | null;
  namespace: string;
  soapPrefix: string;
  hasDeclaration: boolean;
  /** The whole text, for CPEs that look at bytes. */
  xml: string;
  /** Breaches of CWMP in this envelope, in words. */
  complaints: string[];
}

export type AcsMessage =
  | { type: 'empty' }
  | { type: 'request'; method: string; args: XmlNode; envelope: AcsEnvelope }
  | { type: 'response'; method: string; args: XmlNode; envelope: AcsEnvelope }
  | { type: 'fault'; code: number; text: string; envelope: AcsEnvelope };

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';
const SOAP_ENCODING = 'http://schemas.xmlsoap.org/soap/encoding/';
const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

/**
 * Reads the body of an HTTP response of an ACS.
 * @param xml decoded text; white space alone is `empty`.
 * @throws XmlError when it is not well-formed or no SOAP envelope: a CPE ends the session then.
 */
export function readAcsMessage(xml: string): AcsMessage {
  if (xml.trim() === '') return { type: 'empty' };
  const root = parseXml(xml);
  const complaints: string[] = [];
  if (root.local !== 'Envelope' || root.namespace !== SOAP) complaints.push('E1: the root is not a SOAP 1.1 Envelope');
  const header = child(root, 'Header');
  const body = child(root, 'Body');
  const bodyChildren = body?.children ?? [];
  if (bodyChildren.length !== 1) complaints.push(`E1: Body has ${bodyChildren.length} children, not one`);
  const method = bodyChildren[0];
  if (method === undefined) return { type: 'empty' };
  const idNode = child(header, 'ID');
  const hold = child(header, 'HoldRequests')?.text.trim();
  const envelope: AcsEnvelope = {
    id: idNode?.text ?? null,
    holdRequests: hold === undefined ? null : hold === '1' || hold === 'true',
    useCwmpVersion: child(header, 'UseCWMPVersion')?.text.trim() ?? null,
    namespace: method.local === 'Fault' ? (idNode?.namespace ?? '') : method.namespace,
    soapPrefix: root.prefix,
    hasDeclaration: /^\uFEFF?<\?xml /.test(xml),
    xml,
    complaints,
  };
  if (method.local === 'Fault') {
    const detail = child(child(method, 'detail'), 'Fault');
    if (detail === undefined) complaints.push('F1: Fault without a cwmp:Fault in its detail');
    const code = Number(childText(detail, 'FaultCode') || 'NaN');
    return { type: 'fault', code, text: childText(detail, 'FaultString'), envelope };
  }
  judge(method, idNode, complaints);
  if (method.local.endsWith('Response')) {
    return { type: 'response', method: method.local.slice(0, -'Response'.length), args: method, envelope };
  }
  if (envelope.id === null || envelope.id === '') complaints.push('E7: a request of the ACS without cwmp:ID');
  return { type: 'request', method: method.local, args: method, envelope };
}

/** The rules of CWMP E2–E4 and E7 that a lenient CPE would pass over. */
function judge(method: XmlNode, id: XmlNode | undefined, complaints: string[]): void {
  if (!/^urn:dslforum-org:cwmp-1-\d$/.test(method.namespace))
    complaints.push(`E2: ${method.local} is in namespace '${method.namespace}'`);
  if (id !== undefined && attribute(id, SOAP, 'mustUnderstand') !== '1')
    complaints.push('E7: cwmp:ID without mustUnderstand="1"');
  const visit = (node: XmlNode): void => {
    for (const inner of node.children) {
      if (inner.namespace !== '') complaints.push(`E2: argument ${inner.local} is qualified`);
      const arrayType = attribute(inner, SOAP_ENCODING, 'arrayType');
      if (arrayType !== null) {
        const count = /\[(\d+)\]$/.exec(arrayType)?.[1];
        if (Number(count) !== inner.children.length)
          complaints.push(`E3: ${inner.local} says ${arrayType} and has ${inner.children.length} entries`);
      }
      if (node.local === 'ParameterValueStruct' && inner.local === 'Value' && attribute(inner, XSI, 'type') === null)
        complaints.push(`E4: Value of ${childText(node, 'Name')} without xsi:type`);
      visit(inner);
    }
  };
  visit(method);
}

function attribute(node: XmlNode, namespace: string, local: string): string | null {
  for (const [name, value] of node.attributes) {
    const colon = name.indexOf(':');
    if (name.slice(colon + 1) === local && node.scope.get(colon === -1 ? '' : name.slice(0, colon)) === namespace)
      return value;
  }
  return null;
}

export interface ValueToSet {
  Name: string;
  Value: string;
  /** Local name of xsi:type, '' when the ACS sent none. */
  type: string;
}

/** ParameterList of SetParameterValues. */
export function valuesToSet(args: XmlNode): ValueToSet[] {
  return (child(args, 'ParameterList')?.children ?? []).map((entry) => {
    const value = child(entry, 'Value');
    const type = (value && attribute(value, XSI, 'type')) ?? '';
    return { Name: childText(entry, 'Name'), Value: value?.text ?? '', type: type.slice(type.indexOf(':') + 1) };
  });
}

/** Texts of the entries of a list argument (ParameterNames and its like). */
export function listTexts(args: XmlNode, local: string): string[] {
  return (child(args, local)?.children ?? []).map((entry) => entry.text.trim());
}

/** An xsd:boolean argument in any of its four spellings. */
export function booleanArg(args: XmlNode, local: string): boolean {
  return /^(1|true)$/i.test(childText(args, local));
}
