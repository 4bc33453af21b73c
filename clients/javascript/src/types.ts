// The types of the API, from the generated ones.

import type { components } from './openapi.js'

/** Adds `string` to each list of words, because a newer service may send more words. */
export type Open<T> = T extends string
  ? T | (string & {})
  : T extends (infer Item)[]
    ? Open<Item>[]
    : T extends object
      ? { [Member in keyof T]: Open<T[Member]> }
      : T

type Schemas = components['schemas']

/** One request to prove a number, in the state of its response. */
export type Verification = Open<Schemas['Verification']>
/** With the `client_token`, which gives the user's app access to this verification. */
export type CreatedVerification = Open<Schemas['CreatedVerification']>
/** With the result of the check. Only `valid` is proof, and the `receipt` for other services. */
export type CheckedVerification = Open<Schemas['CheckedVerification']>
/** A payment that a code authorises. */
export type Transaction = Schemas['TransactionRequest']
/** One phone call for a verification. */
export type Call = Open<Schemas['Call']>
/** A problem document (RFC 9457). */
export type Problem = Open<Schemas['ProblemDocument']>
export type FieldError = Schemas['FieldError']

export type CreateRequest = Open<Schemas['CreateRequest']>
export type CallRequest = Open<Schemas['CallRequest']>
export type NumberCheckRequest = Open<Schemas['NumberCheckRequest']>
export type NumberRequest = Open<Schemas['NumberRequest']>

/** Options of the client. */
export interface ClientOptions {
  /** Milliseconds for a method with all its attempts and the delays between them; 10 000. */
  timeoutMs?: number
  /** Milliseconds for one attempt; 5 000. */
  attemptTimeoutMs?: number
  /** A function to use instead of the global `fetch`, such as one with a proxy. */
  fetch?: typeof globalThis.fetch
}

/** Options of a request. */
export interface RequestOptions {
  /** Ends the request early; the method then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/** Options of a request that takes effect once, however often it is sent. */
export interface OnceOptions extends RequestOptions {
  /** Your key, if you repeat the request yourself, as after a restart; by default a new one. */
  idempotencyKey?: string | undefined
}

/** Options of a check. */
export interface CheckOptions extends OnceOptions {
  /**
   * The payment that is about to be made, if the create had one. With another one, the code is wrong.
   */
  transaction?: Transaction | undefined
}
