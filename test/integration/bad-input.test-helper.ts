// What the tests of bad input share: a CPE in the middle of a session, with a request of the ACS waiting for its answer, and the proof
// afterwards that the session was not lost.

import { expect } from 'vitest';
import {
  requestOf,
  value,
  valueList,
  WireCpe,
  type WireCpeOptions,
  type WireRequest,
} from '../conformance/wire.test-helper.ts';
import type { TestEdge } from '../edge.test-helper.ts';

const UPTIME = 'Device.DeviceInfo.UpTime';

export interface OpenSession {
  cpe: WireCpe;
  asked: WireRequest;
  /** XML of the answer that the ACS waits for. */
  answerXml: string;
  /** Answers, on a new connection when the old one is closed, and checks that action and session end well. */
  finish(): Promise<void>;
  /** Begins anew and answers then: what was asked in a session that ended is asked again. */
  finishInNextSession(): Promise<void>;
}

/** A session that waits for the answer to a GetParameterValues. */
export async function openSession(edge: TestEdge, options: WireCpeOptions = {}): Promise<OpenSession> {
  const cpe = new WireCpe(edge.port, options);
  const actionId = await edge.act(cpe.cpeId, 'get', { names: [UPTIME] });
  const asked = requestOf(await cpe.begin(), 'GetParameterValues');
  const answerXml = valueList(value(UPTIME, '7', 'unsignedInt'));
  const finish = async (request: WireRequest): Promise<void> => {
    expect((await cpe.answer(request, answerXml)).status).toBe(204);
    expect((await edge.result(actionId)).outcome).toBe('done');
    cpe.close();
  };
  return {
    cpe,
    asked,
    answerXml,
    async finish() {
      if (!cpe.wire.isOpen) cpe.reconnect();
      await finish(asked);
    },
    async finishInNextSession() {
      await finish(requestOf(await cpe.reconnect().begin(), 'GetParameterValues'));
    },
  };
}

/** Runs `send`, and checks that the metric counted at least one more. */
export async function counted(edge: TestEdge, metric: string, label: string, send: () => Promise<void>): Promise<void> {
  const before = await edge.metric(metric, label);
  await send();
  expect(await edge.metric(metric, label), `${metric} ${label}`).toBeGreaterThan(before);
}
