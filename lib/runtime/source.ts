/** Where in a model an operation is issued: part of the text of errors that show up later. */

let path = ''

/** Runs a layer under its name, or under its place in a list; they make a path, such as `Net/Sequential/2/Linear`. */
export function inLayer<T>(name: string, fn: () => T): T {
  const before = path
  path = path ? `${path}/${name}` : name
  try {
    return fn()
  } finally {
    path = before
  }
}

let called = ''

/** Issues commands in the name of what the user called: errors say `crossEntropy`, not the `gather` inside it. */
export function inOp<T>(name: string, fn: () => T): T {
  const before = called
  called ||= name
  try {
    return fn()
  } finally {
    called = before
  }
}

/** The layer that runs now, such as `Net/Linear`; '' outside. */
export function layerPath(): string {
  return path
}

/** The op with its layer, and in debug mode the line of the program that called for it. */
export function sourceOf(op: string, debug: boolean): string {
  const name = called || op
  const where = path ? `${name} in ${path}` : name
  return debug ? `${where}, called ${callerLine()}` : where
}

/** The first line of the stack that is not in this package. */
function callerLine(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 50
  const lines = new Error().stack?.split('\n').slice(1) ?? []
  Error.stackTraceLimit = stackTraceLimit
  const outside = lines.find(line => !line.includes(own) && !line.includes('node:internal'))
  return outside?.trim() ?? 'from nowhere'
}

/** The folder of this package's modules. */
const own = new URL('..', import.meta.url).href
