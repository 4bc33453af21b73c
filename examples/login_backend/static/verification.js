// One verification of the voice service, as the holder of its client token meets it.

const PATIENCE = 10_000 // milliseconds for one try
const TRIES = 3

/** The service, or our backend, said no; or nobody answered (`store_unavailable`). */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.code)
    this.code = problem.code
    this.retryAfter = problem.retry_after ?? null // seconds
    this.verification = problem.verification ?? null
  }
}

export class Verification {
  #url
  #token // lives here and nowhere else: not in an address, a cookie or a log

  constructor({ url, client_token }) {
    this.#url = url
    this.#token = client_token
  }

  /** How it stands. */
  look() {
    return this.#ask('GET', '')
  }

  /** Hands a code in. Only `valid` says that it was right, and brings a `receipt`. */
  check(code) {
    return this.#ask('POST', '/checks', { code })
  }

  /** A further call with the same code. */
  call() {
    return this.#ask('POST', '/calls', {})
  }

  /** The person gave up. */
  cancel() {
    return this.#ask('POST', '/cancel', {})
  }

  async #ask(method, path, body) {
    const request = { method, headers: { Authorization: `Bearer ${this.#token}` } }
    if (body) {
      request.body = JSON.stringify(body)
      request.headers['Content-Type'] = 'application/json'
      // One for all tries: a lost answer costs no second check and makes no second call.
      request.headers['Idempotency-Key'] = crypto.randomUUID()
    }
    for (let tries = 1; ; tries++) {
      try {
        return await send(this.#url + path, request)
      } catch (refusal) {
        if (refusal.code !== 'store_unavailable' || tries === TRIES) throw refusal
        await seconds(refusal.retryAfter ?? tries)
      }
    }
  }
}

/** Asks our own backend; its session cookie goes along. */
export function tellBackend(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  return send(path, { method: 'POST', headers, body: JSON.stringify(body), credentials: 'same-origin' })
}

/** Waits. */
export function seconds(count) {
  return new Promise((done) => setTimeout(done, count * 1000))
}

async function send(url, request) {
  let answer
  let told
  try {
    const signal = AbortSignal.timeout(PATIENCE)
    answer = await fetch(url, { credentials: 'omit', cache: 'no-store', redirect: 'error', ...request, signal })
    told = answer.status === 204 ? {} : await answer.json()
  } catch {
    throw new Refusal({ code: answer ? 'internal_error' : 'store_unavailable' })
  }
  if (!answer.ok) throw new Refusal(told)
  return told
}
