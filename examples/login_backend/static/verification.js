// Client for one verification of the voice service, with its client token.

const TIMEOUT_MS = 10_000 // for each attempt
const MAX_ATTEMPTS = 3

/** An error response of the service or the backend, or no response (`store_unavailable`). */
export class RequestError extends Error {
  constructor(problem) {
    super(problem.code)
    this.code = problem.code
    this.retryAfter = problem.retry_after ?? null // seconds
    this.verification = problem.verification ?? null
  }
}

export class Verification {
  #url
  #token // only in this object: never in a URL, a cookie or a log

  constructor({ url, client_token }) {
    this.#url = url
    this.#token = client_token
  }

  /** Fetches the verification. */
  fetch() {
    return this.#request('GET', '')
  }

  /** Checks a code. `valid` is the result, and a valid code returns a `receipt`. */
  check(code) {
    return this.#request('POST', '/checks', { code })
  }

  /** Requests a further call with the same code. */
  call() {
    return this.#request('POST', '/calls', {})
  }

  /** Cancels the verification. */
  cancel() {
    return this.#request('POST', '/cancel', {})
  }

  async #request(method, path, body) {
    const request = { method, headers: { Authorization: `Bearer ${this.#token}` } }
    if (body) {
      request.body = JSON.stringify(body)
      request.headers['Content-Type'] = 'application/json'
      // All attempts share one key, so a lost response costs no second check and no second call.
      request.headers['Idempotency-Key'] = crypto.randomUUID()
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await send(this.#url + path, request)
      } catch (error) {
        if (error.code !== 'store_unavailable' || attempt === MAX_ATTEMPTS) throw error
        await sleep(error.retryAfter ?? attempt)
      }
    }
  }
}

/** Sends a request to the backend, with the session cookie. */
export function postToBackend(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  return send(path, { method: 'POST', headers, body: JSON.stringify(body), credentials: 'same-origin' })
}

export function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}

async function send(url, request) {
  let response
  let document
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    response = await fetch(url, { credentials: 'omit', cache: 'no-store', redirect: 'error', ...request, signal })
    document = response.status === 204 ? {} : await response.json()
  } catch {
    throw new RequestError({ code: response ? 'internal_error' : 'store_unavailable' })
  }
  if (!response.ok) throw new RequestError(document)
  return document
}
