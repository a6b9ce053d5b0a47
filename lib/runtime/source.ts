/** Where in a model an operation is issued: part of the text of errors that show up later. */

/** A path of layers, such as `Net/Sequential/2/Linear`; and what was met there: layers by name, sources by op. */
interface Place {
  readonly path: string
  readonly layers: Map<string, Place>
  readonly sources: Map<string, number>
}

const placeAt = (path: string): Place => ({ path, layers: new Map(), sources: new Map() })
let place = placeAt('')

/** The texts that sources stand for. */
const texts: string[] = []
const known = new Map<string, number>()

/** Runs a layer under its name, or under its place in a list. */
export function inLayer<T>(name: string, fn: () => T): T {
  const before = place
  let inner = before.layers.get(name)
  if (!inner) {
    inner = placeAt(before.path ? `${before.path}/${name}` : name)
    before.layers.set(name, inner)
  }
  place = inner
  try {
    return fn()
  } finally {
    place = before
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
  return place.path
}

/** A number for the op with its layer, and in debug mode the line of the program that called for it. */
export function sourceOf(op: string, debug: boolean): number {
  const name = called || op
  if (debug) return numberOf(`${textAt(name)}, called ${callerLine()}`)
  let source = place.sources.get(name)
  if (source === undefined) {
    source = numberOf(textAt(name))
    place.sources.set(name, source)
  }
  return source
}

/** The text of a source. */
export function sourceText(source: number): string {
  return texts[source] ?? 'a command'
}

const textAt = (op: string): string => (place.path ? `${op} in ${place.path}` : op)

function numberOf(text: string): number {
  let source = known.get(text)
  if (source === undefined) {
    source = texts.push(text) - 1
    known.set(text, source)
  }
  return source
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
