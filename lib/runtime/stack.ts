/** More frames than issuing a command takes, or a piece of a JS kernel. */
const frames = 200

/**
 * Overflows the stack here, if it is nearly full, and not in the middle of changes that belong together: a user may catch
 * the error and go on.
 */
export function probeStack(left: number = frames): number {
  return left === 0 ? 0 : 1 + probeStack(left - 1)
}
