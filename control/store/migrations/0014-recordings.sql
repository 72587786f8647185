-- Sessions of devices that were recorded: asked for here, made by each edge that the device may come to (a part each), kept as files.
create table recording (
  id           text primary key,
  device_id    text not null references device (id) on delete cascade,
  asked_by     text not null,
  asked_at     timestamptz not null,
  until        timestamptz not null,
  sessions_max integer not null
);
create index recording_age on recording (asked_at desc, id desc);
create index recording_device on recording (device_id, asked_at desc, id desc);

create table recording_part (
  recording_id text not null references recording (id) on delete cascade,
  edge_id      text not null,
  -- null: the edge has not told of it yet.
  ended_at     timestamptz,
  -- null: nothing was recorded there.
  file_id      text,
  bytes        bigint not null default 0,
  sessions     integer not null default 0,
  exchanges    integer not null default 0,
  cut          boolean not null default false,
  why          text not null default '',
  primary key (recording_id, edge_id)
);
