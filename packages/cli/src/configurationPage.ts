import type { Option } from 'commander'
import { commandNames, leavesOf, loadCommand } from './commands/index.ts'
import { isRepeatable } from './options.ts'

const introduction = `# Configuration

<!-- Made by \`npm run docs\` from the declarations of the options (packages/cli). -->

Each option of the command can be given in three ways. The first of these that gives it counts:

1. the command line: \`--log-level warn\`
2. the environment: \`BLETCHLEY_LOG_LEVEL=warn\`; a switch is \`true\` or \`false\`, several values stand with commas between them;
   an empty variable is as good as none
3. the configuration file: \`logLevel: warn\`

The file is the one that \`--config\` (or \`BLETCHLEY_CONFIG\`) names; without it, \`bletchley.config.yaml\` or
\`bletchley.config.json\` in the working directory, if it is there and the user's own. It holds names and values. What stands
under the name of a command is for that command only, and comes before what is for all that have the option:

\`\`\`yaml
data: /var/lib/bletchley
bind: [tcp://127.0.0.1:5552]
threads: 2
principal: 3f3b0e1d00112233445566778899aabbccddeeff
core:
  logLevel: warn
keys rotate:
  logLevel: debug
\`\`\`

A name that no command knows is an error, and so is a value that the command line would refuse. Values are taken as they are
written, digit by digit, with or without quotation marks. A file that anybody may write is refused.

\`bletchley <command> --print-config\` prints every option of the command, its value and where it comes from, as a configuration
file, and does nothing else. Options that name a secret name the file, or the command, that holds it; the secret itself
cannot be given as an option.

`

/** The page `docs/configuration.md`: every option, under all its names. */
export async function renderConfiguration(): Promise<string> {
  const found = new Map<string, { option: Option; commands: string[]; texts: Set<string> }>()
  for (const command of await Promise.all(commandNames.map(loadCommand))) {
    for (const [name, { options }] of leavesOf(command)) {
      for (const option of options) {
        const key = option.attributeName()
        const entry = found.get(key) ?? { option, commands: [], texts: new Set<string>() }
        entry.commands.push(name)
        entry.texts.add(option.description)
        found.set(key, entry)
      }
    }
  }
  const rows = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { option, commands, texts }]) => {
      const cells = [
        `\`${option.flags}\`${isRepeatable(option) ? ', repeatable' : ''}`,
        `\`${key}\``,
        option.envVar === undefined ? '' : `\`${option.envVar}\``,
        commands.join(', '),
        [...texts].join('; or: '),
      ]
      return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
    })
  return `${introduction}| option | in the file | in the environment | of | what it is |\n|---|---|---|---|---|\n${rows.join('')}`
}
