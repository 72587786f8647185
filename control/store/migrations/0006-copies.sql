-- Several edges in one POP: an action lies with all of them, and one runs it (edge/claims).

-- Edges that have, or are to have, a copy of an action besides the edge it was sent to first. A row goes when its withdrawal has been sent.
create table action_copy (
  action_id text not null references action on delete cascade,
  edge_id   text not null,
  sent_at   timestamptz,                     -- the copy, or its withdrawal, is with the bus; null: to be sent
  withdrawn boolean not null default false,  -- the action has ended: the edge is to forget it
  primary key (action_id, edge_id)
);
create index action_copy_unsent on action_copy (edge_id, action_id) where sent_at is null;

-- Non-null while the edges of the POP that a device has left are asked to give the action back.
alter table action add column moving_at timestamptz;
create index action_moving on action (moving_at) where moving_at is not null and ended_at is null;
