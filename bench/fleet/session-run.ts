// One session from the CPE's side (TR-069 §3.7): Inform, the CPE's own requests, the empty POST, then whatever the ACS asks, until it
// has nothing more. Reports what happened; what follows from it (events off the queue, reboot, retry) is the CPE's business.

import { gunzipSync, inflateSync } from 'node:zlib';
import type { EventStruct } from '../../cwmp/message.ts';
import { type AcsConnection, type AcsReply, ExchangeError } from './acs-connection.ts';
import { type AcsMessage, readAcsMessage } from './acs-message.ts';
import type { Behaviour, Post, RpcAnswer, Sending } from './behaviour.ts';
import { type Element, element, envelope, render } from './envelope.ts';
import type { ReceivedRpc } from './records.ts';
import { childText, XmlError, type XmlNode } from './xml-tree.ts';

export interface SessionSummary {
  /** `ended` after S7; `failed` otherwise, and then the retry policy applies. */
  outcome: 'ended' | 'failed';
  /** Why it failed, in words; '' when it did not. */
  why: string;
  session: number;
  events: EventStruct[];
  /** POSTs answered, each with its HTTP status; 401 and redirects are among them. */
  posts: number;
  statuses: number[];
  /** Requests of the ACS, in order. */
  requests: ReceivedRpc[];
  /** Faults that the ACS answered to us. */
  faultsReceived: { method: string; FaultCode: number; FaultString: string }[];
  /** Breaches of CWMP by the ACS, with the rule of CWMP.md. */
  complaints: string[];
}

/** A request of the CPE with what its answer means. */
export interface OutgoingRequest {
  method: string;
  args: Element[];
  answered(response: XmlNode): void;
}

export interface SessionHost {
  behaviour: Behaviour;
  root: string;
  namespace: string;
  session: number;
  events: EventStruct[];
  /** Arguments of the Inform; asked once. */
  inform(): Element[];
  /** Versions to offer in cwmp:SupportedCWMPVersions, null before CWMP 1.4. */
  supportedVersions: string | null;
  /** The InformResponse is there: the events are delivered. */
  informed(): void;
  /** Own requests that wait now. */
  requests(): OutgoingRequest[];
  execute(method: string, args: XmlNode): RpcAnswer;
  /** A request of the ACS was carried out or refused. */
  received(rpc: ReceivedRpc): void;
  /** The POST with our answer was itself answered. */
  responded(rpc: ReceivedRpc): void;
}

/** The session is left hanging on purpose; its connection stays open. */
class Abandoned extends Error {}

/** Times an Inform or request is repeated because the ACS said 8005 (CWMP S12). */
const RETRIES_8005_MAX = 3;

export class CpeSession {
  readonly #host: SessionHost;
  readonly #connection: AcsConnection;
  readonly #summary: SessionSummary;
  #ids = 0;
  /** cwmp:ID that really left with the last POST: a misbehaviour may have changed it. */
  #sentId: string | null = null;

