import { connect, createServer, type Socket } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { freshDatabase, freshDatabaseUrl } from '../../test/postgres.test-helper.ts';
import { arrayText, openDatabase, together } from './postgres.ts';

const sockets = new Set<Socket>();
afterAll(() => {
  for (const socket of sockets) socket.destroy();
});

/** A road to PostgreSQL that is cut as soon as `sign` goes over it, `cuts` times. */
async function cutAt(url: string, sign: string, cuts: number, how: (socket: Socket) => void) {
  let left = cuts;
  const server = createServer((inside) => {
    const outside = connect(Number(new URL(url).port), '127.0.0.1');
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
    outside.pipe(inside);
    inside.on('data', (bytes) => {
      if (left > 0 && bytes.includes(sign)) {
        left -= 1;
        how(inside);
      } else outside.write(bytes);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  return { url: url.replace(/:\d+\//, `:${port}/`), cuts: () => cuts - left, close: () => server.close() };
}

test.each<[string, (socket: Socket) => void]>([
  ['reset', (socket) => void socket.resetAndDestroy()],
  ['closed', (socket) => void socket.end()],
])(
  'a connection that is %s while the driver asks for types is lost like any other, and the next one knows arrays',
  async (_, how) => {
    const road = await cutAt(await freshDatabaseUrl(), 'typarray', 2, how);
    // What nobody catches would end the process; here it fails the test.
    const sql = await openDatabase(road.url, { connectionsMax: 1, waitMs: 20_000 });
    expect(road.cuts()).toBe(2);
    expect(await sql`select ${['a', 'b']}::text[] as list`).toEqual([{ list: ['a', 'b'] }]);
    await sql.end();
    road.close();
  },
);

test('arrays as text hold what a column may hold', async () => {
  const { sql } = await freshDatabase();
  const texts = ['', 'a', '"', '\\', 'a"b\\c', '{x}', 'NULL', ',', ' ', 'ü€😀', null, undefined, 'a\0b', '\ud800'];
  const rows = await sql<{ t: string | null }[]>`select t from unnest(${arrayText(texts)}::text::text[]) as x(t)`;
  const kept = [...texts.slice(0, 10), null, null, 'a\ufffdb', '\ufffd'];
  expect(rows.map(({ t }) => t)).toEqual(kept);
  const at = new Date(1_700_000_000_123);
  const columns = await sql`
    select * from unnest(${arrayText([true, null])}::text::boolean[], ${arrayText([1, null])}::text::int[],
      ${arrayText([at, null])}::text::timestamptz[]) as x(flag, number, time)`;
  expect(columns).toEqual([
    { flag: true, number: 1, time: at },
    { flag: null, number: null, time: null },
  ]);
  expect(await sql`select ${arrayText([])}::text::text[] as none`).toEqual([{ none: [] }]);
});

test('statements sent together: the first failure is told, and nothing of them comes after the end of the transaction', async () => {
  const { sql } = await freshDatabase();
  await sql`create table n (n int)`;
  const slow = async (tx: Parameters<Parameters<typeof sql.begin>[1]>[0]): Promise<void> => {
    for (let n = 0; n < 5; n++) await tx`insert into n values (${n})`;
  };
  await expect(sql.begin((tx) => together([tx`select 1 / 0`, slow(tx)]))).rejects.toMatchObject({ code: '22012' });
  await sql`select pg_sleep(0)`;
  expect(await sql`select from n`).toHaveLength(0);
});
