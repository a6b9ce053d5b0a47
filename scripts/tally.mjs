// Runs test programs that end with "N checks, N failed". Each program is one test: it passes if all its checks do.
import { spawnSync } from 'node:child_process'

/** The output of a command, or undefined where it is not installed. */
export function output(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  return result.error || result.status !== 0 ? undefined : result.stdout
}
export const installed = command => output(command, ['--version']) !== undefined

export class Tally {
  passed = 0
  failed = 0
  skipped = 0

  check(ok, text) {
    if (ok) this.passed++
    else this.failed++
    console.log(`${ok ? 'ok      ' : 'FAILED  '}${text}`)
  }
  skip(text) {
    this.skipped++
    console.log(`skipped ${text}`)
  }

  /** Runs a test program. A crash, a sanitizer's report, or no last line is a failure. */
  run(title, command, args = [], env = {}) {
    const start = Date.now()
    const result = spawnSync(command, args, {
      encoding: 'utf8',
      timeout: 600_000,
      maxBuffer: 1 << 28,
      env: { ...process.env, ...env },
    })
    const text = result.stdout ?? ''
    const took = `(${((Date.now() - start) / 1000).toFixed(1)} s)`
    if (/^skipped$/m.test(text)) return this.skip(title)
    this.skipped += Number(text.match(/^(\d+) skipped$/m)?.[1] ?? 0)
    const counts = text.trimEnd().match(/(?:^|\n)(\d+ checks, \d+ failed)$/)
    const ok = result.status === 0 && counts?.[1].endsWith(' 0 failed')
    const how = counts?.[1] ?? result.error?.message ?? result.signal ?? `exit code ${result.status}`
    this.check(ok, `${title}: ${how} ${took}`)
    if (!ok) console.log(tail(text, 40) + tail(result.stderr ?? '', 60))
  }

  /** Builds something; a failure is counted and shown. */
  build(title, command, args, options = {}) {
    const start = Date.now()
    const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options })
    const ok = result.status === 0
    if (ok) console.log(`built   ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`)
    else
      this.check(
        false,
        `${title}: ${result.error?.message ?? ''}\n${tail((result.stdout ?? '') + (result.stderr ?? ''), 60)}`,
      )
    return ok
  }

  /** Prints the totals and sets the exit code. */
  finish() {
    console.log(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`)
    process.exitCode = this.failed ? 1 : 0
  }
}

const tail = (text, lines) => text.split('\n').slice(-lines).join('\n')
