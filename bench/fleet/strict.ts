// What strict readers look for in a message of an ACS: how its booleans and times are spelt.

import type { AcsMessage } from './acs-message.ts';
import type { XmlNode } from './xml-tree.ts';

/** Arguments of type boolean in the methods of an ACS (cwmp-1-4.xsd). */
const BOOLEAN_ARGUMENTS = new Set(['NextLevel', 'NotificationChange', 'AccessListChange']);

/** Spellings of the booleans in a request, arguments and values alike. */
export function booleanSpellings(message: AcsMessage): ('word' | 'digit')[] {
  if (message.type !== 'request') return [];
  return nodes(message.args)
    .filter((node) => BOOLEAN_ARGUMENTS.has(node.local) || typeOf(node) === 'boolean')
    .map((node) => (/^\s*[01]\s*$/.test(node.text) ? 'digit' : 'word'));
}

/** True when a value of type dateTime carries a fraction of a second. */
export function dateTimesWithMilliseconds(message: AcsMessage): boolean {
  if (message.type !== 'request') return false;
  return nodes(message.args).some((node) => typeOf(node) === 'dateTime' && /\.\d/.test(node.text));
}

function typeOf(node: XmlNode): string {
  for (const [name, value] of node.attributes) if (name.endsWith(':type')) return value.slice(value.indexOf(':') + 1);
  return '';
}

function nodes(from: XmlNode): XmlNode[] {
  return [from, ...from.children.flatMap(nodes)];
}
