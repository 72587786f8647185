-- How far the hub has said that it stored decisions: less than that later, and it has lost some, which are sent again (actions/lost-decisions.ts).
create table decisions_stored (
  only_row boolean primary key default true check (only_row),
  sequence bigint not null
);
