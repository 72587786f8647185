-- People: who may use control, and whose a token is.

create table person (
  id          text primary key,
  name        text not null,
  name_key    text collate "C" not null unique,   -- the name as names are compared (operations/people.ts)
  role        text not null,
  email       text,
  created_at  timestamptz not null,
  created_by  text not null,
  disabled_at timestamptz
);

-- Tokens from before belong to nobody: they are programs, with a role of their own. A person's has the person's role, whatever it is by then.
alter table api_token
  add column person_id text references person,
  add column scope text[],                        -- permissions it is narrowed to; null: all that the role may
  add column refused_at timestamptz,              -- when its use after its end was last recorded
  alter column role drop not null,
  add constraint api_token_owner check ((role is null) = (person_id is not null));
create index api_token_person on api_token (person_id) where person_id is not null;
