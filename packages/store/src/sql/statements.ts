import { keptReceipts } from '../contractStore.ts'

/** Of a user's key. Only the database's clock is asked. */
const isFresh = "u.made_at > now() - interval '1 day'"

/** Keys that are kept; those made longest ago go. */
const mostUserKeys = 100_000

/** The one-time keys of a write, locked in the order of their bytes and before the contracts, as far as they are there. */
function lockedKeys(userKeys: string, ids: string): string {
  return `keys as (
      select u.user_key from unnest(${userKeys}::bytea[], ${ids}::bytea[]) as g (user_key, id)
      join user_keys u on u.user_key = g.user_key and u.id = g.id and ${isFresh}
      order by u.user_key for update of u
    )`
}

/**
 * The statements of the store, each of them right by itself under READ COMMITTED and anything stronger.
 *
 * A write of contracts that are there names the sequence and the revision that were read for it, and locks what is still at
 * them, in the order of the addresses: two statements that wait for each other's rows are impossible. One that had to wait
 * finds the row at another revision and passes it over, so that whatever it sees is as it was at the lock. What a write
 * answers are the contracts that it has written; of the others it has changed nothing.
 *
 * No statement changes a table twice, and none writes both contracts that are there and new ones: a new one waits for
 * whoever makes the same, and would do so beside locks.
 *
 * Arrays of one write belong together, element by element. Numbers of deltas and lengths are `bigint` throughout.
 */
