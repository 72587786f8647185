// The arguments of what a CPE itself asks: Inform (A.3.3.1) and TransferComplete (A.3.3.2).

import type { DeviceIdStruct } from '../../base/ids.ts';
import type { EventStruct, ParameterValue } from '../../cwmp/message.ts';
import { type Element, element, list } from './envelope.ts';
import { valueStruct } from './rpc.ts';
import type { Completion } from './transfers.ts';

/** Inform. `currentTime` is a dateTime, `retryCount` the number of sessions that failed before. */
export function informArgs(
  { Manufacturer, OUI, ProductClass, SerialNumber }: DeviceIdStruct,
  events: readonly EventStruct[],
  values: readonly ParameterValue[],
  currentTime: string,
  retryCount: number,
): Element[] {
  const eventStructs = events.map(({ EventCode, CommandKey }) =>
    element('EventStruct', [element('EventCode', EventCode), element('CommandKey', CommandKey)]),
  );
  const valueStructs = values.map(({ Name, Value, Type }) =>
    valueStruct({ Name, Value, type: Type.slice('xsd:'.length) }),
  );
  return [
    element('DeviceId', [
      element('Manufacturer', Manufacturer),
      element('OUI', OUI),
      element('ProductClass', ProductClass),
      element('SerialNumber', SerialNumber),
    ]),
    list('Event', 'cwmp:EventStruct', eventStructs),
    element('MaxEnvelopes', '1'),
    element('CurrentTime', currentTime),
    element('RetryCount', String(retryCount)),
    list('ParameterList', 'cwmp:ParameterValueStruct', valueStructs),
  ];
}

/** TransferComplete. */
export function transferCompleteArgs({ CommandKey, FaultStruct, StartTime, CompleteTime }: Completion): Element[] {
  return [
    element('CommandKey', CommandKey),
    element('FaultStruct', [
      element('FaultCode', String(FaultStruct.FaultCode)),
      element('FaultString', FaultStruct.FaultString),
    ]),
    element('StartTime', StartTime),
    element('CompleteTime', CompleteTime),
  ];
}
