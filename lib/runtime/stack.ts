/** More frames than issuing a command takes, or a piece of a JS kernel. */
const frames = 200

/**
 * Overflows the stack here, if it is nearly full, and not in the middle of changes that belong together: a user may catch
 * the error and go on.
 */
export function probeStack(left: number = frames): number {
  return left === 0 ? 0 : 1 + probeStack(left - 1)
}

/** Was the caller's stack full? Other errors of a range tell of an array for which there is no memory. */
export function isStackOverflow(e: unknown): boolean {
  return e instanceof RangeError && e.message.includes('call stack')
}
