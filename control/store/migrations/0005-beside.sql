-- Several control processes on one database: who is alive, and who holds what.

-- A process that is alive says so once a second, and holds the advisory lock (7547003, id) as long as its connection is there: of one that
-- was killed the lock is gone at once, of one whose host is gone `until` passes. All times are this server's.
create table control_member (
  id    integer primary key,
  host  text not null,
  until timestamptz not null,
  wants integer not null                     -- names it could use; a process that wants none takes no share
);

-- Written when a lease changes hands and at no other time: it is held for as long as its holder is alive. Whoever works under a lease locks
-- this row in the transaction of the work, with the fence it was given, so that what an earlier holder still has in hand comes to nothing.
create table lease (
  name   text primary key,
  holder integer,
  fence  bigint not null default 0
);
