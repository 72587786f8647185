-- Of most Informs nothing of the device is new but the time: a narrow row without indexes beside its key instead of a new version of a wide one.
alter table device_seen add column last_inform_at timestamptz;
insert into device_seen as s (device_id, last_seen_at, last_inform_at)
  select id, last_inform_at, last_inform_at from device where last_inform_at is not null
  on conflict (device_id) do update set last_inform_at = excluded.last_inform_at;
alter table device drop column last_inform_at;
