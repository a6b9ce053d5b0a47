/** What is public, by name: a new name is seen here before users see it. `npx vitest run test/api.test.ts -u` takes it in. */
import { expect, it } from 'vitest'
import * as gradus from '../lib/index.js'
import * as ops from '../lib/ops/index.js'

/** Names of values, and of those within namespaces and on the prototypes of classes. */
function* names(of: object, prefix = ''): Generator<string> {
  for (const [name, value] of Object.entries(of)) {
    yield prefix + name
    if (Object.prototype.toString.call(value) === '[object Module]') yield* names(value, `${prefix}${name}.`)
    if (typeof value !== 'function' || !/^class\b/.test(String(value))) continue
    for (const member of Object.getOwnPropertyNames(value.prototype))
      if (member !== 'constructor') yield `${prefix}${name}#${member}`
  }
}

it('the public names are these', async () => {
  await expect([...names(gradus)].sort().join('\n')).toMatchFileSnapshot('fixtures/api.txt')
})

it('every op is a function whose first parameter is a tensor, and a method', async () => {
  for (const [name, op] of Object.entries(ops)) {
    expect(typeof op, name).toBe('function')
    expect(Object.hasOwn(gradus.Tensor.prototype, name), name).toBe(true)
    const call = async () => (op as (x: unknown) => unknown)(undefined)
    await expect(call(), name).rejects.toThrow(/must be a tensor|expected a tensor/)
  }
})
