#!/usr/bin/env node
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { version } from '../report.js'
import { bench, familyNames } from './bench.js'
import { doctor } from './doctor.js'

type Values = Readonly<Record<string, string | boolean | undefined>>

interface Command {
  readonly summary: string
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** What an argument may be; null: there is none. */
  readonly argument: { readonly name: string; readonly known: readonly string[] } | null
  readonly help: readonly string[]
  run(values: Values, argument: string | undefined): number | Promise<number>
}

/** What was typed makes no sense: exit code 2. */
class UsageError extends Error {
  override name = 'UsageError'
}

const devices = ['native', 'js', 'both'] as const

function choice<T extends string>(option: string, value: unknown, known: readonly T[]): T | undefined {
  if (value === undefined || (known as readonly unknown[]).includes(value)) return value as T | undefined
  throw new UsageError(`unknown value '${String(value)}' for --${option}; known: ${known.join(', ')}`)
}

const commands: { readonly [name: string]: Command } = {
  doctor: {
    summary: 'what this installation is and can do',
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    argument: null,
    help: ['--json   one JSON object'],
    run: values => doctor(values.json === true),
  },
  bench: {
    summary: 'how fast the devices are here, side by side',
    options: {
      json: { type: 'boolean' },
      device: { type: 'string' },
      quick: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    argument: { name: 'family', known: familyNames },
    help: [
      `family                    ${familyNames.join(', ')}`,
      '--json                    one JSON object',
      '--device native|js|both   which devices (default: those there are)',
      '--quick                   few samples, to see that everything runs',
    ],
    run: (values, family) =>
      bench({
        family: family as (typeof familyNames)[number],
        json: values.json === true,
        device: choice('device', values.device, devices),
        quick: values.quick === true,
      }),
  },
}

function usage(): string {
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  return [
    'usage: gradus <command> [options]',
    '',
    ...list,
    '',
    '  --help, -h     this text, or that of a command',
    '  --version, -v',
  ].join('\n')
}

function usageOf(name: string, { summary, argument, help }: Command): string {
  return [
    `usage: gradus ${name}${argument ? ` [${argument.name}]` : ''} [options]`,
    '',
    summary,
    '',
    ...help.map(line => `  ${line}`),
  ].join('\n')
}

/** Options and argument of a command; throws a UsageError that says what there is. */
function parse(
  name: string,
  { options, argument }: Command,
  args: string[],
): { values: Values; given: string | undefined } {
  const known = Object.keys(options).map(option => `--${option}`)
  let parsed: ReturnType<typeof parseArgs>
  try {
    parsed = parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message.split('. ')[0]}; known options: ${known.join(', ')}`)
  }
  const [given, ...more] = parsed.positionals
  const refused = argument ? more[0] : given
  if (refused !== undefined) throw new UsageError(`${name}: unexpected argument '${refused}'`)
  if (given !== undefined && !argument!.known.includes(given))
    throw new UsageError(`${name}: unknown ${argument!.name} '${given}'; known: ${argument!.known.join(', ')}`)
  return { values: parsed.values as Values, given }
}

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(usage())
    return 0
  }
  if (name === '--version' || name === '-v') {
    console.log(version())
    return 0
  }
  if (!Object.hasOwn(commands, name))
    throw new UsageError(`unknown command '${name}'; known: ${Object.keys(commands).join(', ')}, --help, --version`)
  const command = commands[name]
  const { values, given } = parse(name, command, args)
  if (values.help === true) {
    console.log(usageOf(name, command))
    return 0
  }
  return command.run(values, given)
}

/** The text of an error, or all there is of it when Gradus itself is looked into. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (process.env['GRADUS_DEBUG'] === '1') return error.stack ?? error.message
  return error instanceof UsageError ? `gradus: ${error.message}` : `${error.name}: ${error.message}`
}

// `gradus bench | head` closes the pipe early, which is no failure.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  process.exit(0)
})

// No top-level await: it would make this module impossible to require.
main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code
  },
  error => {
    console.error(textOf(error))
    process.exitCode = error instanceof UsageError ? 2 : 1
  },
)
