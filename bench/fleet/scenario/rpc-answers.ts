// What a light CPE answers to the RPCs of the ACS: just enough to be valid. It has the parameters of its Inform, takes every value it is
// given, and remembers those until it is asked. Requests it does not know are refused with fault 9000.

import { DEFAULT_STYLE } from '../../../cwmp/envelope-style.ts';
import { writeCpeFault, writeCpeRequest, writeCpeResponse } from '../../../cwmp/soap-writer.ts';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';
/** What every light CPE has besides the values it was given. */
const OWN_NAMES = ['Device.DeviceInfo.SoftwareVersion', 'Device.ManagementServer.ParameterKey'];

/** Values the CPE was given, by name. */
export type Held = Map<string, string>;

/**
 * The answer to one request of the ACS.
 * @param request the envelope as received. @param held is changed by SetParameterValues.
 */
export function answerRpc(request: string, held: Held): string {
  const id = unescaped(textBefore(request, '</cwmp:ID>'));
  switch (methodOf(request)) {
    case 'SetParameterValues':
      for (const struct of partsBetween(request, '<ParameterValueStruct>', '</ParameterValueStruct>')) {
        held.set(unescaped(textBefore(struct, '</Name>')), unescaped(textBefore(struct, '</Value>')));
      }
      return writeCpeResponse(DEFAULT_STYLE, NAMESPACE, id, 'SetParameterValues', { Status: 0 });
    case 'GetParameterValues': {
      const asked = partsBetween(request, '<string', '</string>').map((part) => part.slice(part.indexOf('>') + 1));
      const names = asked.flatMap((name) => (isPartial(name) ? below(name, held) : [name]));
      const ParameterList = names.map((Name) => ({ Name, Value: held.get(Name) ?? 'as shipped', Type: 'xsd:string' }));
      return writeCpeResponse(DEFAULT_STYLE, NAMESPACE, id, 'GetParameterValues', { ParameterList });
    }
    case 'GetParameterNames': {
      const path = textBefore(request, '</ParameterPath>');
      const names = isPartial(path) ? below(path, held) : [path];
      const ParameterList = names.map((Name) => ({ Name, Writable: true }));
      return writeCpeResponse(DEFAULT_STYLE, NAMESPACE, id, 'GetParameterNames', { ParameterList });
    }
    default: {
      const fault = { FaultCode: 9000, FaultString: 'Method not supported', SetParameterValuesFault: [] };
      return writeCpeFault(DEFAULT_STYLE, NAMESPACE, id, fault);
    }
  }
}

/** TransferComplete of a firmware download that went well (A.3.3.2). */
export function transferComplete(commandKey: string): string {
  return writeCpeRequest(DEFAULT_STYLE, NAMESPACE, '2', 'TransferComplete', {
    CommandKey: commandKey,
    FaultStruct: { FaultCode: 0, FaultString: '' },
    StartTime: '2025-03-04T05:00:00Z',
    CompleteTime: '2025-03-04T05:05:00Z',
  });
}

/** The name of the first element in the Body, without its prefix. */
function methodOf(request: string): string {
  const body = request.indexOf(':Body>');
  const open = request.indexOf('<', body + 1);
  let end = open;
  while (end < request.length && !' >/'.includes(request[end]!)) end++;
  const name = request.slice(open + 1, end);
  return name.slice(name.indexOf(':') + 1);
}

/** An object's name, or the root of everything. */
function isPartial(path: string): boolean {
  return path === '' || path.endsWith('.');
}

function below(path: string, held: Held): string[] {
  return [...new Set([...OWN_NAMES, ...held.keys()])].filter((name) => name.startsWith(path));
}

/** Text in front of the first `end`, back to the tag before it. */
function textBefore(text: string, end: string): string {
  const to = text.indexOf(end);
  return to < 0 ? '' : text.slice(text.lastIndexOf('>', to - 1) + 1, to);
}

function partsBetween(text: string, open: string, close: string): string[] {
  const parts: string[] = [];
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at)) {
    const end = text.indexOf(close, at);
    if (end < 0) break;
    // With the close tag: `textBefore` looks for the ends of what is inside.
    parts.push(text.slice(at + open.length, end));
    at = end;
  }
  return parts;
}

function unescaped(text: string): string {
  if (!text.includes('&')) return text;
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}
