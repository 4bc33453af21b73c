// For pages and React Native: one verification, with its client token.

import { Transport, idempotencyKey } from './transport.js'
import { watch } from './watch.js'

export { asciiDigits } from './digits.js'
export { ApiError, ConnectionFailed, OtpvoiceError, UnexpectedResponse } from './errors.js'

/**
 * @typedef {import('./types.js').Call} Call
 * @typedef {import('./types.js').CheckedVerification} CheckedVerification
 * @typedef {import('./types.js').ClientOptions} ClientOptions
 * @typedef {import('./types.js').OnceOptions} OnceOptions
 * @typedef {import('./types.js').RequestOptions} RequestOptions
 * @typedef {import('./types.js').Transaction} Transaction
 * @typedef {import('./types.js').Verification} Verification
 */

/**
 * @typedef {object} Access what your backend sends to the app, of the response to its create
 * @property {string} url
 * @property {string} client_token
 * @property {number} [code_length] digits, for the field for the code
 * @property {Transaction | null} [transaction] the payment that the page shows to the user
 */

/**
 * Client for one verification. All methods reject with an `OtpvoiceError` (`errors.js`), and retry
 * what got no response. A retry never makes a second call or counts a second check.
 */
export class VerificationClient {
  #transport
  #transaction

  /**
   * @param {Access} access `url`, `client_token` and, of a payment, `transaction`; other members are
   *   ignored
   * @param {ClientOptions} [options]
   * @throws {TypeError} an invalid `url` or `client_token`
   */
  constructor({ url, client_token, transaction }, options) {
    this.#transport = new Transport(url, client_token, options)
    this.#transaction = transaction
  }

  /**
   * Fetches the current state. The number is masked.
   *
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  get({ signal } = {}) {
    return this.#transport.send({ method: 'GET', path: '', signal })
  }

  /**
   * Yields each state, at the interval that the service sets, until the verification has ended or the
   * signal is aborted. It pauses while the page is hidden.
   *
   * @param {RequestOptions} [options]
   * @returns {AsyncGenerator<Verification, void, void>}
   */
  watch({ signal } = {}) {
    return watch((each) => this.get({ signal: each }), signal)
  }

  /**
   * Checks a code, with the transaction if there is one. `valid` is the result, and a valid code returns
   * the `receipt` for your backend.
   *
   * @param {string} code ASCII digits: see `asciiDigits`
   * @param {OnceOptions} [options]
   * @returns {Promise<CheckedVerification>}
   */
  async check(code, options) {
    const checked = await this.#postOnce('/checks', { code, transaction: this.#transaction }, options)
    return { ...checked, valid: checked.valid === true }
  }

  /**
   * Requests a call with the same code: a further one, or a delayed one now.
   *
   * @param {{ locale?: string | null }} [members] `locale`: the language of the call (BCP 47)
   * @param {OnceOptions} [options]
   * @returns {Promise<Verification>}
   */
  call(members = {}, options) {
    return this.#postOnce('/calls', members, options)
  }

  /**
   * Ends the verification without proof. A placed call cannot be stopped.
   *
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  cancel({ signal } = {}) {
    return this.#transport.send({ method: 'POST', path: '/cancel', body: {}, signal })
  }

  /**
   * @param {string} path
   * @param {object} body
   * @param {OnceOptions} [options]
   */
  async #postOnce(path, body, { idempotencyKey: key, signal } = {}) {
    const request = { path, body, signal, idempotencyKey: idempotencyKey(key) }
    return this.#transport.send({ method: 'POST', ...request })
  }
}
