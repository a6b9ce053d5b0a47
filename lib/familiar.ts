/** Names that users of other frameworks know: they say what is used here, where `undefined` would be no function. */
import { OptionError } from './errors.js'

type Names = Readonly<Record<string, string>>

/** Answers calls of methods and uses of properties that a class does not have, and its type neither. Subclasses may have them. */
export function answer(prototype: object, methods: Names, properties: Names = {}): void {
  const define = (name: string, shown: string, use: string, descriptor: (refuse: () => never) => object): void => {
    function refuse(this: object): never {
      throw new OptionError(this.constructor.name, `there is no ${shown}`, `use ${use}`)
    }
    Object.defineProperty(prototype, name, { ...descriptor(refuse), configurable: true })
  }
  for (const [name, use] of Object.entries(methods))
    define(name, `${name}()`, use, value => ({ value, writable: true }))
  for (const [name, use] of Object.entries(properties))
    define(name, /\d/.test(name) ? `[${name}]` : name, use, access => ({ get: access, set: access }))
}
