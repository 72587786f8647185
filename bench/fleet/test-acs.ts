// A minimal ACS for the tests of the simulated CPE: answers by a script, remembers every byte. It has no opinion on what it receives.

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, inflateSync } from 'node:zlib';

export interface Caught {
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Inflated and read as UTF-8. */
  text: string;
  /** Pieces in which the body arrived. */
  chunks: number;
  /** Number of the TCP connection, from 1. */
  connection: number;
  method: string;
  url: string;
}

export interface TestAcsOptions {
  /** Requests of the ACS as XML of the method element, taken one by one whenever it is its turn. */
  script?: string[];
  /** May answer in place of the ACS; returns true when it did. `number` counts POSTs from 1. */
  intercept?: (caught: Caught, response: ServerResponse, number: number, request: IncomingMessage) => boolean;
  /** Literal text around the method of requests. */
  style?: { declaration?: string; prefix?: string };
  headers?: Record<string, string | string[]>;
}

const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';

export class TestAcs {
  readonly posts: Caught[] = [];
  script: string[];
  url = '';
  readonly #options: TestAcsOptions;
  readonly #server: Server;
  readonly #connections = new WeakMap<object, number>();
  #connectionCount = 0;
  #ids = 0;

  constructor(options: TestAcsOptions = {}) {
    this.#options = options;
    this.script = [...(options.script ?? [])];
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.#answer(request, chunks, response));
    });
    this.#server.on('connection', (socket) => this.#connections.set(socket, ++this.#connectionCount));
  }

  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** TCP connections open now. */
  openConnections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/acs`;
    return this;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Bodies of the POSTs that hold this text. */
  texts(part: string): string[] {
    return this.posts.map((post) => post.text).filter((text) => text.includes(part));
  }

  /** An envelope as this ACS writes it. */
  envelope(id: string | null, inner: string, namespace = 'urn:dslforum-org:cwmp-1-2'): string {
    const { declaration = '<?xml version="1.0" encoding="UTF-8"?>\n', prefix = 'soap-env' } = this.#options.style ?? {};
    const header = id === null ? '' : `<cwmp:ID ${prefix}:mustUnderstand="1">${id}</cwmp:ID>`;
    return (
      `${declaration}<${prefix}:Envelope xmlns:${prefix}="${SOAP}" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/"` +
      ` xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="${namespace}">` +
      `<${prefix}:Header>${header}</${prefix}:Header><${prefix}:Body>${inner}</${prefix}:Body></${prefix}:Envelope>`
    );
  }

  reply(response: ServerResponse, xml: string): void {
    response.writeHead(200, { 'content-type': 'text/xml; charset="utf-8"', ...this.#options.headers }).end(xml);
  }

  #answer(request: IncomingMessage, chunks: Buffer[], response: ServerResponse): void {
    const body = Buffer.concat(chunks);
    const encoding = request.headers['content-encoding'];
    const plain = encoding === 'gzip' ? gunzipSync(body) : encoding === 'deflate' ? inflateSync(body) : body;
    const text = plain.toString('utf8');
    const connection = this.#connections.get(request.socket)!;
    const { headers, method = '', url = '' } = request;
    const caught: Caught = { headers, body, text, chunks: chunks.length, connection, method, url };
    this.posts.push(caught);
    if (this.#options.intercept?.(caught, response, this.posts.length, request)) return;
    const namespace = /urn:dslforum-org:cwmp-1-\d/.exec(text)?.[0];
    const id = /ID[^>]*>([^<]*)</.exec(text)?.[1] ?? null;
    const asked =
      /<(?:\w[\w-]*:)?(Inform|TransferComplete|AutonomousTransferComplete|GetRPCMethods|RequestDownload|Kicked|DUStateChangeComplete|X_\w+)[\s>]/.exec(
        text,
      )?.[1];
    if (asked !== undefined && !text.includes(`${asked}Response`)) {
      const inner = asked === 'Inform' ? '<MaxEnvelopes>1</MaxEnvelopes>' : '';
      this.reply(response, this.envelope(id, `<cwmp:${asked}Response>${inner}</cwmp:${asked}Response>`, namespace));
      return;
    }
    const next = this.script.shift();
    if (next === undefined) {
      response.writeHead(204, this.#options.headers).end();
      return;
    }
    this.#ids++;
    this.reply(response, this.envelope(`acs-${this.#ids}`, next, namespace));
  }
}

/** Method elements of requests, for scripts. */
export const rpc = {
  getValues: (...names: string[]): string =>
    `<cwmp:GetParameterValues><ParameterNames soap-enc:arrayType="xsd:string[${names.length}]">${names.map((name) => `<string>${name}</string>`).join('')}</ParameterNames></cwmp:GetParameterValues>`,
  getNames: (path: string, nextLevel = false): string =>
    `<cwmp:GetParameterNames><ParameterPath>${path}</ParameterPath><NextLevel>${nextLevel ? 1 : 0}</NextLevel></cwmp:GetParameterNames>`,
  setValues: (key: string, ...values: [name: string, type: string, value: string][]): string =>
    `<cwmp:SetParameterValues><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[${values.length}]">${values
      .map(
        ([name, type, value]) =>
          `<ParameterValueStruct><Name>${name}</Name><Value xsi:type="xsd:${type}">${value}</Value></ParameterValueStruct>`,
      )
      .join('')}</ParameterList><ParameterKey>${key}</ParameterKey></cwmp:SetParameterValues>`,
  setAttributes: (name: string, notification: number): string =>
    `<cwmp:SetParameterAttributes><ParameterList soap-enc:arrayType="cwmp:SetParameterAttributesStruct[1]"><SetParameterAttributesStruct><Name>${name}</Name><NotificationChange>1</NotificationChange><Notification>${notification}</Notification><AccessListChange>0</AccessListChange><AccessList soap-enc:arrayType="xsd:string[0]"></AccessList></SetParameterAttributesStruct></ParameterList></cwmp:SetParameterAttributes>`,
  getAttributes: (...names: string[]): string =>
    `<cwmp:GetParameterAttributes><ParameterNames soap-enc:arrayType="xsd:string[${names.length}]">${names.map((name) => `<string>${name}</string>`).join('')}</ParameterNames></cwmp:GetParameterAttributes>`,
  add: (name: string, key = ''): string =>
    `<cwmp:AddObject><ObjectName>${name}</ObjectName><ParameterKey>${key}</ParameterKey></cwmp:AddObject>`,
  delete: (name: string, key = ''): string =>
    `<cwmp:DeleteObject><ObjectName>${name}</ObjectName><ParameterKey>${key}</ParameterKey></cwmp:DeleteObject>`,
  keyed: (method: string, key: string): string => `<cwmp:${method}><CommandKey>${key}</CommandKey></cwmp:${method}>`,
  plain: (method: string): string => `<cwmp:${method}></cwmp:${method}>`,
  scheduleInform: (delaySeconds: number, key: string): string =>
    `<cwmp:ScheduleInform><DelaySeconds>${delaySeconds}</DelaySeconds><CommandKey>${key}</CommandKey></cwmp:ScheduleInform>`,
  download: (
    key: string,
    fileType: string,
    url: string,
    more: { username?: string; password?: string; size?: number } = {},
  ): string =>
    `<cwmp:Download><CommandKey>${key}</CommandKey><FileType>${fileType}</FileType><URL>${url}</URL><Username>${more.username ?? ''}</Username><Password>${more.password ?? ''}</Password><FileSize>${more.size ?? 0}</FileSize><TargetFileName></TargetFileName><DelaySeconds>0</DelaySeconds><SuccessURL></SuccessURL><FailureURL></FailureURL></cwmp:Download>`,
  upload: (key: string, fileType: string, url: string): string =>
    `<cwmp:Upload><CommandKey>${key}</CommandKey><FileType>${fileType}</FileType><URL>${url}</URL><Username></Username><Password></Password><DelaySeconds>0</DelaySeconds></cwmp:Upload>`,
};
