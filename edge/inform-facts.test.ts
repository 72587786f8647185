import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MESSAGE_VERSION, parseFacts } from '../bus/messages.ts';
import type { InformValues } from '../cwmp/inform-values.ts';
import { InformFacts } from './inform-facts.ts';
import type { Answer, InformNews } from './quiet-informs.ts';

const ascii = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });
const any = fc.string({ unit: 'grapheme' });
const events = fc.array(fc.record({ EventCode: any, CommandKey: any }), { maxLength: 3 });
const changed = fc.array(fc.record({ Name: any, Value: ascii, Type: any }), { maxLength: 3 });

test('the text is the JSON of the fact an Inform that was read would tell, and control takes it', () => {
  const facts = new InformFacts();
  const kinds = Array.from({ length: 3 }, () => ({}) as InformValues);
  fc.assert(
    fc.property(
      fc.tuple(any, any, any, any, any, any, any),
      fc.tuple(ascii, ascii, ascii),
      events,
      changed,
      fc.nat(),
      (constant, [serialNumber, currentTime, cpeId], Event, list, number) => {
        const [Manufacturer, OUI, ProductClass, root, namespace, version, profile] = constant;
        const DeviceId = { Manufacturer, OUI, ProductClass, SerialNumber: 'of another' };
        // Another answer to the same kind, and another kind for the same answer: neither tells the other's constants.
        const told = Object.assign(kinds[number % 3]!, { inform: { DeviceId, Event }, root });
        const answer = { namespace, version, profile } as Answer;
        const news = {
          cpeId,
          serialNumber,
          currentTime,
          retryCount: number,
          told,
          changed: list,
          answer,
        } as InformNews;
        const text = facts.textOf(news, 's-1-2', '192.0.2.1');
        const device = { Manufacturer, OUI, ProductClass, SerialNumber: serialNumber };
        const body = {
          ...{ cpeId, sessionId: 's-1-2' },
          cpe: { device, root, namespace, version, address: '192.0.2.1', profile },
          ...{ events: Event, retryCount: number, currentTime, changed: list, reset: false, tolerances: [] },
        };
        expect(text).toBe(JSON.stringify(body));
        expect(facts.textOf(news, 's-1-2', '192.0.2.1')).toBe(text);
        const envelope = { v: MESSAGE_VERSION, edgeId: 'e', pop: 'p', lane: 1, sequence: 1, at: 1, type: 'inform' };
        const [received] = parseFacts(`[${JSON.stringify(envelope).slice(0, -1)},"body":${text}}]`);
        expect(received?.parsed).toEqual({ type: 'ok', fact: { ...envelope, body } });
      },
    ),
  );
});
