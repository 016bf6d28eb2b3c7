// The baseline of a start: a process that opens the database, reads one record and says so.
import { open } from 'lmdb'

const database = open({ path: process.argv[2], noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
for (const key of database.getKeys({ limit: 1 })) database.get(key)
process.stdout.write('ready\n')
await database.close()