export const statements = {
  /**
   * A contract and a user's key as a task finds them; nulls for what is not there. The tip's data comes only where its hash is not
   * known: the database cannot make it. $1 address, $2 task or null, $3 user's key or null
   */
  load: `
    select c.sequence, c.revision, c.tip, c.tip_hash, c.code_hash, d.data,
      exists (
        select 1 from receipts r where r.address = c.address and r.task = $2 and r.key >= c.receipts_from
      ) as has_receipt,
      u.id as user_key_id, u.sealed
    from (select 1) as one
    left join contracts c on c.address = $1
    left join deltas d on c.tip_hash is null and d.address = c.address and d.key = c.tip
    left join user_keys u on u.user_key = $3 and ${isFresh}`,

  /** $1 address */
  tipKey: `select tip from contracts where address = $1`,

  /**
   * The first of some contracts, as many as have this much data in their tips together, and one at least.
   * $1 addresses, $2 bytes
   */
  tips: `
    select n, key, data from (
      select given.n, d.key, d.data, sum(coalesce(octet_length(d.data), 0)) over (order by given.n) as total
      from unnest($1::bytea[]) with ordinality as given (address, n)
      left join contracts c on c.address = given.address
      left join deltas d on d.address = c.address and d.key = c.tip
    ) as counted
    where n = 1 or total <= $2
    order by n`,

  /**
   * The next contracts that have a tip, as many as have this much data to be shown, and one at least. `found` are those
   * that there would have been without this bound. $1 behind this sequence, $2 contracts, $3 show up to this length, $4 bytes
   */
  tipLengths: `
    select address, sequence, key, length, found, case when length <= $3 then data end as data from (
      select *, count(*) over () as found, row_number() over (order by sequence) as n,
        sum(case when length <= $3 then length else 0 end) over (order by sequence) as total
      from (
        select c.address, c.sequence, d.key, octet_length(d.data) as length, d.data
        from contracts c join deltas d on d.address = c.address and d.key = c.tip
        where c.sequence > $1 order by c.sequence limit $2
      ) as page
    ) as counted
    where n = 1 or total <= $4
    order by sequence`,

  /** $1 behind this sequence, $2 contracts */
  addresses: `select address, sequence from contracts where sequence > $1 order by sequence limit $2`,

  /** $1 address */
  contract: `select 1 from contracts where address = $1`,

  /** $1 address */
  tip: `
    select d.key, d.data from contracts c join deltas d on d.address = c.address and d.key = c.tip
    where c.address = $1`,

  /** $1 address, $2 number */
  delta: `select data from deltas where address = $1 and key = $2`,

  /**
   * The first deltas of a range, as many as have this much data together, and one at least; `found` as above.
   * $1 address, $2 from, $3 to, $4 deltas, $5 bytes
   */
  deltas: `
    select key, data, found from (
      select *, count(*) over () as found, row_number() over (order by key) as n,
        sum(octet_length(data)) over (order by key) as total
      from (
        select key, data from deltas where address = $1 and key >= $2 and key < $3 order by key limit $4
      ) as page
    ) as counted
    where n = 1 or total <= $5
    order by key`,

  /** $1 address, $2 before, $3 numbers */
  deltaKeysBefore: `select key from deltas where address = $1 and key < $2 order by key desc limit $3`,

  /** $1 address */
  hasBytecode: `select 1 from contracts where address = $1 and code_hash is not null`,

  /** $1 address */
  bytecode: `select code from bytecodes where address = $1`,

  /** $1 address */
  snapshot: `select key, data from snapshots where address = $1`,

  /** $1 address, $2 task */
  receipt: `
    select r.key, r.reply from contracts c join receipts r on r.address = c.address
    where c.address = $1 and r.task = $2 and r.key >= c.receipts_from
    order by r.key desc limit 1`,

  /** $1 address, $2 number */
  receiptOf: `
    select r.task, r.reply from contracts c join receipts r on r.address = c.address
    where c.address = $1 and r.place = $2 % ${keptReceipts} and r.key = $2 and r.key >= c.receipts_from`,

  /** $1 address */
  receiptTasks: `
    select r.task from contracts c join receipts r on r.address = c.address
    where c.address = $1 and r.key >= c.receipts_from
    order by r.key desc`,

  /** What a write is prepared at. $1 addresses */
  contracts: `
    select c.address, c.sequence, c.revision, c.tip
    from unnest($1::bytea[]) as given (address) join contracts c on c.address = given.address`,

  /**
   * New contracts, where nobody else was quicker. They get their numbers in the order in which they are given, and go in
   * in the order of their addresses, so that two statements with the same ones do not wait for each other.
   * Contracts: $1 addresses, $2 tips, $3 their hashes, $4 hashes of bytecode. Deltas: $5 addresses, $6 numbers, $7 data.
   * Bytecodes: $8 addresses, $9 code. Receipts: $10 addresses, $11 numbers, $12 tasks, $13 replies. One-time keys that the
   * contracts use up, or nulls: $14 users' keys, $15 ids.
   */
  createContracts: `
    with ${lockedKeys('$14', '$15')}, given as (
      select g.* from unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[], $14::bytea[])
        with ordinality as g (address, tip, tip_hash, code_hash, user_key, n)
      left join keys k on k.user_key = g.user_key
      where g.user_key is null or k.user_key is not null
    ), numbered as (
      select *, nextval('contract_sequence') as sequence from (select * from given order by n) as ordered
    ), written as (
      insert into contracts (address, sequence, revision, tip, tip_hash, code_hash)
      select address, sequence, 0, tip, tip_hash, code_hash from numbered order by address
      on conflict (address) do nothing
      returning address
    ), new_deltas as (
      insert into deltas (address, key, data)
      select d.address, d.key, d.data
      from unnest($5::bytea[], $6::bigint[], $7::bytea[]) as d (address, key, data) join written w on w.address = d.address
    ), new_bytecodes as (
      insert into bytecodes (address, code)
      select b.address, b.code
      from unnest($8::bytea[], $9::bytea[]) as b (address, code) join written w on w.address = b.address
    ), new_receipts as (
      insert into receipts (address, place, key, task, reply)
      select r.address, r.key % ${keptReceipts}, r.key, r.task, r.reply
      from unnest($10::bytea[], $11::bigint[], $12::bytea[], $13::bytea[]) as r (address, key, task, reply)
      join written w on w.address = r.address
    ), burnt_keys as (
      delete from user_keys u using given g join written w on w.address = g.address where u.user_key = g.user_key
    )
    select address from written`,

  /**
   * Puts deltas and bytecode. What is stored already is left alone; a delta that is now another takes with it its receipt,
   * and the snapshot that contains it. A tip and its hash are given where the contract gets another.
   * Contracts: $1 addresses, $2 sequences, $3 revisions, $4 tips, $5 their hashes, $6 hashes of bytecode.
   * Deltas: $7 addresses, $8 numbers, $9 data. Bytecodes: $10 addresses, $11 code.
   */
  changeContracts: `
    with locked as (
      select c.address, g.tip, g.tip_hash, g.code_hash
      from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
        as g (address, sequence, revision, tip, tip_hash, code_hash)
      join contracts c on c.address = g.address and c.sequence = g.sequence and c.revision = g.revision
      order by c.address for update of c
    ), written as (
      update contracts c set
        revision = c.revision + 1,
        tip = coalesce(l.tip, c.tip),
        tip_hash = case when l.tip is null then c.tip_hash else l.tip_hash end,
        code_hash = coalesce(l.code_hash, c.code_hash)
      from locked l
      where c.address = l.address
      returning c.address
    ), fresh as (
      select n.address, n.key, n.data, d.key is not null as replaces
      from unnest($7::bytea[], $8::bigint[], $9::bytea[]) as n (address, key, data)
      join written w on w.address = n.address
      left join deltas d on d.address = n.address and d.key = n.key
      where d.key is null or d.data <> n.data
    ), new_deltas as (
      insert into deltas (address, key, data) select address, key, data from fresh
      on conflict (address, key) do update set data = excluded.data
    ), old_receipts as (
      delete from receipts r using fresh f
      where f.replaces and r.address = f.address and r.place = f.key % ${keptReceipts} and r.key = f.key
    ), old_snapshots as (
      delete from snapshots s using (select address, min(key) as key from fresh where replaces group by address) as f
      where s.address = f.address and s.key >= f.key
      returning s.address
    ), new_bytecodes as (
      insert into bytecodes (address, code)
      select b.address, b.code
      from unnest($10::bytea[], $11::bytea[]) as b (address, code) join written w on w.address = b.address
      on conflict (address) do update set code = excluded.code
    )
    select w.address, s.address is not null as snapshot
    from written w left join old_snapshots s on s.address = w.address`,

  /**
   * What tasks made, on contracts whose tip is still below it, with the one-time keys that they used up. No two of one
   * statement may have the same key: each part sees it still there.
   * $1 addresses, $2 sequences, $3 revisions, $4 numbers, $5 hashes of the deltas, $6 deltas, $7 tasks or null, $8 replies,
   * $9 users' keys or null, $10 their ids
   */
  commitTasks: `
    with ${lockedKeys('$9', '$10')}, locked as (
      select c.address, g.key, g.hash, g.user_key
      from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $9::bytea[])
        as g (address, sequence, revision, key, hash, user_key)
      join contracts c on c.address = g.address and c.sequence = g.sequence and c.revision = g.revision
      left join keys k on k.user_key = g.user_key
      where (c.tip is null or c.tip < g.key) and (g.user_key is null or k.user_key is not null)
      order by c.address for update of c
    ), written as (
      update contracts c set
        revision = c.revision + 1,
        tip = l.key,
        tip_hash = l.hash,
        receipts_from = greatest(l.key - ${keptReceipts} + 1, least(c.receipts_from, l.key))
      from locked l
      where c.address = l.address
      returning c.address
    ), new_deltas as (
      insert into deltas (address, key, data)
      select d.address, d.key, d.data
      from unnest($1::bytea[], $4::bigint[], $6::bytea[]) as d (address, key, data) join written w on w.address = d.address
    ), new_receipts as (
      insert into receipts (address, place, key, task, reply)
      select r.address, r.key % ${keptReceipts}, r.key, r.task, r.reply
      from unnest($1::bytea[], $4::bigint[], $7::bytea[], $8::bytea[]) as r (address, key, task, reply)
      join written w on w.address = r.address
      where r.task is not null
      on conflict (address, place) do update set key = excluded.key, task = excluded.task, reply = excluded.reply
    ), burnt_keys as (
      delete from user_keys u using locked l join written w on w.address = l.address where u.user_key = l.user_key
    )
    select address from written`,

  /**
   * Which of these deltas are stored. Their contracts are written as they are: the answer comes when a write of this moment is
   * safe, and all before it. $1 addresses, $2 numbers, $3 data
   */
  confirmDeltas: `
    with locked as (
      select c.address from unnest($1::bytea[], $2::bigint[], $3::bytea[]) as g (address, key, data)
      join deltas d on d.address = g.address and d.key = g.key and d.data = g.data
      join contracts c on c.address = g.address
      order by c.address for update of c
    ), written as (
      update contracts c set revision = c.revision from locked l where c.address = l.address
      returning c.address
    )
    select address from written`,

  /** A receipt, confirmed likewise. $1 address, $2 task */
  confirmReceipt: `
    with found as (
      select c.address, r.key, r.reply from contracts c join receipts r on r.address = c.address
      where c.address = $1 and r.task = $2 and r.key >= c.receipts_from
      order by r.key desc limit 1
    ), written as (
      update contracts c set revision = c.revision from found f where c.address = f.address
      returning c.address
    )
    select f.key, f.reply from found f join written w on w.address = f.address`,

  /**
   * Why a task could not be stored: whether there is a delta of its number, if the contract has not changed and its tip is
   * no lower. $1 address, $2 sequence, $3 revision, $4 number
   */
  numberTaken: `
    select exists (select 1 from deltas d where d.address = c.address and d.key = $4) as taken
    from contracts c where c.address = $1 and c.sequence = $2 and c.revision = $3 and c.tip >= $4`,

  /**
   * What ranges of numbers would take away and leave: the lowest delta in those that are to go, and the highest one in those
   * that stay, found by one look-up each. $1 addresses, $2 from, $3 to, $4 whether this one is to go
   */
  removable: `
    select c.address, c.sequence, c.revision, c.code_hash is not null as has_bytecode, min(low.key) as first,
      max(high.key) as tip
    from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::boolean[]) as r (address, "from", "to", goes)
    join contracts c on c.address = r.address
    left join lateral (
      select d.key from deltas d where r.goes and d.address = r.address and d.key >= r."from" and d.key < r."to"
      order by d.key limit 1
    ) as low on true
    left join lateral (
      select d.key from deltas d where not r.goes and d.address = r.address and d.key >= r."from" and d.key < r."to"
      order by d.key desc limit 1
    ) as high on true
    group by c.address
    having min(low.key) is not null`,

  /**
   * Removes deltas with their receipts, and the snapshots, of contracts of which something is left. `offset 0` has each range
   * looked up by itself: thousands of ranges, each compared with all deltas of their contract, would take minutes.
   * Contracts: $1 addresses, $2 sequences, $3 revisions, $4 tips. Deltas: $5 addresses, $6 from, $7 to.
   */
  removeDeltas: `
    with locked as (
      select c.address, g.tip
      from unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[]) as g (address, sequence, revision, tip)
      join contracts c on c.address = g.address and c.sequence = g.sequence and c.revision = g.revision
      order by c.address for update of c
    ), written as (
      update contracts c set
        revision = c.revision + 1,
        tip = l.tip,
        tip_hash = case when c.tip = l.tip then c.tip_hash end
      from locked l
      where c.address = l.address
      returning c.address
    ), ranges as (
      select r.* from unnest($5::bytea[], $6::bigint[], $7::bigint[]) as r (address, "from", "to")
      join written w on w.address = r.address
    ), found as (
      select d.address, d.key from ranges r cross join lateral (
        select address, key from deltas where address = r.address and key >= r."from" and key < r."to" offset 0
      ) as d
    ), old_deltas as (
      delete from deltas d using found f where d.address = f.address and d.key = f.key
    ), old_receipts as (
      delete from receipts d using ranges r where d.address = r.address and d.key >= r."from" and d.key < r."to"
    ), old_snapshots as (
      delete from snapshots s using written w where s.address = w.address
      returning s.address
    )
    select w.address, s.address is not null as snapshot
    from written w left join old_snapshots s on s.address = w.address`,

  /** Removes contracts, and tells what there was of them. $1 addresses, $2 sequences, $3 revisions */
  removeContracts: `
    with locked as (
      select c.address from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as g (address, sequence, revision)
      join contracts c on c.address = g.address and c.sequence = g.sequence and c.revision = g.revision
      order by c.address for update of c
    ), written as (
      delete from contracts c using locked l where c.address = l.address
      returning c.address
    ), old_deltas as (
      delete from deltas d using written w where d.address = w.address
      returning d.address, d.key
    ), old_receipts as (
      delete from receipts r using written w where r.address = w.address
    ), old_bytecodes as (
      delete from bytecodes b using written w where b.address = w.address
      returning b.address
    ), old_snapshots as (
      delete from snapshots s using written w where s.address = w.address
      returning s.address
    )
    select w.address, d.first, b.address is not null as bytecode, s.address is not null as snapshot
    from written w
    left join (select address, min(key) as first from old_deltas group by address) as d on d.address = w.address
    left join old_bytecodes b on b.address = w.address
    left join old_snapshots s on s.address = w.address`,

  /** What a snapshot ends with: the hash of that delta if it is known, else its data. $1 address, $2 number */
  snapshotDelta: `
    select c.sequence, c.revision,
      case when c.tip = d.key then c.tip_hash end as hash,
      case when c.tip = d.key and c.tip_hash is not null then null else d.data end as data
    from contracts c join deltas d on d.address = c.address and d.key = $2
    where c.address = $1`,

  /** $1 address, $2 sequence, $3 revision, $4 number, $5 hash of that delta, $6 data */
  putSnapshot: `
    with written as (
      update contracts set revision = revision + 1 where address = $1 and sequence = $2 and revision = $3
      returning address
    ), new_snapshot as (
      insert into snapshots (address, key, delta_hash, data)
      select address, $4::bigint, $5::bytea, $6::bytea from written
      on conflict (address) do update set key = excluded.key, delta_hash = excluded.delta_hash, data = excluded.data
    )
    select address from written`,

  /** Keeps what a user's next task is opened with; it waits for no disk. $1 user's key, $2 id, $3 sealed */
  putUserKey: `
    with unhurried as (
      select set_config('synchronous_commit', 'off', true)
    )
    insert into user_keys (user_key, id, sealed) select $1::bytea, $2::bytea, $3::bytea from unhurried
    on conflict (user_key) do update set id = excluded.id, sealed = excluded.sealed, made_at = excluded.made_at`,

  /** $1 user's key, $2 id */
  burnUserKey: `delete from user_keys u where u.user_key = $1 and u.id = $2 and ${isFresh} returning u.id`,

  /** Removes keys that are too old, and the oldest of too many. */
  sweepUserKeys: `
    with unhurried as (
      select set_config('synchronous_commit', 'off', true)
    )
    delete from user_keys u using unhurried where not (${isFresh}) or u.made_at < (
      select made_at from user_keys order by made_at desc offset ${mostUserKeys - 1} limit 1
    )`,

  oldestWriter: `select oldest_writer from cluster`,

  /** Writes something that is there already. */
  probe: `update cluster set schema_version = schema_version`,

  /**
   * Raises a core's counter, and tells all cores. The setting ends with the statement; it is made before the commit, which so
   * waits for no disk and no standby. A select of a setting that nobody asks for would be left out.
   * $1 id, $2 endpoint, $3 draining
   */
  beat: `
    with unhurried as (
      select set_config('synchronous_commit', 'off', true)
    ), mine as (
      insert into cores (id, beat, endpoint, draining)
      select $1::bytea, 1, $2::text, $3::boolean from unhurried
      on conflict (id) do update
        set beat = cores.beat + 1, endpoint = excluded.endpoint, draining = excluded.draining
      returning id, beat, endpoint, draining
    )
    select id, beat, endpoint, draining from mine
    union all
    select id, beat, endpoint, draining from cores where id <> $1`,

  /** Removes a core, if its counter still is what it was when one is given. $1 id, $2 counter or null */
  removeCore: `
    with unhurried as (
      select set_config('synchronous_commit', 'off', true)
    )
    delete from cores using unhurried where id = $1 and ($2::bigint is null or beat = $2)`,
} as const

export type StatementName = keyof typeof statements
