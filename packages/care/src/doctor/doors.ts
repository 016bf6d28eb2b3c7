import { join } from 'node:path'
import { type HttpAddress, isLocal, loopbackAddress, readClientKeys, withAddress } from '@bletchley/core/doors'
import { curveKeyFileName, readCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { lockHolder } from '@bletchley/crypto/folder-lock'
import { KeyFileError, quoted } from '@bletchley/crypto/key-file'
import { type Check, ok, problem, reasonOf, warning } from './check.ts'
import type { DoctorOptions } from './options.ts'
import { listen } from './ports.ts'

/** Whether those may come in who should, and nobody else. */
export async function checkClients(options: DoctorOptions): Promise<Check[]> {
  const { curve, dataFolder, endpoints, insecure } = options
  if (curve !== undefined) {
    return [
      await checkList(curve.clientsPath),
      await checkCurveKey(curve.keyPath ?? join(dataFolder, curveKeyFileName)),
    ]
  }
  const name = 'clients'
  // A name that stands for nothing is told of where ports are looked at.
  const addresses = await Promise.all(endpoints.map((endpoint) => withAddress(endpoint).catch(() => endpoint)))
  return endpoints
    .filter((endpoint, index) => !isLocal(endpoint) || !isLocal(addresses[index]!))
    .map((endpoint) => {
      const remedy =
        '`bletchley keys curve`, and --clients with the public keys of those who may come; or bind to loopback'
      if (insecure) return warning(name, `whoever reaches ${endpoint} may do everything (--insecure)`, remedy)
      return problem(name, `${endpoint} can be reached by others, and the core refuses it without CURVE`, remedy)
    })
}

async function checkList(path: string): Promise<Check> {
  const name = 'clients'
  try {
    const { size } = await readClientKeys(path)
    if (size > 0) return ok(name, `${size} in ${path}`)
    return warning(name, `${path} is empty: nobody is let in`, 'add the public keys of the clients, one on a line')
  } catch (error) {
    return problem(
      name,
      `${path} cannot be used: ${reasonOf(error)}`,
      'one public key on a line, writable by its owner alone',
    )
  }
}

async function checkCurveKey(path: string): Promise<Check> {
  const name = 'CURVE key'
  try {
    await readCurveKeyFile(path, 'server')
    return ok(name, path)
  } catch (error) {
    const missing = error instanceof KeyFileError && error.code === 'missing'
    return missing
      ? problem(name, `${path} is not there`, `bletchley keys curve --curve-key ${quoted(path)}`)
      : problem(name, reasonOf(error), 'put the file back as it was, or make a new pair at another place')
  }
}

/** Whether the HTTP door can be opened. */
export async function checkHttp(address: HttpAddress | undefined, dataFolder: string): Promise<Check[]> {
  if (address === undefined) return []
  const name = 'HTTP door'
  const shown = `${address.host}:${address.port}`
  try {
    await loopbackAddress(address)
  } catch (error) {
    return [problem(name, reasonOf(error), 'take 127.0.0.1; a tunnel or an agent on this machine carries it further')]
  }
  const code = await listen(address.host, address.port)
  if (code === undefined) return [ok(name, `${shown} is free`)]
  if (code === 'EADDRINUSE' && lockHolder(dataFolder)?.use === 'core') {
    return [ok(name, `${shown} is taken while the core of this data folder runs`)]
  }
  return [problem(name, `${shown} cannot be bound (${code})`, 'take another port with --http')]
}