  constructor(host: SessionHost, connection: AcsConnection) {
    this.#host = host;
    this.#connection = connection;
    const { session, events } = host;
    this.#summary = {
      ...{ outcome: 'failed', why: '', session, events, posts: 0 },
      ...{ statuses: connection.statuses, requests: [], faultsReceived: [], complaints: [] },
    };
  }

  /** Runs the session to its end; never throws for what the ACS or the network did. The connection is left to the caller. */
  async run(): Promise<SessionSummary> {
    try {
      await this.#all();
      this.#summary.outcome = 'ended';
    } catch (error) {
      if (!(error instanceof ExchangeError || error instanceof XmlError || error instanceof Abandoned)) throw error;
      this.#summary.why = error.message;
    }
    this.#summary.posts = this.#summary.statuses.length;
    return this.#summary;
  }

  async #all(): Promise<void> {
    let hold = await this.#inform();
    for (;;) {
      // S6: own requests only while HoldRequests is false.
      for (const request of hold ? [] : this.#host.requests()) {
        hold = await this.#own(request);
        if (hold) break;
      }
      let reply = await this.#post({ kind: 'empty', method: '', answers: null }, null);
      while (reply.type === 'request') reply = await this.#answer(reply);
      if (reply.type !== 'empty')
        throw new ExchangeError(`the ACS sent a ${reply.type} where a request or nothing was due`);
      // E9: a 204 counts as HoldRequests false; what was held back is sent now, in the same session.
      if (!hold || this.#host.requests().length === 0) return;
      hold = false;
    }
  }

  /** Sends the Inform; returns whether the ACS holds our requests. */
  async #inform(): Promise<boolean> {
    const args = this.#host.inform();
    const id = this.#nextId();
    for (let tries = 0; ; tries++) {
      const sending = { kind: 'inform' as const, method: 'Inform', answers: null };
      const body = element('cwmp:Inform', args);
      const reply = await this.#post(sending, { id, body, headers: this.#informHeaders() });
      if (reply.type === 'fault') {
        this.#summary.faultsReceived.push({ method: 'Inform', FaultCode: reply.code, FaultString: reply.text });
        if (reply.code === 8005 && tries < RETRIES_8005_MAX) continue;
        throw new ExchangeError(`the ACS answered the Inform with fault ${reply.code} ${reply.text}`);
      }
      if (reply.type !== 'response' || reply.method !== 'Inform')
        throw new ExchangeError(`the ACS answered the Inform with ${described(reply)}`);
      this.#checkId(reply.envelope.id, 'InformResponse');
      const MaxEnvelopes = childText(reply.args, 'MaxEnvelopes');
      if (MaxEnvelopes !== '1') this.#complain(`S2: MaxEnvelopes is '${MaxEnvelopes}'`);
      if ((this.#host.supportedVersions !== null) !== (reply.envelope.useCwmpVersion !== null))
        this.#complain('E11: UseCWMPVersion must answer SupportedCWMPVersions, and only that');
      this.#host.informed();
      return reply.envelope.holdRequests ?? false;
    }
  }

  #informHeaders(): Element[] {
    const { supportedVersions } = this.#host;
    if (supportedVersions === null) return [];
    return [element('cwmp:SupportedCWMPVersions', supportedVersions, { 'soap:mustUnderstand': '0' })];
  }

  /** Sends a request of our own; returns whether the ACS holds further ones. */
  async #own(request: OutgoingRequest): Promise<boolean> {
    const id = this.#nextId();
    for (let tries = 0; ; tries++) {
      const sending = { kind: 'request' as const, method: request.method, answers: null };
      const reply = await this.#post(sending, {
        id,
        body: element(`cwmp:${request.method}`, request.args),
        headers: [],
      });
      if (reply.type === 'fault') {
        this.#checkId(reply.envelope.id, 'Fault');
        const { method } = request;
        this.#summary.faultsReceived.push({ method, FaultCode: reply.code, FaultString: reply.text });
        if (reply.code === 8005 && tries < RETRIES_8005_MAX) continue;
        return reply.envelope.holdRequests ?? false; // S14: the event stays and is delivered later.
      }
      if (reply.type !== 'response' || reply.method !== request.method)
        throw new ExchangeError(`the ACS answered ${request.method} with ${described(reply)}`);
      this.#checkId(reply.envelope.id, `${request.method}Response`);
      request.answered(reply.args);
      return reply.envelope.holdRequests ?? false;
    }
  }

  /** Carries out a request of the ACS and POSTs the answer. */
  async #answer(request: AcsMessage & { type: 'request' }): Promise<AcsMessage> {
    const { traits } = this.#host.behaviour;
    if (traits.closesWithWorkOutstanding) {
      this.#connection.close();
      throw new ExchangeError('this CPE closed the connection with work outstanding');
    }
    if (traits.informsAgainWhileHanging && this.#host.session === 1) throw new Abandoned('left hanging');
    const { method, args, envelope: from } = request;
    const answer = this.#host.execute(method, args);
    const commandKey = childText(args, 'CommandKey') || childText(args, 'ParameterKey');
    const faultCode = answer.ok ? 0 : answer.code;
    const rpc: ReceivedRpc = { method, commandKey, id: from.id, session: this.#host.session, faultCode };
    this.#host.received(rpc);
    this.#summary.requests.push(rpc);
    const body = answer.ok ? element(`cwmp:${method}Response`, answer.elements) : faultBody(answer);
    const sending = { kind: answer.ok ? ('response' as const) : ('fault' as const), method, answers: args };
    const reply = await this.#post(sending, { id: from.id, body, headers: [] });
    this.#host.responded(rpc);
    return reply;
  }

  /** One POST and the message that answers it. Statuses other than 200 and 204 end the session. */
  async #post(
    what: Omit<Sending, 'root' | 'session'>,
    content: { id: string | null; body: Element; headers: Element[] } | null,
  ): Promise<AcsMessage> {
    const { behaviour, root, session } = this.#host;
    const sending: Sending = { ...what, root, session };
    let xml = behaviour.traits.emptyPost;
    const headers: Record<string, string> = { 'user-agent': 'starling-fleet' };
    if (content !== null) {
      const made = envelope(content.id, this.#host.namespace, content.body);
      made.header = content.headers;
      behaviour.envelope(made, sending);
      this.#sentId = made.id;
      xml = behaviour.xml(render(made), sending);
      headers['content-type'] = 'text/xml; charset="utf-8"';
      headers['soapaction'] = ''; // CWMP H5
    }
    const post: Post = { headers, body: Buffer.from(xml, 'utf8') };
    behaviour.post(post, sending, xml);
    let reply = await this.#connection.send(post);
    if (reply.status === 415 && this.#connection.plainBodies) {
      delete post.headers['content-encoding'];
      reply = await this.#connection.send({ headers: post.headers, body: Buffer.from(xml, 'utf8') });
    }
    return this.#read(reply, sending);
  }

  #read(reply: AcsReply, sending: Sending): AcsMessage {
    if (reply.status !== 200 && reply.status !== 204) {
      const said = reply.body.toString('utf8').trim().slice(0, 200);
      throw new ExchangeError(
        `HTTP ${reply.status} to ${sending.method || 'the empty POST'}${said === '' ? '' : `: ${said}`}`,
      );
    }
    const xml = decoded(reply).toString('utf8');
    const message = readAcsMessage(xml);
    if (message.type === 'empty') {
      if (reply.status === 200) this.#complain('H3: 200 with nothing to say instead of 204');
      return message;
    }
    if (!/^text\/xml\b/i.test(reply.headers['content-type'] ?? '')) this.#complain('H6: Content-Type is not text/xml');
    if (message.envelope.namespace !== this.#host.namespace && message.envelope.namespace !== '')
      this.#complain(`V2: answered in ${message.envelope.namespace}`);
    for (const complaint of message.envelope.complaints) this.#complain(complaint);
    const why = this.#host.behaviour.unreadable(message);
    if (why !== null) throw new ExchangeError(`this CPE cannot read the ACS: ${why}`);
    return message;
  }

  #nextId(): string {
    this.#ids++;
    return `${this.#host.session}-${this.#ids}`;
  }

  /** CWMP E7: the ID comes back byte for byte, an empty one too; no ID in, no ID out. */
  #checkId(got: string | null, what: string): void {
    if (got !== this.#sentId) this.#complain(`E7: ${what} has cwmp:ID '${got}' instead of '${this.#sentId}'`);
  }

  #complain(complaint: string): void {
    this.#summary.complaints.push(complaint);
  }
}

function faultBody(answer: RpcAnswer & { ok: false }): Element {
  const parameters = answer.parameters.map(({ name, code, text }) =>
    element('SetParameterValuesFault', [
      element('ParameterName', name),
      element('FaultCode', String(code)),
      element('FaultString', text),
    ]),
  );
  const detail = [element('FaultCode', String(answer.code)), element('FaultString', answer.text), ...parameters];
  return element('soap:Fault', [
    element('faultcode', answer.code === 9002 || answer.code === 9004 ? 'Server' : 'Client'),
    element('faultstring', 'CWMP fault'),
    element('detail', [element('cwmp:Fault', detail)]),
  ]);
}

function decoded(reply: AcsReply): Buffer {
  const encoding = reply.headers['content-encoding'];
  try {
    if (encoding === 'gzip') return gunzipSync(reply.body);
    if (encoding === 'deflate') return inflateSync(reply.body);
    return reply.body;
  } catch (error) {
    throw new ExchangeError(`the ACS says ${encoding} and sends something else: ${(error as Error).message}`);
  }
}

function described(reply: AcsMessage): string {
  return reply.type === 'empty' ? 'nothing' : `a ${reply.type}${'method' in reply ? ` ${reply.method}` : ''}`;
}
