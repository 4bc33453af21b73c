// Polls a verification at the service's interval.

import { OtpvoiceError } from './errors.js'
import { now, sleep } from './transport.js'

/** @import { Verification } from './types.js' */

/** Seconds between two polls if the service sends no interval. */
const DEFAULT_INTERVAL_S = 2
const MAX_INTERVAL_S = 30
/** A verification lives for ten minutes at most. */
const MAX_DURATION_MS = 660_000

/**
 * Yields each state until the verification has ended or the signal is aborted. A poll that fails is
 * repeated after a growing delay. While the page is hidden there are no polls; when it is visible
 * again, the next one follows at once.
 *
 * @param {(signal: AbortSignal | undefined) => Promise<Verification>} fetchState
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<Verification, void, void>}
 */
export async function* watch(fetchState, signal) {
  const giveUpAt = now() + MAX_DURATION_MS
  let intervalS = DEFAULT_INTERVAL_S
  while (!signal?.aborted) {
    let state
    try {
      state = await fetchState(signal)
      intervalS = state.poll_after ?? DEFAULT_INTERVAL_S
    } catch (error) {
      if (signal?.aborted) return
      if (!(error instanceof OtpvoiceError) || !error.isRetryable || now() > giveUpAt) throw error
      intervalS = Math.max(error.retryAfter ?? 0, Math.min(intervalS * 2, MAX_INTERVAL_S))
    }
    if (state) yield state
    if (state?.poll_after === null) return
    await pause(intervalS * 1000, signal)
  }
}

/**
 * Sleeps, and while the page is hidden.
 *
 * @param {number} delayMs
 * @param {AbortSignal} [signal]
 */
async function pause(delayMs, signal) {
  if (typeof document === 'undefined') return sleep(delayMs, signal)
  await untilVisibilityChanges(delayMs, signal)
  while (document.hidden && !signal?.aborted) await untilVisibilityChanges(2 ** 31 - 1, signal)
}

/**
 * @param {number} delayMs
 * @param {AbortSignal} [signal]
 */
async function untilVisibilityChanges(delayMs, signal) {
  const done = new AbortController()
  const end = () => done.abort()
  document.addEventListener('visibilitychange', end)
  signal?.addEventListener('abort', end)
  if (signal?.aborted) end()
  await sleep(delayMs, done.signal)
  document.removeEventListener('visibilitychange', end)
  signal?.removeEventListener('abort', end)
}
