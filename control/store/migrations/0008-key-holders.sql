-- The control process whose request has a key under way: when it is gone, the request may be repeated at once.
alter table idempotency_key add column member integer;
