// A CPE whose every POST is a step of the test, each on a TCP connection of its own (FIELD 33, 55) unless it is given an agent, with one cookie. What it says is text of its
// own; what a conforming CPE does by itself is SimulatedCpe.

import { type Agent, request } from 'node:http';
import { type CpeId, cpeIdOf } from '../../base/ids.ts';
import { type AcsMessage, readAcsMessage } from '../../bench/fleet/acs-message.ts';

/** Sessions of a few milliseconds in which a hand-over between two processes' parts must have come. */
const SESSIONS_MAX = 500;

export interface Answer {
  status: number;
  message: AcsMessage;
  retryAfter: string | undefined;
  text: string;
}

const NAMESPACES =
  'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" ' +
  'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2"';

export class HandCpe {
  readonly id: CpeId;
  readonly #serial: string;
  /** Cookie of the newest session; kept and put back by tests that play an old one. */
  cookie = '';
  readonly #agent: Agent | false;
  #ids = 0;

  /** @param agent one that keeps its connection, for sessions on one connection. */
  constructor(serial: string, agent: Agent | false = false) {
    this.#serial = serial;
    this.#agent = agent;
    this.id = cpeIdOf({ Manufacturer: 'Hand', OUI: '00005E', ProductClass: 'Hand', SerialNumber: serial });
  }

  /** @param events codes, each with its CommandKey after a bar. @param values further parameters of the Inform. */
  inform(url: string, events: readonly string[], values: Record<string, string> = {}): Promise<Answer> {
    const all = { 'InternetGatewayDevice.DeviceInfo.SoftwareVersion': '1.0', ...values };
    const structs = events.map((event) => {
      const [code = '', key = ''] = event.split('|');
      return `<EventStruct><EventCode>${code}</EventCode><CommandKey>${key}</CommandKey></EventStruct>`;
    });
    const body =
      `<cwmp:Inform><DeviceId><Manufacturer>Hand</Manufacturer><OUI>00005E</OUI><ProductClass>Hand</ProductClass><SerialNumber>${this.#serial}` +
      `</SerialNumber></DeviceId><Event soap-enc:arrayType="cwmp:EventStruct[${structs.length}]">${structs.join('')}</Event>` +
      '<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2024-01-01T00:00:00Z</CurrentTime><RetryCount>0</RetryCount>' +
      `<ParameterList>${valueStructs(all)}</ParameterList></cwmp:Inform>`;
    this.cookie = '';
    return this.#say(url, String(++this.#ids), body);
  }

  empty(url: string): Promise<Answer> {
    return this.#post(url, '');
  }

  /** TransferComplete of a transfer that went well. */
  transferComplete(url: string, CommandKey: string): Promise<Answer> {
    const times = '<StartTime>2024-01-01T00:00:00Z</StartTime><CompleteTime>2024-01-01T00:00:01Z</CompleteTime>';
    const fault = '<FaultStruct><FaultCode>0</FaultCode><FaultString></FaultString></FaultStruct>';
    const body = `<cwmp:TransferComplete><CommandKey>${CommandKey}</CommandKey>${fault}${times}</cwmp:TransferComplete>`;
    return this.#say(url, String(++this.#ids), body);
  }

  /** The response to a request of the ACS; `results` is the XML inside. */
  respond(url: string, to: AcsMessage, results = ''): Promise<Answer> {
    if (to.type !== 'request') throw new Error(`a response to ${JSON.stringify(to)}, which is no request`);
    return this.#say(url, to.envelope.id ?? '', `<cwmp:${to.method}Response>${results}</cwmp:${to.method}Response>`);
  }

  /** A fault in answer to a request of the ACS; `parameter` is one that a SetParameterValues failed at. */
  fault(
    url: string,
    to: AcsMessage,
    code: string,
    text: string,
    parameter: { name: string; code: string; text: string } | null = null,
  ): Promise<Answer> {
    if (to.type !== 'request') throw new Error(`a fault to ${JSON.stringify(to)}, which is no request`);
    const one = (tags: Record<string, string>): string =>
      Object.entries(tags)
        .map(([tag, content]) => `<${tag}>${content}</${tag}>`)
        .join('');
    const at =
      parameter === null
        ? ''
        : `<SetParameterValuesFault>${one({ ParameterName: parameter.name, FaultCode: parameter.code, FaultString: parameter.text })}</SetParameterValuesFault>`;
    const detail = `<cwmp:Fault>${one({ FaultCode: code, FaultString: text })}${at}</cwmp:Fault>`;
    const body = `<soap:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail>${detail}</detail></soap:Fault>`;
    return this.#say(url, to.envelope.id ?? '', body);
  }

  #say(url: string, id: string, body: string): Promise<Answer> {
    const header = `<soap:Header><cwmp:ID soap:mustUnderstand="1">${id}</cwmp:ID></soap:Header>`;
    return this.#post(url, `<soap:Envelope ${NAMESPACES}>${header}<soap:Body>${body}</soap:Body></soap:Envelope>`);
  }

  #post(url: string, body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = {
        'content-type': 'text/xml; charset="utf-8"',
        'content-length': String(Buffer.byteLength(body)),
      };
      if (this.cookie !== '') headers['cookie'] = this.cookie;
      const post = request(url, { method: 'POST', headers, agent: this.#agent }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const [set] = response.headers['set-cookie'] ?? [];
          if (set !== undefined) this.cookie = set.split(';')[0] ?? '';
          const isSoap = (response.headers['content-type'] ?? '').startsWith('text/xml');
          const message = readAcsMessage(isSoap ? text : '');
          resolve({ status: response.statusCode ?? 0, message, retryAfter: response.headers['retry-after'], text });
        });
      });
      post.on('error', reject);
      post.end(body);
    });
  }
}

/** Sessions until the ACS asks for something: an action that was just made is on its way to the edge. Returns that request. */
export async function askedIn(cpe: HandCpe, url: string, events: readonly string[]): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    const { status } = await cpe.inform(url, events);
    const answer = await cpe.empty(url);
    if (answer.message.type === 'request') return answer;
    if (tries >= SESSIONS_MAX) throw new Error(`${cpe.id} is asked for nothing: ${status}, then ${answer.status}`);
  }
}

/** ParameterValueStructs of strings, as in an Inform or a GetParameterValuesResponse. */
export function valueStructs(values: Record<string, string>): string {
  return Object.entries(values)
    .map(
      ([name, value]) =>
        `<ParameterValueStruct><Name>${name}</Name><Value xsi:type="xsd:string">${value}</Value></ParameterValueStruct>`,
    )
    .join('');
}

/** The method the ACS asks for, or what it says instead. */
export function methodOf({ status, message }: Answer): string {
  return message.type === 'request' ? message.method : String(status);
}
