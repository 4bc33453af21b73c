// The running service that the tests use: pytest starts it (tests/javascript).

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'otpvoice-client'

export const url = process.env.OTPVOICE_URL ?? ''
export const apiKey = process.env.OTPVOICE_API_KEY ?? ''
const sandboxUrl = process.env.SANDBOX_URL ?? ''
const firstNumber = Number(process.env.FIRST_NUMBER)
let numbers = 0

export const client = new Client(url, apiKey)

/** Returns what a backend sends to its app; the service's public URL leads elsewhere. */
export function accessTo({ id, client_token }, root = url) {
  return { url: `${root}/v1/verifications/${id}`, client_token }
}

/** Returns a number that no other test calls. */
export function newNumber() {
  return `+${firstNumber + 1_000_003 * numbers++}`
}

/** Returns the calls that the provider was requested to place, oldest first. */
export async function requestedCalls(number) {
  const ledger = await (await fetch(`${sandboxUrl}/ledger`)).json()
  return ledger.filter(({ person }) => `+${person}` === number)
}

/** Waits until the newest call to this number speaks, and returns the code. */
export async function spokenCode(number) {
  return until('a code is spoken', async () => {
    const calls = await (await fetch(`${sandboxUrl}/phones/${number.slice(1)}/calls`)).json()
    return calls.at(-1)?.spoken?.replace(/\D/g, '')
  })
}

/** Waits for a condition, and returns its value. */
export async function until(what, condition) {
  for (const end = performance.now() + 60_000; performance.now() < end; await delay(50)) {
    const value = await condition()
    if (value) return value
  }
  assert.fail(`waited for: ${what}`)
}

/** Returns another code. */
export function mistyped(code) {
  return code.slice(0, -1) + ((Number(code.at(-1)) + 1) % 10)
}
