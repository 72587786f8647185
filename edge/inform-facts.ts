// The body of a fact of an Inform that is told by its values, as the text that lies in the outbox: all but a few texts of it are the same for
// all Informs of a kind, so it is put together from pieces in place of an object of thirty parts.

import type { FactBody } from '../bus/messages.ts';
import type { InformValues } from '../cwmp/inform-values.ts';
import type { Answer, InformNews } from './quiet-informs.ts';

/** The constant texts, in order. */
interface Pieces {
  answer: Answer;
  beforeSerialNumber: string;
  beforeAddress: string;
  beforeRetryCount: string;
}

/** Of one thread. A kind that has not been told for long is put together anew. */
const KINDS_MAX = 1_024;
/** What JSON writes otherwise than it is; these texts have no control characters. */
const SPECIAL = /["\\]/;

export class InformFacts {
  readonly #kinds = new Map<InformValues, Pieces>();

  /** JSON of the body. */
  textOf(news: InformNews, sessionId: string, address: string): string {
    const { cpeId, told, answer, serialNumber, retryCount, currentTime, changed } = news;
    let pieces = this.#kinds.get(told);
    if (pieces?.answer !== answer) {
      pieces = piecesOf(told, answer);
      if (this.#kinds.size >= KINDS_MAX) this.#kinds.clear();
      this.#kinds.set(told, pieces);
    }
    let list = '';
    for (const { Name, Value, Type } of changed) {
      const entry = `{"Name":${JSON.stringify(Name)},"Value":${quoted(Value)},"Type":${JSON.stringify(Type)}}`;
      list += list === '' ? entry : `,${entry}`;
    }
    return (
      `{"cpeId":${quoted(cpeId)},"sessionId":"${sessionId}"${pieces.beforeSerialNumber}${quoted(serialNumber)}` +
      `${pieces.beforeAddress}"${address}"${pieces.beforeRetryCount}${retryCount},"currentTime":${quoted(currentTime)},` +
      `"changed":[${list}],"reset":false,"tolerances":[]}`
    );
  }
}

/** ASCII without control characters, as JSON writes it. */
function quoted(text: string): string {
  return SPECIAL.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function piecesOf({ inform, root }: InformValues, answer: Answer): Pieces {
  const { Manufacturer, OUI, ProductClass } = inform.DeviceId;
  const { namespace, version, profile } = answer;
  const cpe: Omit<FactBody<'inform'>['cpe'], 'device' | 'address' | 'profile'> = { root, namespace, version };
  const device = JSON.stringify({ Manufacturer, OUI, ProductClass }).slice(0, -1);
  return {
    answer,
    beforeSerialNumber: `,"cpe":{"device":${device},"SerialNumber":`,
    beforeAddress: `},${JSON.stringify(cpe).slice(1, -1)},"address":`,
    beforeRetryCount: `,"profile":${JSON.stringify(profile)}},"events":${JSON.stringify(inform.Event)},"retryCount":`,
  };
}
