/**
 * The errors of the client. Impossible arguments throw `TypeError`.
 *
 * ```
 * OtpvoiceError
 * ├── ConnectionFailed      no complete response; the request may have taken effect
 * ├── UnexpectedResponse    a response that otpvoice does not send: check the URL
 * └── ApiError              a problem document; decide by its `code`
 * ```
 *
 * No message contains a code, a number or a credential.
 */

/** @import { FieldError, Problem, Verification } from './types.js' */

/** Base class. */
export class OtpvoiceError extends Error {
  /** @override */
  name = 'OtpvoiceError'

  /**
   * Whether the same request may succeed when it is sent again. The client has already done so, as
   * often as its timeout allowed.
   */
  isRetryable = false

  /**
   * Seconds to wait before a retry, if the service has sent them.
   * @type {number | null}
   */
  retryAfter = null
}

/** No complete response arrived. The request may have taken effect. */
export class ConnectionFailed extends OtpvoiceError {
  /** @override */
  name = 'ConnectionFailed'
  /** @override */
  isRetryable = true

  /**
   * @param {string} message
   * @param {{ retryAfter?: number | null, cause?: unknown }} [details]
   */
  constructor(message, { retryAfter = null, cause } = {}) {
    super(message, { cause })
    this.retryAfter = retryAfter
  }
}

/** A response that otpvoice does not send, such as a redirect, which is never followed. */
export class UnexpectedResponse extends OtpvoiceError {
  /** @override */
  name = 'UnexpectedResponse'
}

/** A refusal by the service. The message is the problem's `detail`. */
export class ApiError extends OtpvoiceError {
  /** @override */
  name = 'ApiError'

  /**
   * @param {Problem} problem the problem document (RFC 9457)
   * @param {number} status the HTTP status
   * @param {string | null} requestId
   */
  constructor(problem, status, requestId) {
    super(problem.detail || problem.title || problem.code)
    /** A stable code, listed in docs/errors.md. */
    this.code = problem.code
    /** The HTTP status. */
    this.status = status
    /** A text for developers. */
    this.detail = this.message
    /** Identifies the request in the service's log. */
    this.requestId = requestId
    /**
     * The invalid members of the request.
     * @type {FieldError[]}
     */
    this.errors = problem.errors ?? []
    /** The setting of the limit that refused the request. Only clients with an API key see it. */
    this.limit = problem.limit ?? null
    this.retryAfter = problem.retry_after ?? null
    /**
     * The current state, if the problem is about a verification. Do not treat `approved` here as
     * proof: another request was first, or the number was approved by other means.
     * @type {Verification | null}
     */
    this.verification = problem.verification ?? null
    this.isRetryable = status === 503 || problem.code === 'idempotency_in_progress'
  }
}
