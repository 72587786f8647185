-- Where the bytes of an upload are until control has fetched them: an edge elsewhere has a disk of its own.
alter table file
  add column edge_id     text,
  add column pop         text,
  -- null: not here yet. What there was before lies on the disk that control and its edge share.
  add column stored_at   timestamptz,
  -- When to ask the edge again.
  add column fetch_after timestamptz;
update file set stored_at = created_at;
create index file_not_stored on file (fetch_after) where stored_at is null;
