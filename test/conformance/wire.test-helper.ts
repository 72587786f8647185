// A CPE by hand, for tests where bytes matter: one TCP connection, HTTP written out, cookies kept, envelopes put together from text. It does
// nothing by itself; what a conforming CPE does by itself is SimulatedCpe of bench/fleet.

import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { cpeIdOf, type DeviceIdStruct } from '../../base/ids.ts';
import { type AcsEnvelope, type AcsMessage, readAcsMessage } from '../../bench/fleet/acs-message.ts';
import type { XmlNode } from '../../bench/fleet/xml-tree.ts';

export interface WireReply {
  status: number;
  /** Status line and headers as they came. */
  head: string;
  body: string;
  /** Values of a header, whatever its case. */
  all(name: string): string[];
  /** The only or first value; '' when absent. */
  header(name: string): string;
}

export type WireRequest = Extract<AcsMessage, { type: 'request' }>;

/** One TCP connection to the edge. */
export class Wire {
  readonly socket: Socket;
  #text = '';
  #ended = false;
  readonly #changed = new Set<() => void>();

  /** @param localAddress where it comes from, one of this machine's addresses. @param tls null for none. */
  constructor(port: number, host = '127.0.0.1', localAddress = '127.0.0.1', tls: ConnectionOptions | null = null) {
    const to = { port, host, localAddress, noDelay: true };
    this.socket = tls === null ? connect(to) : connectTls({ ...to, ...tls });
    this.socket.setEncoding('utf8');
    this.socket.on('data', (text: string) => {
      this.#text += text;
      this.#notify();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.#ended = true;
      this.#notify();
    });
  }

