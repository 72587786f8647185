import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { takePort } from './cwmp-port.ts';

const HOST = '127.0.0.1';

test('of those that want one port at once, one gets it, and nobody else until it is released', async () => {
  const { port, release } = await takePort(HOST, 0);
  release();
  const results = await Promise.allSettled([takePort(HOST, port), takePort(HOST, port), takePort(HOST, port)]);
  const taken = results.filter((result) => result.status === 'fulfilled');
  expect(taken).toHaveLength(1);
  // Nobody listens there yet: asking whether the port is free would not tell.
  await expect(takePort(HOST, port)).rejects.toThrow(
    `The CWMP port ${HOST}:${port} cannot be opened: another Starling has it. Choose another with STARLING_CWMP_PORT.`,
  );
  taken[0]!.value.release();
  const again = await takePort(HOST, port);
  expect(again.port).toBe(port);
  again.release();
});

test('a port that another program listens on is refused', async () => {
  const other = createServer().listen(0, HOST);
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(takePort(HOST, port)).rejects.toThrow('another program listens there');
  other.close();
});

test('any free port: each gets another', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => takePort(HOST, 0)));
  expect(new Set(all.map(({ port }) => port)).size).toBe(50);
  for (const { release } of all) release();
});

test('an address that is not of this machine is refused with the reason', async () => {
  await expect(takePort('192.0.2.1', 0)).rejects.toThrow(
    /The CWMP port 192\.0\.2\.1:0 cannot be opened: .*EADDRNOTAVAIL/,
  );
});
