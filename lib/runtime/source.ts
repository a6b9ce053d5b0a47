/** Where in a model an operation is issued: part of the text of errors that show up later. */

let path = ''

/** Runs a layer under its name; nested layers make a path, such as `0.Block/2.Linear`. */
export function inLayer<T>(name: string, fn: () => T): T {
  const before = path
  path = path ? `${path}/${name}` : name
  try {
    return fn()
  } finally {
    path = before
  }
}

export function layerPath(): string {
  return path
}
