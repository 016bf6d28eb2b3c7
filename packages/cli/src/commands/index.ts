import type { Command } from 'commander'
import type { KnownOptions } from '../configuration.ts'

/** The commands. Only the one that is asked for is loaded: together they take longer to load than a core to start. */
const commands: Readonly<Record<string, () => Promise<{ createCommand(): Command }>>> = {
  core: () => import('./core.ts'),
  principal: () => import('./principal.ts'),
  dev: () => import('./dev.ts'),
  demo: () => import('./demo.ts'),
  deploy: () => import('./deploy.ts'),
  compute: () => import('./compute.ts'),
  call: () => import('./call.ts'),
  simulate: () => import('./simulate.ts'),
  console: () => import('./console.ts'),
  inspect: () => import('./inspect.ts'),
  doctor: () => import('./doctor.ts'),
  backup: () => import('./backup.ts'),
  restore: () => import('./restore.ts'),
  export: () => import('./export.ts'),
  import: () => import('./import.ts'),
  verify: () => import('./verify.ts'),
  compact: () => import('./compact.ts'),
  prune: () => import('./prune.ts'),
  contract: () => import('./contract.ts'),
  keys: () => import('./keys.ts'),
}

export const commandNames: readonly string[] = Object.keys(commands)

export async function loadCommand(name: string): Promise<Command> {
  const { createCommand } = await commands[name]!()
  return createCommand()
}

/** A command, or the commands that it consists of, by what is typed. */
export function leavesOf(command: Command): [name: string, Command][] {
  if (command.commands.length === 0) return [[command.name(), command]]
  return command.commands.map((each) => [`${command.name()} ${each.name()}`, each])
}

/** The options of all commands. */
export async function knownOptions(): Promise<KnownOptions> {
  const loaded = await Promise.all(commandNames.map(loadCommand))
  return new Map(
    loaded.flatMap(leavesOf).map(([name, { options }]) => [name, new Set(options.map((each) => each.attributeName()))]),
  )
}
