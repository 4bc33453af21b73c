// For login backends: all requests of the API, with an API key. It must not be in a page or an app.

import { Transport, idempotencyKey } from './transport.js'
import { watch } from './watch.js'

export { ApiError, ConnectionFailed, OtpvoiceError, UnexpectedResponse } from './errors.js'

/**
 * @typedef {import('./types.js').Call} Call
 * @typedef {import('./types.js').CallRequest} CallRequest
 * @typedef {import('./types.js').CheckedVerification} CheckedVerification
 * @typedef {import('./types.js').CheckOptions} CheckOptions
 * @typedef {import('./types.js').ClientOptions} ClientOptions
 * @typedef {import('./types.js').CreatedVerification} CreatedVerification
 * @typedef {import('./types.js').CreateRequest} CreateRequest
 * @typedef {import('./types.js').NumberCheckRequest} NumberCheckRequest
 * @typedef {import('./types.js').NumberRequest} NumberRequest
 * @typedef {import('./types.js').OnceOptions} OnceOptions
 * @typedef {import('./types.js').RequestOptions} RequestOptions
 * @typedef {import('./types.js').Transaction} Transaction
 * @typedef {import('./types.js').Verification} Verification
 */

/**
 * Client for one service and one API key. All methods reject with an `OtpvoiceError` (`errors.js`),
 * and retry what got no response, in at most three attempts. A retry never makes a second call or
 * counts a second check.
 */
export class Client {
  #transport

  /**
   * @param {string} url address of the service, as in `https://otp.example.com`
   * @param {string} apiKey
   * @param {ClientOptions} [options]
   * @throws {TypeError} an invalid address, or a key that no header can carry
   */
  constructor(url, apiKey, options) {
    this.#transport = new Transport(url, apiKey, options)
  }

  /**
   * Creates a verification and queues its call, or returns the one that is pending.
   *
   * @param {CreateRequest} members
   * @param {OnceOptions} [options]
   * @returns {Promise<CreatedVerification>}
   */
  create(members, options) {
    return this.#postOnce('/v1/verifications', members, options)
  }

  /**
   * Fetches the current state of a verification.
   *
   * @param {string} id
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  async get(id, { signal } = {}) {
    return this.#transport.send({ method: 'GET', path: pathOf(id), signal })
  }

  /**
   * Yields each state, at the interval that the service sets, until the verification has ended or the
   * signal is aborted.
   *
   * @param {string} id
   * @param {RequestOptions} [options]
   * @returns {AsyncGenerator<Verification, void, void>}
   */
  watch(id, { signal } = {}) {
    return watch((each) => this.get(id, { signal: each }), signal)
  }

  /**
   * Checks a code. Only `valid` proves the number, never a status.
   *
   * @param {string} id
   * @param {string} code
   * @param {CheckOptions} [options]
   * @returns {Promise<CheckedVerification>}
   */
  async check(id, code, { transaction, ...options } = {}) {
    return checked(await this.#postOnce(`${pathOf(id)}/checks`, { code, transaction }, options))
  }

  /**
   * Requests a call with the same code: a further one, or a delayed one now.
   *
   * @param {string} id
   * @param {CallRequest} [members]
   * @param {OnceOptions} [options]
   * @returns {Promise<Verification>}
   */
  async call(id, members = {}, options) {
    return this.#postOnce(`${pathOf(id)}/calls`, members, options)
  }

  /**
   * Ends a verification without proof. A placed call cannot be stopped.
   *
   * @param {string} id
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  async cancel(id, options) {
    return this.#post(`${pathOf(id)}/cancel`, {}, options)
  }

  /**
   * Ends a verification whose number you proved by other means, such as the SMS. A queued call is
   * not placed.
   *
   * @param {string} id
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  async approve(id, options) {
    return this.#post(`${pathOf(id)}/approve`, {}, options)
  }

  /**
   * Checks a code without the verification's id: of the newest verification of the number, or of the
   * `reference`.
   *
   * @param {NumberCheckRequest} members
   * @param {OnceOptions} [options]
   * @returns {Promise<CheckedVerification>}
   */
  async checkByNumber(members, options) {
    return checked(await this.#postOnce('/v1/checks', members, options))
  }

  /**
   * Approves the newest verification of a number, or that of the `reference`; see `approve`.
   *
   * @param {NumberRequest} members
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  async approveByNumber(members, options) {
    return this.#post('/v1/approvals', members, options)
  }

  /**
   * Fetches the newest verification of a number, or that of the `reference`.
   *
   * @param {NumberRequest} members
   * @param {RequestOptions} [options]
   * @returns {Promise<Verification>}
   */
  async lookUp(members, options) {
    return this.#post('/v1/lookups', members, options)
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

  /**
   * @param {string} path
   * @param {object} body
   * @param {RequestOptions} [options]
   */
  #post(path, body, { signal } = {}) {
    return this.#transport.send({ method: 'POST', path, body, signal })
  }
}

/** @param {string} id it may come from a browser's form */
function pathOf(id) {
  if (typeof id !== 'string' || /^\.{0,2}$/.test(id)) throw new TypeError('the id is missing')
  return `/v1/verifications/${encodeURIComponent(id)}`
}

/**
 * @param {CheckedVerification} result
 * @returns {CheckedVerification}
 */
function checked(result) {
  return { ...result, valid: result.valid === true } // other values that are truthy do not prove
}