  get isOpen(): boolean {
    return !this.#ended;
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next response, interim ones (1xx) among them. Rejects when the connection closes first. */
  async read(): Promise<WireReply> {
    for (;;) {
      const reply = this.#take();
      if (reply !== null) return reply;
      if (this.#ended) throw new Error(`the connection closed; left over: ${JSON.stringify(this.#text.slice(0, 200))}`);
      await new Promise<void>((resolve) => this.#changed.add(resolve));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  /** Resolves when the other side, or we, closed it. */
  async closed(): Promise<void> {
    // Not once() of node:events: it rejects on a reset, which is a way of closing.
    if (!this.#ended) await new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
  }

  #take(): WireReply | null {
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const head = this.#text.slice(0, end);
    const all = (name: string): string[] =>
      [...head.matchAll(/^([^:\r\n]+):[ \t]*(.*?)[ \t]*$/gm)]
        .filter(([, key]) => key!.toLowerCase() === name.toLowerCase())
        .map(([, , value]) => value!);
    // Bodies of the edge count bytes; the tests' texts outside ASCII are told apart here.
    const rest = Buffer.from(this.#text.slice(end + 4), 'utf8');
    const length = Number(all('Content-Length')[0] ?? 0);
    if (rest.length < length) return null;
    this.#text = rest.subarray(length).toString('utf8');
    const body = rest.subarray(0, length).toString('utf8');
    return { status: Number(head.slice(9, 12)), head, body, all, header: (name) => all(name)[0] ?? '' };
  }

  #notify(): void {
    for (const resolve of this.#changed) resolve();
    this.#changed.clear();
  }
}

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';

/** An envelope as a CPE writes it. `id` null leaves the header ID out; `headers` are further header elements. */
export function envelope(namespace: string, id: string | null, body: string, headers = ''): string {
  const idXml = id === null ? '' : `<cwmp:ID soap:mustUnderstand="1">${id}</cwmp:ID>`;
  return (
    `<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="${SOAP}" xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"` +
    ` xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="${namespace}">` +
    `<soap:Header>${idXml}${headers}</soap:Header><soap:Body>${body}</soap:Body></soap:Envelope>`
  );
}

export function value(Name: string, Value: string, type = 'string'): string {
  return `<ParameterValueStruct><Name>${Name}</Name><Value xsi:type="xsd:${type}">${Value}</Value></ParameterValueStruct>`;
}

export function valueList(...values: string[]): string {
  return `<ParameterList enc:arrayType="cwmp:ParameterValueStruct[${values.length}]">${values.join('')}</ParameterList>`;
}

export const FORCED = [
  value('Device.RootDataModelVersion', '2.17'),
  value('Device.DeviceInfo.HardwareVersion', 'A1'),
  value('Device.DeviceInfo.SoftwareVersion', '1.0.0'),
  value('Device.DeviceInfo.ProvisioningCode', ''),
  value('Device.ManagementServer.ParameterKey', ''),
  value('Device.ManagementServer.ConnectionRequestURL', 'http://127.0.0.1:9/cr'),
];

export interface InformParts {
  id?: string | null;
  /** Codes, or codes with their CommandKey. */
  events?: (string | [code: string, commandKey: string])[];
  parameters?: string[];
  headers?: string;
  device?: Partial<DeviceIdStruct>;
  maxEnvelopes?: string;
  currentTime?: string;
  retryCount?: string;
}

export function informXml(device: DeviceIdStruct, parts: InformParts = {}): string {
  const { events = ['2 PERIODIC'], parameters = FORCED, maxEnvelopes = '1', retryCount = '0' } = parts;
  const eventXml = events.map((event) => {
    const [code, key] = typeof event === 'string' ? [event, ''] : event;
    return `<EventStruct><EventCode>${code}</EventCode><CommandKey>${key}</CommandKey></EventStruct>`;
  });
  const id = { ...device, ...parts.device };
  return (
    `<cwmp:Inform><DeviceId><Manufacturer>${id.Manufacturer}</Manufacturer><OUI>${id.OUI}</OUI><ProductClass>${id.ProductClass}</ProductClass>` +
    `<SerialNumber>${id.SerialNumber}</SerialNumber></DeviceId><Event enc:arrayType="cwmp:EventStruct[${events.length}]">${eventXml.join('')}</Event>` +
    `<MaxEnvelopes>${maxEnvelopes}</MaxEnvelopes><CurrentTime>${parts.currentTime ?? '2024-05-01T12:00:00Z'}</CurrentTime>` +
    `<RetryCount>${retryCount}</RetryCount>${valueList(...parameters)}</cwmp:Inform>`
  );
}

let serials = 0;

export interface WireCpeOptions {
  namespace?: string;
  path?: string;
  device?: Partial<DeviceIdStruct>;
  /** Further HTTP headers of every POST. */
  headers?: Record<string, string>;
  /** Whether it returns the cookie; true unless told otherwise. */
  keepsCookie?: boolean;
  /** Where it comes from, one of this machine's addresses. */
  localAddress?: string;
  /** It connects over TLS. */
  tls?: ConnectionOptions;
}

/** A CPE with an identity of its own. Every method is one POST. */
export class WireCpe {
  readonly port: number;
  readonly device: DeviceIdStruct;
  readonly cpeId: string;
  namespace: string;
  headers: Record<string, string>;
  cookie = '';
  wire: Wire;
  readonly #path: string;
  readonly #keepsCookie: boolean;
  readonly #connect: () => Wire;

  constructor(
    port: number,
    {
      namespace = 'urn:dslforum-org:cwmp-1-2',
      path = '/',
      device = {},
      headers = {},
      keepsCookie = true,
      localAddress = '127.0.0.1',
      tls,
    }: WireCpeOptions = {},
  ) {
    this.port = port;
    this.device = {
      Manufacturer: 'Test',
      OUI: '00005E',
      ProductClass: 'Wire',
      SerialNumber: `W${process.pid}x${++serials}`,
      ...device,
    };
    this.cpeId = cpeIdOf(this.device);
    this.namespace = namespace;
    this.headers = headers;
    this.#path = path;
    this.#keepsCookie = keepsCookie;
    this.#connect = () => new Wire(this.port, '127.0.0.1', localAddress, tls ?? null);
    this.wire = this.#connect();
  }

  /** Another TCP connection; the cookie stays. */
  reconnect(): this {
    this.wire.close();
    this.wire = this.#connect();
    return this;
  }

  /** Writes one POST without waiting for its response. A null body has neither SOAPAction nor Content-Type, as the empty POST should. */
  write(body: string | Uint8Array | null, headers: Record<string, string> = {}): void {
    const bytes = Buffer.from(body ?? '');
    const all: Record<string, string> = {
      Host: 'acs',
      'Content-Length': String(bytes.length),
      ...(body === null ? {} : { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: '' }),
      ...(this.cookie === '' ? {} : { Cookie: this.cookie }),
      ...this.headers,
      ...headers,
    };
    const head = Object.entries(all).map(([name, text]) => `${name}: ${text}\r\n`);
    this.wire.write(Buffer.concat([Buffer.from(`POST ${this.#path} HTTP/1.1\r\n${head.join('')}\r\n`), bytes]));
  }

  async read(): Promise<WireReply> {
    const reply = await this.wire.read();
    const cookie = reply.header('Set-Cookie');
    if (cookie !== '' && this.#keepsCookie) this.cookie = cookie.split(';')[0]!;
    return reply;
  }

  post(body: string | Uint8Array | null, headers: Record<string, string> = {}): Promise<WireReply> {
    this.write(body, headers);
    return this.read();
  }

  inform(parts: InformParts = {}, headers: Record<string, string> = {}): Promise<WireReply> {
    const id = parts.id === undefined ? '1' : parts.id;
    return this.post(envelope(this.namespace, id, informXml(this.device, parts), parts.headers ?? ''), headers);
  }

  empty(headers: Record<string, string> = {}): Promise<WireReply> {
    return this.post(null, headers);
  }

  /** Any message: a request of the CPE, or an answer, as the XML inside Body. */
  say(body: string, id: string | null = '2'): Promise<WireReply> {
    return this.post(envelope(this.namespace, id, body));
  }

  /** Answers a request of the ACS; `inner` is the XML inside the response element. */
  answer(request: WireRequest, inner = '', id: string | null = request.envelope.id): Promise<WireReply> {
    return this.say(`<cwmp:${request.method}Response>${inner}</cwmp:${request.method}Response>`, id);
  }

  fault(request: WireRequest, code: number, detail = ''): Promise<WireReply> {
    return this.say(faultXml(code, detail), request.envelope.id);
  }

  /** An Inform and the empty POST; the reply to the latter. */
  async begin(parts: InformParts = {}): Promise<WireReply> {
    const reply = await this.inform(parts);
    if (reply.status !== 200) throw new Error(`the Inform was answered ${reply.status}: ${reply.body}`);
    return this.empty();
  }

  close(): void {
    this.wire.close();
  }
}

export function faultXml(code: number, detail = ''): string {
  return (
    '<soap:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault>' +
    `<FaultCode>${code}</FaultCode><FaultString>said by the test</FaultString>${detail}</cwmp:Fault></detail></soap:Fault>`
  );
}

/** The envelope of a 200, read strictly; throws when anything in it is no CWMP. */
export function messageOf(reply: WireReply): Exclude<AcsMessage, { type: 'empty' }> {
  if (reply.status !== 200) throw new Error(`expected 200, got ${reply.status}: ${reply.body}`);
  const message = readAcsMessage(reply.body);
  if (message.type === 'empty') throw new Error('200 without an envelope');
  if (message.envelope.complaints.length > 0)
    throw new Error(`the ACS broke CWMP: ${message.envelope.complaints.join('; ')}\n${reply.body}`);
  return message;
}

export function requestOf(reply: WireReply, method?: string): WireRequest {
  const message = messageOf(reply);
  if (message.type !== 'request' || (method !== undefined && message.method !== method)) {
    throw new Error(`expected a request${method === undefined ? '' : ` ${method}`}, got ${reply.body}`);
  }
  return message;
}

export function responseOf(reply: WireReply, method: string): { args: XmlNode; envelope: AcsEnvelope } {
  const message = messageOf(reply);
  if (message.type !== 'response' || message.method !== method)
    throw new Error(`expected ${method}Response, got ${reply.body}`);
  return message;
}

export function faultOf(reply: WireReply): { code: number; text: string; envelope: AcsEnvelope } {
  const message = messageOf(reply);
  if (message.type !== 'fault') throw new Error(`expected a Fault, got ${reply.body}`);
  return message;
}
