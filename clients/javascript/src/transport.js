// Sends requests with `fetch`: one attempt with a deadline, and retries.
//
// Only requests that have the same effect when sent again pass here: they have an `Idempotency-Key`,
// or are idempotent by nature. It uses what browsers, Node and React Native have in common; React
// Native has no `AbortSignal.any`, `AbortSignal.timeout` and `crypto`.

import { ApiError, ConnectionFailed, OtpvoiceError, UnexpectedResponse } from './errors.js'

/** @import { ClientOptions, Problem } from './types.js' */

/** Maximum milliseconds before the second and third attempt; random, so that clients do not align. */
const MAX_DELAYS_MS = [250, 1000]
const MIN_ATTEMPT_TIMEOUT_MS = 10
/** Statuses of a proxy that has no response from the service. */
const PROXY_STATUSES = [502, 503, 504]
const VISIBLE = /^[\x21-\x7e]+$/
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

/**
 * @typedef {object} Sent
 * @property {'GET' | 'POST'} method
 * @property {string} path under the root
 * @property {object} [body]
 * @property {string} [idempotencyKey]
 * @property {AbortSignal | undefined} [signal]
 */

/** Sends requests to one service with one credential. */
export class Transport {
  #root
  #credential // only in this object: never in a URL, an error or a log
  #timeoutMs
  #attemptTimeoutMs
  #fetch

  /**
   * @param {string} root the URL that paths are appended to
   * @param {string} credential an API key or a client token
   * @param {ClientOptions} [options]
   * @throws {TypeError} an invalid URL, or a credential that no header can carry
   */
  constructor(root, credential, { timeoutMs = 10_000, attemptTimeoutMs = 5_000, fetch } = {}) {
    if (typeof root !== 'string' || !/^https?:\/\//.test(root)) {
      throw new TypeError('the URL must begin with http:// or https://')
    }
    if (typeof credential !== 'string' || !VISIBLE.test(credential)) {
      throw new TypeError('the API key or token must be visible ASCII characters without spaces')
    }
    this.#root = root.replace(/\/+$/, '')
    this.#credential = credential
    this.#timeoutMs = timeoutMs
    this.#attemptTimeoutMs = attemptTimeoutMs
    this.#fetch = fetch
  }

  /**
   * Sends a request in at most three attempts. If a `Retry-After` does not fit into the timeout, the
   * error is thrown at once.
   *
   * @param {Sent} request
   * @returns {Promise<any>} the document of a 2xx response
   * @throws {OtpvoiceError} the error of the last attempt
   */
  async send(request) {
    const deadline = now() + this.#timeoutMs
    for (let failures = 0; ; failures++) {
      try {
        const timeoutMs = Math.min(this.#attemptTimeoutMs, deadline - now())
        return await this.#attempt(request, Math.max(MIN_ATTEMPT_TIMEOUT_MS, timeoutMs))
      } catch (error) {
        if (!(error instanceof OtpvoiceError) || !error.isRetryable) throw error
        const maxDelayMs = MAX_DELAYS_MS[failures]
        if (maxDelayMs === undefined) throw error
        const delayMs = (error.retryAfter ?? 0) * 1000 + Math.random() * maxDelayMs
        if (now() + delayMs >= deadline) throw error
        await sleep(delayMs, request.signal)
      }
      throwIfAborted(request.signal)
    }
  }

  /**
   * @param {Sent} request
   * @param {number} timeoutMs
   */
  async #attempt({ method, path, body, idempotencyKey, signal }, timeoutMs) {
    throwIfAborted(signal)
    /** @type {Record<string, string>} */
    const headers = { Accept: 'application/json', Authorization: `Bearer ${this.#credential}` }
    if (body) headers['Content-Type'] = 'application/json'
    if (idempotencyKey) headers['Idempotency-Key'] = idempotencyKey
    const controller = new AbortController()
    const abort = () => controller.abort()
    const timer = setTimeout(abort, timeoutMs)
    signal?.addEventListener('abort', abort)
    try {
      // As a plain function, because browsers reject the global `fetch` as a method of another object.
      const fetch = this.#fetch ?? globalThis.fetch
      const response = await fetch(this.#root + path, {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'manual', // a code must not reach another address
        signal: controller.signal,
      })
      return parse(response, await response.text())
    } catch (error) {
      if (error instanceof OtpvoiceError) throw error
      throwIfAborted(signal)
      const reason = controller.signal.aborted ? `within ${Math.round(timeoutMs)} ms` : ''
      throw new ConnectionFailed(`no response ${reason}`.trim(), { cause: error })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }
}

/**
 * @param {Response} response
 * @param {string} text its body
 */
function parse(response, text) {
  const { headers, status } = response
  const document = parseJson(text)
  const isProblem = (headers.get('Content-Type') ?? '').startsWith('application/problem+json')
  if (isProblem && typeof document?.code === 'string') {
    const problem = /** @type {Problem} */ (document)
    throw new ApiError(problem, status, headers.get('Request-Id'))
  }
  if (response.ok && typeof document?.id === 'string' && typeof document.status === 'string') {
    return document
  }
  if (PROXY_STATUSES.includes(status)) {
    const retryAfter = /^\d{1,9}$/.exec(headers.get('Retry-After') ?? '')
    throw new ConnectionFailed(`no response (HTTP ${status} of a proxy)`, {
      retryAfter: retryAfter && Number(retryAfter[0]),
    })
  }
  throw new UnexpectedResponse(`HTTP ${status} is not a response of otpvoice: check the URL`)
}

/** @param {string} text */
function parseJson(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * Returns the key that all attempts of a request send.
 *
 * @param {string} [key] the caller's own
 * @throws {TypeError} an invalid key
 */
export function idempotencyKey(key) {
  if (key === undefined) return randomId()
  if (!IDEMPOTENCY_KEY.test(key)) {
    throw new TypeError('an idempotencyKey must be 1 to 255 visible ASCII characters')
  }
  return key
}

/** Returns 128 random bits. Without `crypto` they can be guessed, but the key is not a secret. */
function randomId() {
  const random = globalThis.crypto?.getRandomValues?.(new Uint32Array(4))
  const words = random ?? Array.from({ length: 4 }, () => Math.random() * 2 ** 32)
  return Array.from(words, (word) => Math.floor(word).toString(16).padStart(8, '0')).join('')
}

/** Milliseconds on a clock that is never set. */
export function now() {
  return performance.now()
}

/**
 * Sleeps, or until the signal is aborted.
 *
 * @param {number} delayMs
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(delayMs, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, delayMs)
    signal?.addEventListener('abort', done)
  })
}

/** @param {AbortSignal | undefined} signal */
function throwIfAborted(signal) {
  if (signal?.aborted) throw signal.reason ?? new Error('aborted')
}
