/** The memory of the process: what the heaps of both devices and of all workers hold, and how much they may. */

/** What the tensors of a device hold in the process, how much they may, and the same for both devices together. */
export interface Account {
  readonly held: number
  readonly limit: number
  readonly heldByAll: number
  readonly limitOfAll: number
}

/** Remembers objects weakly, and tells the handles of those that were collected since. */
export interface Watch {
  add(object: object, handle: number): void
  sweep(): Iterable<number>
}

export interface Accounts {
  /** A heap holds so many bytes more (or fewer); `outside` the pool: on the js device. */
  reserve(change: number, outside: boolean): Account
  limitTo(bytes: number, outside: boolean): void
  watch(): Watch
  /** Lets V8 collect garbage now. False: it cannot be asked. */
  collect(): boolean
}

/** Without the addon: WeakRefs keep what they name to the end of the turn, and workers do not know of each other. */
export function localAccounts(machine: number): Accounts {
  const held = [0, 0]
  const limits = [0, 0]
  return {
    reserve(change, outside) {
      held[Number(outside)] += change
      const limit = limits[Number(outside)] || machine
      return {
        held: held[Number(outside)],
        limit,
        heldByAll: held[0] + held[1],
        limitOfAll: Math.max(machine, ...limits),
      }
    },
    limitTo(bytes, outside) {
      limits[Number(outside)] = bytes
    },
    watch: () => new WeakWatch(),
    collect: () => false,
  }
}

class WeakWatch implements Watch {
  private watched: { readonly reference: WeakRef<object>; readonly handle: number }[] = []

  add(object: object, handle: number): void {
    this.watched.push({ reference: new WeakRef(object), handle })
  }
  sweep(): Iterable<number> {
    const isDead = (w: { reference: WeakRef<object> }): boolean => w.reference.deref() === undefined
    const dead = this.watched.filter(isDead)
    this.watched = this.watched.filter(w => !isDead(w))
    return dead.map(w => w.handle)
  }
}
