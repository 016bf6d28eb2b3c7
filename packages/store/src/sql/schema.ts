import { keptReceipts } from '../contractStore.ts'

/** The version of the tables below. Later ones only add. */
export const schemaVersion = 1

/**
 * The tables, made in one go. A contract's rows have its address as the first part of their key. Numbers of deltas are
 * `bigint`, since they are u32.
 */
export const schema = `
-- One row: what all cores of the database agree on.
create table cluster (
  single boolean primary key default true check (single),
  schema_version int not null,
  -- The oldest version that may write.
  oldest_writer int not null,
  signing_address bytea,
  sealed_signing_key bytea,
  made_at timestamptz not null default now()
);

create sequence contract_sequence;

-- Small, and changed by every write: an update stays on its page, and no index knows of what it changes. tip_hash is null
-- where nobody has made it yet. Receipts of lower numbers than receipts_from are not there any more.
create table contracts (
  address bytea primary key,
  sequence bigint not null unique,
  revision bigint not null,
  tip bigint,
  tip_hash bytea,
  code_hash bytea,
  receipts_from bigint not null default 0
) with (fillfactor = 50);

create table deltas (
  address bytea,
  key bigint,
  data bytea not null,
  primary key (address, key)
);

-- A receipt takes the place of the one of ${keptReceipts} deltas before: so old ones go without a second change of this table.
create table receipts (
  address bytea,
  place smallint,
  key bigint not null,
  task bytea not null,
  reply bytea not null,
  primary key (address, place)
);
create index receipts_task on receipts (address, task);

create table bytecodes (
  address bytea primary key,
  code bytea not null
);

create table snapshots (
  address bytea primary key,
  key bigint not null,
  delta_hash bytea not null,
  data bytea not null
);

-- A row for each core that has the database open. Each raises its counter: nobody compares clocks.
create table cores (
  id bytea primary key,
  beat bigint not null,
  endpoint text not null,
  draining boolean not null
);

-- What the next task of a user is to be opened with, sealed by the cores. It goes with the task, and some time later without one.
create table user_keys (
  user_key bytea primary key,
  id bytea not null,
  sealed bytea not null,
  made_at timestamptz not null default now()
);
create index user_keys_made_at on user_keys (made_at);

-- Ciphertext does not compress, and a length is found without reading what it is of.
alter table deltas alter column data set storage external;
alter table receipts alter column reply set storage external;
alter table bytecodes alter column code set storage external;
alter table snapshots alter column data set storage external;

insert into cluster (schema_version, oldest_writer) values (${schemaVersion}, ${schemaVersion});
`
