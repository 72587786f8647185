-- A batch lets its actions go in an order that has nothing to do with their devices: by the random end of their ids.
drop index action_batch_open;
create index action_batch_open on action (batch_id, right(id, 16)) where batch_id is not null and ended_at is null;
